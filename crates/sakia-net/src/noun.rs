//! What all sockets have in common: one handle, a kind, an address, and the ways in from std and out to it.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_driver::ops::{self, Leftovers};
use sakia_driver::{Fd, Kind, SockAddr};

/// A socket type of this crate, from the inside. The module is private, so nobody else implements it.
pub trait Noun: Sized {
    /// How its addresses are told.
    type Addr: Address;

    /// What the driver calls it.
    const KIND: Kind;

    /// Wraps a handle that is such a socket already.
    fn from_fd(fd: Fd) -> Self;

    /// The handle.
    fn fd(&self) -> &Fd;
}

/// The addresses of a family of sockets.
pub trait Address: fmt::Display + Sized {
    /// Reads what the kernel has written.
    fn read(raw: SockAddr) -> io::Result<Self>;
}

/// An address that must be an IP address.
impl Address for SocketAddr {
    fn read(raw: SockAddr) -> io::Result<Self> {
        raw.as_ip().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                "the address is not one of IPv4 or IPv6",
            )
        })
    }
}

/// What a noun rests on: a bare handle, or one with the operations of a stream.
pub trait Handle: From<Fd> {
    fn handle(&self) -> &Fd;

    fn into_handle(self) -> Fd;
}

impl Handle for Fd {
    fn handle(&self) -> &Fd {
        self
    }

    fn into_handle(self) -> Fd {
        self
    }
}

/// Makes a noun of a handle that has just become one.
pub fn become_a<N: Noun>(fd: Fd) -> N {
    fd.set_kind(N::KIND);
    N::from_fd(fd)
}

/// Gives a descriptor that somebody else has made to the current runtime.
#[track_caller]
pub fn adopt<N: Noun>(fd: OwnedFd) -> io::Result<N> {
    let fd = Fd::new(fd, N::KIND)?;
    fd.came_from_outside();
    Ok(N::from_fd(fd))
}

/// The same for `From`, which has no way to tell an error.
#[track_caller]
pub fn adopt_or_panic<N: Noun>(fd: OwnedFd) -> N {
    match adopt(fd) {
        Ok(noun) => noun,
        Err(error) => {
            panic!("a socket can be made from an OwnedFd only inside a sakia runtime: {error}")
        }
    }
}

/// Makes two Unix sockets that are connected to each other.
#[track_caller]
pub fn pair<N: Noun>(socket_type: i32) -> io::Result<(N, N)> {
    let (a, b) = Fd::socket_pair(N::KIND, socket_type)?;
    Ok((N::from_fd(a), N::from_fd(b)))
}

pub fn local_addr<N: Noun>(noun: &N) -> io::Result<N::Addr> {
    N::Addr::read(noun.fd().local_addr()?)
}

pub fn peer_addr<N: Noun>(noun: &N) -> io::Result<N::Addr> {
    N::Addr::read(noun.fd().peer_addr()?)
}

/// `TcpStream { local: 127.0.0.1:80, peer: 127.0.0.1:40000, fd: 7 }`, without what is not known.
pub fn debug<N: Noun>(noun: &N, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut shown = f.debug_struct(name);
    if let Ok(addr) = local_addr(noun) {
        shown.field("local", &format_args!("{addr}"));
    }
    if let Ok(addr) = peer_addr(noun) {
        shown.field("peer", &format_args!("{addr}"));
    }
    shown.field("fd", noun.fd()).finish()
}

/// Writes what is the same for every noun word for word: the seam, `Debug`, `AsFd`, `From<OwnedFd>`.
macro_rules! noun {
    ($noun:ident, $addr:ty) => {
        impl crate::noun::Noun for $noun {
            type Addr = $addr;
            const KIND: sakia_driver::Kind = sakia_driver::Kind::$noun;

            fn from_fd(fd: sakia_driver::Fd) -> Self {
                Self { fd: fd.into() }
            }

            fn fd(&self) -> &sakia_driver::Fd {
                crate::noun::Handle::handle(&self.fd)
            }
        }

        impl $noun {
            /// Gives the descriptor back, with everything that has arrived on it and was not served: `into_std` without a type of std's.
            ///
            /// ```
            /// # sakia::Runtime::new().unwrap().block_on(async {
            /// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
            /// let (fd, leftovers) = a.into_parts().await?;
            /// assert!(leftovers.is_empty());
            /// # let _: (std::os::fd::OwnedFd, _) = (fd, b);
            /// # std::io::Result::Ok(()) }).unwrap();
            /// ```
            ///
            /// # Cancellation
            ///
            /// Dropping it closes the socket.
            ///
            /// # Errors
            ///
            /// If the runtime has ended with an operation on it set aside.
            pub fn into_parts(self) -> crate::IntoStd<std::os::fd::OwnedFd> {
                crate::IntoStd::new(crate::noun::Handle::into_handle(self.fd))
            }
        }

        impl std::fmt::Debug for $noun {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                crate::noun::debug(self, stringify!($noun), f)
            }
        }

        /// The runtime notes that the descriptor was shown: options that others set on it are asked for, not assumed.
        ///
        /// Reading from it goes past what the socket keeps for the next read (see `into_std`).
        impl std::os::fd::AsFd for $noun {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                std::os::fd::AsFd::as_fd(crate::noun::Noun::fd(self))
            }
        }

        /// # Panics
        ///
        /// Outside a runtime; the descriptor is closed then. `from_std` gives an error instead.
        impl From<std::os::fd::OwnedFd> for $noun {
            #[track_caller]
            fn from(fd: std::os::fd::OwnedFd) -> Self {
                crate::noun::adopt_or_panic(fd)
            }
        }
    };
}
pub(crate) use noun;

/// Gives a socket of std back, with everything that has arrived on it and was not served.
///
/// Made by the `into_std` methods.
///
/// # Cancellation
///
/// Dropping it closes the socket.
#[must_use = "the socket is closed when this is dropped"]
#[derive(Debug)]
pub struct IntoStd<S> {
    release: ops::Release,
    std: PhantomData<fn() -> S>,
}

impl<S> IntoStd<S> {
    pub(crate) fn new(fd: Fd) -> Self {
        Self {
            release: ops::release(fd),
            std: PhantomData,
        }
    }
}

impl<S: From<OwnedFd>> Future for IntoStd<S> {
    type Output = io::Result<(S, Leftovers)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let released = ready!(Pin::new(&mut self.release).poll(cx));
        Poll::Ready(released.map(|(fd, leftovers)| (S::from(fd), leftovers)))
    }
}
