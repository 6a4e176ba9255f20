//! Positioned reads and writes of one request each: independent of each other, of the cursor, and of what is dropped.

use sakia_buf::{IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use sakia_driver::{Submit, ops};

use super::{File, check_place};
use crate::Request;

/// Awaits [`File::read_at`].
pub type ReadAt<'a, B> = Request<'a, Submit<ops::ReadAt<B>>>;
/// Awaits [`File::write_at`].
pub type WriteAt<'a, B> = Request<'a, Submit<ops::WriteAt<B>>>;
/// Awaits [`File::readv_at`].
pub type ReadvAt<'a, V> = Request<'a, Submit<ops::ReadvAt<V>>>;
/// Awaits [`File::writev_at`].
pub type WritevAt<'a, V> = Request<'a, Submit<ops::WritevAt<V>>>;

impl File {
    /// Reads from `offset`, up to the buffer's capacity (`IORING_OP_READ`, Linux 5.6; pread(2)).
    ///
    /// 0 into a buffer with room is the end of the file. The buffer's length becomes `max(length, n)`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "hello, wheel")?;
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open(&path).await?;
    /// let (result, buf) = file.read_at(Vec::with_capacity(64), 7).await;
    /// assert_eq!((result?, &buf[..]), (5, &b"wheel"[..]));
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// Nothing is lost: the bytes are still in the file. The buffer is freed when the kernel has let go of it.
    ///
    /// # Errors
    /// `InvalidInput` for an offset above `i64::MAX`, `NotSeekable` for a FIFO or a terminal; else what pread(2) says.
    #[doc(alias = "IORING_OP_READ")]
    pub fn read_at<B: IoBufMut>(&self, buf: B, offset: u64) -> ReadAt<'_, B> {
        if buf.bytes_total() == 0 {
            return Request::known((Ok(0), buf));
        }
        match check_place(offset) {
            Ok(()) => Request::run(ops::read_at(&self.fd, buf, offset)),
            Err(error) => Request::known((Err(error), buf)),
        }
    }

    /// Writes the buffer's initialised part, or a beginning of it, to `offset` (`IORING_OP_WRITE`, Linux 5.6; pwrite(2)).
    ///
    /// A file opened to append is written at its end, whatever the offset: Linux does so.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::create(&path).await?;
    /// let (result, _buf) = file.write_at("wheel", 3).await;
    /// assert_eq!(result?, 5);
    /// assert_eq!(std::fs::read(&path)?, b"\0\0\0wheel");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// Whether the bytes reach the file is not known. The buffer is freed when the kernel has let go of it.
    ///
    /// # Errors
    /// As [`read_at`](File::read_at), and what pwrite(2) says.
    #[doc(alias = "IORING_OP_WRITE")]
    pub fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> WriteAt<'_, B> {
        if buf.bytes_init() == 0 {
            return Request::known((Ok(0), buf));
        }
        match check_place(offset) {
            Ok(()) => Request::run(ops::write_at(&self.fd, buf, 0, offset)),
            Err(error) => Request::known((Err(error), buf)),
        }
    }

    /// Reads from `offset` into several buffers in order (`IORING_OP_READV`, Linux 5.1; preadv(2)).
    ///
    /// At most 1024 buffers are used.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "hello, wheel")?;
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open(&path).await?;
    /// let (result, parts) = file.readv_at([Box::new([0; 7]), Box::new([0; 7])], 0).await;
    /// assert_eq!(result?, 12);
    /// assert_eq!(*parts[0], *b"hello, ");
    /// assert_eq!(*parts[1], *b"wheel\0\0");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// As [`read_at`](File::read_at).
    ///
    /// # Errors
    /// As [`read_at`](File::read_at).
    #[doc(alias = "IORING_OP_READV")]
    pub fn readv_at<V: IoVecBufMut>(&self, bufs: V, offset: u64) -> ReadvAt<'_, V> {
        if bufs.total_capacity() == 0 {
            return Request::known((Ok(0), bufs));
        }
        match check_place(offset) {
            Ok(()) => Request::run(ops::readv_at(&self.fd, bufs, offset)),
            Err(error) => Request::known((Err(error), bufs)),
        }
    }

    /// Writes several buffers in order to `offset` (`IORING_OP_WRITEV`, Linux 5.1; pwritev(2)).
    ///
    /// At most 1024 buffers are used.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::create(&path).await?;
    /// assert_eq!(file.writev_at(["hello, ", "wheel"], 0).await.0?, 12);
    /// # assert_eq!(std::fs::read(&path)?, b"hello, wheel");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// As [`write_at`](File::write_at).
    ///
    /// # Errors
    /// As [`write_at`](File::write_at).
    #[doc(alias = "IORING_OP_WRITEV")]
    pub fn writev_at<V: IoVecBuf>(&self, bufs: V, offset: u64) -> WritevAt<'_, V> {
        if bufs.total_init() == 0 {
            return Request::known((Ok(0), bufs));
        }
        match check_place(offset) {
            Ok(()) => Request::run(ops::writev_at(&self.fd, bufs, offset)),
            Err(error) => Request::known((Err(error), bufs)),
        }
    }
}
