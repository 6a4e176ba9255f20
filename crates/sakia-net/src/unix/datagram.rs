//! `UnixDatagram`: messages between the processes of one machine, without a connection.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use sakia_buf::{IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use sakia_driver::{Close, Fd, close, ops};

use crate::borrowed::Borrowed;
use crate::message::{self, Recv, RecvFrom, RecvMsg, Send, SendTo, SendWithFds};
use crate::noun::{self, IntoStd, become_a, noun};
use crate::stream::{Readable, Writable};
use crate::unix::addr::UnixAddr;
use crate::unix::bind::{BindTo, UnixBind};
use crate::unix::connect::{UnixDatagramConnect, connect};

/// Sends and receives datagrams between the processes of one machine. None is lost on the way: a send waits while the receiver is full.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("sock");
/// # sakia::Runtime::new().unwrap().block_on(async {
/// use sakia::net::UnixDatagram;
///
/// let server = UnixDatagram::bind(&path).await?;
/// let client = UnixDatagram::unbound()?;
/// client.send_to("hello", &path).await.0?;
/// let (received, buf) = server.recv_from(Vec::with_capacity(64)).await;
/// let (n, from) = received?;
/// assert_eq!(&buf[..n], b"hello");
/// assert!(from.is_unnamed());
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct UnixDatagram {
    fd: Fd,
}

noun!(UnixDatagram, UnixAddr);

impl BindTo for UnixDatagram {
    const TYPE: i32 = libc::SOCK_DGRAM;
    const BACKLOG: Option<i32> = None;
}

/// Making one, and giving it away.
impl UnixDatagram {
    /// Makes a socket at a path (socket(2), bind(2)). Dropping it leaves the path, as std does: unlink it before the next bind.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sock");
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::UnixDatagram::bind(&path).await?;
    /// assert_eq!(socket.local_addr()?.as_pathname(), Some(&*path));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `AddrInUse` if there is anything at the path; `InvalidInput` if it has a NUL byte or more than 107 bytes; else as bind(2).
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> UnixBind<Self> {
        UnixBind::new(UnixAddr::from_pathname(path))
    }

    /// Makes a socket at an address, which may be a name in the abstract namespace.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::{UnixAddr, UnixDatagram};
    ///
    /// let addr = UnixAddr::from_abstract_name(format!("sakia-datagram-{}", std::process::id()))?;
    /// let server = UnixDatagram::bind_addr(&addr).await?;
    /// let client = UnixDatagram::unbound()?;
    /// client.send_to_addr("hello", &addr).await.0?;
    /// assert_eq!(server.recv(Vec::with_capacity(8)).await.1, b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `AddrInUse` if there is such a socket; else as bind(2).
    #[track_caller]
    pub fn bind_addr(addr: &UnixAddr) -> UnixBind<Self> {
        UnixBind::new(Ok(*addr))
    }

    /// Makes a socket without a name (socket(2)), on the spot. It sends; nobody can answer it unless it is connected to.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::UnixDatagram::unbound()?;
    /// assert!(socket.local_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As socket(2); and outside a runtime.
    #[track_caller]
    pub fn unbound() -> io::Result<Self> {
        Fd::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0).map(become_a)
    }

    /// Makes two sockets that are connected to each other (socketpair(2)), on the spot.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
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
        noun::pair(libc::SOCK_DGRAM)
    }

    /// Takes a socket of std into the current runtime. It may be blocking or not.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (ours, _peer) = std::os::unix::net::UnixDatagram::pair()?;
    /// let socket = sakia::net::UnixDatagram::from_std(ours)?;
    /// # drop(socket);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Outside a runtime; the socket is closed then.
    #[track_caller]
    pub fn from_std(socket: std::os::unix::net::UnixDatagram) -> io::Result<Self> {
        noun::adopt(socket.into())
    }

    /// Gives the socket to std, beside the datagrams that had arrived for a `recv` that was dropped.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (socket, _peer) = sakia::net::UnixDatagram::pair()?;
    /// let (socket, leftovers) = socket.into_std().await?;
    /// let _: std::os::unix::net::UnixDatagram = socket;
    /// assert!(leftovers.messages.is_empty());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn into_std(self) -> IntoStd<std::os::unix::net::UnixDatagram> {
        IntoStd::new(self.fd)
    }

    /// Closes the socket and tells the error (close(2)); its path stays.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (socket, _peer) = sakia::net::UnixDatagram::pair()?;
    /// socket.close().await?;
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
impl UnixDatagram {
    /// Connects to the socket at a path (`IORING_OP_CONNECT`, Linux 5.5; connect(2)): [`send`](Self::send) goes there, and only what comes
    /// from there is received.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sock");
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::UnixDatagram;
    ///
    /// let server = UnixDatagram::bind(&path).await?;
    /// let client = UnixDatagram::unbound()?;
    /// client.connect(&path).await?;
    /// client.send("hello").await.0?;
    /// assert_eq!(server.recv(Vec::with_capacity(8)).await.1, b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Whether the socket is connected is not known.
    ///
    /// # Errors
    ///
    /// As connect(2); `InvalidInput` if the path has a NUL byte or more than 107 bytes.
    #[doc(alias = "IORING_OP_CONNECT")]
    pub fn connect(&self, path: impl AsRef<Path>) -> UnixDatagramConnect<'_> {
        connect(&self.fd, UnixAddr::from_pathname(path))
    }

    /// Connects to the socket at an address, as [`connect`](Self::connect).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::{UnixAddr, UnixDatagram};
    ///
    /// let nowhere = UnixAddr::from_abstract_name("sakia: nobody receives here")?;
    /// let error = UnixDatagram::unbound()?.connect_addr(&nowhere).await.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As connect(2).
    pub fn connect_addr(&self, addr: &UnixAddr) -> UnixDatagramConnect<'_> {
        connect(&self.fd, Ok(*addr))
    }

    /// Sends one datagram to the socket at a path (`IORING_OP_SENDMSG`, Linux 5.3; sendmsg(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sock");
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let peer = std::os::unix::net::UnixDatagram::bind(&path)?;
    /// let socket = sakia::net::UnixDatagram::unbound()?;
    /// assert_eq!(socket.send_to("hello", &path).await.0?, 5);
    /// # drop(peer);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Once submitted it is sent while the socket lives.
    ///
    /// # Errors
    ///
    /// As sendmsg(2); `InvalidInput` if the path has a NUL byte or more than 107 bytes, and the buffer is not sent.
    #[doc(alias = "IORING_OP_SENDMSG")]
    pub fn send_to<B: IoBuf>(&self, buf: B, path: impl AsRef<Path>) -> SendTo<'_, B> {
        let to = UnixAddr::from_pathname(path).map(|addr| Some(addr.raw()));
        message::send(&self.fd, buf, to)
    }

    /// Sends one datagram to the socket at an address, as [`send_to`](Self::send_to).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::{UnixAddr, UnixDatagram};
    ///
    /// let nowhere = UnixAddr::from_abstract_name("sakia: nobody receives here")?;
    /// let error = UnixDatagram::unbound()?.send_to_addr("hello", &nowhere).await.0.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As sendmsg(2).
    pub fn send_to_addr<B: IoBuf>(&self, buf: B, addr: &UnixAddr) -> SendTo<'_, B> {
        message::send(&self.fd, buf, Ok(Some(addr.raw())))
    }

    /// Sends one datagram to the connected peer (`IORING_OP_SENDMSG`, Linux 5.3; sendmsg(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
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
    /// As sendmsg(2): `NotConnected` if there is no peer, `ConnectionRefused` if it has gone.
    #[doc(alias = "IORING_OP_SENDMSG")]
    pub fn send<B: IoBuf>(&self, buf: B) -> Send<'_, B> {
        message::send(&self.fd, buf, Ok(None))
    }

    /// Sends one datagram of several buffers, and descriptors with it (`IORING_OP_SENDMSG`, Linux 5.3; sendmsg(2), `SCM_RIGHTS`).
    ///
    /// The receiver gets descriptors of its own. These come back with the buffers, to be kept or dropped.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
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

    /// Sends a datagram to the connected peer, if the socket takes it at once, without the ring.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
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
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
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

    /// Sends one datagram of several buffers, and descriptors with it, to the socket at an address, as
    /// [`send_with_fds`](Self::send_with_fds).
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sock");
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::{UnixAddr, UnixDatagram};
    ///
    /// let server = UnixDatagram::bind(&path).await?;
    /// let file = std::fs::File::open("/dev/null")?;
    /// let to = UnixAddr::from_pathname(&path)?;
    /// UnixDatagram::unbound()?.send_with_fds_to_addr(["here"], vec![file.into()], &to).await.0?;
    /// let received = server.recv_msg([Vec::with_capacity(8)]).await.0?;
    /// assert_eq!(received.ancillary.fds.len(), 1);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send_with_fds`](Self::send_with_fds).
    pub fn send_with_fds_to_addr<V: IoVecBuf>(
        &self,
        bufs: V,
        fds: Vec<OwnedFd>,
        addr: &UnixAddr,
    ) -> SendWithFds<'_, V> {
        message::send_with_fds(&self.fd, bufs, fds, Some(addr.raw()))
    }

    /// Waits for one datagram, and tells who sent it (`IORING_OP_RECVMSG`, Linux 5.3; recvmsg(2)). What does not fit the buffer is cut off.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let (here, there) = (dir.path().join("here"), dir.path().join("there"));
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::UnixDatagram;
    ///
    /// let (a, b) = (UnixDatagram::bind(&here).await?, UnixDatagram::bind(&there).await?);
    /// a.send_to("hello", &there).await.0?;
    /// let (n, from) = b.recv_from(Vec::with_capacity(8)).await.0?;
    /// assert_eq!((n, from.as_pathname()), (5, Some(&*here)));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// As recvmsg(2).
    #[doc(alias = "IORING_OP_RECVMSG")]
    pub fn recv_from<B: IoBufMut>(&self, buf: B) -> RecvFrom<'_, B, UnixAddr> {
        message::recv_from(&self.fd, buf)
    }

    /// Waits for one datagram, as [`recv_from`](Self::recv_from), and leaves it there (`MSG_PEEK`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
    /// a.send("hello").await.0?;
    /// assert!(b.peek_from(Vec::with_capacity(8)).await.0?.1.is_unnamed());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As recvmsg(2).
    pub fn peek_from<B: IoBufMut>(&self, buf: B) -> RecvFrom<'_, B, UnixAddr> {
        message::peek_from(&self.fd, buf)
    }

    /// Receives a datagram that is there, as [`try_recv`](Self::try_recv), and tells who sent it.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
    /// a.send("hello").await.0?;
    /// let (n, from) = b.try_recv_from(&mut [0; 8])?;
    /// assert!(n == 5 && from.is_unnamed());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, UnixAddr)> {
        message::try_recv_from(&self.fd, buf)
    }

    /// Sends a datagram to the socket at an address, if it takes it at once, without the ring.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sock");
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::{UnixAddr, UnixDatagram};
    ///
    /// let peer = std::os::unix::net::UnixDatagram::bind(&path)?;
    /// let to = UnixAddr::from_pathname(&path)?;
    /// assert_eq!(UnixDatagram::unbound()?.try_send_to_addr(b"hello", &to)?, 5);
    /// # drop(peer);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    pub fn try_send_to_addr(&self, buf: &[u8], addr: &UnixAddr) -> io::Result<usize> {
        self.fd.try_send_to(buf, &addr.raw())
    }

    /// Waits for one datagram (`IORING_OP_RECVMSG`, Linux 5.3; recvmsg(2)). What does not fit the buffer is cut off.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
    /// a.send("hello").await.0?;
    /// assert_eq!(b.recv(Vec::with_capacity(8)).await.1, b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// No datagram is lost: one that arrives for a call that was dropped is given to the next, with its descriptors, as far as the buffer
    /// of the first could hold it.
    ///
    /// # Errors
    ///
    /// As recvmsg(2).
    #[doc(alias = "IORING_OP_RECVMSG")]
    pub fn recv<B: IoBufMut>(&self, buf: B) -> Recv<'_, B> {
        message::recv(&self.fd, buf)
    }

    /// Waits for one datagram, as [`recv`](Self::recv), and leaves it there (`MSG_PEEK`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
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

    /// Waits for one datagram in one or several buffers (`IORING_OP_RECVMSG`, Linux 5.3; recvmsg(2)), and tells who sent it, whether it
    /// was cut, and what came beside its bytes: descriptors, credentials. The other ways to receive close such descriptors.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
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

    /// Receives a datagram that is there, without waiting and without the ring; what the socket has kept comes first.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
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
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
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
