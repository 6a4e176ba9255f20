//! The bridge as each library sees it: an awaited `write_all` without a flush, then a drop or the end of the runtime; the ways in; the rules
//! that all share.

use std::future::Future;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{Shutdown, TcpStream as StdStream};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{AsyncReadExt as _, AsyncWriteExt as _};
use sakia::net::TcpStream;
use sakia_compat::PollIo;

use crate::help::*;

type Io = PollIo<TcpStream>;

/// The write_all that users of the library await, and its polls.
trait Face {
    fn write_all(io: &mut Io, bytes: &[u8]) -> impl Future<Output = io::Result<()>>;
    fn read_to_end(io: &mut Io) -> impl Future<Output = io::Result<Vec<u8>>>;
    fn poll_read(io: &mut Io, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;
    fn poll_write(io: &mut Io, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;
    fn poll_slices(
        io: &mut Io,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;
    fn poll_flush(io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_shutdown(io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

struct Hyper;
struct Tokio;
struct Futures;

impl Face for Hyper {
    async fn write_all(io: &mut Io, bytes: &[u8]) -> io::Result<()> {
        // hyper has no write_all of its own; its connections do the same.
        write_all(io, bytes, bytes.len().max(1)).await;
        Ok(())
    }

    async fn read_to_end(io: &mut Io) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let piece = read(io, 10_000).await?;
            if piece.is_empty() {
                return Ok(all);
            }
            all.extend(piece);
        }
    }

    fn poll_read(io: &mut Io, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = hyper::rt::ReadBuf::new(buf);
        hyper::rt::Read::poll_read(Pin::new(io), cx, buf.unfilled()).map_ok(|()| buf.filled().len())
    }

    fn poll_write(io: &mut Io, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        hyper::rt::Write::poll_write(Pin::new(io), cx, buf)
    }

    fn poll_slices(
        io: &mut Io,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        assert!(hyper::rt::Write::is_write_vectored(io));
        hyper::rt::Write::poll_write_vectored(Pin::new(io), cx, bufs)
    }

    fn poll_flush(io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        hyper::rt::Write::poll_flush(Pin::new(io), cx)
    }

    fn poll_shutdown(io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        hyper::rt::Write::poll_shutdown(Pin::new(io), cx)
    }
}

impl Face for Tokio {
    async fn write_all(io: &mut Io, bytes: &[u8]) -> io::Result<()> {
        tokio::io::AsyncWriteExt::write_all(io, bytes).await
    }

    async fn read_to_end(io: &mut Io) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(io, &mut all).await?;
        Ok(all)
    }

    fn poll_read(io: &mut Io, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = tokio::io::ReadBuf::new(buf);
        tokio::io::AsyncRead::poll_read(Pin::new(io), cx, &mut buf).map_ok(|()| buf.filled().len())
    }

    fn poll_write(io: &mut Io, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        tokio::io::AsyncWrite::poll_write(Pin::new(io), cx, buf)
    }

    fn poll_slices(
        io: &mut Io,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        assert!(tokio::io::AsyncWrite::is_write_vectored(io));
        tokio::io::AsyncWrite::poll_write_vectored(Pin::new(io), cx, bufs)
    }

    fn poll_flush(io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_flush(Pin::new(io), cx)
    }

    fn poll_shutdown(io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        tokio::io::AsyncWrite::poll_shutdown(Pin::new(io), cx)
    }
}

impl Face for Futures {
    async fn write_all(io: &mut Io, bytes: &[u8]) -> io::Result<()> {
        io.write_all(bytes).await
    }

    async fn read_to_end(io: &mut Io) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        io.read_to_end(&mut all).await?;
        Ok(all)
    }

    fn poll_read(io: &mut Io, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        futures_util::AsyncRead::poll_read(Pin::new(io), cx, buf)
    }

    fn poll_write(io: &mut Io, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        futures_util::AsyncWrite::poll_write(Pin::new(io), cx, buf)
    }

    fn poll_slices(
        io: &mut Io,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        futures_util::AsyncWrite::poll_write_vectored(Pin::new(io), cx, bufs)
    }

    fn poll_flush(io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures_util::AsyncWrite::poll_flush(Pin::new(io), cx)
    }

    fn poll_shutdown(io: &mut Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures_util::AsyncWrite::poll_close(Pin::new(io), cx)
    }
}

/// What is written at once: copied, just copied, just not, and more than the socket takes.
const SIZES: [usize; 6] = [1, 1000, 16 * 1024 - 1, 16 * 1024, 256 * 1024, 5 << 20];

/// Reads to the end, but begins late: the writer is to be gone before.
fn read_after(mut peer: StdStream, wait: Duration) -> Vec<u8> {
    std::thread::sleep(wait);
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    got
}

async fn written_and_dropped<F: Face>() {
    for size in SIZES {
        let (mut io, peer) = pair();
        let sent = pattern(size);
        let reading = sakia::spawn(beside(move || read_after(peer, Duration::from_millis(20))));
        F::write_all(&mut io, &sent).await.unwrap();
        drop(io);
        assert!(reading.await.unwrap() == sent, "{size} bytes");
    }
}

#[test]
fn a_write_all_through_hypers_bridge_reaches_the_peer_though_the_bridge_is_dropped_without_a_flush()
{
    run(written_and_dropped::<Hyper>());
}

#[test]
fn a_write_all_through_tokios_bridge_reaches_the_peer_though_the_bridge_is_dropped_without_a_flush()
{
    run(written_and_dropped::<Tokio>());
}

#[test]
fn a_write_all_through_the_futures_bridge_reaches_the_peer_though_the_bridge_is_dropped_without_a_flush()
 {
    run(written_and_dropped::<Futures>());
}

/// The socket is full, one more write is accepted, and then the runtime ends with the bridge in a task; only then does the peer read.
fn written_as_the_runtime_ends<F: Face>() {
    let (peer, accepted) = run(async {
        let (mut io, peer) = pair();
        let accepted = fill(&mut io, b'a').await;
        F::write_all(&mut io, b"the end").await.unwrap();
        sakia::spawn(async move {
            std::future::pending::<()>().await;
            drop(io);
        });
        sakia::yield_now().await;
        let peer = std::thread::spawn(|| read_after(peer, Duration::from_millis(100)));
        (peer, accepted)
    });
    let got = peer.join().unwrap();
    assert_eq!(got.len(), accepted + 7);
    assert!(got.ends_with(b"athe end"));
}

#[test]
fn a_write_all_through_hypers_bridge_reaches_the_peer_though_the_runtime_ends() {
    written_as_the_runtime_ends::<Hyper>();
}

#[test]
fn a_write_all_through_tokios_bridge_reaches_the_peer_though_the_runtime_ends() {
    written_as_the_runtime_ends::<Tokio>();
}

#[test]
fn a_write_all_through_the_futures_bridge_reaches_the_peer_though_the_runtime_ends() {
    written_as_the_runtime_ends::<Futures>();
}

#[test]
fn a_peer_that_never_reads_holds_up_the_end_of_the_runtime_for_its_deadline_and_no_longer() {
    let runtime = sakia::Runtime::new().unwrap();
    let peer = runtime.block_on(async {
        let (mut io, peer) = pair();
        fill(&mut io, b'a').await;
        tokio::io::AsyncWriteExt::write_all(&mut io, b"the end")
            .await
            .unwrap();
        peer
    });
    let deadline = Duration::from_millis(300);
    let start = std::time::Instant::now();
    let report = runtime.shutdown(deadline);
    let took = start.elapsed();
    assert!(took >= deadline - Duration::from_millis(20), "{took:?}");
    assert!(took < deadline + SOON / 2, "{took:?}: {report}");
    let got = read_after(peer, Duration::ZERO);
    assert!(!got.ends_with(b"the end"), "there was no room for it");
}

async fn rules<F: Face>() {
    let (mut io, mut peer) = pair();
    let mut cx = Context::from_waker(std::task::Waker::noop());
    // Nothing is asked for, nothing is waited for.
    assert!(matches!(
        F::poll_read(&mut io, &mut cx, &mut []),
        Poll::Ready(Ok(0))
    ));
    for nothing in [&[][..], &[IoSlice::new(b""), IoSlice::new(b"")]] {
        let polled = F::poll_slices(&mut io, &mut cx, nothing);
        assert!(matches!(polled, Poll::Ready(Ok(0))));
    }
    let polled = F::poll_write(&mut io, &mut cx, b"");
    assert!(matches!(polled, Poll::Ready(Ok(0))));
    assert!(matches!(
        F::poll_flush(&mut io, &mut cx),
        Poll::Ready(Ok(()))
    ));
    // A small write is answered at once, empty slices or not.
    let slices = [
        IoSlice::new(b""),
        IoSlice::new(b"one "),
        IoSlice::new(b""),
        IoSlice::new(b"two"),
    ];
    let polled = F::poll_slices(&mut io, &mut cx, &slices);
    assert!(matches!(polled, Poll::Ready(Ok(7))));
    std::future::poll_fn(|cx| F::poll_shutdown(&mut io, cx))
        .await
        .unwrap();
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"one two");
    // Half closed: the other way is open, and comes in pieces.
    let sent = pattern(300_000);
    let there = sent.clone();
    let sending = sakia::spawn(beside(move || {
        peer.write_all(&there).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        peer
    }));
    let mut piece = [0; 7];
    let n = std::future::poll_fn(|cx| F::poll_read(&mut io, cx, &mut piece))
        .await
        .unwrap();
    assert_eq!(piece[..n], sent[..n]);
    assert!(F::read_to_end(&mut io).await.unwrap() == sent[n..]);
    assert!(
        F::read_to_end(&mut io).await.unwrap().is_empty(),
        "for good"
    );
    sending.await.unwrap();
}

#[test]
fn hypers_bridge_keeps_the_rules() {
    run(rules::<Hyper>());
}

#[test]
fn tokios_bridge_keeps_the_rules() {
    run(rules::<Tokio>());
}

#[test]
fn the_futures_bridge_keeps_the_rules() {
    run(rules::<Futures>());
}

#[test]
fn lines_can_be_read_without_a_buffer_on_top() {
    run(async {
        let (mut io, mut peer) = pair();
        peer.write_all(b"one\ntwo\nthree").unwrap();
        let mut line = String::new();
        tokio::io::AsyncBufReadExt::read_line(&mut io, &mut line)
            .await
            .unwrap();
        assert_eq!(line, "one\n");
        line.clear();
        futures_util::AsyncBufReadExt::read_line(&mut io, &mut line)
            .await
            .unwrap();
        assert_eq!(line, "two\n");
        assert_eq!(io.into_parts().await.unread, b"three");
    });
}

#[test]
fn a_peer_that_resets_in_mid_write_is_an_error_to_whoever_waits() {
    run(async {
        for face in 0..2 {
            let (mut io, peer) = pair();
            fill(&mut io, b'a').await;
            let killer = sakia::spawn(beside(move || {
                std::thread::sleep(Duration::from_millis(20));
                // Closed with bytes that were not read: a reset.
                drop(peer);
            }));
            let large = pattern(1 << 20);
            let result = match face {
                0 => tokio::io::AsyncWriteExt::write_all(&mut io, &large).await,
                _ => io.write_all(&large).await,
            };
            let kind = result.unwrap_err().kind();
            assert!(
                matches!(
                    kind,
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
                ),
                "{kind:?}"
            );
            killer.await.unwrap();
        }
    });
}
