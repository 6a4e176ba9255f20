//! `TcpListener`: where TCP connections arrive.

use std::io;
use std::net::SocketAddr;

use sakia_driver::{Close, Fd, close};

use crate::accept::{Accept, Incoming, accept};
use crate::bind::{BACKLOG, Bind, BindTo};
use crate::lookup::ToSocketAddrs;
use crate::noun::{self, IntoStd, noun};
use crate::option;
use crate::tcp::stream::TcpStream;

/// Listens for TCP connections.
///
/// Dropping it closes it: the port is free when the drop returns, even while an `accept` that was abandoned is under way.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// use sakia::net::TcpListener;
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
/// let (stream, addr) = listener.accept().await?;
/// assert_eq!(addr, peer.local_addr()?);
/// # drop(stream);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct TcpListener {
    fd: Fd,
}

noun!(TcpListener, SocketAddr);

impl BindTo for TcpListener {
    const TYPE: i32 = libc::SOCK_STREAM;
    const BACKLOG: Option<i32> = Some(BACKLOG);
}

impl TcpListener {
    /// Binds to the first of the addresses that is free, and listens (socket(2), bind(2), listen(2)).
    ///
    /// `SO_REUSEADDR` is set, as std does. For other options, `SO_REUSEPORT` above all, see [`TcpSocket`](crate::TcpSocket).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::TcpListener;
    ///
    /// let listener = TcpListener::bind("[::1]:0").await?;
    /// assert!(listener.local_addr()?.is_ipv6());
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

    /// Takes a listener of std into the current runtime. It may be blocking or not.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let listener = sakia::net::TcpListener::from_std(listener)?;
    /// # drop(listener);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Outside a runtime; the listener is closed then.
    #[track_caller]
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        noun::adopt(listener.into())
    }

    /// Gives the listener to std, beside the connections that had arrived for an `accept` that was dropped.
    ///
    /// It is as blocking as it was when it came.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let (listener, leftovers) = listener.into_std().await?;
    /// let _: std::net::TcpListener = listener;
    /// assert!(leftovers.connections.is_empty());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn into_std(self) -> IntoStd<std::net::TcpListener> {
        IntoStd::new(self.fd)
    }

    /// Waits for the next connection (`IORING_OP_ACCEPT`, Linux 5.5; accept4(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let (stream, addr) = listener.accept().await?;
    /// assert_eq!(addr, peer.local_addr()?);
    /// # drop(stream);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Nothing is lost: a connection that has arrived, or arrives, is given to the next call. If none comes within a turn of the loop, the
    /// listener stops to take connections out of the backlog.
    ///
    /// # Errors
    ///
    /// As accept4(2). A process that has no descriptor left (`EMFILE`, `ENFILE`) waits 50 ms and asks once more before it tells so: a
    /// loop that goes on at errors does not spin, and the connections wait in the backlog.
    #[doc(alias = "IORING_OP_ACCEPT")]
    #[track_caller]
    pub fn accept(&self) -> Accept<'_, TcpStream> {
        accept(&self.fd)
    }

    /// Accepts one connection after the other.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let _peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let stream = listener.incoming().next().await.unwrap()?;
    /// # drop(stream);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn incoming(&self) -> Incoming<'_, TcpStream> {
        Incoming::new(&self.fd)
    }

    /// Tells the address that it is bound to (getsockname(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        noun::local_addr(self)
    }

    /// Sets the time to live of what is sent on accepted connections (`IP_TTL`; on IPv6 `IPV6_UNICAST_HOPS` too).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// listener.set_ttl(32)?;
    /// assert_eq!(listener.ttl()?, 32);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        option::set_ttl(&self.fd, ttl)
    }

    /// Tells the time to live.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// assert!(listener.ttl()? > 0);
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
    /// let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// assert!(listener.take_error()?.is_none());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        option::take_error(&self.fd)
    }

    /// Closes the listener and tells the error (close(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let addr = listener.local_addr()?;
    /// listener.close().await?;
    /// std::net::TcpListener::bind(addr)?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping the future, even unpolled, closes the listener; only the error is lost.
    pub fn close(self) -> Close {
        close(self.fd)
    }
}
