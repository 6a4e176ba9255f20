//! Sequential writes. They hold the descriptor's lane out, in the driver, so that bytes stay in order; a file that appends is written where the
//! kernel finds its end, and the cursor follows.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_buf::{BufResult, IoBuf, IoVecBuf};
use sakia_driver::ops::{self, Stream};
use sakia_driver::{Cancellable, Cancelling, Fd, Laned, Receipt};

use super::File;
use super::state::State;
use crate::abi::SEEK_CUR;

/// Awaits [`File::write`].
pub type Write<'a, B> = Writing<'a, B, Laned<ops::Send<B>>>;
/// Awaits [`File::write_all`].
pub type WriteAll<'a, B> = Writing<'a, B, ops::Whole<Laned<ops::Send<B>>>>;

impl File {
    /// Writes the buffer's initialised part, or a beginning of it, at the cursor (`IORING_OP_WRITE`, Linux 5.6; write(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::create(&path).await?;
    /// let (result, buf) = file.write(b"hello, wheel".to_vec()).await;
    /// assert_eq!(result?, buf.len());
    /// # assert_eq!(std::fs::read(&path)?, buf);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// A write in flight is left to finish, and the next one goes behind it.
    ///
    /// # Errors
    /// What write(2) says.
    #[doc(alias = "IORING_OP_WRITE")]
    pub fn write<B: IoBuf>(&self, buf: B) -> Write<'_, B> {
        Writing {
            file: self,
            empty: buf.bytes_init() == 0,
            state: State::Rest(buf),
            start: ops::write,
        }
    }

    /// Writes all of the buffer's initialised part at the cursor (`IORING_OP_WRITE`, Linux 5.6; write(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::create(&path).await?;
    /// file.write_all("hello, wheel").await.0?;
    /// # assert_eq!(std::fs::read(&path)?, b"hello, wheel");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// The part in flight is left to finish, the rest is not written.
    ///
    /// # Errors
    /// `WriteZero` if the file takes no more; else what write(2) says.
    #[doc(alias = "IORING_OP_WRITE")]
    pub fn write_all<B: IoBuf>(&self, buf: B) -> WriteAll<'_, B> {
        Writing {
            file: self,
            empty: buf.bytes_init() == 0,
            state: State::Rest(buf),
            start: ops::write_all,
        }
    }

    /// Writes several buffers in order, or a beginning of them, at the cursor (`IORING_OP_WRITE`, Linux 5.6; writev(2)).
    ///
    /// They are gathered into one buffer first: one write keeps its order behind a dropped one, and its bytes together.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::create(&path).await?;
    /// assert_eq!(file.writev(["hello, ", "wheel"]).await.0?, 12);
    /// # assert_eq!(std::fs::read(&path)?, b"hello, wheel");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// As [`write`](File::write).
    ///
    /// # Errors
    /// What write(2) says.
    #[doc(alias = "IORING_OP_WRITE")]
    pub fn writev<V: IoVecBuf>(&self, bufs: V) -> Writev<'_, V> {
        let mut gathered = Vec::with_capacity(bufs.total_init());
        bufs.for_each_slice(&mut |part| gathered.extend_from_slice(part));
        Writev {
            bufs: Some(bufs),
            inner: self.write(gathered),
        }
    }

    /// What sequential writes go on with: what appends has its place found by the kernel.
    fn stream_out(&self) -> io::Result<Stream> {
        let stream = self.stream()?;
        Ok(if self.appends() { Stream::Pipe } else { stream })
    }

    /// After a write that appended: the cursor stands where the kernel's does, behind what was written.
    fn follow_append(&self) {
        if let (Some(cursor), true) = (self.cursor(), self.appends())
            && let Ok(at) = self.fd.seek(0, SEEK_CUR)
        {
            cursor.set(at);
        }
    }
}

/// Awaits one sequential write; see [`File::write`] and [`File::write_all`].
///
/// # Cancellation
/// A write in flight is left to finish, and the next one goes behind it.
#[must_use = "futures do nothing unless polled"]
pub struct Writing<'a, B, F> {
    file: &'a File,
    empty: bool,
    state: State<B, F>,
    start: fn(&Fd, B, Stream) -> F,
}

impl<B, F, T> Future for Writing<'_, B, F>
where
    B: Unpin,
    F: Future<Output = BufResult<T, B>> + Unpin,
    T: Default,
{
    type Output = BufResult<T, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let State::Rest(_) = this.state {
            let buf = this.state.take();
            if this.empty {
                return Poll::Ready((Ok(T::default()), buf));
            }
            match this.file.stream_out() {
                Ok(stream) => this.state = State::Run((this.start)(&this.file.fd, buf, stream)),
                Err(error) => return Poll::Ready((Err(error), buf)),
            }
        }
        let State::Run(op) = &mut this.state else {
            panic!("a write was polled after it had completed");
        };
        let answer = ready!(Pin::new(op).poll(cx));
        this.state = State::Done;
        this.file.follow_append();
        Poll::Ready(answer)
    }
}

impl<B, F> Writing<'_, B, F>
where
    Self: Cancellable,
{
    /// Asks the kernel to end the write, and waits for its last word, as [`Request::cancel`](crate::Request::cancel).
    ///
    /// The receipt tells how many bytes were written, of a [`write_all`](File::write_all) too.
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl<B, F, T> Cancellable for Writing<'_, B, F>
where
    B: Unpin,
    F: Cancellable<Output = BufResult<T, B>, Value = usize, Buf = B>,
    T: Default,
{
    type Value = usize;
    type Buf = B;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<usize, B>> {
        let receipt = match &mut self.state {
            State::Run(op) => ready!(op.poll_cancel(cx)),
            state => return Poll::Ready(Receipt::Cancelled(state.take())),
        };
        self.state = State::Done;
        self.file.follow_append();
        Poll::Ready(receipt)
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.state {
            State::Run(op) => ready!(op.poll_expire(cx)),
            state => return Poll::Ready((Err(io::ErrorKind::TimedOut.into()), state.take())),
        };
        self.state = State::Done;
        self.file.follow_append();
        Poll::Ready(answer)
    }
}

impl<B, F> fmt::Debug for Writing<'_, B, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Writing").field(&self.state.name()).finish()
    }
}

/// Awaits [`File::writev`].
///
/// # Cancellation
/// As [`Writing`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Writev<'a, V> {
    bufs: Option<V>,
    inner: Write<'a, Vec<u8>>,
}

impl<V: Unpin> Future for Writev<'_, V> {
    type Output = BufResult<usize, V>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, _) = ready!(Pin::new(&mut self.inner).poll(cx));
        let bufs = self.bufs.take().expect("the write completes once");
        Poll::Ready((result, bufs))
    }
}

impl<V: Unpin> Writev<'_, V> {
    /// Asks the kernel to end the write, and waits for its last word, as [`Request::cancel`](crate::Request::cancel).
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl<V: Unpin> Cancellable for Writev<'_, V> {
    type Value = usize;
    type Buf = V;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<usize, V>> {
        let receipt = ready!(self.inner.poll_cancel(cx));
        let bufs = self.bufs.take().expect("the write completes once");
        Poll::Ready(receipt.map_buf(|_| bufs))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}
