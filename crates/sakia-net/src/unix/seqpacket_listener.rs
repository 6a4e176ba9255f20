//! `UnixSeqpacketListener`: where connections that carry records arrive.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use sakia_driver::{Close, Fd, close};

use crate::accept::{Accept, Incoming, accept};
use crate::bind::BACKLOG;
use crate::noun::{self, noun};
use crate::option;
use crate::unix::addr::UnixAddr;
use crate::unix::bind::{BindTo, UnixBind};
use crate::unix::seqpacket::UnixSeqpacket;

/// Listens for connections that carry records (`SOCK_SEQPACKET`) on a path.
///
/// Dropping it closes it, and leaves the path, as std does: unlink it before the next bind.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("sock");
/// # sakia::Runtime::new().unwrap().block_on(async {
/// use sakia::net::{UnixSeqpacketListener, UnixSeqpacket};
///
/// let listener = UnixSeqpacketListener::bind(&path).await?;
/// let client = UnixSeqpacket::connect(&path).await?;
/// let (server, _) = listener.accept().await?;
/// client.send("hello").await.0?;
/// assert_eq!(server.recv(Vec::with_capacity(8)).await.1, b"hello");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct UnixSeqpacketListener {
    fd: Fd,
}

noun!(UnixSeqpacketListener, UnixAddr);

impl BindTo for UnixSeqpacketListener {
    const TYPE: i32 = libc::SOCK_SEQPACKET;
    const BACKLOG: Option<i32> = Some(BACKLOG);
}

impl UnixSeqpacketListener {
    /// Makes a socket at a path and listens (socket(2), bind(2), listen(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sock");
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::UnixSeqpacketListener::bind(&path).await?;
    /// # drop(listener);
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

    /// Makes a socket at an address, which may be a name in the abstract namespace, and listens.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::{UnixAddr, UnixSeqpacketListener, UnixSeqpacket};
    ///
    /// let addr = UnixAddr::from_abstract_name(format!("sakia-records-{}", std::process::id()))?;
    /// let listener = UnixSeqpacketListener::bind_addr(&addr).await?;
    /// let client = UnixSeqpacket::connect_addr(&addr).await?;
    /// let (server, _) = listener.accept().await?;
    /// # drop((client, server));
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

    /// Takes a descriptor that somebody else has made into the current runtime; std has no type for such a listener.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sock");
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::UnixSeqpacketListener;
    ///
    /// let listener = UnixSeqpacketListener::bind(&path).await?;
    /// let (fd, _leftovers) = listener.into_parts().await?;
    /// let listener = UnixSeqpacketListener::from_owned_fd(fd)?;
    /// # drop(listener);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Outside a runtime; the listener is closed then.
    pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Self> {
        noun::adopt(fd)
    }

    /// Waits for the next connection (`IORING_OP_ACCEPT`, Linux 5.5; accept4(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sock");
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::UnixSeqpacketListener::bind(&path).await?;
    /// let _peer = sakia::net::UnixSeqpacket::connect(&path).await?;
    /// let (_stream, addr) = listener.accept().await?;
    /// assert!(addr.is_unnamed());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`TcpListener::accept`](crate::TcpListener::accept): nothing is lost.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::accept`](crate::TcpListener::accept).
    #[doc(alias = "IORING_OP_ACCEPT")]
    #[track_caller]
    pub fn accept(&self) -> Accept<'_, UnixSeqpacket> {
        accept(&self.fd)
    }

    /// Accepts one connection after the other.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sock");
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::UnixSeqpacketListener::bind(&path).await?;
    /// let _peer = sakia::net::UnixSeqpacket::connect(&path).await?;
    /// let stream = listener.incoming().next().await.unwrap()?;
    /// # drop(stream);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn incoming(&self) -> Incoming<'_, UnixSeqpacket> {
        Incoming::new(&self.fd)
    }

    /// Tells the address that it is bound to (getsockname(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sock");
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::UnixSeqpacketListener::bind(&path).await?;
    /// assert_eq!(listener.local_addr()?.as_pathname(), Some(&*path));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As getsockname(2).
    pub fn local_addr(&self) -> io::Result<UnixAddr> {
        noun::local_addr(self)
    }

    /// Takes the error that the socket has kept (`SO_ERROR`).
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sock");
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::UnixSeqpacketListener::bind(&path).await?;
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

    /// Closes the listener and tells the error (close(2)); the path stays.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sock");
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::UnixSeqpacketListener::bind(&path).await?;
    /// listener.close().await?;
    /// std::fs::remove_file(&path)?;
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
