//! smol: its local executor, its timers, its pool for files.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sakia_bench::{Rt, net};
use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, LocalExecutor, Task, Timer, unblock};

struct Smol;

thread_local! {
    static EXECUTOR: RefCell<Option<Rc<LocalExecutor<'static>>>> = const { RefCell::new(None) };
}

fn spawn<F: Future + 'static>(future: F) -> Task<F::Output>
where
    F::Output: 'static,
{
    EXECUTOR.with(|executor| {
        let executor = executor.borrow();
        executor.as_ref().expect("the executor runs").spawn(future)
    })
}

impl Rt for Smol {
    type File = Arc<File>;

    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let executor = Rc::new(LocalExecutor::new());
        EXECUTOR.set(Some(executor.clone()));
        let output = smol::block_on(executor.run(future));
        EXECUTOR.set(None);
        output
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

    async fn sleep(time: Duration) {
        Timer::after(time).await;
    }

    fn timeout<F: Future>(
        time: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, impl Sized>> {
        let inner = async move { Ok(future.await) };
        let limit = async move {
            Timer::after(time).await;
            Err(())
        };
        inner.or(limit)
    }

    async fn serve(port: u16, buf: usize) {
        let listener = Async::new(net::listen(port)).expect("it is a listener");
        loop {
            let (stream, _) = listener.accept().await.expect("connections come");
            spawn(echo(stream, buf)).detach();
        }
    }

    async fn open(path: String, write: bool) -> Arc<File> {
        let open = move || OpenOptions::new().read(true).write(write).open(path);
        Arc::new(unblock(open).await.expect("the file is there"))
    }

    async fn read_at(file: &Arc<File>, mut buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let file = file.clone();
        let call = move || (file.read_at(&mut buf, offset), buf);
        let (n, buf) = unblock(call).await;
        (n.expect("the file can be read"), buf)
    }

    async fn write_at(file: &Arc<File>, buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let file = file.clone();
        let call = move || (file.write_at(&buf, offset), buf);
        let (n, buf) = unblock(call).await;
        (n.expect("the file can be written"), buf)
    }

    async fn close(file: Arc<File>) {
        drop(file);
    }
}

async fn echo(mut stream: Async<TcpStream>, buf: usize) {
    let mut buf = vec![0; buf];
    while let Ok(n @ 1..) = stream.read(&mut buf).await {
        if stream.write_all(&buf[..n]).await.is_err() {
            break;
        }
    }
}

fn main() {
    sakia_bench::main::<Smol>();
}
