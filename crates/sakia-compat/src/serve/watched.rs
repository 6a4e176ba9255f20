//! The bridge of a served connection: it tells the connection's activity what moves. How bytes move is the bridge's.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

use super::activity::Activity;
use super::state::Place;
use crate::{PollIo, Socket};

pub(crate) struct Watched<S: Socket> {
    io: PollIo<S>,
    /// What was looked at before it was known who is to read it.
    #[cfg(feature = "http2")]
    seen: Vec<u8>,
    activity: Rc<Activity>,
    /// Last: the place is free when the socket is closed.
    _place: Place,
}

impl<S: Socket> Watched<S> {
    pub(crate) fn new(io: PollIo<S>, activity: Rc<Activity>, place: Place) -> Self {
        Self {
            io,
            #[cfg(feature = "http2")]
            seen: Vec::new(),
            activity,
            _place: place,
        }
    }

    /// What has been looked at.
    #[cfg(feature = "http2")]
    pub(crate) fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Looks at more, as far as a preface goes; whoever reads begins with it.
    #[cfg(feature = "http2")]
    pub(crate) fn poll_see(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let n = ready!(
            self.io
                .read(cx, 24, |arrived| self.seen.extend_from_slice(arrived))
        )?;
        if n > 0 {
            self.activity.received();
        }
        Poll::Ready(Ok(n))
    }

    /// Serves what has been looked at; `false` if there is no such thing.
    fn serve_seen(&mut self, to: &mut ReadBufCursor<'_>) -> bool {
        #[cfg(feature = "http2")]
        if !self.seen.is_empty() {
            let n = self.seen.len().min(to.remaining());
            to.put_slice(&self.seen[..n]);
            self.seen.drain(..n);
            return true;
        }
        let _ = to;
        false
    }

    fn told<T>(&self, polled: Poll<T>) -> Poll<T> {
        self.activity.blocked(polled.is_pending());
        polled
    }

    fn told_write(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(polled, Poll::Ready(Ok(1..))) {
            self.activity.sent();
        }
        self.told(polled)
    }
}

impl<S: Socket> Read for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut to: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.serve_seen(&mut to) {
            return Poll::Ready(Ok(()));
        }
        if ready!(
            self.io
                .read(cx, to.remaining(), |arrived| to.put_slice(arrived))
        )? > 0
        {
            self.activity.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Socket> Write for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        self.told_write(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.told_write(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        self.told(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_shutdown(cx);
        self.told(polled)
    }
}
