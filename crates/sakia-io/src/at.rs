//! Reading and writing at an offset: the traits that files implement.
//! The loops over them belong in `at_ext`; a cursor that moves belongs to a stream.

use std::rc::Rc;
use std::sync::Arc;

use sakia_buf::{BufResult, IoBuf, IoBufMut};

/// Reads bytes at an offset, into buffers that it owns meanwhile.
///
/// There is no cursor, so a shared reference is enough, and many reads can be under way at once.
///
/// ```
/// # use futures_util::FutureExt;
/// # async {
/// use sakia_io::AsyncReadAt;
///
/// let file: &[u8] = b"a water wheel";
/// let (result, buf) = file.read_at(Vec::with_capacity(64), 8).await;
/// assert_eq!(result?, 5);
/// assert_eq!(buf, b"wheel");
/// # std::io::Result::Ok(())
/// # }.now_or_never().unwrap().unwrap();
/// ```
pub trait AsyncReadAt {
    /// Reads once from `offset` on, into the front of the buffer, and returns how many bytes came.
    ///
    /// At most `bytes_total` bytes are read, and fewer where the file ends; afterwards the length of the buffer is `max(length, n)`.
    /// `Ok(0)` means that the file ends at or before `offset`, unless the buffer has no capacity: then it is
    /// returned at once and means nothing.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use sakia_io::AsyncReadAt;
    ///
    /// let file: &[u8] = b"wheel";
    /// let (result, _buf) = file.read_at(Vec::with_capacity(64), 99).await;
    /// assert_eq!(result?, 0);
    /// # std::io::Result::Ok(())
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the file; the buffer comes back beside them.
    fn read_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, B>>;
}

/// Writes bytes at an offset, from buffers that it owns meanwhile.
///
/// ```
/// # use futures_util::FutureExt;
/// # async {
/// use std::cell::RefCell;
/// use sakia_io::AsyncWriteAt;
///
/// let file = RefCell::new(b"a water well".to_vec());
/// let (result, _buf) = file.write_at("wheel", 8).await;
/// assert_eq!(result?, 5);
/// assert_eq!(file.into_inner(), b"a water wheel");
/// # std::io::Result::Ok(())
/// # }.now_or_never().unwrap().unwrap();
/// ```
pub trait AsyncWriteAt {
    /// Writes once from `offset` on, from the initialised bytes of the buffer, and returns how many went.
    ///
    /// Behind the end of the file it leaves a gap of zeros. `Ok(0)` means that no more can be written, unless the buffer is
    /// empty.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use std::cell::RefCell;
    /// use sakia_io::AsyncWriteAt;
    ///
    /// let file = RefCell::new(Vec::new());
    /// file.write_at("a", 2).await.0?;
    /// assert_eq!(file.into_inner(), b"\0\0a");
    /// # std::io::Result::Ok(())
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the file; the buffer comes back beside them.
    fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> impl Future<Output = BufResult<usize, B>>;
}

impl<R: AsyncReadAt + ?Sized> AsyncReadAt for &R {
    fn read_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, B>> {
        (**self).read_at(buf, offset)
    }
}

impl<R: AsyncReadAt + ?Sized> AsyncReadAt for Box<R> {
    fn read_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, B>> {
        (**self).read_at(buf, offset)
    }
}

impl<R: AsyncReadAt + ?Sized> AsyncReadAt for Rc<R> {
    fn read_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, B>> {
        (**self).read_at(buf, offset)
    }
}

impl<R: AsyncReadAt + ?Sized> AsyncReadAt for Arc<R> {
    fn read_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, B>> {
        (**self).read_at(buf, offset)
    }
}

impl<W: AsyncWriteAt + ?Sized> AsyncWriteAt for &W {
    fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> impl Future<Output = BufResult<usize, B>> {
        (**self).write_at(buf, offset)
    }
}

impl<W: AsyncWriteAt + ?Sized> AsyncWriteAt for Box<W> {
    fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> impl Future<Output = BufResult<usize, B>> {
        (**self).write_at(buf, offset)
    }
}

impl<W: AsyncWriteAt + ?Sized> AsyncWriteAt for Rc<W> {
    fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> impl Future<Output = BufResult<usize, B>> {
        (**self).write_at(buf, offset)
    }
}

impl<W: AsyncWriteAt + ?Sized> AsyncWriteAt for Arc<W> {
    fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> impl Future<Output = BufResult<usize, B>> {
        (**self).write_at(buf, offset)
    }
}
