//! Sequential reads that fill one buffer, or one list. They hold the descriptor's lane in, in the driver; before it comes what a dropped composite
//! of this crate gave back.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_buf::{BufResult, BufResultExt, IoBufMut, IoVecBufMut, Slice};
use sakia_driver::ops::{self, Stream};
use sakia_driver::{Cancellable, Cancelling, Fd, Laned, Receipt};

use super::File;
use super::state::{State, in_all};

/// Awaits [`File::read`].
pub type Read<'a, B> = Reading<'a, B, Laned<ops::Recv<B>>>;
/// Awaits [`File::readv`].
pub type Readv<'a, V> = Reading<'a, V, Laned<ops::Recvv<V>>>;

impl File {
    /// Reads on from the cursor, up to the buffer's capacity (`IORING_OP_READ`, Linux 5.6; read(2)).
    ///
    /// 0 into a buffer with room is the end of the file. The buffer's length becomes `max(length, n)`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "hello, wheel")?;
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open(&path).await?;
    /// assert_eq!(*file.read(Box::new([0; 7])).await.1, *b"hello, ");
    /// assert_eq!(*file.read(Box::new([0; 5])).await.1, *b"wheel");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// Nothing is lost: the cursor has not moved, and what a FIFO or a terminal brought is served to the next read.
    ///
    /// # Errors
    /// What read(2) says.
    #[doc(alias = "IORING_OP_READ")]
    pub fn read<B: IoBufMut>(&self, buf: B) -> Read<'_, B> {
        Reading {
            file: self,
            state: State::Rest(buf),
            room: B::bytes_total,
            fill: B::fill_from,
            start: |fd, buf, stream| ops::read(fd, buf, stream.clone()),
        }
    }

    /// Reads on from the cursor into several buffers in order (`IORING_OP_READV`, Linux 5.1; readv(2)).
    ///
    /// At most 1024 buffers are used.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "hello, wheel")?;
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open(&path).await?;
    /// let (result, parts) = file.readv([Box::new([0; 6]), Box::new([0; 6])]).await;
    /// assert_eq!(result?, 12);
    /// assert_eq!(*parts[1], *b" wheel");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// As [`read`](File::read).
    ///
    /// # Errors
    /// What readv(2) says.
    #[doc(alias = "IORING_OP_READV")]
    pub fn readv<V: IoVecBufMut>(&self, bufs: V) -> Readv<'_, V> {
        Reading {
            file: self,
            state: State::Rest(bufs),
            room: V::total_capacity,
            fill: V::fill_from,
            start: ops::readv,
        }
    }

    /// Fills the buffer's capacity, reading on from the cursor (`IORING_OP_READ`, Linux 5.6; read(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "hello, wheel")?;
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open(&path).await?;
    /// let (result, buf) = file.read_exact(Box::new([0; 7])).await;
    /// result?;
    /// assert_eq!(*buf, *b"hello, ");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// Nothing is lost, as with [`read`](File::read): what was filled already is given back.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before, with what was read in the buffer; else what read(2) says.
    #[doc(alias = "IORING_OP_READ")]
    pub fn read_exact<B: IoBufMut>(&self, buf: B) -> ReadExact<'_, B> {
        ReadExact {
            file: self,
            prefix: Vec::new(),
            state: State::Rest(buf),
        }
    }
}

/// Awaits one sequential read; see [`File::read`] and [`File::readv`].
///
/// # Cancellation
/// Nothing is lost.
#[must_use = "futures do nothing unless polled"]
pub struct Reading<'a, B, F> {
    file: &'a File,
    state: State<B, F>,
    room: fn(&B) -> usize,
    fill: fn(&mut B, &[u8]) -> usize,
    start: fn(&Fd, B, &Stream) -> F,
}

impl<B, F> Future for Reading<'_, B, F>
where
    B: Unpin,
    F: Future<Output = BufResult<usize, B>> + Unpin,
{
    type Output = BufResult<usize, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let State::Rest(_) = this.state {
            let mut buf = this.state.take();
            if (this.room)(&buf) == 0 {
                return Poll::Ready((Ok(0), buf));
            }
            if let Some(n) = this.file.serve_kept(|bytes| (this.fill)(&mut buf, bytes)) {
                return Poll::Ready((Ok(n), buf));
            }
            let stream = match this.file.stream() {
                Ok(stream) => stream,
                Err(error) => return Poll::Ready((Err(error), buf)),
            };
            this.state = State::Run((this.start)(&this.file.fd, buf, &stream));
        }
        let State::Run(op) = &mut this.state else {
            panic!("a read was polled after it had completed");
        };
        let answer = ready!(Pin::new(op).poll(cx));
        this.state = State::Done;
        Poll::Ready(answer)
    }
}

impl<B, F> Reading<'_, B, F>
where
    Self: Cancellable,
{
    /// Asks the kernel to end the read, and waits for its last word, as [`Request::cancel`](crate::Request::cancel).
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl<B, F> Cancellable for Reading<'_, B, F>
where
    B: Unpin,
    F: Cancellable<Output = BufResult<usize, B>, Value = usize, Buf = B>,
{
    type Value = usize;
    type Buf = B;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<usize, B>> {
        self.state.poll_stop(cx, |buf| buf)
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.state {
            State::Run(op) => ready!(op.poll_expire(cx)),
            state => (Err(io::ErrorKind::TimedOut.into()), state.take()),
        };
        self.state = State::Done;
        Poll::Ready(answer)
    }
}

impl<B, F> fmt::Debug for Reading<'_, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reading").field(&self.state.name()).finish()
    }
}

/// Awaits [`File::read_exact`].
///
/// # Cancellation
/// Nothing is lost: what was filled already is given back.
#[must_use = "futures do nothing unless polled"]
pub struct ReadExact<'a, B: IoBufMut> {
    file: &'a File,
    /// What it took from the kept bytes, in case that it has to give them back.
    prefix: Vec<u8>,
    state: State<B, ops::Whole<Laned<ops::Recv<Slice<B>>>>>,
}

impl<B: IoBufMut> ReadExact<'_, B> {
    /// Fills the buffer from the kept bytes, and begins the read of the rest if there is one.
    fn start(&mut self) -> Result<(), BufResult<(), B>> {
        let mut buf = self.state.take();
        let total = buf.bytes_total();
        let prefix = &mut self.prefix;
        self.file.serve_kept(|bytes| {
            let n = buf.fill_from(bytes);
            prefix.extend_from_slice(&bytes[..n]);
            n
        });
        let filled = self.prefix.len();
        if filled == total {
            self.prefix.clear();
            return Err((Ok(()), buf));
        }
        match self.file.stream() {
            Ok(stream) => {
                let part = buf.slice(filled..total);
                let op = ops::recv_exact(&self.file.fd, part, stream);
                self.state = State::Run(op);
                Ok(())
            }
            Err(error) => Err((Err(error), buf)),
        }
    }
}

impl<B: IoBufMut> Future for ReadExact<'_, B> {
    type Output = BufResult<(), B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let State::Rest(_) = this.state
            && let Err(answer) = this.start()
        {
            return Poll::Ready(answer);
        }
        let State::Run(op) = &mut this.state else {
            panic!("a read was polled after it had completed");
        };
        let (result, part) = ready!(Pin::new(op).poll(cx));
        this.state = State::Done;
        this.prefix.clear();
        Poll::Ready((result, part.into_inner()))
    }
}

impl<B: IoBufMut> ReadExact<'_, B> {
    /// Asks the kernel to end the read, and waits for its last word, as [`Request::cancel`](crate::Request::cancel).
    ///
    /// The receipt tells how many bytes are in the buffer; they are the caller's.
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl<B: IoBufMut> Cancellable for ReadExact<'_, B> {
    type Value = usize;
    type Buf = B;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<usize, B>> {
        let receipt = ready!(self.state.poll_stop(cx, Slice::into_inner));
        let had = std::mem::take(&mut self.prefix).len();
        Poll::Ready(in_all(receipt, had))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, buf) = match &mut self.state {
            State::Run(op) => ready!(op.poll_expire(cx)).map_buf(Slice::into_inner),
            state => (Err(io::ErrorKind::TimedOut.into()), state.take()),
        };
        self.state = State::Done;
        let prefix = std::mem::take(&mut self.prefix);
        if result.is_err() {
            // Before what the driver was given back.
            self.file.put_back(prefix);
        }
        Poll::Ready((result, buf))
    }
}

impl<B: IoBufMut> Drop for ReadExact<'_, B> {
    fn drop(&mut self) {
        // What is in flight gives its bytes to the driver, which come behind these.
        self.state = State::Done;
        if !self.prefix.is_empty() {
            self.file.put_back(std::mem::take(&mut self.prefix));
        }
    }
}

impl<B: IoBufMut> fmt::Debug for ReadExact<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.name();
        f.debug_tuple("ReadExact").field(&state).finish()
    }
}
