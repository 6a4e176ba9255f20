//! Sockets as they are: names, options, what has arrived and who is at the other end. What moves between them is `net.rs`.

use std::collections::{BTreeMap, VecDeque};

use crate::addr::SockAddr;

/// The number of an open file description, never used twice.
pub(super) type Id = u64;

/// The `kind` of a pipe's end, which is a stream that goes one way.
pub(super) const PIPE: i32 = 0;

/// A name to bind or to connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Ip(std::net::SocketAddr),
    Path(std::path::PathBuf),
    /// A name of Unix sockets that is no path.
    Abstract(Vec<u8>),
}

impl Name {
    pub(super) fn of(addr: &SockAddr) -> Option<Self> {
        match (addr.as_ip(), addr.as_path()) {
            (Some(ip), _) => Some(Self::Ip(ip)),
            (None, Some(path)) => Some(Self::Path(path.to_path_buf())),
            (None, None) => match addr.name() {
                [_, _, 0, rest @ ..] if addr.family() == libc::AF_UNIX && !rest.is_empty() => {
                    Some(Self::Abstract(rest.to_vec()))
                }
                _ => None,
            },
        }
    }

    pub(super) fn to_addr(&self) -> SockAddr {
        match self {
            Self::Ip(ip) => (*ip).into(),
            Self::Abstract(name) => {
                let family = (libc::AF_UNIX as u16).to_ne_bytes();
                SockAddr::from_bytes(&[&family[..], &[0], name].concat())
            }
            Self::Path(path) => SockAddr::unix(path).unwrap_or_else(|_| SockAddr::from_bytes(&[])),
        }
    }
}

/// What a socket has become.
#[derive(Debug)]
pub(super) enum Role {
    /// Neither listening nor connected.
    Fresh,
    /// Connections that are established and not accepted, and how many there may be.
    Listener(VecDeque<Id>, usize),
    Stream(Stream),
    Datagrams(VecDeque<(Vec<u8>, Option<Name>)>),
}

/// One end of a connection.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The other end; none when it has gone.
    pub(super) peer: Option<Id>,
    /// What has arrived and was not read.
    pub(super) arrived: VecDeque<u8>,
    /// Bytes on their way here.
    pub(super) coming: usize,
    /// When the last packet will be here: packets do not overtake each other.
    pub(super) last: u64,
    /// The peer's end has arrived.
    pub(super) ended: bool,
    /// The connection was reset.
    pub(super) reset: bool,
    pub(super) shut_read: bool,
    pub(super) shut_write: bool,
}

#[derive(Debug)]
pub(super) struct Socket {
    pub(super) domain: i32,
    pub(super) kind: i32,
    pub(super) name: Option<Name>,
    pub(super) peer: Option<Name>,
    /// The other one of a pair of datagram sockets.
    pub(super) twin: Option<Id>,
    pub(super) options: BTreeMap<(i32, i32), Vec<u8>>,
    pub(super) role: Role,
    /// An error that the next call is told (`SO_ERROR`).
    pub(super) error: i32,
}

impl Socket {
    pub(super) fn new(domain: i32, kind: i32) -> Self {
        Self {
            domain,
            kind,
            name: None,
            peer: None,
            twin: None,
            options: BTreeMap::new(),
            role: if kind == libc::SOCK_DGRAM {
                Role::Datagrams(VecDeque::new())
            } else {
                Role::Fresh
            },
            error: 0,
        }
    }

    pub(super) fn is_unix(&self) -> bool {
        self.domain == libc::AF_UNIX
    }

    pub(super) fn stream(&mut self) -> Option<&mut Stream> {
        match &mut self.role {
            Role::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    pub(super) fn take_error(&mut self) -> Option<i32> {
        (self.error != 0).then(|| std::mem::take(&mut self.error))
    }

    pub(super) fn address(&self, name: Option<&Name>) -> SockAddr {
        match name {
            Some(name) => name.to_addr(),
            None if self.is_unix() => SockAddr::from_bytes(&(libc::AF_UNIX as u16).to_ne_bytes()),
            None if self.domain == libc::AF_INET6 => {
                std::net::SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0)).into()
            }
            None => std::net::SocketAddr::from((std::net::Ipv4Addr::UNSPECIFIED, 0)).into(),
        }
    }
}
