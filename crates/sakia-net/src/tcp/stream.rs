//! `TcpStream`: a TCP connection.

use std::io;
use std::net::{Shutdown, SocketAddr};

use sakia_buf::{IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use sakia_driver::{Close, InDoubt, close};

use crate::connect::{Connect, Connecting};
use crate::lookup::ToSocketAddrs;
use crate::noun::{self, Handle, IntoStd, noun};
use crate::option;
use crate::split::{OwnedReadHalf, OwnedWriteHalf, ReuniteError, StreamSocket, reunite, split};
use crate::stream::{
    Peek, Read, ReadExact, ReadToEnd, Readable, Readv, Stream, Writable, Write, WriteAll, Writev,
};
use crate::traits::AsStream;

/// Carries bytes over TCP.
///
/// All methods take `&self`: one task may read while another writes. A second read queues behind the first, and so does a second write.
/// Dropping the future of a read loses no byte: what it would have brought is served to the next one.
///
/// Dropping the stream closes it before the drop returns. A write that was abandoned in flight is cancelled then; with `SO_LINGER` set
/// the close is carried on by a thread of the kernel's, and the end of the runtime waits for it.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// use sakia::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let client = TcpStream::connect(listener.local_addr()?).await?;
/// let (server, _) = listener.accept().await?;
///
/// client.write_all("hello").await.0?;
/// let (n, buf) = server.read(Vec::with_capacity(16)).await;
/// assert_eq!(&buf[..n?], b"hello");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct TcpStream {
    fd: Stream,
}

noun!(TcpStream, SocketAddr);

impl StreamSocket for TcpStream {}

impl AsStream for TcpStream {
    fn stream(&self) -> &Stream {
        &self.fd
    }
}

/// Making one, sharing it, and giving it away.
impl TcpStream {
    /// Connects to the first of the addresses that answers (`IORING_OP_CONNECT`, Linux 5.5; connect(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let port = listener.local_addr()?.port();
    /// let stream = sakia::net::TcpStream::connect(("localhost", port)).await?;
    /// assert_eq!(stream.peer_addr()?.port(), port);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// The attempt that is under way is cancelled, and its socket is closed before the drop returns.
    ///
    /// # Errors
    ///
    /// That of the last address, which it names; or that of the resolver, as [`lookup_host`](crate::lookup_host). Its
    /// [`kind`](io::Error::kind) is that of connect(2), and the error with the errno is its source.
    #[doc(alias = "IORING_OP_CONNECT")]
    #[track_caller]
    pub fn connect(addr: impl ToSocketAddrs) -> Connect<Self> {
        Connect::new(Connecting::anew(&addr))
    }

    /// Takes a stream of std into the current runtime. It may be blocking or not.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let stream = sakia::net::TcpStream::from_std(stream)?;
    /// # drop(stream);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Outside a runtime; the stream is closed then.
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        noun::adopt(stream.into())
    }

    /// Gives the stream to std, beside the bytes that had arrived for a read that was dropped. They come before what std will read.
    ///
    /// It waits for a write that was abandoned. The stream is as blocking as it was when it came; one of ours blocks.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// let (stream, leftovers) = stream.into_std().await?;
    /// let _: std::net::TcpStream = stream;
    /// assert!(leftovers.bytes.is_empty());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn into_std(self) -> IntoStd<std::net::TcpStream> {
        IntoStd::new(self.fd.into_fd())
    }

    /// Splits the stream for two tasks. Dropping the half that writes tells the peer that no more will come.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// let (b, _) = listener.accept().await?;
    /// let (read, write) = a.into_split();
    /// write.write_all("question").await.0?;
    /// drop(write);
    /// assert_eq!(b.read_exact(Box::new([0; 8])).await.0.ok(), Some(()));
    /// assert_eq!(b.read(vec![0; 8]).await.0?, 0, "the end of the stream");
    /// b.write_all("answer").await.0?;
    /// assert_eq!(read.read(Vec::with_capacity(8)).await.1, b"answer");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf<Self>, OwnedWriteHalf<Self>) {
        split(self.fd)
    }

    /// Puts two halves together again; the peer is told nothing.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::TcpStream;
    ///
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = TcpStream::connect(listener.local_addr()?).await?;
    /// let (read, write) = stream.into_split();
    /// let stream = TcpStream::reunite(read, write).expect("they are halves of one stream");
    /// # drop(stream);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Both halves, if they are not of one stream.
    pub fn reunite(
        read: OwnedReadHalf<Self>,
        write: OwnedWriteHalf<Self>,
    ) -> Result<Self, ReuniteError<Self>> {
        reunite(read, write)
    }

    /// Closes the stream and tells the error (close(2)). What was written is still sent; use [`shutdown`](Self::shutdown), and read up
    /// to the end, to know that the peer has had it.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// stream.close().await?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping the future, even unpolled, closes the stream; only the error is lost.
    pub fn close(self) -> Close {
        close(self.fd.into_fd())
    }
}

/// Reading and writing.
impl TcpStream {
    /// Reads what is there, up to the buffer's capacity (`IORING_OP_RECV`, Linux 5.6; recv(2)). 0 into a buffer with room is the end of
    /// the stream.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (b, _) = listener.accept().await?;
    /// b.write_all("sakia").await.0?;
    /// let (n, buf) = a.read(Vec::with_capacity(16)).await;
    /// assert_eq!(&buf[..n?], b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// No byte is lost: what arrives for a read that was dropped is kept with the stream and served to the next one.
    ///
    /// # Errors
    ///
    /// As recv(2).
    #[doc(alias = "IORING_OP_RECV")]
    pub fn read<B: IoBufMut>(&self, buf: B) -> Read<'_, B> {
        self.fd.read(buf)
    }

    /// Fills the buffer's capacity.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (b, _) = listener.accept().await?;
    /// b.write_all("sakia").await.0?;
    /// let (result, buf) = a.read_exact(Box::new([0; 3])).await;
    /// result?;
    /// assert_eq!(*buf, *b"sak");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// No byte is lost: the part that was read goes back to the stream, and the next read begins with it.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the stream ends before, with the buffer as far as it was filled; else as recv(2).
    pub fn read_exact<B: IoBufMut>(&self, buf: B) -> ReadExact<'_, B> {
        self.fd.read_exact(buf)
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
        self.fd.read_to_end(buf)
    }

    /// Reads into several buffers in order (`IORING_OP_READV`, Linux 5.1; readv(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (b, _) = listener.accept().await?;
    /// b.write_all("sakia").await.0?;
    /// let (n, [head, rest]) = a.readv([vec![0; 2], vec![0; 8]]).await;
    /// assert_eq!((n?, &head[..], &rest[..3]), (5, &b"sa"[..], &b"kia"[..]));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// As readv(2).
    #[doc(alias = "IORING_OP_READV")]
    pub fn readv<V: IoVecBufMut>(&self, bufs: V) -> Readv<'_, V> {
        self.fd.readv(bufs)
    }

    /// Looks at what the next read will give, and leaves it there (`IORING_OP_RECV` with `MSG_PEEK`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (b, _) = listener.accept().await?;
    /// b.write_all("sakia").await.0?;
    /// assert_eq!(a.peek(Vec::with_capacity(8)).await.1, b"sakia");
    /// assert_eq!(a.read(Vec::with_capacity(8)).await.1, b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As recv(2).
    pub fn peek<B: IoBufMut>(&self, buf: B) -> Peek<'_, B> {
        self.fd.peek(buf)
    }

    /// Reads what is there, without waiting and without the ring; what the stream has kept comes first.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (b, _) = listener.accept().await?;
    /// let nothing = a.try_read(&mut [0; 8]).unwrap_err();
    /// assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    /// b.write_all("sakia").await.0?;
    /// a.readable().await?;
    /// assert_eq!(a.try_read(&mut [0; 8])?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there, or if a read is under way; else as recv(2).
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.fd.try_read(buf)
    }

    /// Waits until a read would not block (`IORING_OP_POLL_ADD`, Linux 5.1; poll(2)). What the stream has kept counts.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (b, _) = listener.accept().await?;
    /// b.write_all("sakia").await.0?;
    /// a.readable().await?;
    /// assert_eq!(a.try_read(&mut [0; 8])?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As poll(2).
    pub fn readable(&self) -> Readable<'_> {
        self.fd.readable()
    }

    /// Writes the buffer, or a beginning of it (`IORING_OP_SEND`, Linux 5.6; send(2)). There is never a SIGPIPE.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (b, _) = listener.accept().await?;
    /// let (n, _) = a.write("sakia").await;
    /// assert_eq!(n?, 5);
    /// # drop(b);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Once submitted it is sent while the stream lives, and the next write waits behind it, so bytes stay in order.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` or `ConnectionReset` if the peer has gone; else as send(2).
    #[doc(alias = "IORING_OP_SEND")]
    pub fn write<B: IoBuf>(&self, buf: B) -> Write<'_, B> {
        self.fd.write(buf)
    }

    /// Writes all of the buffer, as one operation where the kernel can (`IORING_OP_SEND` with `MSG_WAITALL`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (b, _) = listener.accept().await?;
    /// a.write_all(vec![1; 100]).await.0?;
    /// assert_eq!(b.read_exact(vec![0; 100]).await.1, [1; 100]);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`write`](Self::write); [`in_doubt`](Self::in_doubt) tells how much of it was sent.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); how much of it was sent is not known.
    pub fn write_all<B: IoBuf>(&self, buf: B) -> WriteAll<'_, B> {
        self.fd.write_all(buf)
    }

    /// Writes several buffers in order, or a beginning of them (`IORING_OP_SENDMSG`, Linux 5.3; sendmsg(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (b, _) = listener.accept().await?;
    /// assert_eq!(a.writev(["sa", "kia"]).await.0?, 5);
    /// assert_eq!(b.read(Vec::with_capacity(8)).await.1, b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`write`](Self::write).
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    #[doc(alias = "IORING_OP_SENDMSG")]
    pub fn writev<V: IoVecBuf>(&self, bufs: V) -> Writev<'_, V> {
        self.fd.writev(bufs)
    }

    /// Writes what the socket takes, without waiting and without the ring.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (b, _) = listener.accept().await?;
    /// assert_eq!(a.try_write(b"sakia")?, 5);
    /// # drop(b);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it takes nothing, or if a write is under way; else as send(2).
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.fd.try_write(buf)
    }

    /// Tells what became of the last write that was given up: dropped after it was polled, or out of time (`timeout`).
    ///
    /// Such a write is left to finish while the stream lives, and this tells how far it has come. `None` if there was none.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use futures_util::future::{poll_immediate};
    ///
    /// # let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (b, _) = listener.accept().await?;
    /// let mut write = a.write_all("hello");
    /// assert!(poll_immediate(&mut write).await.is_none());
    /// drop(write);
    /// assert_eq!(b.read(Vec::with_capacity(8)).await.1, b"hello");
    /// let doubt = a.in_doubt().expect("a write was dropped");
    /// assert_eq!((doubt.sent(), doubt.len()), (5, 5));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn in_doubt(&self) -> Option<InDoubt> {
        self.fd.in_doubt()
    }

    /// Waits until a write would not block, and no earlier write is under way (`IORING_OP_POLL_ADD`, Linux 5.1; poll(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (b, _) = listener.accept().await?;
    /// a.writable().await?;
    /// assert_eq!(a.try_write(b"sakia")?, 5);
    /// # drop(b);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As poll(2).
    pub fn writable(&self) -> Writable<'_> {
        self.fd.writable()
    }

    /// Shuts the reading side, the writing side or both (shutdown(2)), on the spot. It acts on every handle of the socket, also in other
    /// processes. A write that is under way is not waited for.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (b, _) = listener.accept().await?;
    /// a.write_all("last").await.0?;
    /// a.shutdown(std::net::Shutdown::Write)?;
    /// assert_eq!(b.read(Vec::with_capacity(8)).await.1, b"last");
    /// assert_eq!(b.read(Vec::with_capacity(8)).await.0?, 0);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As shutdown(2).
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.fd.handle().shutdown(how)
    }

    /// Takes the error that the socket has kept (`SO_ERROR`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (b, _) = listener.accept().await?;
    /// assert!(a.take_error()?.is_none());
    /// # drop(b);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        option::take_error(self.fd.handle())
    }
}
