//! The two ends of every kind of stream and of message socket, as the matrix sees them: one receives by many ways, the other is std's.

use std::future::Future;
use std::io::{ErrorKind, Write};
use std::net::UdpSocket as StdUdp;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram as StdDatagram, UnixStream as StdUnix};
use std::pin::Pin;

use sakia_buf::{IoBuf, IoBufMut};
use sakia_net::pipe::Receiver;
use sakia_net::{
    Leftovers, OwnedReadHalf, OwnedWriteHalf, TcpStream, UdpSocket, UnixDatagram, UnixSeqpacket,
    UnixStream,
};

use crate::common::{loopback, pair};

/// What receives.
pub enum Ours {
    Tcp(TcpStream),
    Unix(UnixStream),
    TcpHalf(OwnedReadHalf<TcpStream>, OwnedWriteHalf<TcpStream>),
    UnixHalf(OwnedReadHalf<UnixStream>, OwnedWriteHalf<UnixStream>),
    Pipe(Receiver),
    Udp(UdpSocket),
    Datagrams(UnixDatagram),
    Records(UnixSeqpacket),
}

/// What sends.
pub enum Peer {
    Bytes(Box<dyn Write + Send>),
    Udp(StdUdp),
    Messages(StdDatagram),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    Unix,
    TcpHalf,
    UnixHalf,
    Pipe,
    Udp,
    Datagrams,
    Records,
}

impl Kind {
    pub const ALL: [Self; 8] = [
        Self::Tcp,
        Self::Unix,
        Self::TcpHalf,
        Self::UnixHalf,
        Self::Pipe,
        Self::Udp,
        Self::Datagrams,
        Self::Records,
    ];

    pub fn has_messages(self) -> bool {
        matches!(self, Self::Udp | Self::Datagrams | Self::Records)
    }

    /// Whether the receiver sees that the peer has gone.
    pub fn ends(self) -> bool {
        !matches!(self, Self::Udp | Self::Datagrams)
    }

    pub async fn pair(self) -> (Ours, Peer) {
        match self {
            Self::Tcp | Self::TcpHalf => {
                let (ours, peer) = pair().await;
                peer.set_nodelay(true).unwrap();
                let ours = if self == Self::Tcp {
                    Ours::Tcp(ours)
                } else {
                    let (read, write) = ours.into_split();
                    Ours::TcpHalf(read, write)
                };
                (ours, Peer::Bytes(Box::new(peer)))
            }
            Self::Unix | Self::UnixHalf => {
                let (ours, peer) = StdUnix::pair().unwrap();
                let ours = UnixStream::from_std(ours).unwrap();
                let ours = if self == Self::Unix {
                    Ours::Unix(ours)
                } else {
                    let (read, write) = ours.into_split();
                    Ours::UnixHalf(read, write)
                };
                (ours, Peer::Bytes(Box::new(peer)))
            }
            Self::Pipe => {
                let (reader, writer) = std::io::pipe().unwrap();
                let ours = Receiver::from_std(reader).unwrap();
                (Ours::Pipe(ours), Peer::Bytes(Box::new(writer)))
            }
            Self::Udp => {
                let ours = UdpSocket::bind(loopback()).await.unwrap();
                let peer = StdUdp::bind(loopback()).unwrap();
                peer.connect(ours.local_addr().unwrap()).unwrap();
                (Ours::Udp(ours), Peer::Udp(peer))
            }
            Self::Datagrams => {
                let (ours, peer) = StdDatagram::pair().unwrap();
                let ours = UnixDatagram::from_std(ours).unwrap();
                (Ours::Datagrams(ours), Peer::Messages(peer))
            }
            Self::Records => {
                let (ours, peer) = UnixSeqpacket::pair().unwrap();
                let (peer, _) = peer.into_parts().await.unwrap();
                // send(2) and recv(2) are the same for every socket.
                (Ours::Records(ours), Peer::Messages(StdDatagram::from(peer)))
            }
        }
    }
}

impl Peer {
    pub fn send(&mut self, bytes: &[u8]) {
        match self {
            Self::Bytes(to) => to.write_all(bytes).unwrap(),
            Self::Udp(to) => assert_eq!(to.send(bytes).unwrap(), bytes.len()),
            Self::Messages(to) => assert_eq!(to.send(bytes).unwrap(), bytes.len()),
        }
    }
}

/// How something is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Read,
    Vectored,
    Exact,
    ToEnd,
    Message,
    Peek,
    Readable,
    Try,
    Pooled,
}

impl Way {
    pub fn of(kind: Kind) -> &'static [Self] {
        use Way::*;
        match kind {
            Kind::Tcp | Kind::TcpHalf => {
                &[Read, Vectored, Exact, ToEnd, Peek, Readable, Try, Pooled]
            }
            Kind::Unix | Kind::UnixHalf => &[
                Read, Vectored, Exact, ToEnd, Message, Peek, Readable, Try, Pooled,
            ],
            Kind::Pipe => &[Read, Vectored, Exact, ToEnd, Readable, Try],
            Kind::Udp | Kind::Datagrams | Kind::Records => {
                &[Read, Vectored, Message, Peek, Readable, Try, Pooled]
            }
        }
    }

    /// Whether what it gives is still there afterwards.
    pub fn leaves(self) -> bool {
        matches!(self, Self::Peek | Self::Readable)
    }
}

/// What was received; nothing is the end.
pub type Got = Vec<u8>;

type Receive<'a> = Pin<Box<dyn Future<Output = Got> + 'a>>;

fn room(n: usize) -> impl IoBufMut + std::ops::Deref<Target = [u8]> {
    Vec::with_capacity(n).slice(..n)
}

/// The same on every kind of stream.
macro_rules! stream {
    ($stream:expr, $way:expr, $n:expr) => {
        match $way {
            Way::Read => Box::pin(async move { told($stream.read(room($n)).await) }),
            Way::Vectored => Box::pin(async move {
                let half = $n.div_ceil(2);
                let (n, [one, two]) = $stream.readv([room(half), room(half)]).await;
                n.unwrap();
                [&one[..], &two[..]].concat()
            }),
            Way::Exact => Box::pin(async move { $stream.read_exact(room($n)).await.1.to_vec() }),
            Way::ToEnd => Box::pin(async move { $stream.read_to_end(Vec::new()).await.1 }),
            Way::Readable => Box::pin(async move {
                $stream.readable().await.unwrap();
                Got::new()
            }),
            Way::Try => Box::pin(async move {
                let mut buf = vec![0; $n];
                loop {
                    match $stream.try_read(&mut buf) {
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            $stream.readable().await.unwrap();
                        }
                        n => return buf[..n.unwrap()].to_vec(),
                    }
                }
            }),
            other => unreachable!("{other:?} is not a way of every stream"),
        }
    };
}

/// What comes in a buffer of the pool.
macro_rules! pooled {
    ($receive:expr) => {
        Box::pin(async move {
            let got = $receive.await.unwrap();
            got.map(|buf| buf.to_vec()).unwrap_or_default()
        })
    };
}

/// The same on every kind of message socket.
macro_rules! messages {
    ($socket:expr, $way:expr, $n:expr) => {
        match $way {
            Way::Read => Box::pin(async move { told($socket.recv(room($n)).await) }),
            Way::Vectored => Box::pin(async move {
                let half = $n.div_ceil(2);
                let (received, [one, two]) = $socket.recv_msg([room(half), room(half)]).await;
                assert!(!received.unwrap().truncated);
                [&one[..], &two[..]].concat()
            }),
            Way::Readable => Box::pin(async move {
                $socket.readable().await.unwrap();
                Got::new()
            }),
            Way::Try => Box::pin(async move {
                let mut buf = vec![0; $n];
                loop {
                    match $socket.try_recv(&mut buf) {
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            $socket.readable().await.unwrap();
                        }
                        n => return buf[..n.unwrap()].to_vec(),
                    }
                }
            }),
            Way::Message => message!($socket, $n),
            Way::Peek => Box::pin(async move { told($socket.peek(room($n)).await) }),
            other => unreachable!("{other:?} is not a way of a message"),
        }
    };
}

macro_rules! message {
    ($socket:expr, $n:expr) => {
        Box::pin(async move {
            let (received, [buf]) = $socket.recv_msg([room($n)]).await;
            assert_eq!(received.unwrap().len, buf.len());
            buf.to_vec()
        })
    };
}

fn told((n, buf): (std::io::Result<usize>, impl std::ops::Deref<Target = [u8]>)) -> Got {
    assert_eq!(n.unwrap(), buf.len());
    buf.to_vec()
}

impl Ours {
    /// Receives up to `n` bytes.
    pub fn receive(&self, way: Way, n: usize) -> Receive<'_> {
        match (self, way) {
            (Self::Tcp(stream), Way::Peek) => {
                Box::pin(async move { told(stream.peek(room(n)).await) })
            }
            (Self::Unix(stream), Way::Peek) => {
                Box::pin(async move { told(stream.peek(room(n)).await) })
            }
            (Self::TcpHalf(half, _), Way::Peek) => {
                Box::pin(async move { told(half.peek(room(n)).await) })
            }
            (Self::UnixHalf(half, _), Way::Peek) => {
                Box::pin(async move { told(half.peek(room(n)).await) })
            }
            (Self::Unix(stream), Way::Message) => message!(stream, n),
            (Self::UnixHalf(half, _), Way::Message) => message!(half, n),
            (Self::Tcp(stream), Way::Pooled) => pooled!(stream.read_pooled()),
            (Self::Unix(stream), Way::Pooled) => pooled!(stream.read_pooled()),
            (Self::TcpHalf(half, _), Way::Pooled) => pooled!(half.read_pooled()),
            (Self::UnixHalf(half, _), Way::Pooled) => pooled!(half.read_pooled()),
            (Self::Udp(socket), Way::Pooled) => Box::pin(async move {
                let (data, from) = socket.recv_from_pooled().await.unwrap();
                assert!(from.ip().is_loopback());
                data.to_vec()
            }),
            (Self::Datagrams(socket), Way::Pooled) => {
                Box::pin(async move { socket.recv_pooled().await.unwrap().to_vec() })
            }
            (Self::Records(socket), Way::Pooled) => pooled!(socket.recv_pooled()),
            (Self::Tcp(stream), way) => stream!(stream, way, n),
            (Self::Unix(stream), way) => stream!(stream, way, n),
            (Self::TcpHalf(half, _), way) => stream!(half, way, n),
            (Self::UnixHalf(half, _), way) => stream!(half, way, n),
            (Self::Pipe(pipe), way) => stream!(pipe, way, n),
            (Self::Udp(socket), way) => messages!(socket, way, n),
            (Self::Datagrams(socket), way) => messages!(socket, way, n),
            (Self::Records(socket), way) => messages!(socket, way, n),
        }
    }

    /// Halves become one again; the others are one.
    pub fn reunite(self) -> Self {
        match self {
            Self::TcpHalf(read, write) => Self::Tcp(TcpStream::reunite(read, write).unwrap()),
            Self::UnixHalf(read, write) => Self::Unix(UnixStream::reunite(read, write).unwrap()),
            whole => whole,
        }
    }

    /// Gives the descriptor to std, with what was left over: bytes for a stream, one entry a message else.
    pub async fn into_std(self) -> (OwnedFd, Vec<Got>) {
        let (fd, leftovers): (OwnedFd, _) = match self.reunite() {
            Self::Tcp(stream) => std(stream.into_std().await),
            Self::Unix(stream) => std(stream.into_std().await),
            Self::Pipe(pipe) => std(pipe.into_std().await),
            Self::Udp(socket) => std(socket.into_std().await),
            Self::Datagrams(socket) => std(socket.into_std().await),
            Self::Records(socket) => std(socket.into_parts().await),
            Self::TcpHalf(..) | Self::UnixHalf(..) => unreachable!("they were reunited"),
        };
        assert!(leftovers.error.is_none() && leftovers.connections.is_empty());
        let messages = leftovers.messages.into_iter().map(|message| message.data);
        let left = Some(leftovers.bytes).filter(|bytes| !bytes.is_empty());
        (fd, left.into_iter().chain(messages).collect())
    }
}

fn std(released: std::io::Result<(impl Into<OwnedFd>, Leftovers)>) -> (OwnedFd, Leftovers) {
    let (std, leftovers) = released.unwrap();
    (std.into(), leftovers)
}
