//! Order behind a write that was given up: on every kind of stream, pipe and message socket, by every way to write, what comes later stays behind it.

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixDatagram as StdDatagram;
use std::pin::Pin;
use std::task::Poll;

use sakia_net::pipe::Sender;
use sakia_net::{InDoubt, OwnedWriteHalf, TcpStream, UnixDatagram, UnixSeqpacket, UnixStream};

use crate::common::{laps, pair, pends, run, sleep};

/// What writes.
enum Ours {
    Tcp(TcpStream),
    Unix(UnixStream),
    TcpHalf(OwnedWriteHalf<TcpStream>),
    UnixHalf(OwnedWriteHalf<UnixStream>),
    Pipe(Sender),
    Datagrams(UnixDatagram),
    Records(UnixSeqpacket),
}

/// What reads.
enum Peer {
    Bytes(Box<dyn Read + Send>),
    Messages(StdDatagram),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tcp,
    Unix,
    TcpHalf,
    UnixHalf,
    Pipe,
    Datagrams,
    Records,
}

const KINDS: [Kind; 7] = [
    Kind::Tcp,
    Kind::Unix,
    Kind::TcpHalf,
    Kind::UnixHalf,
    Kind::Pipe,
    Kind::Datagrams,
    Kind::Records,
];

impl Kind {
    fn has_messages(self) -> bool {
        matches!(self, Self::Datagrams | Self::Records)
    }

    async fn pair(self) -> (Ours, Peer) {
        match self {
            Self::Tcp => {
                let (ours, peer) = pair().await;
                (Ours::Tcp(ours), Peer::Bytes(Box::new(peer)))
            }
            Self::TcpHalf => {
                let (ours, peer) = pair().await;
                (
                    Ours::TcpHalf(ours.into_split().1),
                    Peer::Bytes(Box::new(peer)),
                )
            }
            Self::Unix => {
                let (ours, peer) = std::os::unix::net::UnixStream::pair().unwrap();
                let ours = UnixStream::from_std(ours).unwrap();
                (Ours::Unix(ours), Peer::Bytes(Box::new(peer)))
            }
            Self::UnixHalf => {
                let (ours, peer) = std::os::unix::net::UnixStream::pair().unwrap();
                let ours = UnixStream::from_std(ours).unwrap();
                (
                    Ours::UnixHalf(ours.into_split().1),
                    Peer::Bytes(Box::new(peer)),
                )
            }
            Self::Pipe => {
                let (reader, writer) = std::io::pipe().unwrap();
                let ours = Sender::from_std(writer).unwrap();
                (Ours::Pipe(ours), Peer::Bytes(Box::new(reader)))
            }
            Self::Datagrams => {
                let (ours, peer) = StdDatagram::pair().unwrap();
                let ours = UnixDatagram::from_std(ours).unwrap();
                (Ours::Datagrams(ours), Peer::Messages(peer))
            }
            Self::Records => {
                let (ours, peer) = UnixSeqpacket::pair().unwrap();
                let (peer, _) = peer.into_parts().await.unwrap();
                // recv(2) is the same for every socket.
                (Ours::Records(ours), Peer::Messages(StdDatagram::from(peer)))
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Write,
    All,
    Vectored,
    Descriptors,
    Try,
    End,
}

impl Way {
    /// The ways whose futures can be given up.
    fn futures(kind: Kind) -> &'static [Self] {
        match kind {
            Kind::Datagrams | Kind::Records => &[Self::Write, Self::Descriptors],
            Kind::Unix | Kind::UnixHalf => {
                &[Self::Write, Self::All, Self::Vectored, Self::Descriptors]
            }
            Kind::Tcp | Kind::TcpHalf | Kind::Pipe => &[Self::Write, Self::All, Self::Vectored],
        }
    }

    fn behind(kind: Kind) -> impl Iterator<Item = Self> {
        let end = matches!(kind, Kind::TcpHalf | Kind::UnixHalf).then_some(Self::End);
        let futures = Self::futures(kind).iter().copied();
        futures.chain([Self::Try]).chain(end)
    }
}

type Written<'a> = Pin<Box<dyn Future<Output = usize> + 'a>>;

/// The same on every kind of stream.
macro_rules! stream {
    ($stream:expr, $way:expr, $bytes:expr) => {
        match $way {
            Way::Write => Box::pin(async move { $stream.write($bytes).await.0.unwrap() }),
            Way::All => Box::pin(async move {
                $stream.write_all($bytes).await.0.unwrap();
                $bytes.len()
            }),
            Way::Vectored => {
                let (one, two) = $bytes.split_at($bytes.len() / 2);
                Box::pin(async move { $stream.writev([one, two]).await.0.unwrap() })
            }
            Way::Try => Box::pin(async move {
                loop {
                    match $stream.try_write($bytes) {
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            $stream.writable().await.unwrap();
                        }
                        n => return n.unwrap(),
                    }
                }
            }),
            other => unreachable!("{other:?} is not a way of every stream"),
        }
    };
}

/// The same on every kind of message socket.
macro_rules! messages {
    ($socket:expr, $way:expr, $bytes:expr) => {
        match $way {
            Way::Write => Box::pin(async move { $socket.send($bytes).await.0.unwrap() }),
            Way::Try => Box::pin(async move {
                loop {
                    match $socket.try_send($bytes) {
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {
                            $socket.writable().await.unwrap();
                        }
                        n => return n.unwrap(),
                    }
                }
            }),
            Way::Descriptors => descriptors!($socket, $bytes),
            other => unreachable!("{other:?} is not a way of a message"),
        }
    };
}

macro_rules! descriptors {
    ($socket:expr, $bytes:expr) => {
        Box::pin(async move {
            let fds = vec![std::fs::File::open("/dev/null").unwrap().into()];
            $socket.send_with_fds([$bytes], fds).await.0.unwrap()
        })
    };
}

impl Ours {
    fn write(&self, way: Way, bytes: &'static [u8]) -> Written<'_> {
        match (self, way) {
            (Self::Unix(stream), Way::Descriptors) => descriptors!(stream, bytes),
            (Self::UnixHalf(half), Way::Descriptors) => descriptors!(half, bytes),
            (Self::Tcp(stream), way) => stream!(stream, way, bytes),
            (Self::Unix(stream), way) => stream!(stream, way, bytes),
            (Self::TcpHalf(half), way) => stream!(half, way, bytes),
            (Self::UnixHalf(half), way) => stream!(half, way, bytes),
            (Self::Pipe(pipe), way) => stream!(pipe, way, bytes),
            (Self::Datagrams(socket), way) => messages!(socket, way, bytes),
            (Self::Records(socket), way) => messages!(socket, way, bytes),
        }
    }

    fn try_write(&self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
            Self::TcpHalf(half) => half.try_write(bytes),
            Self::UnixHalf(half) => half.try_write(bytes),
            Self::Pipe(pipe) => pipe.try_write(bytes),
            Self::Datagrams(socket) => socket.try_send(bytes),
            Self::Records(socket) => socket.try_send(bytes),
        }
    }

    /// Writes until nothing more is taken; answers how much was.
    fn fill(&self, piece: &[u8]) -> usize {
        let mut filled = 0;
        loop {
            match self.try_write(piece) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return filled,
                n => filled += n.unwrap(),
            }
        }
    }

    fn in_doubt(&self) -> Option<InDoubt> {
        match self {
            Self::Tcp(stream) => stream.in_doubt(),
            Self::Unix(stream) => stream.in_doubt(),
            Self::TcpHalf(half) => half.in_doubt(),
            Self::UnixHalf(half) => half.in_doubt(),
            Self::Pipe(pipe) => pipe.in_doubt(),
            Self::Datagrams(_) | Self::Records(_) => None,
        }
    }
}

impl Peer {
    /// Reads a part of what is there.
    fn read_some(&mut self) -> Vec<u8> {
        let mut buf = vec![0; 32 * 1024];
        let n = match self {
            Self::Bytes(from) => from.read(&mut buf).unwrap(),
            Self::Messages(from) => from.recv(&mut buf).unwrap(),
        };
        buf.truncate(n);
        buf
    }

    /// Reads to the end, or a datagram that says `last`; in a thread, for the writer waits for it.
    fn read(self, last: &'static [u8]) -> std::thread::JoinHandle<Vec<u8>> {
        std::thread::spawn(move || {
            let mut all = Vec::new();
            match self {
                Self::Bytes(mut from) => {
                    from.read_to_end(&mut all).unwrap();
                }
                Self::Messages(from) => {
                    let mut buf = [0; 64];
                    while !all.ends_with(last) {
                        let n = from.recv(&mut buf).unwrap();
                        all.extend_from_slice(&buf[..n]);
                    }
                }
            }
            all
        })
    }
}

const FIRST: &[u8] = b"the first, which was given up; ";
const SECOND: &[u8] = b"the second";

/// Whether the future has come to its end.
async fn has_ended(future: &mut (impl Future + Unpin)) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_ready())).await
}

/// Answers `false` if there was no case: bytes that were on their way moved on late, and the first write had room.
async fn case(kind: Kind, first: Way, second: Way) -> bool {
    let case = format!("{kind:?}: {first:?} given up, then {second:?}");
    let (ours, mut peer) = kind.pair().await;
    let piece: &[u8] = if kind.has_messages() {
        b"."
    } else {
        &[b'.'; 4096]
    };
    let mut filled = 0;
    loop {
        // What was taken may move on to the peer's buffer and make room.
        match ours.fill(piece) {
            0 => break,
            n => filled += n,
        }
        laps(3).await;
    }
    let mut write = ours.write(first, FIRST);
    pends(&mut write).await;
    laps(2).await;
    if has_ended(&mut write).await {
        return false;
    }
    drop(write);
    // Now there is room, and the kernel has had no turn to go on with the first.
    let mut got = peer.read_some();
    assert_eq!(
        ours.try_write(SECOND).unwrap_err().kind(),
        ErrorKind::WouldBlock,
        "{case}: nothing overtakes"
    );
    let reading;
    let mut sent = 0;
    if second == Way::End {
        reading = peer.read(SECOND);
        while ours.in_doubt().is_some_and(|doubt| doubt.is_pending()) {
            sleep(std::time::Duration::from_millis(1)).await;
        }
    } else {
        let mut write = ours.write(second, SECOND);
        pends(&mut write).await;
        reading = peer.read(SECOND);
        sent = write.await;
        assert_eq!(sent, SECOND.len(), "{case}: there was room for it");
    }
    let doubt = ours.in_doubt().map_or(FIRST.len(), |doubt| doubt.sent());
    drop(ours);
    while !reading.is_finished() {
        sleep(std::time::Duration::from_millis(1)).await;
    }
    got.extend(reading.join().unwrap());
    let mut expected = vec![b'.'; filled];
    expected.extend_from_slice(&FIRST[..doubt]);
    expected.extend_from_slice(&SECOND[..sent]);
    assert_eq!(got.len(), expected.len(), "{case}");
    assert!(got == expected, "{case}: {:?}", &got[filled..]);
    assert!(
        first == Way::Write || kind.has_messages() || doubt > 0,
        "{case}"
    );
    true
}

#[test]
fn what_is_written_behind_a_write_that_was_given_up_stays_behind_it() {
    for kind in KINDS {
        run(async {
            for &first in Way::futures(kind) {
                for second in Way::behind(kind) {
                    while !case(kind, first, second).await {}
                }
            }
        });
    }
}
