//! The way back: streams of tokio's and futures-io's kind with sakia's traits. The streams are pipes in memory of those libraries, or the bridge itself.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::{future, io};

use futures_util::AsyncRead as FuturesRead;
use futures_util::io::Cursor;
use sakia::buf::IoBuf;
use sakia::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use sakia_compat::{FromFutures, FromHyper, FromTokio, PollIo};

use crate::help::*;

/// One poll of a future that is then dropped.
async fn polled_once<F: Future>(future: F) {
    let mut future = std::pin::pin!(future);
    let polled = future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
    assert!(polled.is_pending());
}

async fn there_and_back<A, B>(mut a: A, mut b: B)
where
    A: AsyncRead + AsyncWrite + 'static,
    B: AsyncRead + AsyncWrite,
{
    let sent = pattern(700_000);
    let echo = sakia::spawn(async move {
        let (result, all) = a.read_to_end(b"> ".to_vec()).await;
        let n = result.unwrap();
        assert_eq!(all.len(), n + 2);
        a.write_all(all).await.0.unwrap();
        a.shutdown().await.unwrap();
    });
    b.write_all(sent.clone()).await.0.unwrap();
    b.write_all("").await.0.unwrap();
    b.flush().await.unwrap();
    b.shutdown().await.unwrap();
    let (result, head) = b.read_exact(Vec::with_capacity(2).slice(..2)).await;
    result.unwrap();
    assert_eq!(&head[..], b"> ");
    assert_eq!(b.read(Vec::new()).await.0.unwrap(), 0, "no room");
    let (result, rest) = b.read_to_end(Vec::new()).await;
    assert_eq!(result.unwrap(), sent.len());
    assert!(rest == sent);
    assert_eq!(b.read(Vec::with_capacity(9)).await.0.unwrap(), 0, "the end");
    echo.await.unwrap();
}

#[test]
fn a_tokio_stream_reads_and_writes_as_one_of_sakias() {
    run(async {
        let (a, b) = tokio::io::duplex(1000);
        there_and_back(FromTokio::new(a), FromTokio::new(b)).await;
    });
}

#[test]
fn a_futures_stream_and_one_of_hypers_do_so_too() {
    run(async {
        let (a, b) = sakia::net::UnixStream::pair().unwrap();
        there_and_back(
            FromFutures::new(PollIo::new(a)),
            FromHyper::new(PollIo::new(b)),
        )
        .await;
    });
}

#[test]
fn a_composite_read_that_is_dropped_half_way_leaves_its_part_to_the_next() {
    run(async {
        let (a, mut b) = tokio::io::duplex(1000);
        let mut a = FromTokio::new(a);
        tokio::io::AsyncWriteExt::write_all(&mut b, b"half")
            .await
            .unwrap();
        polled_once(a.read_exact(Box::new([0; 8]))).await;
        polled_once(a.read_to_end(Vec::new())).await;
        assert_eq!(a.read(Vec::with_capacity(2).slice(..2)).await.1[..], *b"ha");
        tokio::io::AsyncWriteExt::write_all(&mut b, b" way")
            .await
            .unwrap();
        let (result, buf) = a.read_exact(Box::new([0; 6])).await;
        result.unwrap();
        assert_eq!(*buf, *b"lf way");
        tokio::io::AsyncWriteExt::write_all(&mut b, b"left")
            .await
            .unwrap();
        polled_once(a.read_exact(Box::new([0; 8]))).await;
        let (_duplex, unread) = a.into_inner();
        assert_eq!(unread, b"left");
    });
}

#[test]
fn an_early_end_gives_the_buffer_back_with_what_came() {
    run(async {
        let mut reader = FromFutures::new(Cursor::new(b"short"));
        let (result, buf) = reader.read_exact(Vec::with_capacity(8).slice(..8)).await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(&buf[..], b"short");
    });
}

/// A stream that says that it read more than it was given room for.
struct Liar;

impl FuturesRead for Liar {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len() + 1))
    }
}

#[test]
fn a_stream_that_reports_too_much_is_an_error_and_no_panic() {
    run(async {
        let mut liar = FromFutures::new(Liar);
        let (result, _) = liar.read(Vec::with_capacity(8)).await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::Other);
        liar.read_exact(Box::new([0; 3])).await.0.unwrap_err();
    });
}

#[test]
fn a_reset_is_told_with_what_came_before_it() {
    run(async {
        let (io, mut peer) = pair();
        let mut io = FromTokio::new(io);
        io.write_all("never read").await.0.unwrap();
        io.flush().await.unwrap();
        std::io::Write::write_all(&mut peer, b"abc").unwrap();
        let (result, buf) = io.read_exact(Box::new([0; 3])).await;
        result.unwrap();
        assert_eq!(*buf, *b"abc");
        drop(peer);
        let (result, _) = io.read_to_end(Vec::new()).await;
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    });
}
