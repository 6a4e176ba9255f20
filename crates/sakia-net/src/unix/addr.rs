//! The address of a Unix socket, as far as callers ask: its path, if it has one.

use std::fmt;
use std::io;
use std::path::Path;

use sakia_driver::SockAddr;

/// Tells what a Unix socket is bound to.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// let (a, _b) = sakia::net::UnixStream::pair()?;
/// assert!(a.local_addr()?.is_unnamed());
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Clone, Copy)]
pub struct UnixAddr {
    raw: SockAddr,
}

impl UnixAddr {
    pub(crate) fn new(raw: SockAddr) -> io::Result<Self> {
        if raw.family() == libc::AF_UNIX {
            return Ok(Self { raw });
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the address is not one of a Unix socket",
        ))
    }

    /// Tells the path that the socket is bound to.
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("sock");
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::UnixListener::bind(&path).await?;
    /// assert_eq!(listener.local_addr()?.as_pathname(), Some(&*path));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn as_pathname(&self) -> Option<&Path> {
        self.raw.as_path()
    }

    /// Tells whether the socket has no path, as the connecting end seldom has. Abstract names count as none.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// assert!(a.peer_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn is_unnamed(&self) -> bool {
        self.as_pathname().is_none()
    }
}

impl fmt::Display for UnixAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_pathname() {
            Some(path) => fmt::Display::fmt(&path.display(), f),
            None => f.write_str("(unnamed)"),
        }
    }
}

impl fmt::Debug for UnixAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnixAddr({self})")
    }
}
