//! Addresses and options of Unix sockets, and who is at their other end.

use std::io;
use std::net::Shutdown;

use sakia_driver::Credentials;

use crate::noun::{self, Noun};
use crate::option;
use crate::unix::addr::UnixAddr;
use crate::unix::datagram::UnixDatagram;
use crate::unix::seqpacket::UnixSeqpacket;
use crate::unix::stream::UnixStream;

/// Who is at the other end.
impl UnixStream {
    /// Tells who is at the other end (`SO_PEERCRED`): the process that connected or listened, as it was then.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// assert_eq!(a.peer_cred()?.pid, std::process::id() as i32);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn peer_cred(&self) -> io::Result<Credentials> {
        self.fd().peer_credentials()
    }

    /// Asks the kernel to tell who sent what is received (`SO_PASSCRED`), which [`recv_msg`](Self::recv_msg) shows.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// b.set_passcred(true)?;
    /// a.write_all("who?").await.0?;
    /// let received = b.recv_msg([Vec::with_capacity(8)]).await.0?;
    /// let sender = received.ancillary.credentials.expect("they were asked for");
    /// assert_eq!(sender.pid, std::process::id() as i32);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_passcred(&self, on: bool) -> io::Result<()> {
        option::set_passcred(self.fd(), on)
    }

    /// Tells whether the kernel is asked to tell who sent what is received.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// assert!(!a.passcred()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn passcred(&self) -> io::Result<bool> {
        option::passcred(self.fd())
    }
}

/// Addresses and options.
impl UnixDatagram {
    /// Shuts the receiving side, the sending side or both (shutdown(2)), on the spot. It acts on every handle of the socket, also in other
    /// processes.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
    /// a.shutdown(std::net::Shutdown::Write)?;
    /// assert_eq!(a.send("late").await.0.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    /// # drop(b);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As shutdown(2).
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.fd().shutdown(how)
    }

    /// Tells the address of this end (getsockname(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixDatagram::pair()?;
    /// assert!(a.local_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<UnixAddr> {
        noun::local_addr(self)
    }

    /// Tells the address of the connected peer (getpeername(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixDatagram::pair()?;
    /// assert!(a.peer_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getpeername(2): `NotConnected` if there is none.
    pub fn peer_addr(&self) -> io::Result<UnixAddr> {
        noun::peer_addr(self)
    }

    /// Asks the kernel to tell who sent what is received (`SO_PASSCRED`), which [`recv_msg`](Self::recv_msg) shows.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
    /// b.set_passcred(true)?;
    /// a.send("who?").await.0?;
    /// let received = b.recv_msg([Vec::with_capacity(8)]).await.0?;
    /// let sender = received.ancillary.credentials.expect("they were asked for");
    /// assert_eq!(sender.pid, std::process::id() as i32);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_passcred(&self, on: bool) -> io::Result<()> {
        option::set_passcred(self.fd(), on)
    }

    /// Tells whether the kernel is asked to tell who sent what is received.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixDatagram::pair()?;
    /// assert!(!a.passcred()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn passcred(&self) -> io::Result<bool> {
        option::passcred(self.fd())
    }

    /// Takes the error that the socket has kept (`SO_ERROR`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixDatagram::pair()?;
    /// assert!(a.take_error()?.is_none());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        option::take_error(self.fd())
    }
}

/// Addresses and options.
impl UnixSeqpacket {
    /// Shuts the receiving side, the sending side or both (shutdown(2)), on the spot. It acts on every handle of the socket, also in other
    /// processes.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
    /// a.shutdown(std::net::Shutdown::Write)?;
    /// assert_eq!(a.send("late").await.0.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    /// # drop(b);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As shutdown(2).
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.fd().shutdown(how)
    }

    /// Tells the address of this end (getsockname(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixSeqpacket::pair()?;
    /// assert!(a.local_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<UnixAddr> {
        noun::local_addr(self)
    }

    /// Tells the address of the connected peer (getpeername(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixSeqpacket::pair()?;
    /// assert!(a.peer_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getpeername(2).
    pub fn peer_addr(&self) -> io::Result<UnixAddr> {
        noun::peer_addr(self)
    }

    /// Tells who is at the other end (`SO_PEERCRED`): the process that connected or listened, as it was then.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixSeqpacket::pair()?;
    /// assert_eq!(a.peer_cred()?.pid, std::process::id() as i32);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn peer_cred(&self) -> io::Result<Credentials> {
        self.fd().peer_credentials()
    }

    /// Asks the kernel to tell who sent what is received (`SO_PASSCRED`), which [`recv_msg`](Self::recv_msg) shows.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
    /// b.set_passcred(true)?;
    /// a.send("who?").await.0?;
    /// let received = b.recv_msg([Vec::with_capacity(8)]).await.0?;
    /// let sender = received.ancillary.credentials.expect("they were asked for");
    /// assert_eq!(sender.pid, std::process::id() as i32);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As setsockopt(2).
    pub fn set_passcred(&self, on: bool) -> io::Result<()> {
        option::set_passcred(self.fd(), on)
    }

    /// Tells whether the kernel is asked to tell who sent what is received.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixSeqpacket::pair()?;
    /// assert!(!a.passcred()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn passcred(&self) -> io::Result<bool> {
        option::passcred(self.fd())
    }

    /// Takes the error that the socket has kept (`SO_ERROR`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixSeqpacket::pair()?;
    /// assert!(a.take_error()?.is_none());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockopt(2).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        option::take_error(self.fd())
    }
}
