//! The address of a Unix socket: a path, a name in the abstract namespace, or nothing.

use std::fmt;
use std::io;
use std::path::Path;

use sakia_driver::SockAddr;

use crate::noun::Address;

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

impl Address for UnixAddr {
    fn read(raw: SockAddr) -> io::Result<Self> {
        // A peer without a name has no address at all in a recvmsg(2).
        if matches!(raw.family(), libc::AF_UNIX | libc::AF_UNSPEC) {
            return Ok(Self { raw });
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the address is not one of a Unix socket",
        ))
    }
}

impl UnixAddr {
    /// Makes the address of a path.
    ///
    /// ```
    /// let addr = sakia::net::UnixAddr::from_pathname("/run/app.sock")?;
    /// assert_eq!(addr.to_string(), "/run/app.sock");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the path has a NUL byte or more than 107 bytes.
    pub fn from_pathname(path: impl AsRef<Path>) -> io::Result<Self> {
        SockAddr::unix(path.as_ref()).map(|raw| Self { raw })
    }

    /// Makes a name in the abstract namespace, which has no file and ends with its socket. It may be any bytes.
    ///
    /// ```
    /// let addr = sakia::net::UnixAddr::from_abstract_name("app")?;
    /// assert_eq!(addr.to_string(), "@app");
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the name has more than 107 bytes.
    pub fn from_abstract_name(name: impl AsRef<[u8]>) -> io::Result<Self> {
        SockAddr::unix_abstract(name.as_ref()).map(|raw| Self { raw })
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

    /// Tells the name in the abstract namespace that the socket is bound to.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::{UnixAddr, UnixDatagram};
    ///
    /// let name = format!("sakia-doc-{}", std::process::id());
    /// let socket = UnixDatagram::bind_addr(&UnixAddr::from_abstract_name(&name)?).await?;
    /// assert_eq!(socket.local_addr()?.as_abstract_name(), Some(name.as_bytes()));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        self.raw.as_abstract_name()
    }

    /// Tells whether the socket has neither a path nor an abstract name, as the connecting end seldom has.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// assert!(a.peer_addr()?.is_unnamed());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn is_unnamed(&self) -> bool {
        self.as_pathname().is_none() && self.as_abstract_name().is_none()
    }

    pub(crate) fn raw(&self) -> SockAddr {
        self.raw
    }
}

impl fmt::Display for UnixAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.as_pathname(), self.as_abstract_name()) {
            (Some(path), _) => fmt::Display::fmt(&path.display(), f),
            (None, Some(name)) => write!(f, "@{}", name.escape_ascii()),
            (None, None) => f.write_str("(unnamed)"),
        }
    }
}

impl fmt::Debug for UnixAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnixAddr({self})")
    }
}
