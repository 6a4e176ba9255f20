//! What the tests have in common: a runtime whose end must be clean, pairs of streams, clients of std, hyper's traits as functions.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpListener, TcpStream as StdStream};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use hyper::rt::{Read, ReadBuf, Write};
use sakia::net::TcpStream;
use sakia_compat::{PollIo, ReadSide, WriteSide};

/// How long a test waits for what ought to come at once.
pub const SOON: Duration = Duration::from_secs(10);

/// Runs a test on a runtime of its own, which must end clean.
pub fn run<F: Future>(test: F) -> F::Output {
    let runtime = sakia::Runtime::builder().entries(64).build().unwrap();
    let output = runtime.block_on(test);
    let report = runtime.shutdown(Duration::from_secs(5));
    assert!(report.is_clean(), "{report}");
    output
}

/// Runs code of std's, which blocks, beside the runtime.
pub async fn beside<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    match sakia::spawn_blocking(f).await {
        Ok(value) => value,
        Err(error) => match error.into_panic() {
            Some(payload) => std::panic::resume_unwind(payload),
            None => panic!("the job was cancelled"),
        },
    }
}

/// A connection over the loopback: our end on the bridge, the peer's of std.
pub fn pair() -> (PollIo<TcpStream>, StdStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = dial(listener.local_addr().unwrap());
    let (ours, _) = listener.accept().unwrap();
    (PollIo::new(TcpStream::from_std(ours).unwrap()), peer)
}

/// A connection of std's that does not wait for ever.
pub fn dial(addr: SocketAddr) -> StdStream {
    let stream = StdStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

/// Bytes that tell where they belong.
pub fn pattern(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

/// One poll of a write: what it answered right away.
pub async fn try_write<S: WriteSide>(io: &mut PollIo<S>, buf: &[u8]) -> Poll<io::Result<usize>> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *io).poll_write(cx, buf))).await
}

pub async fn write<S: WriteSide>(io: &mut PollIo<S>, buf: &[u8]) -> io::Result<usize> {
    poll_fn(|cx| Pin::new(&mut *io).poll_write(cx, buf)).await
}

pub async fn write_vectored<S: WriteSide>(
    io: &mut PollIo<S>,
    bufs: &[IoSlice<'_>],
) -> io::Result<usize> {
    poll_fn(|cx| Pin::new(&mut *io).poll_write_vectored(cx, bufs)).await
}

/// Writes all, in writes of at most `piece` bytes.
pub async fn write_all<S: WriteSide>(io: &mut PollIo<S>, mut buf: &[u8], piece: usize) {
    while !buf.is_empty() {
        let n = write(io, &buf[..buf.len().min(piece)]).await.unwrap();
        assert!(n > 0);
        buf = &buf[n..];
    }
}

/// One poll of a flush.
pub async fn try_flush<S: WriteSide>(io: &mut PollIo<S>) -> Poll<io::Result<()>> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *io).poll_flush(cx))).await
}

pub async fn flush<S: WriteSide>(io: &mut PollIo<S>) -> io::Result<()> {
    poll_fn(|cx| Pin::new(&mut *io).poll_flush(cx)).await
}

pub async fn shutdown<S: WriteSide>(io: &mut PollIo<S>) -> io::Result<()> {
    poll_fn(|cx| Pin::new(&mut *io).poll_shutdown(cx)).await
}

/// Reads at most `room` bytes.
pub async fn read<S: ReadSide>(io: &mut PollIo<S>, room: usize) -> io::Result<Vec<u8>> {
    let mut memory = vec![0; room];
    let mut buf = ReadBuf::new(&mut memory);
    poll_fn(|cx| Pin::new(&mut *io).poll_read(cx, buf.unfilled())).await?;
    Ok(buf.filled().to_vec())
}

/// One poll of a read, which brings nothing yet.
pub async fn start_read<S: ReadSide>(io: &mut PollIo<S>) {
    let mut memory = [0; 16];
    let mut buf = ReadBuf::new(&mut memory);
    let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut *io).poll_read(cx, buf.unfilled()))).await;
    assert!(polled.is_pending(), "nothing was sent yet");
}

/// Writes until the socket takes no more; answers what it took. `Pending` came last.
pub async fn fill<S: WriteSide>(io: &mut PollIo<S>, byte: u8) -> usize {
    let block = vec![byte; 64 * 1024];
    let mut total = 0;
    loop {
        match try_write(io, &block).await {
            Poll::Ready(result) => total += result.unwrap(),
            Poll::Pending => return total,
        }
    }
}
