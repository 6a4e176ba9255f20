//! a10, by default and with the ring's flags for one thread. It brings no executor and no timers: smol's local executor runs its tasks, and it has no part
//! in the modes of timers.

use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake};
use std::time::Duration;

use a10::{AsyncFd, Extract, SubmissionQueue};
use sakia_bench::words::tuned;
use sakia_bench::{Rt, net};
use smol::{LocalExecutor, Task};

struct A10;

struct Loop {
    executor: LocalExecutor<'static>,
    queue: SubmissionQueue,
}

thread_local! {
    static LOOP: RefCell<Option<Rc<Loop>>> = const { RefCell::new(None) };
}

fn current() -> Rc<Loop> {
    LOOP.with(|current| current.borrow().clone().expect("the loop runs"))
}

fn spawn<F: Future + 'static>(future: F) -> Task<F::Output>
where
    F::Output: 'static,
{
    current().executor.spawn(future)
}

/// Ends the ring's sleep.
struct Alarm {
    queue: SubmissionQueue,
    rung: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.queue.wake();
    }
}

fn no_timers<T>() -> T {
    panic!("a10 has no timers");
}

impl Rt for A10 {
    type File = AsyncFd;

    const TIMERS: bool = false;

    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let mut config = a10::Ring::config()
            .with_submission_queue_size(1024)
            .with_completion_queue_size(4096);
        if tuned() {
            config = config.single_issuer().defer_task_run();
        }
        let mut ring = config.build().expect("a10 starts");
        let current = Rc::new(Loop {
            executor: LocalExecutor::new(),
            queue: ring.sq(),
        });
        LOOP.set(Some(current.clone()));
        let alarm = Arc::new(Alarm {
            queue: ring.sq(),
            rung: AtomicBool::new(true),
        });
        let waker = alarm.clone().into();
        let mut cx = Context::from_waker(&waker);
        // It polls the future and the tasks.
        let mut all = Box::pin(current.executor.run(future));
        loop {
            while alarm.rung.swap(false, Ordering::AcqRel) {
                if let Poll::Ready(output) = all.as_mut().poll(&mut cx) {
                    LOOP.set(None);
                    return output;
                }
            }
            ring.poll(None).expect("the ring turns");
        }
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        spawn(future)
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        spawn(future).detach();
    }

    // Only where nothing else is to happen meanwhile.
    async fn sleep(time: Duration) {
        std::thread::sleep(time);
    }

    async fn timeout<F: Future>(_: Duration, _: F) -> Result<F::Output, impl Sized> {
        no_timers::<Result<F::Output, ()>>()
    }

    async fn serve(port: u16, buf: usize) {
        let listener = AsyncFd::new(OwnedFd::from(net::listen(port)), current().queue.clone());
        loop {
            let accepted = listener.accept::<SocketAddr>().await;
            let (stream, _) = accepted.expect("connections come");
            spawn(echo(stream, buf)).detach();
        }
    }

    async fn open(path: String, write: bool) -> AsyncFd {
        let mut options = a10::fs::OpenOptions::new().read();
        if write {
            options = options.write();
        }
        let opened = options.open(current().queue.clone(), path.into()).await;
        opened.expect("the file is there")
    }

    async fn read_at(file: &AsyncFd, mut buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        buf.clear();
        let buf = file
            .read(buf)
            .from(offset)
            .await
            .expect("the file can be read");
        (buf.len(), buf)
    }

    async fn write_at(file: &AsyncFd, buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let written = file.write(buf).at(offset).extract().await;
        let (buf, n) = written.expect("the file can be written");
        (n, buf)
    }

    async fn close(file: AsyncFd) {
        file.close().await.expect("the file is closed");
    }
}

async fn echo(stream: AsyncFd, buf: usize) {
    let mut buf = Vec::with_capacity(buf);
    loop {
        buf.clear();
        buf = match stream.recv(buf).await {
            Ok(buf) if !buf.is_empty() => buf,
            _ => break,
        };
        buf = match stream.send_all(buf).extract().await {
            Ok(buf) => buf,
            Err(_) => break,
        };
    }
}

fn main() {
    sakia_bench::main::<A10>();
}
