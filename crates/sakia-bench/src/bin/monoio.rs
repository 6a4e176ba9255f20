//! monoio, by default and with the ring's flags for one thread.

use std::future::Future;
use std::time::Duration;

use io_uring_of_monoio::IoUring;
use monoio::fs::{File, OpenOptions};
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::time::TimeDriver;
use monoio::{IoUringDriver, Runtime, RuntimeBuilder};
use sakia_bench::words::tuned;
use sakia_bench::{Rt, net};

struct Monoio;

impl Rt for Monoio {
    type File = File;

    // It would take its feature `sync`, which costs all other modes.
    const OTHER_THREADS: bool = false;

    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let mut builder = RuntimeBuilder::<IoUringDriver>::new().with_entries(1024);
        if tuned() {
            let mut ring = IoUring::builder();
            ring.setup_single_issuer()
                .setup_coop_taskrun()
                .setup_taskrun_flag();
            builder = builder.uring_builder(ring);
        }
        let runtime: std::io::Result<Runtime<TimeDriver<IoUringDriver>>> =
            builder.enable_timer().build();
        runtime.expect("monoio starts").block_on(future)
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        monoio::spawn(future)
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        drop(monoio::spawn(future));
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + 'static {
        monoio::time::sleep(time)
    }

    fn timeout<F: Future>(
        time: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, impl Sized>> {
        monoio::time::timeout(time, future)
    }

    async fn serve(port: u16, buf: usize) {
        let listener = TcpListener::from_std(net::listen(port)).expect("it is a listener");
        loop {
            let (stream, _) = listener.accept().await.expect("connections come");
            drop(monoio::spawn(echo(stream, buf)));
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
        let (n, buf) = file.write_at(buf, offset).await;
        (n.expect("the file can be written"), buf)
    }

    async fn close(file: File) {
        file.close().await.expect("the file is closed");
    }
}

async fn echo(mut stream: TcpStream, buf: usize) {
    let mut buf = Vec::with_capacity(buf);
    loop {
        buf.clear();
        let (n, read) = stream.read(buf).await;
        if !n.is_ok_and(|n| n > 0) {
            break;
        }
        let (written, back) = stream.write_all(read).await;
        buf = back;
        if written.is_err() {
            break;
        }
    }
}

fn main() {
    sakia_bench::main::<Monoio>();
}
