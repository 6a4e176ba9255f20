//! Reading a stream: the trait that a stream implements, and the loops that callers use.
//! Reading at an offset belongs in `at`, readers in memory in `memory`.

use std::io;

use sakia_buf::{BufResult, IoBuf, IoBufMut, IoVecBufMut};

use crate::progress::{Step, checked, step};

/// How much a vectored read or write goes through where the stream has none of its own.
pub(crate) const SCRATCH: usize = 64 * 1024;

/// By how much at least a buffer grows that is read to the end.
const GROW: usize = 8 * 1024;

/// Reads bytes from a stream into buffers that it owns meanwhile.
///
/// ```
/// # use futures_util::FutureExt;
/// # async {
/// use sakia_io::AsyncRead;
///
/// let mut reader: &[u8] = b"a water wheel";
/// let (result, buf) = reader.read(Vec::with_capacity(64)).await;
/// assert_eq!(result?, 13);
/// assert_eq!(buf, b"a water wheel");
/// # std::io::Result::Ok(())
/// # }.now_or_never().unwrap().unwrap();
/// ```
///
/// # Cancellation
///
/// A reader says itself what the drop of a read's future does. sakia's streams lose nothing: what the read brought is
/// served to the next.
pub trait AsyncRead {
    /// Reads once, into the front of the buffer, and returns how many bytes came.
    ///
    /// At most `bytes_total` bytes are read, often fewer; afterwards the length of the buffer is `max(length, n)`. `Ok(0)` is
    /// the end of the stream, unless the buffer has no capacity: then it is returned at once and means nothing.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use sakia_io::AsyncRead;
    ///
    /// let mut reader: &[u8] = b"wheel";
    /// let (result, buf) = reader.read(Box::new([0u8; 3])).await;
    /// assert_eq!((result?, *buf), (3, *b"whe"));
    /// # std::io::Result::Ok(())
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the stream; the buffer comes back beside them.
    fn read<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>>;

    /// Reads once into a list of buffers, each filled up before the next, and returns how many bytes came.
    ///
    /// As it stands here, it reads at most 64 KiB into memory of its own and copies them: right, but not fast.
    /// A stream that can scatter should say so.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use sakia_io::AsyncRead;
    ///
    /// let mut reader: &[u8] = b"a wheel";
    /// let (result, list) = reader.readv([Box::new([0u8; 2]), Box::new([0u8; 2])]).await;
    /// assert_eq!(result?, 4);
    /// assert_eq!(list, [Box::new(*b"a "), Box::new(*b"wh")]);
    /// # std::io::Result::Ok(())
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`read`](AsyncRead::read).
    fn readv<V: IoVecBufMut>(&mut self, bufs: V) -> impl Future<Output = BufResult<usize, V>> {
        async move {
            let mut bufs = bufs;
            let room = bufs.total_capacity().min(SCRATCH);
            if room == 0 {
                return (Ok(0), bufs);
            }
            let scratch = Vec::with_capacity(room).slice(..room);
            let (result, scratch) = self.read(scratch).await;
            let result = result
                .and_then(|n| checked(n, scratch.len()))
                .map(|n| bufs.fill_from(&scratch[..n]));
            (result, bufs)
        }
    }

    /// Does what [`AsyncReadExt::read_exact`] says, which callers use instead.
    ///
    /// It is here so that a stream may have its own way, which the loop here, a read at a time, cannot
    /// know: if the future is dropped half way, the bytes it already has are gone with its buffer. sakia's streams put them
    /// back.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use sakia_buf::{BufResult, IoBufMut};
    /// use sakia_io::{AsyncRead, AsyncReadExt};
    ///
    /// struct Outer<R>(R);
    ///
    /// impl<R: AsyncRead> AsyncRead for Outer<R> {
    ///     async fn read<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
    ///         self.0.read(buf).await
    ///     }
    ///
    ///     // Hands it on whole, so that the inner stream's way is kept.
    ///     async fn read_full<B: IoBufMut>(&mut self, buf: B) -> BufResult<(), B> {
    ///         self.0.read_full(buf).await
    ///     }
    /// }
    ///
    /// let (result, buf) = Outer(&b"wheel"[..]).read_exact(Box::new([0u8; 5])).await;
    /// assert_eq!(*buf, *b"wheel");
    /// # result
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`AsyncReadExt::read_exact`].
    fn read_full<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        async move {
            let mut buf = buf;
            let mut done = 0;
            while done < buf.bytes_total() {
                let (result, part) = self.read(buf.slice(done..)).await;
                let step = step(result, &part);
                buf = part.into_inner();
                match step {
                    Ok(Step::Moved(n)) => done += n,
                    Ok(Step::Again) => {}
                    Ok(Step::Stuck) => return (Err(early_end()), buf),
                    Err(error) => return (Err(error), buf),
                }
            }
            (Ok(()), buf)
        }
    }

    /// Does what [`AsyncReadExt::read_to_end`] says, which callers use instead.
    ///
    /// It is here for the same reason as [`read_full`](AsyncRead::read_full).
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use sakia_io::AsyncRead;
    ///
    /// let mut reader: &[u8] = b"wheel";
    /// assert_eq!(reader.read_rest(b"a ".to_vec()).await.1, b"a wheel");
    /// # }.now_or_never().unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`AsyncReadExt::read_to_end`].
    fn read_rest(&mut self, buf: Vec<u8>) -> impl Future<Output = BufResult<usize, Vec<u8>>> {
        async move {
            let mut buf = buf;
            let mut read = 0;
            loop {
                let len = buf.len();
                if len == buf.capacity()
                    && let Err(error) = buf.try_reserve(GROW)
                {
                    return (Err(error.into()), buf);
                }
                let (result, part) = self.read(buf.slice(len..)).await;
                let step = step(result, &part);
                buf = part.into_inner();
                // A reader may initialise more than it says it read; only what it read is appended.
                let n = if let Ok(Step::Moved(n)) = step { n } else { 0 };
                buf.truncate(len + n);
                read += n;
                match step {
                    Ok(Step::Moved(_) | Step::Again) => {}
                    Ok(Step::Stuck) => return (Ok(read), buf),
                    Err(error) => return (Err(error), buf),
                }
            }
        }
    }
}

fn early_end() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the end came before the buffer was full",
    )
}

/// Adds the loops over [`AsyncRead`], for every reader.
pub trait AsyncReadExt: AsyncRead {
    /// Reads until the buffer is full to its capacity.
    ///
    /// `Vec::with_capacity(n)` may round up: `buf.slice(..n)` asks for exactly `n` bytes. A buffer without capacity is full at once.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use sakia_buf::IoBuf;
    /// use sakia_io::AsyncReadExt;
    ///
    /// let mut reader: &[u8] = b"a water wheel";
    /// let (result, buf) = reader.read_exact(Vec::with_capacity(7).slice(..7)).await;
    /// result?;
    /// assert_eq!(&buf[..], b"a water");
    /// assert_eq!(reader, b" wheel");
    /// # std::io::Result::Ok(())
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// With sakia's streams nothing is lost: the part that was read is served to the next read. Another reader has to
    /// provide for it in [`AsyncRead::read_full`].
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the stream ends before the buffer is full; the buffer comes back with what was read. Errors of the stream
    /// likewise, but for `Interrupted`, upon which it reads again.
    fn read_exact<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        self.read_full(buf)
    }

    /// Reads to the end of the stream, appends what comes to `buf`, and returns how much that was.
    ///
    /// ```
    /// # use futures_util::FutureExt;
    /// # async {
    /// use sakia_io::AsyncReadExt;
    ///
    /// let mut reader: &[u8] = b"wheel";
    /// let (result, buf) = reader.read_to_end(b"a ".to_vec()).await;
    /// assert_eq!(result?, 5);
    /// assert_eq!(buf, b"a wheel");
    /// # std::io::Result::Ok(())
    /// # }.now_or_never().unwrap().unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`read_exact`](AsyncReadExt::read_exact); the reader's own way is [`AsyncRead::read_rest`].
    ///
    /// # Errors
    ///
    /// Those of the stream, but for `Interrupted`, and `OutOfMemory` if the buffer cannot grow. The buffer comes back with what
    /// was read before.
    fn read_to_end(&mut self, buf: Vec<u8>) -> impl Future<Output = BufResult<usize, Vec<u8>>> {
        self.read_rest(buf)
    }
}

impl<R: AsyncRead + ?Sized> AsyncReadExt for R {}

// Each method is handed on by name, so that a stream's own way is kept behind a reference or a box.
impl<R: AsyncRead + ?Sized> AsyncRead for &mut R {
    fn read<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        (**self).read(buf)
    }

    fn readv<V: IoVecBufMut>(&mut self, bufs: V) -> impl Future<Output = BufResult<usize, V>> {
        (**self).readv(bufs)
    }

    fn read_full<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        (**self).read_full(buf)
    }

    fn read_rest(&mut self, buf: Vec<u8>) -> impl Future<Output = BufResult<usize, Vec<u8>>> {
        (**self).read_rest(buf)
    }
}

impl<R: AsyncRead + ?Sized> AsyncRead for Box<R> {
    fn read<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        (**self).read(buf)
    }

    fn readv<V: IoVecBufMut>(&mut self, bufs: V) -> impl Future<Output = BufResult<usize, V>> {
        (**self).readv(bufs)
    }

    fn read_full<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        (**self).read_full(buf)
    }

    fn read_rest(&mut self, buf: Vec<u8>) -> impl Future<Output = BufResult<usize, Vec<u8>>> {
        (**self).read_rest(buf)
    }
}
