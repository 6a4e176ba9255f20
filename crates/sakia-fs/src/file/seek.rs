//! Moving the cursor. It lives in the handle, so most moves ask nobody; what has no cursor of ours is asked by lseek(2).

use std::fmt;
use std::future::Future;
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_driver::ops::{StatxTarget, Stream};

use super::File;
use crate::abi::{SEEK_CUR, SEEK_END, SEEK_SET};
use crate::{Request, Stat};

impl File {
    /// Moves the cursor and says where it stands (lseek(2); the end is asked by `IORING_OP_STATX`, Linux 5.6).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "hello, wheel")?;
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open(&path).await?;
    /// assert_eq!(file.seek(std::io::SeekFrom::End(-5)).await?, 7);
    /// assert_eq!(file.read_to_end(Vec::new()).await.1, b"wheel");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// The cursor has not moved.
    ///
    /// # Errors
    /// `InvalidInput` for a place before the beginning or above `i64::MAX`, `NotSeekable` for a FIFO or a terminal.
    pub fn seek(&self, to: SeekFrom) -> Seek<'_> {
        Seek {
            file: self,
            to,
            size: None,
        }
    }
}

/// Awaits [`File::seek`].
#[must_use = "futures do nothing unless polled"]
pub struct Seek<'a> {
    file: &'a File,
    to: SeekFrom,
    size: Option<Request<'static, Stat>>,
}

impl Seek<'_> {
    /// Where the end is, if that can be said at once or was answered.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        let file = self.file;
        let ask = || Request::attempt(Stat::of(StatxTarget::Fd(&file.fd)));
        let size = self.size.get_or_insert_with(ask);
        let about = ready!(Pin::new(size).poll(cx))?;
        Poll::Ready(if about.is_file() {
            Ok(about.len())
        } else {
            // A block device has its end in no inode. The kernel's cursor moves; nobody looks at it.
            file.fd.seek(0, SEEK_END)
        })
    }
}

impl Future for Seek<'_> {
    type Output = io::Result<u64>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let file = this.file;
        let now = match file.stream()? {
            Stream::Cursor(cursor) => cursor.get(),
            _ => {
                let (offset, whence) = match this.to {
                    SeekFrom::Start(at) => (at.try_into().map_err(|_| out_of_range())?, SEEK_SET),
                    SeekFrom::Current(by) => (by, SEEK_CUR),
                    SeekFrom::End(by) => (by, SEEK_END),
                };
                return Poll::Ready(file.fd.seek(offset, whence));
            }
        };
        let target = match this.to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => now.checked_add_signed(by),
            SeekFrom::End(by) => ready!(this.poll_end(cx))?.checked_add_signed(by),
        };
        let Some(at) = target.filter(|&at| i64::try_from(at).is_ok()) else {
            return Poll::Ready(Err(out_of_range()));
        };
        file.put_cursor(at);
        Poll::Ready(Ok(at))
    }
}

fn out_of_range() -> io::Error {
    let why = "a cursor is between 0 and i64::MAX";
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

impl fmt::Debug for Seek<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seek").field(&self.to).finish()
    }
}
