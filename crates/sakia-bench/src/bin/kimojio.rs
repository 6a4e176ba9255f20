//! kimojio.

use std::ffi::CString;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use kimojio::Runtime;
use kimojio::configuration::{Configuration, ExitBehavior};
use kimojio::operations::{self, OFlags};
use sakia_bench::{Rt, net};

struct Kimojio;

impl Rt for Kimojio {
    type File = OwnedFd;

    const NOP: bool = true;
    const OTHER_THREADS: bool = false;

    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let configuration =
            Configuration::new().set_exit_behavior(ExitBehavior::WhenMainTaskCompletes);
        let output = Runtime::new(0, configuration).block_on(future);
        output.expect("the main task runs").expect("it ends well")
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let handle = operations::spawn_task(future);
        async move { handle.await.expect("the task ends well") }
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        drop(operations::spawn_task(future));
    }

    async fn sleep(time: Duration) {
        operations::sleep(time).await.expect("the time comes");
    }

    fn timeout<F: Future>(
        time: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, impl Sized>> {
        operations::timeout_at(Instant::now() + time, future)
    }

    async fn serve(port: u16, buf: usize) {
        let listener: OwnedFd = net::listen(port).into();
        loop {
            let stream = operations::accept(&listener)
                .await
                .expect("connections come");
            drop(operations::spawn_task(echo(stream, buf)));
        }
    }

    async fn open(path: String, write: bool) -> OwnedFd {
        let path = CString::new(path).expect("no path holds a zero");
        let flags = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let opened = operations::open(&path, flags, 0.into()).await;
        opened.expect("the file is there")
    }

    async fn read_at(file: &OwnedFd, mut buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let n = operations::pread(file, &mut buf, offset).await;
        (n.expect("the file can be read"), buf)
    }

    async fn write_at(file: &OwnedFd, buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let n = operations::pwrite(file, &buf, offset).await;
        (n.expect("the file can be written"), buf)
    }

    async fn close(file: OwnedFd) {
        operations::close(file).await.expect("the file is closed");
    }

    async fn nop() {
        operations::nop().await.expect("nothing cannot fail");
    }
}

async fn echo(stream: OwnedFd, buf: usize) {
    let mut buf = vec![0; buf];
    while let Ok(n @ 1..) = operations::read(&stream, &mut buf).await {
        let mut rest = &buf[..n];
        while !rest.is_empty() {
            match operations::write(&stream, rest).await {
                Ok(n) => rest = &rest[n..],
                Err(_) => return,
            }
        }
    }
    let _ = operations::close(stream).await;
}

fn main() {
    sakia_bench::main::<Kimojio>();
}
