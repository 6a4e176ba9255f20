//! Positioned reads and writes that go on until all is done. Each is a small machine around one request at a time.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_buf::{BufResult, IoBuf, IoBufMut, Slice};
use sakia_driver::{Cancellable, Cancelling, Receipt, Submit, ops};

use super::state::{Part, State, in_all};
use super::{File, check_place};

/// A read into what is left of a buffer.
type ReadPart<B> = Submit<ops::ReadAt<Slice<B>>>;

/// The least room that a read to the end asks for when its buffer is full.
pub(super) const MIN_ROOM: usize = 8192;

impl File {
    /// Fills the buffer's capacity from `offset` (`IORING_OP_READ`, Linux 5.6; pread(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "hello, wheel")?;
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open(&path).await?;
    /// let (result, buf) = file.read_exact_at(Box::new([0; 5]), 7).await;
    /// result?;
    /// assert_eq!(*buf, *b"wheel");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// As [`read_at`](File::read_at).
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before, with what was read in the buffer; else as [`read_at`](File::read_at).
    #[doc(alias = "IORING_OP_READ")]
    pub fn read_exact_at<B: IoBufMut>(&self, buf: B, offset: u64) -> ReadExactAt<'_, B> {
        ReadExactAt {
            file: self,
            offset,
            filled: 0,
            total: buf.bytes_total(),
            state: State::Rest(buf),
        }
    }

    /// Writes all of the buffer's initialised part to `offset` (`IORING_OP_WRITE`, Linux 5.6; pwrite(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// use sakia::buf::IoBuf;
    ///
    /// let file = sakia::fs::File::create(&path).await?;
    /// let (result, part) = file.write_all_at(b"hello, wheel".slice(7..), 0).await;
    /// result?;
    /// # assert_eq!(part.into_inner().len(), 12);
    /// # assert_eq!(std::fs::read(&path)?, b"wheel");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// How much reaches the file is not known. The buffer is freed when the kernel has let go of it.
    ///
    /// # Errors
    /// `WriteZero` if the file takes no more; else as [`write_at`](File::write_at).
    #[doc(alias = "IORING_OP_WRITE")]
    pub fn write_all_at<B: IoBuf>(&self, buf: B, offset: u64) -> WriteAllAt<'_, B> {
        WriteAllAt {
            file: self,
            offset,
            written: 0,
            total: buf.bytes_init(),
            state: State::Rest(buf),
        }
    }

    /// Appends to the buffer all that the file has from `offset` on, and says how much that was.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "hello, wheel")?;
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open(&path).await?;
    /// let (result, buf) = file.read_to_end_at(b"a ".to_vec(), 7).await;
    /// assert_eq!((result?, &buf[..]), (5, &b"a wheel"[..]));
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// As [`read_at`](File::read_at).
    ///
    /// # Errors
    /// As [`read_at`](File::read_at), with what was read in the buffer; `OutOfMemory` if it cannot grow.
    #[doc(alias = "IORING_OP_READ")]
    pub fn read_to_end_at(&self, buf: Vec<u8>, offset: u64) -> ReadToEndAt<'_> {
        ReadToEndAt {
            file: self,
            offset,
            filled: 0,
            state: State::Rest(buf),
        }
    }
}

/// Awaits [`File::read_exact_at`].
#[must_use = "futures do nothing unless polled"]
pub struct ReadExactAt<'a, B: IoBufMut> {
    file: &'a File,
    offset: u64,
    filled: usize,
    total: usize,
    state: State<B, ReadPart<B>>,
}

impl<B: IoBufMut> Future for ReadExactAt<'_, B> {
    type Output = BufResult<(), B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let part = this
                .state
                .poll_part(cx, &mut this.filled, Slice::into_inner);
            let buf = match ready!(part) {
                Part::More(buf) => buf,
                Part::Stuck(buf) => return Poll::Ready((Err(too_short()), buf)),
                Part::Failed(error, buf) => return Poll::Ready((Err(error), buf)),
            };
            if this.filled == this.total {
                return Poll::Ready((Ok(()), buf));
            }
            let at = this.offset.saturating_add(this.filled as u64);
            if let Err(error) = check_place(at) {
                return Poll::Ready((Err(error), buf));
            }
            let part = buf.slice(this.filled..this.total);
            this.state = State::Run(ops::read_at(&this.file.fd, part, at));
        }
    }
}

fn too_short() -> io::Error {
    let why = "the file ended before the buffer was full";
    io::Error::new(io::ErrorKind::UnexpectedEof, why)
}

/// Awaits [`File::write_all_at`].
#[must_use = "futures do nothing unless polled"]
pub struct WriteAllAt<'a, B: IoBuf> {
    file: &'a File,
    offset: u64,
    written: usize,
    total: usize,
    state: State<B, Submit<ops::WriteAt<B>>>,
}

impl<B: IoBuf> Future for WriteAllAt<'_, B> {
    type Output = BufResult<(), B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let part = this.state.poll_part(cx, &mut this.written, |buf| buf);
            let buf = match ready!(part) {
                Part::More(buf) => buf,
                Part::Stuck(buf) => return Poll::Ready((Err(no_more()), buf)),
                Part::Failed(error, buf) => return Poll::Ready((Err(error), buf)),
            };
            if this.written == this.total {
                return Poll::Ready((Ok(()), buf));
            }
            let at = this.offset.saturating_add(this.written as u64);
            if let Err(error) = check_place(at) {
                return Poll::Ready((Err(error), buf));
            }
            this.state = State::Run(ops::write_at(&this.file.fd, buf, this.written, at));
        }
    }
}

fn no_more() -> io::Error {
    io::Error::new(io::ErrorKind::WriteZero, "the file takes no more bytes")
}

/// Awaits [`File::read_to_end_at`].
#[must_use = "futures do nothing unless polled"]
pub struct ReadToEndAt<'a> {
    file: &'a File,
    offset: u64,
    filled: usize,
    state: State<Vec<u8>, ReadPart<Vec<u8>>>,
}

impl Future for ReadToEndAt<'_> {
    type Output = BufResult<usize, Vec<u8>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let part = this
                .state
                .poll_part(cx, &mut this.filled, Slice::into_inner);
            let mut buf = match ready!(part) {
                Part::More(buf) => buf,
                Part::Stuck(buf) => return Poll::Ready((Ok(this.filled), buf)),
                Part::Failed(error, buf) => return Poll::Ready((Err(error), buf)),
            };
            let at = this.offset.saturating_add(this.filled as u64);
            if let Err(error) = make_room(&mut buf).and_then(|()| check_place(at)) {
                return Poll::Ready((Err(error), buf));
            }
            let end = buf.len();
            this.state = State::Run(ops::read_at(&this.file.fd, buf.slice(end..), at));
        }
    }
}

/// Grows a buffer that is full; doubling, so that a long file is not copied again and again.
pub(super) fn make_room(buf: &mut Vec<u8>) -> io::Result<()> {
    if buf.len() == buf.capacity() {
        buf.try_reserve(buf.len().max(MIN_ROOM))?;
    }
    Ok(())
}

impl<B: IoBufMut> ReadExactAt<'_, B> {
    /// Asks the kernel to end the read, and waits for its last word, as [`Request::cancel`](crate::Request::cancel).
    ///
    /// The receipt tells how many bytes were moved.
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl<B: IoBufMut> Cancellable for ReadExactAt<'_, B> {
    type Value = usize;
    type Buf = B;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<usize, B>> {
        let receipt = ready!(self.state.poll_stop(cx, Slice::into_inner));
        Poll::Ready(in_all(receipt, self.filled))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let receipt = ready!(self.poll_cancel(cx));
        Poll::Ready(all_or_late(receipt, self.total))
    }
}

impl<B: IoBuf> WriteAllAt<'_, B> {
    /// Asks the kernel to end the write, and waits for its last word, as [`Request::cancel`](crate::Request::cancel).
    ///
    /// The receipt tells how many bytes were moved.
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl<B: IoBuf> Cancellable for WriteAllAt<'_, B> {
    type Value = usize;
    type Buf = B;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<usize, B>> {
        let receipt = ready!(self.state.poll_stop(cx, |buf| buf));
        Poll::Ready(in_all(receipt, self.written))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let receipt = ready!(self.poll_cancel(cx));
        Poll::Ready(all_or_late(receipt, self.total))
    }
}

impl ReadToEndAt<'_> {
    /// Asks the kernel to end the read, and waits for its last word, as [`Request::cancel`](crate::Request::cancel).
    ///
    /// The receipt tells how much was appended to the buffer.
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl Cancellable for ReadToEndAt<'_> {
    type Value = usize;
    type Buf = Vec<u8>;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<usize, Vec<u8>>> {
        let receipt = ready!(self.state.poll_stop(cx, Slice::into_inner));
        Poll::Ready(in_all(receipt, self.filled))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.state.poll_stop(cx, Slice::into_inner)) {
            // The end was there.
            Receipt::Completed(Ok(0), buf) => (Ok(self.filled), buf),
            Receipt::Completed(Err(error), buf) => (Err(error), buf),
            Receipt::Completed(Ok(_), buf) | Receipt::Cancelled(buf) => (Err(late()), buf),
        })
    }
}

/// What one that moves all or nothing says when its time is over.
fn all_or_late<B>(receipt: Receipt<usize, B>, total: usize) -> BufResult<(), B> {
    match receipt {
        Receipt::Completed(Ok(n), buf) if n == total => (Ok(()), buf),
        Receipt::Completed(Err(error), buf) => (Err(error), buf),
        Receipt::Completed(Ok(_), buf) | Receipt::Cancelled(buf) => (Err(late()), buf),
    }
}

fn late() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

impl<B: IoBufMut> fmt::Debug for ReadExactAt<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "ReadExactAt", self.filled, self.state.name())
    }
}

impl<B: IoBuf> fmt::Debug for WriteAllAt<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "WriteAllAt", self.written, self.state.name())
    }
}

impl fmt::Debug for ReadToEndAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(f, "ReadToEndAt", self.filled, self.state.name())
    }
}

fn debug(f: &mut fmt::Formatter<'_>, name: &str, done: usize, state: &str) -> fmt::Result {
    let mut debug = f.debug_struct(name);
    debug.field("done", &done).field("state", &state).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::block_on;

    /// Linux writes to a file short only when its disk runs full, so the short write is pretended.
    #[test]
    fn a_write_of_all_goes_on_behind_a_short_write() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        std::fs::write(&path, "he...").unwrap();
        block_on(async {
            let file = File::options().write(true).open(&path).await.unwrap();
            let mut all = file.write_all_at("hello, wheel", 0);
            all.written = 2;
            let (result, _) = all.await;
            result.unwrap();
        });
        assert_eq!(std::fs::read(&path).unwrap(), b"hello, wheel");
    }
}
