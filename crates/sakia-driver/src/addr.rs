//! Socket addresses as the kernel reads and writes them.
//!
//! A [`SockAddr`] is a `sockaddr_storage` with its length. While an op is in flight it lives in a box, for the kernel may read or
//! write it until the final completion.

use std::ffi::OsStr;
use std::io;
use std::mem::size_of;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Where the name begins in an address of a Unix socket.
const SUN_PATH: usize = std::mem::offset_of!(libc::sockaddr_un, sun_path);

/// An address of any family: a `sockaddr_storage` and its length (sockaddr(3type)).
#[derive(Clone, Copy)]
pub struct SockAddr {
    storage: libc::sockaddr_storage,
    len: libc::socklen_t,
}

impl SockAddr {
    /// Room for an address that the kernel will write.
    pub(crate) fn empty() -> Self {
        Self {
            // SAFETY: sockaddr_storage is made of integers; all zeroes is AF_UNSPEC.
            storage: unsafe { std::mem::zeroed() },
            len: size_of::<libc::sockaddr_storage>() as libc::socklen_t,
        }
    }

    /// The address of a Unix socket.
    ///
    /// # Errors
    /// `InvalidInput` if the path has a NUL byte inside or is longer than 107 bytes.
    pub fn unix(path: &Path) -> io::Result<Self> {
        let bytes = path.as_os_str().as_bytes();
        // SAFETY: sockaddr_un is made of integers.
        let mut un: libc::sockaddr_un = unsafe { std::mem::zeroed() };
        if bytes.contains(&0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a socket's path must not contain a NUL byte",
            ));
        }
        if bytes.len() >= un.sun_path.len() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a socket's path must be shorter than 108 bytes",
            ));
        }
        un.sun_family = libc::AF_UNIX as libc::sa_family_t;
        for (to, from) in un.sun_path.iter_mut().zip(bytes) {
            *to = *from as libc::c_char;
        }
        let len = SUN_PATH + if bytes.is_empty() { 0 } else { bytes.len() + 1 };
        Ok(Self::from_raw(&un, len))
    }

    /// An address of these bytes, as a kernel writes it.
    #[cfg(feature = "sim")]
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let mut addr = Self::empty();
        let len = bytes.len().min(size_of::<libc::sockaddr_storage>());
        // SAFETY: the storage is plain integers of at least `len` bytes, and borrowed mutably.
        let room = unsafe {
            std::slice::from_raw_parts_mut(std::ptr::from_mut(&mut addr.storage).cast(), len)
        };
        room.copy_from_slice(&bytes[..len]);
        addr.len = len as libc::socklen_t;
        addr
    }

    /// The bytes of the address, as a kernel reads it.
    #[cfg(feature = "sim")]
    pub(crate) fn name(&self) -> &[u8] {
        &self.bytes()[..self.len as usize]
    }

    fn from_raw<T>(raw: &T, len: usize) -> Self {
        let mut addr = Self::empty();
        assert!(len <= size_of::<T>() && size_of::<T>() <= size_of::<libc::sockaddr_storage>());
        // SAFETY: both sides are plain integers, the storage is at least as long as T and aligned for every family, and `len`
        // stays within T (asserted above).
        unsafe {
            std::ptr::copy_nonoverlapping(
                std::ptr::from_ref(raw).cast::<u8>(),
                std::ptr::from_mut(&mut addr.storage).cast::<u8>(),
                len,
            );
        }
        addr.len = len as libc::socklen_t;
        addr
    }

    fn read<T: Copy>(&self) -> Option<T> {
        assert!(size_of::<T>() <= size_of::<libc::sockaddr_storage>());
        ((self.len as usize) >= size_of::<T>()).then(|| {
            // SAFETY: the storage is longer than T, aligned for every family, wholly initialised, and T is a struct of integers.
            unsafe { std::ptr::from_ref(&self.storage).cast::<T>().read() }
        })
    }

    /// The family: `AF_INET`, `AF_INET6`, `AF_UNIX`, …; `AF_UNSPEC` for a peer without a name.
    pub fn family(&self) -> i32 {
        i32::from(self.storage.ss_family)
    }

    /// The address as an IP address with a port, if it is one.
    pub fn as_ip(&self) -> Option<SocketAddr> {
        match self.family() {
            libc::AF_INET => self.read::<libc::sockaddr_in>().map(|v4| {
                let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into()
            }),
            libc::AF_INET6 => self.read::<libc::sockaddr_in6>().map(|v6| {
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                SocketAddrV6::new(
                    ip,
                    u16::from_be(v6.sin6_port),
                    v6.sin6_flowinfo,
                    v6.sin6_scope_id,
                )
                .into()
            }),
            _ => None,
        }
    }

    /// The name of a Unix socket in the abstract namespace (unix(7)), which is bytes without the zero that marks it.
    ///
    /// # Errors
    /// `InvalidInput` if the name is longer than 107 bytes.
    pub fn unix_abstract(name: &[u8]) -> io::Result<Self> {
        // SAFETY: sockaddr_un is made of integers.
        let mut un: libc::sockaddr_un = unsafe { std::mem::zeroed() };
        if name.len() >= un.sun_path.len() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "an abstract name must be shorter than 108 bytes",
            ));
        }
        un.sun_family = libc::AF_UNIX as libc::sa_family_t;
        for (to, from) in un.sun_path[1..].iter_mut().zip(name) {
            *to = *from as libc::c_char;
        }
        Ok(Self::from_raw(&un, SUN_PATH + 1 + name.len()))
    }

    /// No address: what recvmsg(2) tells of a peer without a name.
    pub(crate) fn none() -> Self {
        Self {
            len: 0,
            ..Self::empty()
        }
    }

    /// What follows the family in an address of a Unix socket.
    fn sun_path(&self) -> Option<&[u8]> {
        if self.family() != libc::AF_UNIX {
            return None;
        }
        let len = (self.len as usize).min(size_of::<libc::sockaddr_un>());
        self.bytes().get(SUN_PATH..len)
    }

    /// The path of a Unix socket that has one; `None` for unnamed and abstract sockets and other families.
    pub fn as_path(&self) -> Option<&Path> {
        let name = self.sun_path()?.split(|byte| *byte == 0).next()?;
        (!name.is_empty()).then(|| Path::new(OsStr::from_bytes(name)))
    }

    /// The name of a Unix socket in the abstract namespace; `None` for sockets with a path or without a name and other families.
    pub fn as_abstract_name(&self) -> Option<&[u8]> {
        self.sun_path()?.strip_prefix(&[0])
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the storage is plain initialised memory of that length, borrowed as long as `self`.
        unsafe {
            std::slice::from_raw_parts(
                std::ptr::from_ref(&self.storage).cast(),
                size_of::<libc::sockaddr_storage>(),
            )
        }
    }

    pub(crate) fn as_ptr(&self) -> *const libc::sockaddr {
        std::ptr::from_ref(&self.storage).cast()
    }

    pub(crate) fn len(&self) -> libc::socklen_t {
        self.len
    }

    /// The two places that accept(2) and its kin write: the address, and its length (which says the room before).
    pub(crate) fn as_out(&mut self) -> (*mut libc::sockaddr, *mut libc::socklen_t) {
        self.len = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        (std::ptr::from_mut(&mut self.storage).cast(), &mut self.len)
    }

    /// Notes how long the name is that a recvmsg(2) wrote.
    pub(crate) fn set_len(&mut self, len: libc::socklen_t) {
        self.len = len.min(size_of::<libc::sockaddr_storage>() as libc::socklen_t);
    }
}

impl From<SocketAddr> for SockAddr {
    fn from(addr: SocketAddr) -> Self {
        match addr {
            SocketAddr::V4(v4) => {
                // SAFETY: sockaddr_in is made of integers.
                let mut raw: libc::sockaddr_in = unsafe { std::mem::zeroed() };
                raw.sin_family = libc::AF_INET as libc::sa_family_t;
                raw.sin_port = v4.port().to_be();
                raw.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
                Self::from_raw(&raw, size_of::<libc::sockaddr_in>())
            }
            SocketAddr::V6(v6) => {
                // SAFETY: sockaddr_in6 is made of integers.
                let mut raw: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
                raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                raw.sin6_port = v6.port().to_be();
                raw.sin6_addr.s6_addr = v6.ip().octets();
                raw.sin6_flowinfo = v6.flowinfo();
                raw.sin6_scope_id = v6.scope_id();
                Self::from_raw(&raw, size_of::<libc::sockaddr_in6>())
            }
        }
    }
}

impl std::fmt::Debug for SockAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.as_ip(), self.as_path()) {
            (Some(ip), _) => write!(f, "{ip}"),
            (None, Some(path)) => write!(f, "{}", path.display()),
            (None, None) if self.family() == libc::AF_UNIX => match self.as_abstract_name() {
                Some(name) => write!(f, "@{}", name.escape_ascii()),
                None => f.write_str("(unnamed)"),
            },
            (None, None) if self.family() == libc::AF_UNSPEC => f.write_str("(none)"),
            (None, None) => write!(f, "(family {})", self.family()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ip_addresses_survive_the_way_there_and_back() {
        for text in [
            "127.0.0.1:8080",
            "0.0.0.0:0",
            "[::1]:65535",
            "[fe80::1%3]:9",
        ] {
            let addr: SocketAddr = text.parse().unwrap();
            assert_eq!(SockAddr::from(addr).as_ip(), Some(addr));
        }
    }

    #[test]
    fn unix_paths_survive_and_bad_ones_are_refused() {
        let addr = SockAddr::unix(Path::new("/run/x.sock")).unwrap();
        assert_eq!(addr.as_path(), Some(Path::new("/run/x.sock")));
        assert!(SockAddr::unix(Path::new("")).unwrap().as_path().is_none());
        assert!(SockAddr::unix(Path::new("a\0b")).is_err());
        assert!(SockAddr::unix(Path::new(&"x".repeat(108))).is_err());
        assert!(SockAddr::unix(Path::new(&"x".repeat(107))).is_ok());
    }

    #[test]
    fn abstract_names_are_neither_paths_nor_no_name() {
        for name in [&b"sakia"[..], b"", b"a\0b", &[b'x'; 107]] {
            let addr = SockAddr::unix_abstract(name).unwrap();
            assert_eq!(
                (addr.as_abstract_name(), addr.as_path()),
                (Some(name), None)
            );
        }
        assert!(SockAddr::unix_abstract(&[b'x'; 108]).is_err());
        for other in [
            SockAddr::none(),
            SockAddr::unix(Path::new("/run/x.sock")).unwrap(),
            SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0))),
        ] {
            assert_eq!(other.as_abstract_name(), None, "{other:?}");
        }
    }
}
