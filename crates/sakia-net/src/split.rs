//! The two halves of a stream, for two tasks: one reads, one writes, and the end of the writer tells the peer.

use std::error::Error;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;

use sakia_buf::{IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use sakia_driver::InDoubt;

use crate::message::{self, RecvMsg, SendWithFds};
use crate::noun::{self, Handle, Noun};
use crate::stream::{
    Peek, Read, ReadExact, ReadToEnd, Readable, Readv, Stream, Writable, Write, WriteAll, Writev,
};
use crate::tcp::stream::TcpStream;
use crate::traits::AsStream;
use crate::unix::addr::UnixAddr;
use crate::unix::stream::UnixStream;

/// Is implemented for [`TcpStream`] and [`UnixStream`](crate::UnixStream), the streams that can be split; it is sealed.
///
/// ```
/// use sakia::net::{OwnedWriteHalf, StreamSocket};
///
/// /// Says the same on either kind of stream.
/// async fn greet<S: StreamSocket>(to: &OwnedWriteHalf<S>) -> std::io::Result<()> {
///     to.write_all("hello").await.0
/// }
/// # sakia::Runtime::new().unwrap().block_on(async {
/// let (a, b) = sakia::net::UnixStream::pair()?;
/// let (_read, write) = a.into_split();
/// greet(&write).await?;
/// assert_eq!(b.read(Vec::with_capacity(8)).await.1, b"hello");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub trait StreamSocket: Noun {}

/// Reads from a stream that was split; made by [`TcpStream::into_split`] and
/// [`UnixStream::into_split`](crate::UnixStream::into_split).
///
/// Dropping it does not shut the reading side: the peer learns nothing of it before the other half goes as well.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// let (a, b) = sakia::net::UnixStream::pair()?;
/// let (read, write) = a.into_split();
/// b.write_all("ping").await.0?;
/// assert_eq!(read.read(Vec::with_capacity(8)).await.1, b"ping");
/// write.write_all("pong").await.0?;
/// assert_eq!(b.read(Vec::with_capacity(8)).await.1, b"pong");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct OwnedReadHalf<S = TcpStream> {
    stream: Stream,
    noun: PhantomData<fn() -> S>,
}

/// Writes to a stream that was split; made by [`TcpStream::into_split`] and
/// [`UnixStream::into_split`](crate::UnixStream::into_split).
///
/// Dropping it tells the peer that no more will come (shutdown(2), a FIN on TCP): at once, or behind a write that was abandoned
/// and is still under way. [`forget`](Self::forget) does not.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// let (a, b) = sakia::net::UnixStream::pair()?;
/// let (_read, write) = a.into_split();
/// write.write_all("last").await.0?;
/// drop(write);
/// assert_eq!(b.read(Vec::with_capacity(8)).await.1, b"last");
/// assert_eq!(b.read(Vec::with_capacity(8)).await.0?, 0);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct OwnedWriteHalf<S = TcpStream> {
    stream: Stream,
    /// Whether the drop tells the peer.
    tells: bool,
    noun: PhantomData<fn() -> S>,
}

pub(crate) fn split<S>(stream: Stream) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
    let read = OwnedReadHalf {
        stream: stream.clone(),
        noun: PhantomData,
    };
    let write = OwnedWriteHalf {
        stream,
        tells: true,
        noun: PhantomData,
    };
    (read, write)
}

pub(crate) fn reunite<S: StreamSocket>(
    read: OwnedReadHalf<S>,
    write: OwnedWriteHalf<S>,
) -> Result<S, ReuniteError<S>> {
    if !read.stream.handle().same(write.stream.handle()) {
        return Err(ReuniteError(read, write));
    }
    write.forget();
    Ok(S::from_fd(read.stream.into_fd()))
}

/// The address of one end, of a half.
fn address<S: StreamSocket>(
    stream: &Stream,
    which: impl FnOnce(&S) -> io::Result<S::Addr>,
) -> io::Result<S::Addr> {
    which(&S::from_fd(stream.clone().into_fd()))
}

impl<S: StreamSocket> OwnedReadHalf<S> {
    /// Reads what is there, up to the buffer's capacity, as [`TcpStream::read`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let (read, _write) = a.into_split();
    /// b.write_all("sakia").await.0?;
    /// assert_eq!(read.read(Vec::with_capacity(8)).await.1, b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn read<B: IoBufMut>(&self, buf: B) -> Read<'_, B> {
        self.stream.read(buf)
    }

    /// Fills the buffer, as [`TcpStream::read_exact`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let (read, _write) = a.into_split();
    /// b.write_all("sakia").await.0?;
    /// let (result, buf) = read.read_exact(Box::new([0; 3])).await;
    /// result?;
    /// assert_eq!(*buf, *b"sak");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn read_exact<B: IoBufMut>(&self, buf: B) -> ReadExact<'_, B> {
        self.stream.read_exact(buf)
    }

    /// Reads until the stream ends, and appends it to the buffer (`IORING_OP_RECV`, Linux 5.6; recv(2)).
    ///
    /// # Cancellation
    ///
    /// No byte is lost: what was read goes back to the stream, and the next read begins with it.
    ///
    /// # Errors
    ///
    /// As recv(2), with what was read in the buffer.
    #[doc(alias = "IORING_OP_RECV")]
    pub fn read_to_end(&self, buf: Vec<u8>) -> ReadToEnd<'_> {
        self.stream.read_to_end(buf)
    }

    /// Reads into several buffers in order, as [`TcpStream::readv`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let (read, _write) = a.into_split();
    /// b.write_all("sakia").await.0?;
    /// let (n, [head, rest]) = read.readv([Box::new([0; 2]), Box::new([0; 2])]).await;
    /// assert_eq!((n?, *head, *rest), (4, *b"sa", *b"ki"));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn readv<V: IoVecBufMut>(&self, bufs: V) -> Readv<'_, V> {
        self.stream.readv(bufs)
    }

    /// Looks at what the next read will give, as [`TcpStream::peek`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let (read, _write) = a.into_split();
    /// b.write_all("sakia").await.0?;
    /// assert_eq!(read.peek(Vec::with_capacity(8)).await.1, b"sakia");
    /// assert_eq!(read.read(Vec::with_capacity(8)).await.1, b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn peek<B: IoBufMut>(&self, buf: B) -> Peek<'_, B> {
        self.stream.peek(buf)
    }

    /// Reads what is there without waiting, as [`TcpStream::try_read`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// let (read, _write) = a.into_split();
    /// let nothing = read.try_read(&mut [0; 8]).unwrap_err();
    /// assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.try_read(buf)
    }

    /// Waits until a read would not block, as [`TcpStream::readable`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let (read, _write) = a.into_split();
    /// b.write_all("sakia").await.0?;
    /// read.readable().await?;
    /// assert_eq!(read.try_read(&mut [0; 8])?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn readable(&self) -> Readable<'_> {
        self.stream.readable()
    }

    /// Tells the address of this end.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (read, _write) = sakia::net::UnixStream::pair()?.0.into_split();
    /// assert!(read.local_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<S::Addr> {
        address(&self.stream, noun::local_addr::<S>)
    }

    /// Tells the address of the other end.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (read, _write) = sakia::net::UnixStream::pair()?.0.into_split();
    /// assert!(read.peer_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getpeername(2).
    pub fn peer_addr(&self) -> io::Result<S::Addr> {
        address(&self.stream, noun::peer_addr::<S>)
    }

    /// Puts the halves together again; the peer is told nothing.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let (read, write) = a.into_split();
    /// let a = read.reunite(write).expect("they are halves of one stream");
    /// a.write_all("whole").await.0?;
    /// assert_eq!(b.read(Vec::with_capacity(8)).await.1, b"whole");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Both halves, if they are not of one stream.
    pub fn reunite(self, write: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
        reunite(self, write)
    }
}

impl<S: StreamSocket> OwnedWriteHalf<S> {
    /// Writes the buffer, or a beginning of it, as [`TcpStream::write`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// let (_read, write) = a.into_split();
    /// assert_eq!(write.write("sakia").await.0?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn write<B: IoBuf>(&self, buf: B) -> Write<'_, B> {
        self.stream.write(buf)
    }

    /// Writes all of the buffer, as [`TcpStream::write_all`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let (_read, write) = a.into_split();
    /// write.write_all("sakia").await.0?;
    /// assert_eq!(b.read(Vec::with_capacity(8)).await.1, b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn write_all<B: IoBuf>(&self, buf: B) -> WriteAll<'_, B> {
        self.stream.write_all(buf)
    }

    /// Writes several buffers in order, or a beginning of them, as [`TcpStream::writev`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let (_read, write) = a.into_split();
    /// assert_eq!(write.writev(["sa", "kia"]).await.0?, 5);
    /// assert_eq!(b.read(Vec::with_capacity(8)).await.1, b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn writev<V: IoVecBuf>(&self, bufs: V) -> Writev<'_, V> {
        self.stream.writev(bufs)
    }

    /// Writes what the socket takes without waiting, as [`TcpStream::try_write`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// let (_read, write) = a.into_split();
    /// assert_eq!(write.try_write(b"sakia")?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it takes nothing, or a write is under way.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.stream.try_write(buf)
    }

    /// Tells what became of the last write that was given up: dropped after it was polled, or out of time (`timeout`).
    ///
    /// Such a write is left to finish while the stream lives, and this tells how far it has come. `None` if there was none.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use futures_util::future::{poll_immediate};
    ///
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let (_read, write_half) = a.into_split();
    /// let mut write = write_half.write_all("hello");
    /// assert!(poll_immediate(&mut write).await.is_none());
    /// drop(write);
    /// assert_eq!(b.read(Vec::with_capacity(8)).await.1, b"hello");
    /// let doubt = write_half.in_doubt().expect("a write was dropped");
    /// assert_eq!((doubt.sent(), doubt.len()), (5, 5));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn in_doubt(&self) -> Option<InDoubt> {
        self.stream.in_doubt()
    }

    /// Waits until a write would not block, as [`TcpStream::writable`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// let (_read, write) = a.into_split();
    /// write.writable().await?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn writable(&self) -> Writable<'_> {
        self.stream.writable()
    }

    /// Tells the peer that no more will come, on the spot (shutdown(2) SHUT_WR). A write that is under way is not waited for; the drop of
    /// the half does wait.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let (_read, write) = a.into_split();
    /// write.shutdown()?;
    /// assert_eq!(b.read(Vec::with_capacity(8)).await.0?, 0);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As shutdown(2).
    pub fn shutdown(&self) -> io::Result<()> {
        self.stream.handle().shutdown(std::net::Shutdown::Write)
    }

    /// Tells the address of this end.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (_read, write) = sakia::net::UnixStream::pair()?.0.into_split();
    /// assert!(write.local_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<S::Addr> {
        address(&self.stream, noun::local_addr::<S>)
    }

    /// Tells the address of the other end.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (_read, write) = sakia::net::UnixStream::pair()?.0.into_split();
    /// assert!(write.peer_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getpeername(2).
    pub fn peer_addr(&self) -> io::Result<S::Addr> {
        address(&self.stream, noun::peer_addr::<S>)
    }

    /// Puts the halves together again; the peer is told nothing.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// let (read, write) = a.into_split();
    /// let a = write.reunite(read).expect("they are halves of one stream");
    /// # drop(a);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Both halves, if they are not of one stream.
    pub fn reunite(self, read: OwnedReadHalf<S>) -> Result<S, ReuniteError<S>> {
        reunite(read, self)
    }
}

impl<S> OwnedWriteHalf<S> {
    /// Drops the half and tells the peer nothing: the stream is open as long as the other half is.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let (_read, write) = a.into_split();
    /// write.forget();
    /// let silence = b.try_read(&mut [0; 8]).unwrap_err();
    /// assert_eq!(silence.kind(), std::io::ErrorKind::WouldBlock);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn forget(mut self) {
        self.tells = false;
    }
}

impl<S> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if self.tells {
            self.stream.finish_writes();
        }
    }
}

impl<S> AsStream for OwnedReadHalf<S> {
    fn stream(&self) -> &Stream {
        &self.stream
    }
}

impl<S> AsStream for OwnedWriteHalf<S> {
    fn stream(&self) -> &Stream {
        &self.stream
    }
}

impl<S> fmt::Debug for OwnedReadHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedReadHalf")
            .field(self.stream.handle())
            .finish()
    }
}

impl<S> fmt::Debug for OwnedWriteHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnedWriteHalf")
            .field(self.stream.handle())
            .finish()
    }
}

/// Says that two halves are not of one stream, and gives them back.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// let (a, b) = sakia::net::UnixStream::pair()?;
/// let (a_read, _a_write) = a.into_split();
/// let (_b_read, b_write) = b.into_split();
/// let error = a_read.reunite(b_write).unwrap_err();
/// let (_a_read, _b_write) = (error.0, error.1);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[non_exhaustive]
pub struct ReuniteError<S = TcpStream>(
    /// The half that reads.
    pub OwnedReadHalf<S>,
    /// The half that writes.
    pub OwnedWriteHalf<S>,
);

impl<S> fmt::Debug for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReuniteError")
            .field(&self.0)
            .field(&self.1)
            .finish()
    }
}

impl<S> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are not of one stream")
    }
}

impl<S> Error for ReuniteError<S> {}

impl OwnedReadHalf<UnixStream> {
    /// Reads, and tells what came beside the bytes, as [`UnixStream::recv_msg`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let (read, _write) = a.into_split();
    /// b.write_all("sakia").await.0?;
    /// let received = read.recv_msg([Vec::with_capacity(8)]).await.0?;
    /// assert_eq!((received.len, received.ancillary.fds.len()), (5, 0));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn recv_msg<V: IoVecBufMut>(&self, bufs: V) -> RecvMsg<'_, V, UnixAddr> {
        message::recv_msg(self.stream.handle(), bufs)
    }
}

impl OwnedWriteHalf<UnixStream> {
    /// Writes, and sends descriptors with the first byte, as [`UnixStream::send_with_fds`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let (_read, write) = a.into_split();
    /// write.send_with_fds(["here"], vec![std::fs::File::open("/dev/null")?.into()]).await.0?;
    /// assert_eq!(b.recv_msg([Vec::with_capacity(8)]).await.0?.ancillary.fds.len(), 1);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn send_with_fds<V: IoVecBuf>(&self, bufs: V, fds: Vec<OwnedFd>) -> SendWithFds<'_, V> {
        message::send_with_fds(self.stream.handle(), bufs, fds, None)
    }
}
