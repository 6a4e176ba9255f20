//! Descriptors that come in messages: whoever waits, and whatever becomes of their future, each has one owner or is closed.
//!
//! What is sent is the writing end of a pipe: its reading end sees the end once no copy is open anywhere. The witness besides is
//! /proc/self/fd, in a process of its own.

use std::cell::RefCell;
use std::future::Future;
use std::io::{PipeReader, pipe};
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::time::{Duration, Instant};

use sakia::net::{Received, RecvMsg, TcpStream, UnixAddr, UnixDatagram, UnixSeqpacket, UnixStream};
use sakia_tests::{Limit, fds, has_no_writer, in_child, leaves_nothing, set_limit};

use crate::support::{laps, poll_once, run, run_clean};

/// How long a socket lingers: so long that less than half of it is clear, also on a machine that others use as well.
const LINGER: Duration = Duration::from_secs(2);

/// The three kinds of sockets that pass descriptors.
enum Socket {
    Stream(UnixStream),
    Datagrams(UnixDatagram),
    Records(UnixSeqpacket),
}

const KINDS: [fn() -> [Socket; 2]; 3] = [
    || {
        let (a, b) = UnixStream::pair().expect("a pair");
        [Socket::Stream(a), Socket::Stream(b)]
    },
    || {
        let (a, b) = UnixDatagram::pair().expect("a pair");
        [Socket::Datagrams(a), Socket::Datagrams(b)]
    },
    || {
        let (a, b) = UnixSeqpacket::pair().expect("a pair");
        [Socket::Records(a), Socket::Records(b)]
    },
];

const TEXT: &str = "text";

impl Socket {
    /// Sends the text and `fds` with it.
    async fn send(&self, fds: Vec<OwnedFd>) {
        let sent = match self {
            Self::Stream(socket) => socket.send_with_fds([TEXT], fds).await,
            Self::Datagrams(socket) => socket.send_with_fds([TEXT], fds).await,
            Self::Records(socket) => socket.send_with_fds([TEXT], fds).await,
        };
        assert_eq!(sent.0.expect("the peer is there"), TEXT.len());
    }

    fn recv_msg(&self) -> RecvMsg<'_, [Vec<u8>; 1], UnixAddr> {
        let bufs = [Vec::with_capacity(64)];
        match self {
            Self::Stream(socket) => socket.recv_msg(bufs),
            Self::Datagrams(socket) => socket.recv_msg(bufs),
            Self::Records(socket) => socket.recv_msg(bufs),
        }
    }

    /// A receive that asks for the bytes alone.
    fn recv(&self) -> Pin<Box<dyn Future<Output = Vec<u8>> + '_>> {
        let buf = Vec::with_capacity(64);
        match self {
            Self::Stream(socket) => Box::pin(async { socket.read(buf).await.1 }),
            Self::Datagrams(socket) => Box::pin(async { socket.recv(buf).await.1 }),
            Self::Records(socket) => Box::pin(async { socket.recv(buf).await.1 }),
        }
    }

    fn try_recv(&self, buf: &mut [u8]) -> usize {
        let received = match self {
            Self::Stream(socket) => socket.try_read(buf),
            Self::Datagrams(socket) => socket.try_recv(buf),
            Self::Records(socket) => socket.try_recv(buf),
        };
        received.expect("something is there")
    }

    async fn peek(&self) -> Vec<u8> {
        let buf = Vec::with_capacity(64);
        match self {
            Self::Stream(socket) => socket.peek(buf).await.1,
            Self::Datagrams(socket) => socket.peek(buf).await.1,
            Self::Records(socket) => socket.peek(buf).await.1,
        }
    }

    /// The descriptors among the leftovers.
    async fn into_std(self) -> Vec<OwnedFd> {
        let mut leftovers = match self {
            Self::Stream(socket) => socket.into_std().await.expect("one handle").1,
            Self::Datagrams(socket) => socket.into_std().await.expect("one handle").1,
            Self::Records(socket) => socket.into_parts().await.expect("one handle").1,
        };
        let messages = leftovers
            .messages
            .drain(..)
            .flat_map(|left| left.ancillary.fds);
        let beside = leftovers.ancillary.drain(..).flat_map(|(_, left)| left.fds);
        messages.chain(beside).collect()
    }
}

/// Sees whether any copy of the writing end is open.
struct Witness(PipeReader);

impl Witness {
    /// A witness, and as many copies of the writing end as are to be sent.
    fn new(count: usize) -> (Self, Vec<OwnedFd>) {
        let (reader, writer) = pipe().expect("a pipe");
        let copies = (0..count).map(|_| writer.try_clone().expect("a copy").into());
        (Self(reader), copies.collect())
    }

    #[track_caller]
    fn sees_all_closed(self) {
        assert!(has_no_writer(&self.0), "a copy is open somewhere");
    }
}

#[track_caller]
fn took((received, [buf]): (std::io::Result<Received<UnixAddr>>, [Vec<u8>; 1])) -> Vec<OwnedFd> {
    let received = received.expect("a message was sent");
    assert_eq!((&buf[..], received.len), (TEXT.as_bytes(), TEXT.len()));
    assert!(!received.truncated && !received.ancillary.truncated);
    assert!(received.ancillary.fds.iter().all(is_close_on_exec));
    received.ancillary.fds
}

fn is_close_on_exec(fd: &OwnedFd) -> bool {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd()));
    let info = info.expect("it is open");
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = i32::from_str_radix(flags.expect("it has flags").trim(), 8);
    flags.expect("an octal number") & libc::O_CLOEXEC != 0
}

/// A `recv_msg` that has ended and was not polled again.
async fn unseen<'a>(
    from: &'a Socket,
    to: &Socket,
    fds: Vec<OwnedFd>,
) -> RecvMsg<'a, [Vec<u8>; 1], UnixAddr> {
    let mut recv = from.recv_msg();
    assert!(poll_once(&mut recv).is_pending());
    laps(1).await;
    to.send(fds).await;
    laps(3).await;
    recv
}

/// What becomes of a message with descriptors: the way takes both ends and what is sent, and gives what it was given of it.
type Way = fn([Socket; 2], Vec<OwnedFd>) -> Pin<Box<dyn Future<Output = Vec<OwnedFd>>>>;

macro_rules! way {
    (|$ours:ident, $theirs:ident, $fds:ident| $body:expr) => {
        |[$ours, $theirs], $fds| Box::pin(async move { $body })
    };
}

thread_local! {
    /// A future that outlives its runtime.
    static KEPT: RefCell<Option<RecvMsg<'static, [Vec<u8>; 1], UnixAddr>>> = const { RefCell::new(None) };
}

/// Each with a name and whether the descriptors come to the caller.
const WAYS: [(&str, bool, Way); 12] = [
    (
        "awaited",
        true,
        way!(|ours, theirs, fds| {
            theirs.send(fds).await;
            took(ours.recv_msg().await)
        }),
    ),
    (
        "armed, dropped, asked again",
        true,
        way!(|ours, theirs, fds| {
            let mut recv = ours.recv_msg();
            assert!(poll_once(&mut recv).is_pending());
            laps(1).await;
            drop(recv);
            theirs.send(fds).await;
            took(ours.recv_msg().await)
        }),
    ),
    (
        "complete, dropped unseen, asked again",
        true,
        way!(|ours, theirs, fds| {
            drop(unseen(&ours, &theirs, fds).await);
            assert_eq!(ours.peek().await, TEXT.as_bytes());
            took(ours.recv_msg().await)
        }),
    ),
    (
        "complete, dropped unseen, into std",
        true,
        way!(|ours, theirs, fds| {
            drop(unseen(&ours, &theirs, fds).await);
            ours.into_std().await
        }),
    ),
    (
        "complete, dropped unseen, then the bytes alone",
        false,
        way!(|ours, theirs, fds| {
            drop(unseen(&ours, &theirs, fds).await);
            assert_eq!(ours.recv().await, TEXT.as_bytes());
            Vec::new()
        }),
    ),
    (
        "complete, dropped unseen, then tried",
        false,
        way!(|ours, theirs, fds| {
            drop(unseen(&ours, &theirs, fds).await);
            assert_eq!(ours.try_recv(&mut [0; 64]), TEXT.len());
            Vec::new()
        }),
    ),
    (
        "complete, dropped unseen with its socket",
        false,
        way!(|ours, theirs, fds| {
            drop(unseen(&ours, &theirs, fds).await);
            drop(ours);
            Vec::new()
        }),
    ),
    (
        "complete and kept beyond the end of the runtime",
        false,
        way!(|ours, theirs, fds| {
            let recv = unseen(&ours, &theirs, fds).await.into_owned();
            KEPT.with(|kept| *kept.borrow_mut() = Some(recv));
            Vec::new()
        }),
    ),
    (
        "peeked, then the bytes alone",
        false,
        way!(|ours, theirs, fds| {
            theirs.send(fds).await;
            assert_eq!(ours.peek().await, TEXT.as_bytes());
            assert_eq!(ours.recv().await, TEXT.as_bytes());
            Vec::new()
        }),
    ),
    (
        "the bytes alone, armed",
        false,
        way!(|ours, theirs, fds| {
            let mut recv = ours.recv();
            assert!(poll_once(&mut recv).is_pending());
            laps(1).await;
            theirs.send(fds).await;
            assert_eq!(recv.await, TEXT.as_bytes());
            Vec::new()
        }),
    ),
    (
        "tried",
        false,
        way!(|ours, theirs, fds| {
            theirs.send(fds).await;
            assert_eq!(ours.try_recv(&mut [0; 64]), TEXT.len());
            Vec::new()
        }),
    ),
    (
        "in flight as the runtime ends",
        false,
        way!(|ours, theirs, fds| {
            sakia::spawn(async move { took(ours.recv_msg().await).len() });
            laps(2).await;
            theirs.send(fds).await;
            Vec::new()
        }),
    ),
];

#[test]
fn descriptors_in_a_message_come_to_who_asks_for_them_and_else_are_closed() {
    in_child(|| {
        for (name, given, way) in WAYS {
            for (kind, pair) in KINDS.iter().enumerate() {
                for count in [1, 7, 253] {
                    let case = format!("{name}, kind {kind}, {count} descriptors");
                    leaves_nothing(|| {
                        let (witness, copies) = Witness::new(count);
                        let (got, report) = run(async { way(pair(), copies).await });
                        let held = KEPT.with(|kept| kept.borrow().is_some());
                        assert!(report.is_clean() || held, "{case}: {report}");
                        let expected = if given { count } else { 0 };
                        assert_eq!(got.len(), expected, "{case}");
                        drop(got);
                        witness.sees_all_closed();
                        KEPT.with(|kept| drop(kept.take()));
                    });
                }
            }
        }
    });
}

#[test]
fn a_dropped_receive_of_the_bytes_alone_takes_no_descriptor_from_the_one_behind_it() {
    in_child(|| {
        for pair in &KINDS[1..] {
            let (witness, copies) = Witness::new(2);
            run_clean(async {
                let [ours, theirs] = pair();
                let mut recv = ours.recv();
                assert!(poll_once(&mut recv).is_pending());
                laps(1).await;
                theirs.send(copies).await;
                drop(recv);
                assert_eq!(took(ours.recv_msg().await).len(), 2);
            });
            witness.sees_all_closed();
        }
    });
}

#[test]
fn a_process_without_descriptors_is_told_that_some_were_cut_off_and_keeps_none() {
    in_child(|| {
        for pair in KINDS {
            leaves_nothing(|| {
                run_clean(async {
                    let [ours, theirs] = pair();
                    let (witness, copies) = Witness::new(5);
                    theirs.send(copies).await;
                    let used = fds();
                    let mut free = (0..).filter(|number| !used.contains_key(number));
                    let third = free.nth(2).expect("numbers are many");
                    set_limit(Limit::Files, third as u64);
                    let (received, _) = ours.recv_msg().await;
                    set_limit(Limit::Files, 1024);
                    let ancillary = received.expect("the bytes come").ancillary;
                    assert!(ancillary.truncated);
                    assert_eq!(ancillary.fds.len(), 2, "two numbers were free");
                    drop(ancillary);
                    witness.sees_all_closed();
                });
            });
        }
    });
}

#[test]
fn a_message_that_was_cut_says_so_also_when_it_was_left_over() {
    run_clean(async {
        let (a, b) = UnixDatagram::pair().expect("a pair");
        let (c, d) = UnixSeqpacket::pair().expect("a pair");
        a.send("much too long").await.0.expect("a peer");
        c.send("much too long").await.0.expect("a peer");
        for dropped in [false, true] {
            let short = || [Box::new([0; 4])];
            for mut recv in [b.recv_msg(short()), d.recv_msg(short())] {
                if dropped {
                    assert!(poll_once(&mut recv).is_pending());
                    laps(3).await;
                    continue;
                }
                let (received, [buf]) = recv.await;
                assert_eq!(*buf, *b"much");
                assert!(received.expect("it was sent").truncated);
            }
            a.send("also too long").await.0.expect("a peer");
            c.send("also too long").await.0.expect("a peer");
        }
        for recv in [b.recv_msg([vec![0; 64]]), d.recv_msg([vec![0; 64]])] {
            let (received, [buf]) = recv.await;
            let received = received.expect("it was left over");
            assert_eq!((&buf[..4], received.len), (&b"also"[..], 4));
            assert!(
                received.truncated,
                "the room is enough now, and was not then"
            );
        }
        let whole = b.recv_msg([vec![0; 64]]).await.0.expect("it was sent");
        assert!(!whole.truncated && whole.len == 13);
    });
}

/// A stranger may send a descriptor whose close blocks: nobody who takes no descriptors may be held up by it.
#[test]
fn a_lingering_socket_that_came_with_a_message_and_that_nobody_takes_holds_nobody_up() {
    in_child(|| {
        leaves_nothing(|| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
            let ((), report) = run(async {
                let addr = listener.local_addr().expect("it is bound");
                let stream = TcpStream::connect(addr).await.expect("it listens");
                stream.set_linger(Some(LINGER)).expect("it is a socket");
                while stream.try_write(&[0; 65536]).is_ok() {}
                let (stream, _) = stream.into_std().await.expect("one handle");
                let [ours, theirs] = KINDS[1]();
                theirs.send(vec![stream.into()]).await;
                let start = Instant::now();
                assert_eq!(ours.recv().await, TEXT.as_bytes());
                let took = start.elapsed();
                assert!(took < LINGER / 2, "it lingered {took:?}");
            });
            assert!(report.is_clean(), "{report}");
            assert_eq!(report.closes_drained(), 1, "{report}");
        });
    });
}
