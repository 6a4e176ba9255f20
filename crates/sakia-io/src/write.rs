//! Writing a stream: the trait that a stream implements, and the loop that callers use.
//! Writing at an offset belongs in `at`, writers in memory in `memory`.

use std::io;

use sakia_buf::{BufResult, IoBuf, IoVecBuf};

use crate::progress::{Step, checked, step};
use crate::read::SCRATCH;

/// Writes bytes to a stream from buffers that it owns meanwhile.
///
/// ```
/// # use futures_util::FutureExt;
/// # async {
/// use sakia_io::AsyncWrite;
///
/// let mut writer = Vec::new();
/// let (result, _buf) = writer.write("a wheel").await;
/// assert_eq!(result?, 7);
/// assert_eq!(writer, b"a wheel");
/// # std::io::Result::Ok(())
/// # }.now_or_never().unwrap().unwrap();
/// ```
///
/// # Cancellation
///
/// A writer says itself what the drop of a write's future does. sakia's streams do not cancel the write: it is finished, in
/// order, before the next.
pub trait AsyncWrite {
    /// Writes once, from the initialised bytes of the buffer, and returns how many went.
    ///
    /// Often that is not all of them; [`write_all`](AsyncWriteExt::write_all) goes on. `Ok(0)` means that no more can be
    /// written, unless the buffer is empty.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use sakia_buf::IoBuf;
    /// use sakia_io::AsyncWrite;
    ///
    /// let mut writer = std::io::Cursor::new([0u8; 4].to_vec().into_boxed_slice());
    /// let (result, buf) = writer.write("wheel").await;
    /// assert_eq!(result?, 4);
    /// let (result, _) = writer.write(buf.slice(4..)).await;
    /// assert_eq!(result?, 0, "there is no more room");
    /// # std::io::Result::Ok(())
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the stream; the buffer comes back beside them.
    fn write<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>>;

    /// Writes once from a list of buffers, in order, and returns how many bytes went.
    ///
    /// As it stands here, it copies at most 64 KiB into one buffer and writes that: right, but not fast. A stream
    /// that can gather should say so.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use sakia_io::AsyncWrite;
    ///
    /// let mut writer = Vec::new();
    /// let (result, _list) = writer.writev(("a ", String::from("wheel"))).await;
    /// assert_eq!(result?, 7);
    /// assert_eq!(writer, b"a wheel");
    /// # std::io::Result::Ok(())
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`write`](AsyncWrite::write).
    fn writev<V: IoVecBuf>(&mut self, bufs: V) -> impl Future<Output = BufResult<usize, V>> {
        async move {
            let mut scratch = Vec::with_capacity(bufs.total_init().min(SCRATCH));
            bufs.for_each_slice(&mut |part| {
                let room = SCRATCH - scratch.len();
                scratch.extend_from_slice(&part[..part.len().min(room)]);
            });
            if scratch.is_empty() {
                return (Ok(0), bufs);
            }
            let (result, scratch) = self.write(scratch).await;
            (result.and_then(|n| checked(n, scratch.len())), bufs)
        }
    }

    /// Sends what the writer itself holds back, or has the kernel hold back, if it does.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use sakia_io::AsyncWrite;
    ///
    /// let mut writer = Vec::new();
    /// writer.write("wheel").await.0?;
    /// writer.flush().await?;
    /// # std::io::Result::Ok(())
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the stream.
    fn flush(&mut self) -> impl Future<Output = io::Result<()>>;

    /// Ends the writing side, after what was written: the peer sees the end of the stream.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use sakia_io::AsyncWrite;
    ///
    /// let mut writer = Vec::new();
    /// writer.write("wheel").await.0?;
    /// writer.shutdown().await?;
    /// # std::io::Result::Ok(())
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the stream.
    fn shutdown(&mut self) -> impl Future<Output = io::Result<()>>;

    /// Does what [`AsyncWriteExt::write_all`] says, which callers use instead.
    ///
    /// It is here so that a stream may have its own way: to let the kernel do the loop, or to know how much of a
    /// dropped one was sent.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use sakia_io::AsyncWrite;
    ///
    /// let mut writer = Vec::new();
    /// writer.write_full("wheel").await.0?;
    /// assert_eq!(writer, b"wheel");
    /// # std::io::Result::Ok(())
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`AsyncWriteExt::write_all`].
    fn write_full<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        async move {
            let mut buf = buf;
            let total = buf.bytes_init();
            let mut done = 0;
            while done < total {
                let (result, part) = self.write(buf.slice(done..total)).await;
                let step = step(result, &part);
                buf = part.into_inner();
                match step {
                    Ok(Step::Moved(n)) => done += n,
                    Ok(Step::Again) => {}
                    Ok(Step::Stuck) => return (Err(no_room()), buf),
                    Err(error) => return (Err(error), buf),
                }
            }
            (Ok(()), buf)
        }
    }
}

fn no_room() -> io::Error {
    io::Error::new(
        io::ErrorKind::WriteZero,
        "no more could be written before the buffer was sent",
    )
}

/// Adds the loop over [`AsyncWrite`], for every writer.
pub trait AsyncWriteExt: AsyncWrite {
    /// Writes all initialised bytes of the buffer.
    ///
    /// An empty buffer is written at once.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use sakia_buf::{IoBuf, Slice};
    /// use sakia_io::AsyncWriteExt;
    ///
    /// let mut writer = Vec::new();
    /// let (result, part): (_, Slice<Vec<u8>>) = writer.write_all(b"a wheel".to_vec().slice(2..)).await;
    /// result?;
    /// assert_eq!(writer, b"wheel");
    /// assert_eq!(part.into_inner(), b"a wheel");
    /// # std::io::Result::Ok(())
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropped half way, some of the bytes were written, and no more follow after the write that is under way. How many, only the
    /// writer can say.
    ///
    /// # Errors
    ///
    /// `WriteZero` if the writer takes no more. Errors of the stream, but for `Interrupted`, upon which it writes again. How much was
    /// written before an error is not told.
    fn write_all<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        self.write_full(buf)
    }
}

impl<W: AsyncWrite + ?Sized> AsyncWriteExt for W {}

// Each method is handed on by name, so that a stream's own way is kept behind a reference or a box.
impl<W: AsyncWrite + ?Sized> AsyncWrite for &mut W {
    fn write<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        (**self).write(buf)
    }

    fn writev<V: IoVecBuf>(&mut self, bufs: V) -> impl Future<Output = BufResult<usize, V>> {
        (**self).writev(bufs)
    }

    fn flush(&mut self) -> impl Future<Output = io::Result<()>> {
        (**self).flush()
    }

    fn shutdown(&mut self) -> impl Future<Output = io::Result<()>> {
        (**self).shutdown()
    }

    fn write_full<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        (**self).write_full(buf)
    }
}

impl<W: AsyncWrite + ?Sized> AsyncWrite for Box<W> {
    fn write<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        (**self).write(buf)
    }

    fn writev<V: IoVecBuf>(&mut self, bufs: V) -> impl Future<Output = BufResult<usize, V>> {
        (**self).writev(bufs)
    }

    fn flush(&mut self) -> impl Future<Output = io::Result<()>> {
        (**self).flush()
    }

    fn shutdown(&mut self) -> impl Future<Output = io::Result<()>> {
        (**self).shutdown()
    }

    fn write_full<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        (**self).write_full(buf)
    }
}
