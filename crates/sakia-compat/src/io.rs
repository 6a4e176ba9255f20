//! `HyperIo`: hyper's `Read` and `Write` on a stream of sakia's. The rules of both ways are in `reader` and `writer`.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::ReadBufCursor;

use crate::Socket;
use crate::reader::Reader;
use crate::writer::Writer;

/// Bridges a stream to hyper: it implements [`hyper::rt::Read`] and [`hyper::rt::Write`].
///
/// - Reads go through a buffer of the bridge's, of 4 KiB to 64 KiB as the peer needs.
/// - A write below 16 KiB is copied, submitted and answered at once. Its error is told by the next write, flush or shutdown, which wait for it.
/// - A larger write goes straight from the caller's memory, as much of it as the socket takes.
/// - Vectored writes gather small slices into one.
///
/// It is `!Send`, as its stream is; hyper's connections do not mind.
///
/// ```
/// use http_body_util::Empty;
/// use hyper::{Request, Response, body::{Bytes, Incoming}, service::service_fn};
/// use sakia::net::UnixStream;
/// use sakia_compat::HyperIo;
///
/// # sakia::Runtime::new()?.block_on(async {
/// let (ours, theirs) = UnixStream::pair()?;
/// sakia::spawn(async move {
///     let hello = service_fn(async |_: Request<Incoming>| {
///         std::io::Result::Ok(Response::new(Empty::<Bytes>::new()))
///     });
///     let http = hyper::server::conn::http1::Builder::new();
///     http.serve_connection(HyperIo::new(theirs), hello).await
/// });
/// let (mut send, connection) = hyper::client::conn::http1::handshake(HyperIo::new(ours)).await.unwrap();
/// sakia::spawn(connection);
/// let response = send.send_request(Request::new(Empty::<Bytes>::new())).await.unwrap();
/// assert_eq!(response.status(), 200);
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Cancellation
///
/// Dropping it takes back no write that was answered: the write finishes, then the socket is closed; the end of the runtime waits
/// for both within its deadline. What was read and not handed out is lost with it; [`into_inner`](Self::into_inner) gives it back.
#[derive(Debug)]
pub struct HyperIo<S: Socket> {
    // Both are dropped before the stream: a write that is under way is to be let go of before the last handle.
    reader: Reader,
    writer: Writer,
    stream: S,
}

impl<S: Socket> HyperIo<S> {
    /// Puts the bridge on a stream.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// let io = sakia_compat::HyperIo::new(a);
    /// # drop(io);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new(stream: S) -> Self {
        Self {
            reader: Reader::new(),
            writer: Writer::new(),
            stream,
        }
    }

    /// Looks at the stream, for its addresses and options.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// let io = sakia_compat::HyperIo::new(a);
    /// assert!(io.get_ref().local_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Gives the stream back, with the bytes that have arrived and were not handed out: they come before what the stream reads next.
    ///
    /// A read that is under way is left to the stream: what it brings is served by the stream's next read. So is a write; its error
    /// is not told any more, unless the bridge was flushed before.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// let (stream, unread) = sakia_compat::HyperIo::new(a).into_inner();
    /// assert!(unread.is_empty());
    /// # drop(stream);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_inner(self) -> (S, Vec<u8>) {
        (self.stream, self.reader.into_unread())
    }

    /// Reads, and says how much.
    pub(crate) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        to: ReadBufCursor<'_>,
    ) -> Poll<io::Result<usize>> {
        self.reader.poll(&self.stream, cx, to)
    }
}

impl<S: Socket> hyper::rt::Read for HyperIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_receive(cx, to).map_ok(drop)
    }
}

impl<S: Socket> hyper::rt::Write for HyperIo<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.writer.poll_write(&this.stream, cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.writer.poll_shutdown(&this.stream, cx)
    }
}
