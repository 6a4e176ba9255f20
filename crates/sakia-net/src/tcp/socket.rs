//! `TcpSocket`: a socket on which options are set before it listens or connects.

use std::io;
use std::net::SocketAddr;

use sakia_driver::Fd;

use crate::connect::{Connect, Connecting};
use crate::lookup::at;
use crate::noun::{Address, become_a};
use crate::option;
use crate::tcp::listener::TcpListener;
use crate::tcp::stream::TcpStream;

/// Makes a TCP socket step by step, for options that have to be set before it is bound.
///
/// A listener on each thread of a server, all on one port:
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// use std::net::SocketAddr;
/// use sakia::net::{TcpListener, TcpSocket};
///
/// fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
///     let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
///     socket.set_reuseport(true)?;
///     socket.bind(addr)?;
///     socket.listen(1024)
/// }
/// let one = listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
/// let two = listen(one.local_addr()?)?;
/// assert_eq!(one.local_addr()?, two.local_addr()?);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct TcpSocket {
    fd: Fd,
}

impl TcpSocket {
    #[track_caller]
    fn new(family: i32) -> io::Result<Self> {
        let fd = Fd::socket(family, libc::SOCK_STREAM, 0)?;
        Ok(Self { fd })
    }

    /// Makes a socket of IPv4 (socket(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::TcpSocket::new_v4()?;
    /// socket.bind("127.0.0.1:0".parse().unwrap())?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As socket(2); and outside a runtime.
    #[track_caller]
    pub fn new_v4() -> io::Result<Self> {
        Self::new(libc::AF_INET)
    }

    /// Makes a socket of IPv6 (socket(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::TcpSocket::new_v6()?;
    /// socket.bind("[::1]:0".parse().unwrap())?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As socket(2); and outside a runtime.
    #[track_caller]
    pub fn new_v6() -> io::Result<Self> {
        Self::new(libc::AF_INET6)
    }

    /// Lets the socket bind to an address whose earlier connections are in TIME_WAIT (`SO_REUSEADDR`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// sakia::net::TcpSocket::new_v4()?.set_reuseaddr(true)?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_reuseaddr(&self, on: bool) -> io::Result<()> {
        option::set_flag(&self.fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, on)
    }

    /// Lets several sockets bind to one address; the kernel spreads the connections over them (`SO_REUSEPORT`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// sakia::net::TcpSocket::new_v4()?.set_reuseport(true)?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_reuseport(&self, on: bool) -> io::Result<()> {
        option::set_flag(&self.fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, on)
    }

    /// Keeps an IPv6 socket from taking IPv4 connections (`IPV6_V6ONLY`); the system's default is that it takes them.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// sakia::net::TcpSocket::new_v6()?.set_only_v6(true)?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_only_v6(&self, on: bool) -> io::Result<()> {
        option::set_flag(&self.fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, on)
    }

    /// Sends small writes at once instead of gathering them (`TCP_NODELAY`), of the streams that a listener accepts too: no call for each of them.
    /// When that is says [`TcpStream::set_nodelay`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::TcpSocket::new_v4()?;
    /// socket.set_nodelay(true)?;
    /// socket.bind("127.0.0.1:0".parse().unwrap())?;
    /// let listener = socket.listen(128)?;
    /// # drop(listener);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        option::set_flag(&self.fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, on)
    }

    /// Sets how much the kernel keeps of what was received (`SO_RCVBUF`), of the streams that a listener accepts too.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// sakia::net::TcpSocket::new_v4()?.set_recv_buffer_size(65536)?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_recv_buffer_size(&self, size: usize) -> io::Result<()> {
        option::set_buffer(&self.fd, libc::SO_RCVBUF, size)
    }

    /// Sets how much the kernel keeps of what is to be sent (`SO_SNDBUF`), of the streams that a listener accepts too.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// sakia::net::TcpSocket::new_v4()?.set_send_buffer_size(65536)?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_send_buffer_size(&self, size: usize) -> io::Result<()> {
        option::set_buffer(&self.fd, libc::SO_SNDBUF, size)
    }

    /// Binds the socket (bind(2)), on the spot.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::TcpSocket::new_v4()?;
    /// socket.bind("127.0.0.1:0".parse().unwrap())?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As bind(2), with the address.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.fd
            .bind(&addr.into())
            .map_err(|error| at("cannot bind to", addr, error))
    }

    /// Tells the address that it is bound to (getsockname(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::TcpSocket::new_v4()?;
    /// assert_eq!(socket.local_addr()?.port(), 0, "it is not bound yet");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        SocketAddr::read(self.fd.local_addr()?)
    }

    /// Listens with a backlog of this length (listen(2)), on the spot.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let socket = sakia::net::TcpSocket::new_v4()?;
    /// socket.bind("127.0.0.1:0".parse().unwrap())?;
    /// let listener = socket.listen(16)?;
    /// let _peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// listener.accept().await?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As listen(2).
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.fd.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(become_a(self.fd))
    }

    /// Connects the socket (`IORING_OP_CONNECT`, Linux 5.5; connect(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let socket = sakia::net::TcpSocket::new_v4()?;
    /// let stream = socket.connect(listener.local_addr()?).await?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// The attempt is cancelled, and the socket is closed before the drop returns.
    ///
    /// # Errors
    ///
    /// As connect(2), with the address.
    #[doc(alias = "IORING_OP_CONNECT")]
    pub fn connect(self, addr: SocketAddr) -> Connect<TcpStream> {
        Connect::new(Connecting::with(self.fd, &addr))
    }
}
