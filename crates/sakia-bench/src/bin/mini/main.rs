//! The minimal executor: the floor of tasks and timers. A queue, one allocation a task, a wheel of timers, and sleep in the ring; no I/O.
//!
//! It is generic over how references to a task are counted. By default the count is plain, as cheap as can be, and a waker must not leave its thread, which
//! no type can promise: no runtime may be built so. `BENCH_VARIANT=sound` counts atomically and asks at each wake which thread it is on.

mod clock;
mod queue;
mod refs;
mod task;
mod wheel;

use std::future::Future;
use std::marker::PhantomData;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use sakia_bench::Rt;
use sakia_bench::raw::{Queues, build};
use sakia_bench::words::variant;

use refs::{Atomic, Plain, Refs};

struct Mini<R>(PhantomData<R>);

const NO_IO: &str = "the minimal executor has no I/O";

impl<R: Refs> Rt for Mini<R> {
    type File = ();

    const OTHER_THREADS: bool = false;

    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let mut ring = build(1024);
        let mut queues = Queues::of(&mut ring);
        let mut future = Box::pin(future);
        let waker = queue::main_waker();
        let mut cx = Context::from_waker(&waker);
        queue::wake_main();
        clock::refresh();
        loop {
            if queue::take_main()
                && let Poll::Ready(output) = future.as_mut().poll(&mut cx)
            {
                return output;
            }
            task::run_those_queued::<R>();
            let idle = queue::is_idle() && !task::drain_foreign::<R>();
            match clock::next() {
                Some(deadline) => {
                    if idle {
                        sleep_until(&mut queues, deadline);
                    }
                    clock::fire();
                }
                None => {
                    assert!(!idle, "nothing can wake this executor any more");
                    clock::refresh();
                }
            }
        }
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        task::spawn::<R, F>(future)
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        drop(task::spawn::<R, F>(future));
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + 'static {
        clock::sleep(time)
    }

    async fn timeout<F: Future>(time: Duration, future: F) -> Result<F::Output, impl Sized> {
        let (mut future, mut limit) = (pin!(future), pin!(clock::limit(time)));
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok::<_, ()>(output));
            }
            limit.as_mut().poll(cx).map(|()| Err(()))
        })
        .await
    }

    async fn serve(_: u16, _: usize) {
        panic!("{NO_IO}");
    }

    async fn open(_: String, _: bool) {
        panic!("{NO_IO}");
    }

    async fn read_at((): &(), _: Vec<u8>, _: u64) -> (usize, Vec<u8>) {
        panic!("{NO_IO}");
    }

    async fn write_at((): &(), _: Vec<u8>, _: u64) -> (usize, Vec<u8>) {
        panic!("{NO_IO}");
    }

    async fn close((): ()) {
        panic!("{NO_IO}");
    }
}

fn sleep_until(queues: &mut Queues<'_>, deadline: std::time::Instant) {
    let time = deadline.saturating_duration_since(std::time::Instant::now());
    if !time.is_zero() {
        let limit = io_uring::types::Timespec::from(time);
        let arguments = io_uring::types::SubmitArgs::new().timespec(&limit);
        // It ends with an error as a rule: that the time is up.
        let _ = queues.turn_by(|submitter| submitter.submit_with_args(1, &arguments));
    }
}

fn main() {
    match variant().as_str() {
        "sound" => sakia_bench::main::<Mini<Atomic>>(),
        _ => sakia_bench::main::<Mini<Plain>>(),
    }
}
