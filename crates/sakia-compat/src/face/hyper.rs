//! The face of hyper: `hyper::rt::{Read, Write}`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};

use crate::owned_io::{OwnedIo, PollRead, PollWrite};
use crate::sides::{ReadSide, WriteSide};
use crate::{BoundIo, PollIo};

/// Names hyper's traits in [`OwnedIo`].
#[derive(Clone, Copy, Debug)]
pub struct Hyper;

/// Bridges a stream of hyper's kind, such as `Upgraded`, to sakia's traits: see [`OwnedIo`].
///
/// ```
/// use hyper::upgrade::Upgraded;
/// use sakia::io::{AsyncRead, AsyncWriteExt};
/// use sakia_compat::FromHyper;
///
/// /// Says everything twice.
/// async fn echo(upgraded: Upgraded) -> std::io::Result<()> {
///     let mut io = FromHyper::new(upgraded);
///     loop {
///         let (n, buf) = io.read(Vec::with_capacity(4096)).await;
///         if n? == 0 {
///             return Ok(());
///         }
///         io.write_all([&buf[..], &buf[..]].concat()).await.0?;
///     }
/// }
/// # drop(echo);
/// ```
pub type FromHyper<T> = OwnedIo<T, Hyper>;

impl<S: ReadSide> Read for PollIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.read(cx, buf.remaining(), |arrived| buf.put_slice(arrived))
            .map_ok(drop)
    }
}

impl<S: WriteSide> Write for PollIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shutdown(cx)
    }
}

impl<T: Read> Read for BoundIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_read(cx, buf))
    }
}

impl<T: Write> Write for BoundIo<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.with(|io| io.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|io| io.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.bound.get().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|io| io.poll_shutdown(cx))
    }
}

impl<T: Read + Unpin> PollRead<T> for Hyper {
    fn poll_read(io: &mut T, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(Pin::new(io).poll_read(cx, buf.unfilled()))?;
        Poll::Ready(Ok(buf.filled().len()))
    }
}

impl<T: Write + Unpin> PollWrite<T> for Hyper {
    fn poll_write(io: &mut T, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(io).poll_write(cx, buf)
    }

    fn poll_flush(io: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(io).poll_flush(cx)
    }

    fn poll_shutdown(io: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(io).poll_shutdown(cx)
    }
}
