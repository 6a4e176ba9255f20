//! The loops over reads and writes at an offset.
//! They are those of a stream, over a private cursor, so that there is one loop to get right.

use std::io;

use sakia_buf::{BufResult, IoBuf, IoBufMut};

use crate::{AsyncRead, AsyncReadAt, AsyncWrite, AsyncWriteAt};

/// Adds the loops over [`AsyncReadAt`], for every file.
pub trait AsyncReadAtExt: AsyncReadAt {
    /// Reads from `offset` on until the buffer is full to its capacity.
    ///
    /// `Vec::with_capacity(n)` may round up: `buf.slice(..n)` asks for exactly `n` bytes. A buffer without capacity is full at once.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use sakia_buf::IoBuf;
    /// use sakia_io::AsyncReadAtExt;
    ///
    /// let file: &[u8] = b"a water wheel";
    /// let (result, buf) = file.read_exact_at(Vec::with_capacity(5).slice(..5), 2).await;
    /// result?;
    /// assert_eq!(buf.into_inner(), b"water");
    /// # std::io::Result::Ok(())
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Nothing is lost: the bytes are in the file still.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the file ends before the buffer is full; the buffer comes back with what was read. Errors of the file
    /// likewise, but for `Interrupted`, upon which it reads again.
    fn read_exact_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<(), B>> {
        async move { At { file: self, offset }.read_full(buf).await }
    }

    /// Reads from `offset` to the end of the file, appends what comes to `buf`, and returns how much that was.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use sakia_io::AsyncReadAtExt;
    ///
    /// let file: &[u8] = b"a water wheel";
    /// let (result, buf) = file.read_to_end_at(b"the ".to_vec(), 2).await;
    /// assert_eq!(result?, 11);
    /// assert_eq!(buf, b"the water wheel");
    /// # std::io::Result::Ok(())
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Nothing is lost: the bytes are in the file still.
    ///
    /// # Errors
    ///
    /// Those of the file, but for `Interrupted`, and `OutOfMemory` if the buffer cannot grow. The buffer comes back with what was
    /// read before.
    fn read_to_end_at(
        &self,
        buf: Vec<u8>,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, Vec<u8>>> {
        async move { At { file: self, offset }.read_rest(buf).await }
    }
}

impl<R: AsyncReadAt + ?Sized> AsyncReadAtExt for R {}

/// Adds the loop over [`AsyncWriteAt`], for every file.
pub trait AsyncWriteAtExt: AsyncWriteAt {
    /// Writes all initialised bytes of the buffer, from `offset` on.
    ///
    /// An empty buffer is written at once.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use std::cell::RefCell;
    /// use sakia_buf::{IoBuf, Slice};
    /// use sakia_io::AsyncWriteAtExt;
    ///
    /// let file = RefCell::new(Vec::new());
    /// let (result, part): (_, Slice<Vec<u8>>) = file.write_all_at(b"wheels".to_vec().slice(..5), 0).await;
    /// result?;
    /// assert_eq!(file.into_inner(), b"wheel");
    /// assert_eq!(part.into_inner(), b"wheels");
    /// # std::io::Result::Ok(())
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropped half way, some of the bytes were written, and no more follow after the write that is under way.
    ///
    /// # Errors
    ///
    /// `WriteZero` if the file takes no more. Errors of the file, but for `Interrupted`, upon which it writes again. How much was
    /// written before an error is not told.
    fn write_all_at<B: IoBuf>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<(), B>> {
        async move { At { file: self, offset }.write_full(buf).await }
    }
}

impl<W: AsyncWriteAt + ?Sized> AsyncWriteAtExt for W {}

/// A file with a cursor, for the length of one loop.
struct At<'a, F: ?Sized> {
    file: &'a F,
    offset: u64,
}

impl<F: ?Sized> At<'_, F> {
    /// Moves the cursor behind what was read or written.
    fn moved(&mut self, n: usize) -> io::Result<usize> {
        let behind = u64::try_from(n)
            .ok()
            .and_then(|n| self.offset.checked_add(n));
        self.offset = behind.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "the offset overflows u64")
        })?;
        Ok(n)
    }
}

impl<F: AsyncReadAt + ?Sized> AsyncRead for At<'_, F> {
    async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        let (result, buf) = self.file.read_at(buf, self.offset).await;
        (result.and_then(|n| self.moved(n)), buf)
    }
}

impl<F: AsyncWriteAt + ?Sized> AsyncWrite for At<'_, F> {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        let (result, buf) = self.file.write_at(buf, self.offset).await;
        (result.and_then(|n| self.moved(n)), buf)
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        Ok(())
    }
}
