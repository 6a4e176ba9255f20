//! sakia, by its public API and nothing else.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use sakia::buf::BufResultExt;
use sakia::fs::{File, RegisteredBufs};
use sakia::net::{TcpListener, TcpSocket, TcpStream};
use sakia::op::{Cancel, Completion, Holds, Op, Sqe};
use sakia::{JoinHandle, Runtime};
use sakia_bench::Rt;
use sakia_bench::data::{self, BIG, BIG_TO_WRITE};
use sakia_bench::measure::Rng;
use sakia_bench::modes::shared_out;
use sakia_bench::words::{Words, tuned, variant};

struct Sakia;

/// How long sakia with its best flags looks for something to do before it sleeps: longer than a client takes to come again.
const SPIN: Duration = Duration::from_micros(200);

/// The op that does nothing (`IORING_OP_NOP`): an opcode of the user's own.
struct Nop;

const OPCODE_NOP: u8 = 0;

// SAFETY: the SQE names no memory and no descriptor.
unsafe impl Op for Nop {
    type Output = std::io::Result<()>;

    const CANCEL: Cancel = Cancel::Eager;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        *sqe = Sqe::rw(OPCODE_NOP, -1, 0, 0, 0);
        Holds::none()
    }

    fn complete(self, done: Completion) -> Self::Output {
        done.result().map(drop)
    }
}

impl Rt for Sakia {
    type File = File;

    const NOP: bool = true;

    fn block_on<F>(future: F) -> F::Output
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let mut builder = Runtime::builder();
        if tuned() {
            builder = builder.spin_before_park(SPIN);
        }
        let runtime = builder.build().expect("the runtime starts");
        runtime.block_on(future)
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + 'static
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let handle = sakia::spawn(future);
        async move { handle.await.expect("the task ends well") }
    }

    fn detach<F: Future<Output = ()> + 'static>(future: F) {
        drop(sakia::spawn(future));
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + 'static {
        sakia::time::sleep(time)
    }

    fn timeout<F: Future>(
        time: Duration,
        future: F,
    ) -> impl Future<Output = Result<F::Output, impl Sized>> {
        sakia::time::timeout(time, future)
    }

    async fn serve(port: u16, buf: usize) {
        let pooled = variant() == "pooled";
        let listener = listen(port).expect("the port is free");
        loop {
            drop(serve_one(&listener, buf, pooled).await);
        }
    }

    async fn open(path: String, write: bool) -> File {
        let opened = File::options().read(true).write(write).open(path).await;
        opened.expect("the file is there")
    }

    async fn read_at(file: &File, buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        file.read_at(buf, offset)
            .await
            .with_buf()
            .expect("the file can be read")
    }

    async fn write_at(file: &File, buf: Vec<u8>, offset: u64) -> (usize, Vec<u8>) {
        file.write_at(buf, offset)
            .await
            .with_buf()
            .expect("the file can be written")
    }

    async fn close(file: File) {
        file.close().await.expect("the file is closed");
    }

    async fn nop() {
        sakia::submit(Nop).await.expect("nothing cannot fail");
    }
}

/// What `net::listen` does for the others, as a program of sakia's does it: of a listener that somebody else has made, sakia has to ask the kernel at the end of each
/// connection whether it lingers.
fn listen(port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_nodelay(true)?;
    socket.bind(([127, 0, 0, 1], port).into())?;
    socket.listen(4096)
}

async fn echo(stream: TcpStream, buf: usize) {
    let mut buf = Vec::with_capacity(buf);
    loop {
        buf.clear();
        let n;
        (n, buf) = stream.read(buf).await;
        if !n.is_ok_and(|n| n > 0) {
            break;
        }
        let written;
        (written, buf) = stream.write_all(buf).await;
        if written.is_err() {
            break;
        }
    }
}

/// With buffers of the runtime's pool: a connection holds one while it has something to send back.
async fn echo_pooled(stream: TcpStream) {
    // Not `while let`, which would keep the room of the result over the write.
    loop {
        let Ok(Some(buf)) = stream.read_pooled().await else {
            break;
        };
        if stream.write_all(buf).await.0.is_err() {
            break;
        }
    }
}

/// Accepts a connection, and echoes on it from then on.
async fn serve_one(listener: &TcpListener, buf: usize, pooled: bool) -> JoinHandle<()> {
    let (stream, _) = listener.accept().await.expect("connections come");
    match pooled {
        true => sakia::spawn(echo_pooled(stream)),
        false => sakia::spawn(echo(stream, buf)),
    }
}

/// `PORT CONNECTIONS`: echoes on so many connections until their clients have gone; then it ends, so that whoever counts can see how much that took.
fn echo_to_the_end(words: &Words) {
    let (port, connections) = (words.number(0) as u16, words.count(1));
    let pooled = variant() == "pooled";
    Sakia::block_on(async move {
        let listener = listen(port).expect("the port is free");
        let mut echoes = Vec::new();
        for _ in 0..connections {
            // Whoever serves keeps nothing of a connection that has gone: its task's memory is the next one's.
            echoes.retain(|echo: &JoinHandle<()>| !echo.is_finished());
            echoes.push(serve_one(&listener, 4096, pooled).await);
        }
        for echo in echoes {
            echo.await.expect("the echo ends well");
        }
    });
}

/// `TIMES DEPTH SIZE`: reads or writes at random offsets, as the modes of all do it, with a registered file and registered buffers.
fn at_random(words: &Words, path: &'static str, write: bool) {
    let (times, depth, size) = (words.number(0), words.count(1), words.count(2));
    let pieces = data::pieces(size);
    Sakia::block_on(async move {
        let file = Rc::new(Sakia::open(path.into(), write).await);
        if !file.register().expect("there is room for a file") {
            eprintln!("this kernel registers no files (Linux before 6.15)");
        }
        let bufs = RegisteredBufs::new(depth, size).expect("there is room for the buffers");
        shared_out::<Sakia, _>(times, depth, |which, times| {
            let (file, bufs) = (file.clone(), bufs.clone());
            async move {
                let mut rng = Rng::new(which as u64);
                let mut buf = bufs.try_take().expect("there is one for each task");
                buf.resize(size, 7);
                for _ in 0..times {
                    let offset = rng.below(pieces) * size as u64;
                    let n;
                    (n, buf) = match write {
                        true => file.write_at(buf, offset).await,
                        false => file.read_at(buf, offset).await,
                    };
                    assert_eq!(n.expect("the file can be read and written"), size);
                }
            }
        })
        .await;
    });
}

fn main() {
    let words = Words::new();
    let registered = variant() == "registered";
    match words.mode() {
        "echo" => echo_to_the_end(&words),
        "read" if registered => at_random(&words, BIG, false),
        "write" if registered => at_random(&words, BIG_TO_WRITE, true),
        _ => sakia_bench::main::<Sakia>(),
    }
}
