//! `OwnedIo`: a stream of another library's, as sakia's owned-buffer traits. What each library calls its polls is said in `face`.
//!
//! What has arrived stays here until the buffer that was asked to be filled is handed over: a composite read that is dropped half way leaves its part
//! to the next.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::marker::PhantomData;
use std::task::{Context, Poll};

use sakia::buf::{BufResult, IoBuf, IoBufMut};
use sakia::io::{AsyncRead, AsyncWrite};

/// As much as one poll is asked for at most.
const PIECE: usize = 64 * 1024;

/// How a library's trait reads a `T`. `F` in [`OwnedIo`] implements it.
pub trait PollRead<T> {
    fn poll_read(io: &mut T, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;
}

/// How a library's trait writes a `T`.
pub trait PollWrite<T> {
    fn poll_write(io: &mut T, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;
    fn poll_flush(io: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn poll_shutdown(io: &mut T, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Bridges a stream of another library to sakia's traits: it implements `sakia::io::{AsyncRead, AsyncWrite}`.
///
/// `F` says by which library's traits the stream is polled: `FromTokio`, `FromFutures` and `FromHyper` name the three. The stream must be `Unpin`; one that is
/// not goes into a `Box::pin`.
///
/// Bytes are copied once on their way in. Nothing is read ahead.
///
/// ```
/// use sakia::io::{AsyncReadExt, AsyncWriteExt};
/// use sakia_compat::{FromHyper, PollIo};
///
/// # sakia::Runtime::new()?.block_on(async {
/// // There and back again: a bridge on a bridge.
/// let (a, b) = sakia::net::UnixStream::pair()?;
/// let mut a = FromHyper::new(PollIo::new(a));
/// a.write_all("ping").await.0?;
/// b.write_all("pong").await.0?;
/// assert_eq!(b.read(Vec::with_capacity(8)).await.1, b"ping");
/// let (result, buf) = a.read_exact(Box::new([0; 4])).await;
/// result?;
/// assert_eq!(*buf, *b"pong");
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Cancellation
///
/// A read that is dropped loses nothing: `read_exact` and `read_to_end` leave what they had to the next read. A dropped `write` has
/// written nothing, a dropped `write_all` a beginning.
pub struct OwnedIo<T, F> {
    io: T,
    /// Initialised memory; what has arrived and was not handed out is at `begin..end`.
    data: Vec<u8>,
    begin: usize,
    end: usize,
    face: PhantomData<fn() -> F>,
}

impl<T, F> OwnedIo<T, F> {
    /// Puts the bridge on a stream.
    ///
    /// ```
    /// # use sakia_compat::{FromHyper, PollIo};
    /// # sakia::Runtime::new()?.block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// let io = FromHyper::new(PollIo::new(a));
    /// # drop(io);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new(io: T) -> Self {
        Self {
            io,
            data: Vec::new(),
            begin: 0,
            end: 0,
            face: PhantomData,
        }
    }

    /// Looks at the stream.
    ///
    /// ```
    /// # use sakia_compat::{FromHyper, PollIo};
    /// # sakia::Runtime::new()?.block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// let io = FromHyper::new(PollIo::new(a));
    /// assert!(io.get_ref().get_ref().local_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// Looks at the stream, to change something of it. What is read from it goes past what the bridge keeps.
    ///
    /// ```
    /// # use sakia_compat::{FromHyper, PollIo};
    /// # sakia::Runtime::new()?.block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// let mut io = FromHyper::new(PollIo::new(a));
    /// io.get_mut();
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.io
    }

    /// Gives the stream back, with what a dropped composite read has left: it comes before what the stream reads next.
    ///
    /// ```
    /// # use sakia_compat::{FromHyper, PollIo};
    /// # sakia::Runtime::new()?.block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// let (io, unread) = FromHyper::new(PollIo::new(a)).into_inner();
    /// assert!(unread.is_empty());
    /// # drop(io);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_inner(mut self) -> (T, Vec<u8>) {
        self.data.truncate(self.end);
        (self.io, self.data.split_off(self.begin))
    }

    fn unread(&self) -> &[u8] {
        &self.data[self.begin..self.end]
    }

    fn consume(&mut self, n: usize) {
        self.begin += n;
        if self.begin == self.end {
            self.begin = 0;
            self.end = 0;
            if self.data.len() > PIECE {
                self.data = Vec::new();
            }
        }
    }

    /// Hands over what is unread, as much as the buffer holds.
    fn hand_over<B: IoBufMut>(&mut self, buf: &mut B) -> usize {
        let n = buf.fill_from(self.unread());
        self.consume(n);
        n
    }

    /// Reads once, at most `limit` bytes, behind what is unread.
    async fn more(&mut self, limit: usize) -> io::Result<usize>
    where
        F: PollRead<T>,
    {
        let upto = self.end + limit.min(PIECE);
        if self.data.len() < upto {
            self.data.try_reserve(upto - self.data.len())?;
            self.data.resize(upto, 0);
        }
        let room = &mut self.data[self.end..upto];
        let n = poll_fn(|cx| F::poll_read(&mut self.io, cx, room)).await?;
        if n > room.len() {
            return Err(io::Error::other(
                "the stream reported more bytes than the buffer holds",
            ));
        }
        self.end += n;
        Ok(n)
    }

    /// Reads until so much is unread; `false` if the stream ends before.
    async fn gather(&mut self, wanted: usize) -> io::Result<bool>
    where
        F: PollRead<T>,
    {
        while self.unread().len() < wanted {
            match self.more(wanted - self.unread().len()).await {
                Ok(0) => return Ok(false),
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
        Ok(true)
    }
}

impl<T, F: PollRead<T>> AsyncRead for OwnedIo<T, F> {
    async fn read<B: IoBufMut>(&mut self, mut buf: B) -> BufResult<usize, B> {
        let room = buf.bytes_total();
        if room > 0
            && self.unread().is_empty()
            && let Err(error) = self.more(room).await
        {
            return (Err(error), buf);
        }
        let n = self.hand_over(&mut buf);
        (Ok(n), buf)
    }

    async fn read_full<B: IoBufMut>(&mut self, mut buf: B) -> BufResult<(), B> {
        let gathered = self.gather(buf.bytes_total()).await;
        self.hand_over(&mut buf);
        let result = gathered.and_then(|all| {
            all.then_some(())
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        });
        (result, buf)
    }

    async fn read_rest(&mut self, mut buf: Vec<u8>) -> BufResult<usize, Vec<u8>> {
        let gathered = self.gather(usize::MAX).await;
        let n = self.unread().len();
        buf.extend_from_slice(self.unread());
        self.consume(n);
        (gathered.map(|_| n), buf)
    }
}

impl<T, F: PollWrite<T>> AsyncWrite for OwnedIo<T, F> {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        if buf.bytes_init() == 0 {
            return (Ok(0), buf);
        }
        let result = poll_fn(|cx| F::poll_write(&mut self.io, cx, buf.as_slice())).await;
        (result, buf)
    }

    async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| F::poll_flush(&mut self.io, cx)).await
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        poll_fn(|cx| F::poll_shutdown(&mut self.io, cx)).await
    }
}

impl<T: fmt::Debug, F> fmt::Debug for OwnedIo<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedIo")
            .field("io", &self.io)
            .field("unread", &self.unread().len())
            .finish()
    }
}
