//! tokio, with a current thread or with one worker: what both programs share.

use std::fs::File;
use std::future::Future;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;

use crate::{Rt, net};

/// tokio; `WORKER` is the multi-threaded runtime with one worker thread, in which everything runs.
pub struct Tokio<const WORKER: bool>;

/// A future or a value that is said to be `Send`.
struct AssertSend<T>(T);

// SAFETY: one thread alone touches what is in it: the current thread, or the one worker, which all tasks and the main future run on. The main thread
// takes the output when the worker is done with it, through the lock of tokio's handle.
unsafe impl<T> Send for AssertSend<T> {}

impl<F: Future> Future for AssertSend<F> {
    type Output = AssertSend<F::Output>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the field is pinned whenever the wrapper is; nothing moves it, and it has no `Drop` of its own.
        let inner = unsafe { self.map_unchecked_mut(|this| &mut this.0) };
        inner.poll(cx).map(AssertSend)
    }
}

impl<const WORKER: bool> Rt for Tokio<WORKER> {
    type File = Arc<File>;

    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        if WORKER {
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .expect("tokio starts");
            let main = runtime.spawn(AssertSend(future));
            runtime.block_on(main).expect("the main task ends well").0
        } else {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("tokio starts");
            runtime.block_on(future)
        }
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let handle = tokio::spawn(AssertSend(future));
        async move { handle.await.expect("the task ends well").0 }
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        tokio::spawn(AssertSend(future));
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
        let listener = net::listen(port);
        listener.set_nonblocking(true).expect("it is a socket");
        let listener = TcpListener::from_std(listener).expect("it is a listener");
        loop {
            let (stream, _) = listener.accept().await.expect("connections come");
            tokio::spawn(echo(stream, buf));
        }
    }

    async fn open(path: String, write: bool) -> Arc<File> {
        let mut options = tokio::fs::OpenOptions::new();
        let opened = options.read(true).write(write).open(path).await;
        Arc::new(opened.expect("the file is there").into_std().await)
    }

    async fn read_at(file: &Arc<File>, mut buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let file = file.clone();
        let call = move || (file.read_at(&mut buf, offset).expect("it can be read"), buf);
        spawn_blocking(call).await.expect("the call ends")
    }

    async fn write_at(file: &Arc<File>, buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let file = file.clone();
        let call = move || (file.write_at(&buf, offset).expect("it can be written"), buf);
        spawn_blocking(call).await.expect("the call ends")
    }

    async fn close(file: Arc<File>) {
        drop(file);
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
