//! `UnixSeqpacket`: a connection that keeps the boundaries of what is sent, as records.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use sakia_buf::{IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use sakia_driver::{Close, Fd, close, ops};

use crate::borrowed::Borrowed;
use crate::message::{self, Recv, RecvMsg, Send, SendWithFds};
use crate::noun::{self, noun};
use crate::stream::{Readable, Writable};
use crate::unix::addr::UnixAddr;
use crate::unix::connect::{ConnectTo, UnixConnect};

/// Carries records (`SOCK_SEQPACKET`) between two processes of one machine: in order and none lost, as a stream, but each is received as it
/// was sent.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
/// a.send("one").await.0?;
/// a.send("two").await.0?;
/// assert_eq!(b.recv(Vec::with_capacity(64)).await.1, b"one");
/// assert_eq!(b.recv(Vec::with_capacity(64)).await.1, b"two");
/// drop(a);
/// assert_eq!(b.recv(Vec::with_capacity(64)).await.0?, 0);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct UnixSeqpacket {
    fd: Fd,
}

noun!(UnixSeqpacket, UnixAddr);

impl ConnectTo for UnixSeqpacket {
    const TYPE: i32 = libc::SOCK_SEQPACKET;
}

/// Making one, and giving it away.
impl UnixSeqpacket {
    /// Connects to the listener at a path (`IORING_OP_CONNECT`, Linux 5.5; connect(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sock");
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::{UnixSeqpacket, UnixSeqpacketListener};
    ///
    /// let listener = UnixSeqpacketListener::bind(&path).await?;
    /// let client = UnixSeqpacket::connect(&path).await?;
    /// assert_eq!(client.peer_addr()?.as_pathname(), Some(&*path));
    /// # drop(listener);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`UnixStream::connect`](crate::UnixStream::connect).
    ///
    /// # Errors
    ///
    /// As connect(2); `InvalidInput` if the path has a NUL byte or more than 107 bytes.
    #[doc(alias = "IORING_OP_CONNECT")]
    #[track_caller]
    pub fn connect(path: impl AsRef<Path>) -> UnixConnect<Self> {
        UnixConnect::new(UnixAddr::from_pathname(path))
    }

    /// Connects to the listener at an address, which may be a name in the abstract namespace.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::{UnixAddr, UnixSeqpacket};
    ///
    /// let nowhere = UnixAddr::from_abstract_name("sakia: nobody listens here")?;
    /// let error = UnixSeqpacket::connect_addr(&nowhere).await.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As connect(2).
    #[track_caller]
    pub fn connect_addr(addr: &UnixAddr) -> UnixConnect<Self> {
        UnixConnect::new(Ok(*addr))
    }

    /// Makes two sockets that are connected to each other (socketpair(2)), on the spot.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
    /// a.send("hello").await.0?;
    /// assert_eq!(b.recv(Vec::with_capacity(8)).await.1, b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As socketpair(2); and outside a runtime.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        noun::pair(libc::SOCK_SEQPACKET)
    }

    /// Takes a descriptor that somebody else has made into the current runtime; std has no type for such a socket.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::UnixSeqpacket;
    ///
    /// let (a, b) = UnixSeqpacket::pair()?;
    /// let (fd, _leftovers) = a.into_parts().await?;
    /// let a = UnixSeqpacket::from_owned_fd(fd)?;
    /// # drop((a, b));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Outside a runtime; the socket is closed then.
    pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Self> {
        noun::adopt(fd)
    }

    /// Closes the socket and tells the error (close(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
    /// a.close().await?;
    /// assert_eq!(b.recv(vec![0; 8]).await.0?, 0);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping the future, even unpolled, closes the socket; only the error is lost.
    pub fn close(self) -> Close {
        close(self.fd)
    }
}

/// Sending and receiving.
impl UnixSeqpacket {
    /// Sends one record to the connected peer (`IORING_OP_SENDMSG`, Linux 5.3; sendmsg(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
    /// assert_eq!(a.send("hello").await.0?, 5);
    /// # drop(b);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Once submitted it is sent while the socket lives, and the next one waits behind it.
    ///
    /// # Errors
    ///
    /// As sendmsg(2): `BrokenPipe` if the peer has gone; there is never a SIGPIPE.
    #[doc(alias = "IORING_OP_SENDMSG")]
    pub fn send<B: IoBuf>(&self, buf: B) -> Send<'_, B> {
        message::send(&self.fd, buf, Ok(None))
    }

    /// Sends one record of several buffers, and descriptors with it (`IORING_OP_SENDMSG`, Linux 5.3; sendmsg(2), `SCM_RIGHTS`).
    ///
    /// The receiver gets descriptors of its own. These come back with the buffers, to be kept or dropped.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
    /// let file = std::fs::File::open("/dev/null")?;
    /// let (sent, (_bufs, fds)) = a.send_with_fds(["he", "re"], vec![file.into()]).await;
    /// assert_eq!((sent?, fds.len()), (4, 1));
    /// # drop(b);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`send`](Self::send). The descriptors stay open until the kernel has sent them.
    ///
    /// # Errors
    ///
    /// As sendmsg(2): `InvalidInput` for more than 253 descriptors, EMSGSIZE for more than 1024 buffers, of which nothing is sent then.
    #[doc(alias = "SCM_RIGHTS")]
    pub fn send_with_fds<V: IoVecBuf>(&self, bufs: V, fds: Vec<OwnedFd>) -> SendWithFds<'_, V> {
        message::send_with_fds(&self.fd, bufs, fds, None)
    }

    /// Sends a record to the connected peer, if the socket takes it at once, without the ring.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
    /// assert_eq!(a.try_send(b"hello")?, 5);
    /// # drop(b);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it does not take it, or if a send is under way; else as send(2).
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.fd.try_send(buf)
    }

    /// Waits until a send would not block, and no earlier one is under way (`IORING_OP_POLL_ADD`, Linux 5.1; poll(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
    /// a.writable().await?;
    /// assert_eq!(a.try_send(b"hello")?, 5);
    /// # drop(b);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As poll(2).
    pub fn writable(&self) -> Writable<'_> {
        Borrowed::new(ops::writable(&self.fd))
    }

    /// Waits for one record (`IORING_OP_RECVMSG`, Linux 5.3; recvmsg(2)). What does not fit the buffer is cut off.
    /// 0 is the end of the connection, or a record without a byte.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
    /// a.send("hello").await.0?;
    /// assert_eq!(b.recv(Vec::with_capacity(8)).await.1, b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// No record is lost: one that arrives for a call that was dropped is given to the next, with its descriptors, as far as the buffer
    /// of the first could hold it.
    ///
    /// # Errors
    ///
    /// As recvmsg(2).
    #[doc(alias = "IORING_OP_RECVMSG")]
    pub fn recv<B: IoBufMut>(&self, buf: B) -> Recv<'_, B> {
        message::recv(&self.fd, buf)
    }

    /// Waits for one record, as [`recv`](Self::recv), and leaves it there (`MSG_PEEK`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
    /// a.send("hello").await.0?;
    /// assert_eq!(b.peek(Vec::with_capacity(8)).await.1, b"hello");
    /// assert_eq!(b.recv(Vec::with_capacity(8)).await.1, b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As recvmsg(2).
    pub fn peek<B: IoBufMut>(&self, buf: B) -> Recv<'_, B> {
        message::peek(&self.fd, buf)
    }

    /// Waits for one record in one or several buffers (`IORING_OP_RECVMSG`, Linux 5.3; recvmsg(2)), and tells who sent it, whether it
    /// was cut, and what came beside its bytes: descriptors, credentials. The other ways to receive close such descriptors.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
    /// let file = std::fs::File::open("/dev/null")?;
    /// a.send_with_fds(["here"], vec![file.into()]).await.0?;
    /// let (received, [buf]) = b.recv_msg([Vec::with_capacity(8)]).await;
    /// let received = received?;
    /// assert_eq!((&buf[..], received.ancillary.fds.len()), (&b"here"[..], 1));
    /// assert!(!received.truncated);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`recv`](Self::recv); that it was cut is kept, too.
    ///
    /// # Errors
    ///
    /// As recvmsg(2). `ancillary.truncated` tells that the process had too few descriptors left; those that did not fit are closed.
    #[doc(alias = "SCM_RIGHTS")]
    pub fn recv_msg<V: IoVecBufMut>(&self, bufs: V) -> RecvMsg<'_, V, UnixAddr> {
        message::recv_msg(&self.fd, bufs)
    }

    /// Receives a record that is there, without waiting and without the ring; what the socket has kept comes first.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
    /// let nothing = b.try_recv(&mut [0; 8]).unwrap_err();
    /// assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    /// a.send("hello").await.0?;
    /// assert_eq!(b.try_recv(&mut [0; 8])?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there, or if a receive is under way; else as recvfrom(2).
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        message::try_recv(&self.fd, buf)
    }

    /// Waits until a receive would not block (`IORING_OP_POLL_ADD`, Linux 5.1; poll(2)). What the socket has kept counts.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
    /// a.send("hello").await.0?;
    /// b.readable().await?;
    /// assert_eq!(b.try_recv(&mut [0; 8])?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As poll(2).
    pub fn readable(&self) -> Readable<'_> {
        Borrowed::new(ops::readable(&self.fd))
    }
}
