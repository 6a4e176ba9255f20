//! glommio.

use std::future::Future;
use std::os::fd::{FromRawFd, IntoRawFd};
use std::time::Duration;

use futures_util::{AsyncReadExt, AsyncWriteExt};
use glommio::io::{BufferedFile, OpenOptions};
use glommio::net::{TcpListener, TcpStream};
use glommio::{LocalExecutorBuilder, Placement};
use sakia_bench::{Rt, net};

struct Glommio;

impl Rt for Glommio {
    type File = BufferedFile;

    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let executor = LocalExecutorBuilder::new(Placement::Unbound)
            .ring_depth(1024)
            .make();
        executor.expect("glommio starts").run(future)
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        glommio::spawn_local(future)
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        glommio::spawn_local(future).detach();
    }

    async fn sleep(time: Duration) {
        glommio::timer::sleep(time).await;
    }

    fn timeout<F: Future>(
        time: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, impl Sized>> {
        glommio::timer::timeout(time, async move { Ok(future.await) })
    }

    async fn serve(port: u16, buf: usize) {
        let listener = net::listen(port).into_raw_fd();
        // SAFETY: the descriptor was std's and is given up to glommio, which has no other way to take one.
        let listener = unsafe { TcpListener::from_raw_fd(listener) };
        loop {
            let stream = listener.accept().await.expect("connections come");
            glommio::spawn_local(echo(stream, buf)).detach();
        }
    }

    async fn open(path: String, write: bool) -> BufferedFile {
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(write).buffered_open(path).await;
        opened.expect("the file is there")
    }

    async fn read_at(file: &BufferedFile, buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let read = file.read_at(offset, buf.len()).await;
        (read.expect("the file can be read").len(), buf)
    }

    // It takes the buffer and keeps it: a fresh one a write is what a user pays.
    async fn write_at(file: &BufferedFile, buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let len = buf.len();
        let n = file.write_at(buf, offset).await;
        (n.expect("the file can be written"), vec![7; len])
    }

    async fn close(file: BufferedFile) {
        file.close().await.expect("the file is closed");
    }
}

async fn echo(mut stream: TcpStream, buf: usize) {
    let mut buf = vec![0; buf];
    while let Ok(n @ 1..) = stream.read(&mut buf).await {
        if stream.write_all(&buf[..n]).await.is_err() {
            break;
        }
    }
}

fn main() {
    sakia_bench::main::<Glommio>();
}
