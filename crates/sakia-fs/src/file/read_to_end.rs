//! The sequential read of all that comes. A file's bytes go straight to the caller's buffer, for a drop can set the cursor back; those of a stream are
//! gathered from a buffer of our own, so that a drop has them at hand to give back.

use std::fmt;
use std::future::Future;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_buf::{BufResult, IoBuf, Slice};
use sakia_driver::ops::{self, Stream};
use sakia_driver::{Cancellable, Cancelling, Laned, Receipt};

use super::File;
use super::exact_at::{MIN_ROOM, make_room};

impl File {
    /// Appends to the buffer all that comes from the cursor to the end, and says how much that was (`IORING_OP_READ`, Linux 5.6; read(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "hello, wheel")?;
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open(&path).await?;
    /// let (result, text) = file.read_to_end(Vec::new()).await;
    /// assert_eq!((result?, &text[..]), (12, &b"hello, wheel"[..]));
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// Nothing is lost: the cursor is set back to where it began, and what a FIFO brought is served to the next read.
    ///
    /// # Errors
    /// What read(2) says, with what was read before in the buffer; `OutOfMemory` if it cannot grow.
    #[doc(alias = "IORING_OP_READ")]
    pub fn read_to_end(&self, buf: Vec<u8>) -> ReadToEnd<'_> {
        ReadToEnd {
            file: self,
            had: buf.len(),
            out: buf,
            chunk: Vec::new(),
            began: None,
            stage: Stage::Fresh,
        }
    }
}

enum Stage {
    Fresh,
    /// Between two reads.
    Rest(Stream),
    Run(Stream, Laned<ops::Recv<Slice<Vec<u8>>>>),
    Done,
}

/// Awaits [`File::read_to_end`].
///
/// # Cancellation
/// Nothing is lost.
#[must_use = "futures do nothing unless polled"]
pub struct ReadToEnd<'a> {
    file: &'a File,
    /// The length of the caller's buffer before.
    had: usize,
    /// The caller's buffer; empty while a file's read has it.
    out: Vec<u8>,
    /// Our own buffer for a stream.
    chunk: Vec<u8>,
    /// Where the cursor stood at the beginning, and where it stands after what was read.
    began: Option<(u64, u64)>,
    stage: Stage,
}

impl ReadToEnd<'_> {
    /// Begins the next read.
    fn start(&mut self, stream: Stream) -> io::Result<()> {
        let part = match &stream {
            Stream::Cursor(cursor) => {
                make_room(&mut self.out)?;
                let at = cursor.get();
                self.began = Some((self.began.map_or(at, |(began, _)| began), at));
                let end = self.out.len();
                mem::take(&mut self.out).slice(end..)
            }
            _ => {
                self.chunk.clear();
                self.chunk.try_reserve(MIN_ROOM)?;
                mem::take(&mut self.chunk).slice(..)
            }
        };
        let op = ops::read(&self.file.fd, part, stream.clone());
        self.stage = Stage::Run(stream, op);
        Ok(())
    }

    /// Takes in what a read brought.
    fn take_in(&mut self, stream: &Stream, n: usize, buf: Vec<u8>) {
        if let Stream::Cursor(cursor) = stream {
            self.out = buf;
            self.began = self.began.map(|(began, _)| (began, cursor.get()));
        } else {
            self.out.extend_from_slice(&buf[..n]);
            self.chunk = buf;
        }
    }

    fn finish(&mut self, result: io::Result<()>) -> Poll<BufResult<usize, Vec<u8>>> {
        self.stage = Stage::Done;
        let out = mem::take(&mut self.out);
        Poll::Ready((result.map(|()| out.len() - self.had), out))
    }
}

impl Future for ReadToEnd<'_> {
    type Output = BufResult<usize, Vec<u8>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let started = match mem::replace(&mut this.stage, Stage::Done) {
                Stage::Fresh => {
                    let out = &mut this.out;
                    this.file.serve_kept(|bytes| {
                        out.extend_from_slice(bytes);
                        bytes.len()
                    });
                    this.file.stream().and_then(|stream| this.start(stream))
                }
                Stage::Rest(stream) => this.start(stream),
                Stage::Run(stream, op) => {
                    this.stage = Stage::Run(stream, op);
                    Ok(())
                }
                Stage::Done => panic!("a read was polled after it had completed"),
            };
            if let Err(error) = started {
                return this.finish(Err(error));
            }
            let Stage::Run(stream, op) = &mut this.stage else {
                continue;
            };
            let (result, part) = ready!(Pin::new(op).poll(cx));
            let stream = stream.clone();
            let n = *result.as_ref().unwrap_or(&0);
            this.take_in(&stream, n, part.into_inner());
            match result {
                Ok(0) => return this.finish(Ok(())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return this.finish(Err(error)),
            }
            this.stage = Stage::Rest(stream);
        }
    }
}

impl Drop for ReadToEnd<'_> {
    fn drop(&mut self) {
        match mem::replace(&mut self.stage, Stage::Done) {
            Stage::Fresh | Stage::Done => {}
            Stage::Rest(stream) | Stage::Run(stream, _) => self.give_back(&stream),
        }
    }
}

impl ReadToEnd<'_> {
    /// Nobody has seen the bytes: they are to be read again.
    fn give_back(&mut self, stream: &Stream) {
        let Stream::Cursor(cursor) = stream else {
            let read = self.out.split_off(self.had);
            return self.file.put_back(read);
        };
        if let Some((began, reached)) = self.began {
            // If somebody else has moved the cursor since, it stays where they put it.
            if cursor.get() == reached {
                cursor.set(began);
            }
        }
    }
}

impl ReadToEnd<'_> {
    /// Asks the kernel to end the read, and waits for its last word, as [`Request::cancel`](crate::Request::cancel).
    ///
    /// The receipt tells how much was appended to the buffer; it is the caller's.
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }

    /// Ends the read that is under way: its own result, if it had one, and the stream that it went on with.
    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<(Receipt<usize>, Option<Stream>)> {
        let Stage::Run(stream, op) = &mut self.stage else {
            return Poll::Ready((Receipt::Cancelled(()), None));
        };
        let (receipt, part) = match ready!(op.poll_cancel(cx)) {
            Receipt::Completed(result, part) => (Receipt::Completed(result, ()), part),
            Receipt::Cancelled(part) => (Receipt::Cancelled(()), part),
        };
        let n = match &receipt {
            Receipt::Completed(Ok(n), ()) => *n,
            _ => 0,
        };
        let stream = stream.clone();
        self.stage = Stage::Done;
        self.take_in(&stream, n, part.into_inner());
        Poll::Ready((receipt, Some(stream)))
    }
}

impl Cancellable for ReadToEnd<'_> {
    type Value = usize;
    type Buf = Vec<u8>;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<usize, Vec<u8>>> {
        let (receipt, _) = ready!(self.poll_stop(cx));
        self.stage = Stage::Done;
        let out = mem::take(&mut self.out);
        let read = out.len() - self.had;
        Poll::Ready(match receipt {
            Receipt::Cancelled(()) if read == 0 => Receipt::Cancelled(out),
            Receipt::Completed(Err(error), ()) => Receipt::Completed(Err(error), out),
            _ => Receipt::Completed(Ok(read), out),
        })
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (receipt, stream) = ready!(self.poll_stop(cx));
        let result = match receipt {
            // The end was there.
            Receipt::Completed(Ok(0), ()) => Ok(()),
            Receipt::Completed(Err(error), ()) => Err(error),
            _ => {
                if let Some(stream) = stream {
                    self.give_back(&stream);
                }
                self.out.truncate(self.had);
                Err(io::ErrorKind::TimedOut.into())
            }
        };
        self.finish(result)
    }
}

impl fmt::Debug for ReadToEnd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Fresh => "fresh",
            Stage::Rest(_) => "rest",
            Stage::Run(..) => "run",
            Stage::Done => "done",
        };
        f.debug_tuple("ReadToEnd").field(&stage).finish()
    }
}
