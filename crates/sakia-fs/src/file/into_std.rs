//! Giving the file back to std, with its cursor, and with what had arrived for reads that were dropped.

use std::future::Future;
use std::io::{self, Seek, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_driver::ops::{self, Stream};

use super::File;

impl File {
    /// Gives the file to std, with its cursor where ours stands (lseek(2)).
    ///
    /// Reads that were dropped are cancelled and writes that were dropped are waited for, first. The result is `Send`.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open("/proc/self/comm").await?;
    /// let file: std::fs::File = file.into_std().await?;
    /// # drop(file);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// Dropping it closes the file.
    ///
    /// # Errors
    /// If a FIFO or a terminal has brought bytes for a read that was dropped: std's file has no place for them, and both are lost. Use
    /// [`into_parts`](File::into_parts) where that can be.
    pub fn into_std(self) -> IntoStd {
        IntoStd {
            inner: self.into_parts(),
        }
    }

    /// Gives the file to std as [`into_std`](File::into_std) does, and beside it the bytes that come before what it will read next.
    ///
    /// There are such bytes on a FIFO or a terminal only, after a read was dropped.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open("/proc/self/comm").await?;
    /// let (_file, leftover) = file.into_parts().await?;
    /// assert!(leftover.is_empty());
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// Dropping it closes the file.
    ///
    /// # Errors
    /// What lseek(2) says.
    pub fn into_parts(self) -> IntoParts {
        IntoParts {
            inner: ops::release(self.fd),
            stream: self.stream.into_inner(),
            kept: self.kept.into_inner(),
        }
    }
}

/// Awaits [`File::into_parts`].
#[derive(Debug)]
#[must_use = "the file is closed when this is dropped"]
pub struct IntoParts {
    inner: ops::Release,
    stream: Option<Stream>,
    kept: Vec<u8>,
}

impl Future for IntoParts {
    type Output = io::Result<(std::fs::File, Vec<u8>)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (fd, leftovers) = ready!(Pin::new(&mut self.inner).poll(cx))?;
        let mut file = std::fs::File::from(fd);
        if let Some(Stream::Cursor(cursor)) = &self.stream {
            file.seek(SeekFrom::Start(cursor.get()))?;
        }
        let mut bytes = std::mem::take(&mut self.kept);
        bytes.extend_from_slice(&leftovers.bytes);
        Poll::Ready(Ok((file, bytes)))
    }
}

/// Awaits [`File::into_std`].
#[derive(Debug)]
#[must_use = "the file is closed when this is dropped"]
pub struct IntoStd {
    inner: IntoParts,
}

impl Future for IntoStd {
    type Output = io::Result<std::fs::File>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (file, leftover) = ready!(Pin::new(&mut self.inner).poll(cx))?;
        Poll::Ready(if leftover.is_empty() {
            Ok(file)
        } else {
            let n = leftover.len();
            let why = format!("{n} bytes had arrived for a dropped read: use into_parts");
            Err(io::Error::other(why))
        })
    }
}
