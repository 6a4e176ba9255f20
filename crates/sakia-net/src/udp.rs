//! `UdpSocket`: datagrams over IP.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_buf::{IoBuf, IoBufMut, IoVecBufMut};
use sakia_driver::{Cancellable, Close, Fd, Receipt, close, ops};

use crate::bind::{Bind, BindTo};
use crate::borrowed::Borrowed;
use crate::connect::Connecting;
use crate::lookup::ToSocketAddrs;
use crate::message::{self, Recv, RecvFrom, RecvMsg, Send, SendTo};
use crate::noun::{self, IntoStd, noun};
use crate::option;
use crate::stream::{Readable, Writable};

/// Connects a UDP socket to a peer.
pub type UdpConnect<'a> = Borrowed<'a, Connected>;

/// Connects a socket that there is; [`UdpConnect`] ties it to its socket.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Connected {
    connecting: Connecting,
}

impl Future for Connected {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.connecting).poll(cx).map_ok(drop)
    }
}

impl Cancellable for Connected {
    type Value = ();
    type Buf = ();

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<()>> {
        let receipt = ready!(self.connecting.poll_cancel(cx));
        Poll::Ready(receipt.and_then(|_| Ok(())))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}

/// Sends and receives datagrams over UDP.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// use sakia::net::UdpSocket;
///
/// let a = UdpSocket::bind("127.0.0.1:0").await?;
/// let b = UdpSocket::bind("127.0.0.1:0").await?;
/// a.send_to("hello", b.local_addr()?).await.0?;
/// let (received, buf) = b.recv_from(Vec::with_capacity(1500)).await;
/// let (n, from) = received?;
/// assert_eq!((&buf[..n], from), (&b"hello"[..], a.local_addr()?));
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct UdpSocket {
    fd: Fd,
}

noun!(UdpSocket, SocketAddr);

impl BindTo for UdpSocket {
    const TYPE: i32 = libc::SOCK_DGRAM;
    const BACKLOG: Option<i32> = None;
}

/// Making one, and giving it away.
impl UdpSocket {
    /// Binds to the first of the addresses that is free (socket(2), bind(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::UdpSocket::bind("[::1]:0").await?;
    /// assert!(socket.local_addr()?.is_ipv6());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// That of the last address, which it names; or that of the resolver, as [`lookup_host`](crate::lookup_host).
    #[track_caller]
    pub fn bind(addr: impl ToSocketAddrs) -> Bind<Self> {
        Bind::new(&addr)
    }

    /// Takes a socket of std into the current runtime. It may be blocking or not.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = sakia::net::UdpSocket::from_std(socket)?;
    /// # drop(socket);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Outside a runtime; the socket is closed then.
    #[track_caller]
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        noun::adopt(socket.into())
    }

    /// Gives the socket to std, beside the datagrams that had arrived for a `recv` that was dropped.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// let (socket, leftovers) = socket.into_std().await?;
    /// let _: std::net::UdpSocket = socket;
    /// assert!(leftovers.messages.is_empty());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn into_std(self) -> IntoStd<std::net::UdpSocket> {
        IntoStd::new(self.fd)
    }

    /// Closes the socket and tells the error (close(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
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
impl UdpSocket {
    /// Connects to the first of the addresses that it can be connected to (`IORING_OP_CONNECT`, Linux 5.5; connect(2)): [`send`](Self::send)
    /// goes there, and only what comes from there is received.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::UdpSocket;
    ///
    /// let a = UdpSocket::bind("127.0.0.1:0").await?;
    /// let b = UdpSocket::bind("127.0.0.1:0").await?;
    /// a.connect(b.local_addr()?).await?;
    /// a.send("hello").await.0?;
    /// assert_eq!(b.recv(Vec::with_capacity(8)).await.1, b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Whether the socket is connected is not known.
    ///
    /// # Errors
    ///
    /// That of the last address, which it names; or that of the resolver.
    #[doc(alias = "IORING_OP_CONNECT")]
    pub fn connect(&self, addr: impl ToSocketAddrs) -> UdpConnect<'_> {
        Borrowed::new(Connected {
            connecting: Connecting::with(self.fd.clone(), &addr),
        })
    }

    /// Sends one datagram to an address (`IORING_OP_SENDMSG`, Linux 5.3; sendmsg(2)). Names are for [`lookup_host`](crate::lookup_host).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// assert_eq!(socket.send_to("hello", peer.local_addr()?).await.0?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Once submitted it is sent while the socket lives.
    ///
    /// # Errors
    ///
    /// As sendmsg(2).
    #[doc(alias = "IORING_OP_SENDMSG")]
    pub fn send_to<B: IoBuf>(&self, buf: B, to: SocketAddr) -> SendTo<'_, B> {
        message::send(&self.fd, buf, Ok(Some(to.into())))
    }

    /// Sends one datagram to the peer that the socket is connected to (`IORING_OP_SENDMSG`, Linux 5.3; sendmsg(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// socket.connect(peer.local_addr()?).await?;
    /// assert_eq!(socket.send("hello").await.0?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Once submitted it is sent while the socket lives.
    ///
    /// # Errors
    ///
    /// As sendmsg(2): `EDESTADDRREQ` if it is not connected, `ECONNREFUSED` if nobody listened to an earlier one.
    pub fn send<B: IoBuf>(&self, buf: B) -> Send<'_, B> {
        message::send(&self.fd, buf, Ok(None))
    }

    /// Waits for one datagram, and tells who sent it (`IORING_OP_RECVMSG`, Linux 5.3; recvmsg(2)). What does not fit the buffer is cut off.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// peer.send_to(b"hello", socket.local_addr()?)?;
    /// let (received, buf) = socket.recv_from(Vec::with_capacity(1500)).await;
    /// assert_eq!((received?, &buf[..]), ((5, peer.local_addr()?), &b"hello"[..]));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// No datagram is lost: one that arrives for a call that was dropped is given to the next, as far as the buffer of the first could
    /// hold it.
    ///
    /// # Errors
    ///
    /// As recvmsg(2).
    #[doc(alias = "IORING_OP_RECVMSG")]
    pub fn recv_from<B: IoBufMut>(&self, buf: B) -> RecvFrom<'_, B> {
        message::recv_from(&self.fd, buf)
    }

    /// Waits for one datagram, as [`recv_from`](Self::recv_from), and leaves it there (`MSG_PEEK`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// peer.send_to(b"hello", socket.local_addr()?)?;
    /// assert_eq!(socket.peek_from(Vec::with_capacity(8)).await.0?.1, peer.local_addr()?);
    /// assert_eq!(socket.recv_from(Vec::with_capacity(8)).await.1, b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As recvmsg(2).
    pub fn peek_from<B: IoBufMut>(&self, buf: B) -> RecvFrom<'_, B> {
        message::peek_from(&self.fd, buf)
    }

    /// Waits for one datagram (`IORING_OP_RECVMSG`, Linux 5.3; recvmsg(2)), as [`recv_from`](Self::recv_from), without its sender.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// peer.send_to(b"hello", socket.local_addr()?)?;
    /// assert_eq!(socket.recv(Vec::with_capacity(8)).await.1, b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`recv_from`](Self::recv_from).
    ///
    /// # Errors
    ///
    /// As recvmsg(2).
    pub fn recv<B: IoBufMut>(&self, buf: B) -> Recv<'_, B> {
        message::recv(&self.fd, buf)
    }

    /// Waits for one datagram, as [`recv`](Self::recv), and leaves it there (`MSG_PEEK`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// peer.send_to(b"hello", socket.local_addr()?)?;
    /// assert_eq!(socket.peek(Vec::with_capacity(8)).await.1, b"hello");
    /// assert_eq!(socket.recv(Vec::with_capacity(8)).await.1, b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As recvmsg(2).
    pub fn peek<B: IoBufMut>(&self, buf: B) -> Recv<'_, B> {
        message::peek(&self.fd, buf)
    }

    /// Waits for one datagram (`IORING_OP_RECVMSG`, Linux 5.3; recvmsg(2)) in one or several buffers, and tells who sent it and whether it
    /// was cut.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// peer.send_to(b"hello", socket.local_addr()?)?;
    /// let (received, [head, rest]) = socket.recv_msg([Box::new([0; 2]), Box::new([0; 2])]).await;
    /// assert_eq!((*head, *rest), (*b"he", *b"ll"));
    /// assert!(received?.truncated);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`recv_from`](Self::recv_from); that it was cut is kept, too.
    ///
    /// # Errors
    ///
    /// As recvmsg(2).
    pub fn recv_msg<V: IoVecBufMut>(&self, bufs: V) -> RecvMsg<'_, V> {
        message::recv_msg(&self.fd, bufs)
    }

    /// Receives a datagram that is there, without waiting and without the ring; what the socket has kept comes first.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// peer.send_to(b"hello", socket.local_addr()?)?;
    /// socket.readable().await?;
    /// assert_eq!(socket.try_recv(&mut [0; 8])?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there, or if a receive is under way; else as recvfrom(2).
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        message::try_recv(&self.fd, buf)
    }

    /// Receives a datagram that is there, as [`try_recv`](Self::try_recv), and tells who sent it.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// let nothing = socket.try_recv_from(&mut [0; 8]).unwrap_err();
    /// assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`try_recv`](Self::try_recv).
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        message::try_recv_from(&self.fd, buf)
    }

    /// Waits until a receive would not block (`IORING_OP_POLL_ADD`, Linux 5.1; poll(2)). What the socket has kept counts.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// peer.send_to(b"hello", socket.local_addr()?)?;
    /// socket.readable().await?;
    /// assert_eq!(socket.try_recv_from(&mut [0; 8])?, (5, peer.local_addr()?));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As poll(2).
    pub fn readable(&self) -> Readable<'_> {
        Borrowed::new(ops::readable(&self.fd))
    }

    /// Sends a datagram to the connected peer, if the socket takes it at once, without the ring.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// socket.connect(peer.local_addr()?).await?;
    /// assert_eq!(socket.try_send(b"hello")?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it does not take it, or if a send is under way; else as send(2).
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.fd.try_send(buf)
    }

    /// Sends a datagram to an address, if the socket takes it at once, without the ring.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// assert_eq!(socket.try_send_to(b"hello", peer.local_addr()?)?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`try_send`](Self::try_send).
    pub fn try_send_to(&self, buf: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.fd.try_send_to(buf, &to.into())
    }

    /// Waits until a send would not block, and no earlier one is under way (`IORING_OP_POLL_ADD`, Linux 5.1; poll(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// socket.writable().await?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As poll(2).
    pub fn writable(&self) -> Writable<'_> {
        Borrowed::new(ops::writable(&self.fd))
    }
}

/// Addresses and options.
impl UdpSocket {
    /// Tells the address that it is bound to (getsockname(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        noun::local_addr(self)
    }

    /// Tells the address that it is connected to (getpeername(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// assert!(socket.peer_addr().is_err(), "it is not connected");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getpeername(2): `NotConnected` if it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        noun::peer_addr(self)
    }

    /// Lets it send to broadcast addresses (`SO_BROADCAST`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// socket.set_broadcast(true)?;
    /// assert!(socket.broadcast()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_broadcast(&self, on: bool) -> io::Result<()> {
        option::set_flag(&self.fd, libc::SOL_SOCKET, libc::SO_BROADCAST, on)
    }

    /// Tells whether it may send to broadcast addresses.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// assert!(!socket.broadcast()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn broadcast(&self) -> io::Result<bool> {
        option::flag(&self.fd, libc::SOL_SOCKET, libc::SO_BROADCAST)
    }

    /// Sets the time to live of what is sent (`IP_TTL`; on IPv6 `IPV6_UNICAST_HOPS` too).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// socket.set_ttl(32)?;
    /// assert_eq!(socket.ttl()?, 32);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        option::set_ttl(&self.fd, ttl)
    }

    /// Tells the time to live of what is sent.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// assert!(socket.ttl()? > 0);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn ttl(&self) -> io::Result<u32> {
        option::ttl(&self.fd)
    }

    /// Takes the error that the socket has kept (`SO_ERROR`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// assert!(socket.take_error()?.is_none());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        option::take_error(&self.fd)
    }
}
