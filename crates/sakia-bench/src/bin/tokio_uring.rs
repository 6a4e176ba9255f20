//! tokio-uring, by default and with the ring's flags for one thread. (With DEFER_TASKRUN it hangs: it sleeps in epoll on the ring's descriptor.)

use std::future::Future;
use std::time::Duration;

use sakia_bench::words::tuned;
use sakia_bench::{Rt, net};
use tokio_uring::buf::BoundedBuf;
use tokio_uring::fs::{File, OpenOptions};
use tokio_uring::net::{TcpListener, TcpStream};

struct TokioUring;

impl Rt for TokioUring {
    type File = File;

    const NOP: bool = true;

    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let mut builder = tokio_uring::builder();
        builder.entries(1024);
        if tuned() {
            let mut ring = tokio_uring::uring_builder();
            ring.setup_single_issuer()
                .setup_coop_taskrun()
                .setup_taskrun_flag();
            builder.uring_builder(&ring);
        }
        builder.start(future)
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let handle = tokio_uring::spawn(future);
        async move { handle.await.expect("the task ends well") }
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        tokio_uring::spawn(future);
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep(time)
    }

    fn timeout<F: Future>(
        time: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, impl Sized>> {
        tokio::time::timeout(time, future)
    }

    async fn serve(port: u16, buf: usize) {
        let listener = TcpListener::from_std(net::listen(port));
        loop {
            let (stream, _) = listener.accept().await.expect("connections come");
            tokio_uring::spawn(echo(stream, buf));
        }
    }

    async fn open(path: String, write: bool) -> File {
        let opened = OpenOptions::new().read(true).write(write).open(path).await;
        opened.expect("the file is there")
    }

    async fn read_at(file: &File, buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let (n, buf) = file.read_at(buf, offset).await;
        (n.expect("the file can be read"), buf)
    }

    async fn write_at(file: &File, buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let (n, buf) = file.write_at(buf, offset).submit().await;
        (n.expect("the file can be written"), buf)
    }

    async fn close(file: File) {
        file.close().await.expect("the file is closed");
    }

    async fn nop() {
        tokio_uring::no_op().await.expect("nothing cannot fail");
    }
}

async fn echo(stream: TcpStream, buf: usize) {
    let mut buf = vec![0; buf];
    loop {
        let (n, read) = stream.read(buf).await;
        let Ok(n @ 1..) = n else { break };
        let (written, back) = stream.write_all(read.slice(..n)).await;
        buf = back.into_inner();
        if written.is_err() {
            break;
        }
    }
}

fn main() {
    sakia_bench::main::<TokioUring>();
}
