//! The addresses and options of a `TcpStream`: all answered on the spot.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::noun::{self, Noun};
use crate::option::{self, TcpKeepalive};
use crate::tcp::stream::TcpStream;

/// Addresses and options.
impl TcpStream {
    /// Tells the address of this end (getsockname(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// assert!(stream.local_addr()?.ip().is_loopback());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        noun::local_addr(self)
    }

    /// Tells the address of the other end (getpeername(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getpeername(2).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        noun::peer_addr(self)
    }

    /// Sends small writes at once instead of gathering them (`TCP_NODELAY`).
    ///
    /// At once is when the task's poll has ended, where that task reads the stream in pieces of at most 16 KiB and some of what has arrived waits to be read: then
    /// there are more answers to come, and they go out together, less than a segment of them and 32 KiB at most (send(2) with `MSG_MORE`). A task that computes for long
    /// between two answers of one poll, or blocks there, has the first of them wait for that time, or until the kernel sends it by itself after a retransmission timeout
    /// (200 ms and more); a `flush`, or `yield_now`, in between sends it (after each answer it costs what
    /// the grouping saves). exit(3) in that poll sends it too; a process that is killed, that aborts, or that another
    /// thread exits meanwhile takes it along.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// stream.set_nodelay(true)?;
    /// assert!(stream.nodelay()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        option::set_flag(self.fd(), libc::IPPROTO_TCP, libc::TCP_NODELAY, on)
    }

    /// Tells whether small writes are sent at once.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// assert!(!stream.nodelay()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn nodelay(&self) -> io::Result<bool> {
        option::flag(self.fd(), libc::IPPROTO_TCP, libc::TCP_NODELAY)
    }

    /// Probes a silent connection (`SO_KEEPALIVE`), at the times that are set.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// stream.set_keepalive(true)?;
    /// assert!(stream.keepalive()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_keepalive(&self, on: bool) -> io::Result<()> {
        option::set_flag(self.fd(), libc::SOL_SOCKET, libc::SO_KEEPALIVE, on)
    }

    /// Tells whether a silent connection is probed.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// assert!(!stream.keepalive()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn keepalive(&self) -> io::Result<bool> {
        option::flag(self.fd(), libc::SOL_SOCKET, libc::SO_KEEPALIVE)
    }

    /// Probes a silent connection at these times (`SO_KEEPALIVE`, `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// let probes = sakia::net::TcpKeepalive::new().with_retries(3);
    /// stream.set_tcp_keepalive(&probes)?;
    /// assert!(stream.keepalive()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2): a time of 0, or over 32767 seconds, is `InvalidInput`.
    pub fn set_tcp_keepalive(&self, keepalive: &TcpKeepalive) -> io::Result<()> {
        option::set_keepalive(self.fd(), keepalive)
    }

    /// Sets the time to live of what is sent (`IP_TTL`; on IPv6 `IPV6_UNICAST_HOPS` too).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// stream.set_ttl(32)?;
    /// assert_eq!(stream.ttl()?, 32);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        option::set_ttl(self.fd(), ttl)
    }

    /// Tells the time to live of what is sent.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// assert!(stream.ttl()? > 0);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn ttl(&self) -> io::Result<u32> {
        option::ttl(self.fd())
    }

    /// Sets how long a close waits until the peer has what was sent (`SO_LINGER`), in seconds, rounded up. 0 resets the connection.
    ///
    /// A drop does not wait for it: a thread of the kernel's closes such a socket, and the end of the runtime waits for that.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// use std::time::Duration;
    ///
    /// stream.set_linger(Some(Duration::from_secs(1)))?;
    /// assert_eq!(stream.linger()?, Some(Duration::from_secs(1)));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        option::set_linger(self.fd(), linger)
    }

    /// Tells how long a close waits.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// assert_eq!(stream.linger()?, None);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        option::linger(self.fd())
    }

    /// Sets how much the kernel keeps of what was received (`SO_RCVBUF`; it takes twice the number).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// stream.set_recv_buffer_size(65536)?;
    /// assert!(stream.recv_buffer_size()? >= 65536);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_recv_buffer_size(&self, size: usize) -> io::Result<()> {
        option::set_buffer(self.fd(), libc::SO_RCVBUF, size)
    }

    /// Tells how much the kernel keeps of what was received.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// assert!(stream.recv_buffer_size()? > 0);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn recv_buffer_size(&self) -> io::Result<usize> {
        option::buffer(self.fd(), libc::SO_RCVBUF)
    }

    /// Sets how much the kernel keeps of what is to be sent (`SO_SNDBUF`; it takes twice the number).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// stream.set_send_buffer_size(65536)?;
    /// assert!(stream.send_buffer_size()? >= 65536);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_send_buffer_size(&self, size: usize) -> io::Result<()> {
        option::set_buffer(self.fd(), libc::SO_SNDBUF, size)
    }

    /// Tells how much the kernel keeps of what is to be sent.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// assert!(stream.send_buffer_size()? > 0);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn send_buffer_size(&self) -> io::Result<usize> {
        option::buffer(self.fd(), libc::SO_SNDBUF)
    }
}
