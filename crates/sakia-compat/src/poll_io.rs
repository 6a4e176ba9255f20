//! `PollIo`: a stream of sakia's, as libraries see it that poll and lend slices. The rules of both ways are in `reader` and
//! `writer`; the traits of each library are in `face`.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use crate::reader::Reader;
use crate::sides::{ReadSide, WriteSide};
use crate::writer::Writer;

/// Bridges a stream to libraries that poll: it implements the I/O traits of hyper, tokio and futures-io.
///
/// It takes a `TcpStream`, a `UnixStream`, or a half of one, which it reads or writes as that half does.
///
/// | feature | traits |
/// |---|---|
/// | `hyper` | `hyper::rt::{Read, Write}` |
/// | `tokio-io` | `tokio::io::{AsyncRead, AsyncBufRead, AsyncWrite}` |
/// | `futures-io` | `futures_io::{AsyncRead, AsyncBufRead, AsyncWrite}` |
///
/// - Reads go through buffers of the runtime's pool, so that an idle connection holds none; while the peer sends much, through a buffer of the
///   bridge's, of up to 64 KiB. When all buffers of the pool are in use, a read waits for one.
/// - A write below 16 KiB is copied, submitted and answered at once. Its error is told by the next write, flush or shutdown, which wait for it.
/// - A larger write goes straight from the caller's memory, as much of it as the socket takes.
/// - Vectored writes gather small slices into one.
///
/// It is `!Send`, as its stream is. For libraries that ask for `Send` there is [`BoundIo`](crate::BoundIo).
///
/// ```
/// use http_body_util::Empty;
/// use hyper::{Request, Response, body::{Bytes, Incoming}, service::service_fn};
/// use sakia::net::UnixStream;
/// use sakia_compat::PollIo;
///
/// # sakia::Runtime::new()?.block_on(async {
/// let (ours, theirs) = UnixStream::pair()?;
/// sakia::spawn(async move {
///     let hello = service_fn(async |_: Request<Incoming>| {
///         std::io::Result::Ok(Response::new(Empty::<Bytes>::new()))
///     });
///     let http = hyper::server::conn::http1::Builder::new();
///     http.serve_connection(PollIo::new(theirs), hello).await
/// });
/// let (mut send, connection) = hyper::client::conn::http1::handshake(PollIo::new(ours)).await.unwrap();
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
/// for both within its deadline. What was read and not handed out is lost with it; [`into_parts`](Self::into_parts) gives it back.
#[derive(Debug)]
pub struct PollIo<S> {
    // Both are dropped before the stream: a write that is under way is to be let go of before the last handle.
    reader: Reader,
    writer: Writer,
    stream: S,
}

/// What [`PollIo::into_parts`] gives back.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts<S> {
    /// The stream.
    pub stream: S,
    /// What had arrived and was not handed out: it comes before what the stream reads next.
    pub unread: Vec<u8>,
    /// What became of the last write.
    pub written: io::Result<()>,
}

impl<S> PollIo<S> {
    /// Puts the bridge on a stream.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// let io = sakia_compat::PollIo::new(a);
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
    /// let io = sakia_compat::PollIo::new(a);
    /// assert!(io.get_ref().local_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// Waits for the write that is under way, and gives the stream back with what had arrived and was not handed out.
    ///
    /// A read that is under way is left to the stream: what it brings is served by the stream's next read.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let parts = sakia_compat::PollIo::new(a).into_parts().await;
    /// parts.written?;
    /// assert!(parts.unread.is_empty());
    /// parts.stream.write_all("sakia").await.0?;
    /// # drop(b);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    ///
    /// As the drop of the bridge.
    pub async fn into_parts(mut self) -> Parts<S> {
        let written = poll_fn(|cx| self.writer.poll_flush(cx)).await;
        Parts {
            stream: self.stream,
            unread: self.reader.into_unread(),
            written,
        }
    }

    pub(crate) fn consume(&mut self, n: usize) {
        self.reader.consume(n);
    }
}

impl<S: ReadSide> PollIo<S> {
    /// Waits until something has arrived, and shows it; nothing, if the stream has ended.
    ///
    /// A peer may go as soon as it has read the answer, and its end arrives together with the news that the answer is out. Whoever drives both ways hears
    /// of the latter first: hyper reads before it flushes, and takes an end before the flush for a message that was cut short.
    pub(crate) fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let had_ended = self.reader.has_ended();
        ready!(self.reader.poll_fill(&self.stream, cx))?;
        if self.reader.has_ended() && !had_ended && self.writer.is_under_way() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(self.reader.unread()))
    }

    /// Hands out what has arrived, as much as there is room for, and says how much that was.
    pub(crate) fn read(
        &mut self,
        cx: &mut Context<'_>,
        room: usize,
        put: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        // No room means nothing is asked for. To wait would be wrong: what arrived could not be handed out.
        if room == 0 {
            return Poll::Ready(Ok(0));
        }
        let arrived = ready!(self.fill(cx))?;
        let n = arrived.len().min(room);
        put(&arrived[..n]);
        self.consume(n);
        Poll::Ready(Ok(n))
    }
}

impl<S: WriteSide> PollIo<S> {
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.writer.poll_flush(cx))?;
        self.stream.poll_push(cx)
    }

    pub(crate) fn write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writer.poll_write(&self.stream, cx, bufs)
    }

    pub(crate) fn shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_shutdown(&self.stream, cx)
    }
}
