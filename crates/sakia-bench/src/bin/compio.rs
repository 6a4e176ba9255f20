//! compio, by default, with the ring's flags for one thread, and with them and with reads into buffers that the kernel picks.

use std::future::Future;
use std::num::NonZero;
use std::time::Duration;

use compio::buf::{BufResult, IntoInner, IoBuf};
use compio::driver::{OpCode, OpEntry, ProactorBuilder};
use compio::fs::{File, OpenOptions};
use compio::io::{AsyncRead, AsyncReadAt, AsyncReadManaged, AsyncWriteAt, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::RuntimeBuilder;
use sakia_bench::words::variant;
use sakia_bench::{Rt, net};

struct Compio;

struct Nop;

/// How many buffers the kernel picks from, and their length.
const POOL: NonZero<u16> = NonZero::new(1024).unwrap();
const POOLED: usize = 4096;

fn is_managed() -> bool {
    variant() == "managed"
}

// SAFETY: the entry names no memory and no descriptor.
unsafe impl OpCode for Nop {
    type Control = ();

    fn create_entry(&mut self, (): &mut ()) -> OpEntry {
        io_uring::opcode::Nop::new().build().into()
    }
}

impl Rt for Compio {
    type File = File;

    const NOP: bool = true;

    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let mut ring = ProactorBuilder::new();
        ring.capacity(1024);
        let managed = is_managed();
        if managed {
            ring.buffer_pool_size(POOL).buffer_pool_buffer_len(POOLED);
        }
        if managed || variant() == "tuned" {
            ring.single_issuer(true)
                .coop_taskrun(true)
                .taskrun_flag(true)
                .defer_taskrun(true);
        }
        let runtime = RuntimeBuilder::new().with_proactor(ring).build();
        runtime.expect("compio starts").block_on(future)
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let handle = compio::runtime::spawn(future);
        async move { handle.await.expect("the task ends well") }
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        compio::runtime::spawn(future).detach();
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + 'static {
        compio::time::sleep(time)
    }

    fn timeout<F: Future>(
        time: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, impl Sized>> {
        compio::time::timeout(time, future)
    }

    async fn serve(port: u16, buf: usize) {
        let listener = TcpListener::from_std(net::listen(port)).expect("it is a listener");
        let managed = is_managed();
        loop {
            let (stream, _) = listener.accept().await.expect("connections come");
            match managed {
                true => compio::runtime::spawn(echo_managed(stream)).detach(),
                false => compio::runtime::spawn(echo(stream, buf)).detach(),
            }
        }
    }

    async fn open(path: String, write: bool) -> File {
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(write).open(path).await;
        opened.expect("the file is there")
    }

    async fn read_at(file: &File, buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let BufResult(n, buf) = file.read_at(buf, offset).await;
        (n.expect("the file can be read"), buf)
    }

    async fn write_at(mut file: &File, buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        let BufResult(n, buf) = file.write_at(buf, offset).await;
        (n.expect("the file can be written"), buf)
    }

    async fn close(file: File) {
        file.close().await.expect("the file is closed");
    }

    async fn nop() {
        let _ = compio::runtime::submit(Nop).await;
    }
}

async fn echo(mut stream: TcpStream, buf: usize) {
    let mut buf = Vec::with_capacity(buf);
    loop {
        buf.clear();
        let BufResult(n, read) = stream.read(buf).await;
        let Ok(n @ 1..) = n else { break };
        let BufResult(written, back) = stream.write_all(read.slice(..n)).await;
        buf = back.into_inner();
        if written.is_err() {
            break;
        }
    }
}

async fn echo_managed(mut stream: TcpStream) {
    while let Ok(Some(buf)) = stream.read_managed(0).await {
        let BufResult(written, _) = stream.write_all(buf).await;
        if written.is_err() {
            break;
        }
    }
}

fn main() {
    sakia_bench::main::<Compio>();
}
