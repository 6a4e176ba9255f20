//! Leftovers and order: every kind of stream and message socket, every way to receive, every fate of its future, and every way after it.
//!
//! Each case sends numbered bytes, gives a receive its fate, and then receives the rest by another way. No byte and no message may be
//! missing, doubled or out of order, and the end is seen.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram as StdDatagram;
use std::task::Poll;

use crate::common::{Numbers, for_turns, laps, poll_once, run};
use crate::sides::{Got, Kind, Ours, Peer, Way};

/// What becomes of the first receive.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// It is dropped in flight, and something arrives in the same turn.
    Armed,
    /// It is dropped in flight, and something arrives some turns later.
    Cancelled,
    /// It has ended and is dropped without having been looked at.
    Unseen,
    /// It was polled with a part in its hands, and is dropped as more arrives.
    HalfWay,
    /// One behind it in the queue is dropped, and then it.
    Queued,
}

const FATES: [Fate; 5] = [
    Fate::Armed,
    Fate::Cancelled,
    Fate::Unseen,
    Fate::HalfWay,
    Fate::Queued,
];

/// The numbered bytes that a case sends, in pieces of ten, and what came of them.
struct Ledger {
    peer: Option<Peer>,
    next: u8,
    got: Vec<Got>,
}

const PIECE: usize = 10;
/// More than a piece and less than two, so that an exact receive is half way after one.
const ROOM: usize = 16;

impl Ledger {
    fn send(&mut self) {
        let piece: Vec<u8> = (self.next..).take(PIECE).collect();
        self.next += PIECE as u8;
        self.peer.as_mut().expect("it is open").send(&piece);
    }

    fn take(&mut self, way: Way, got: Got) -> bool {
        if way.leaves() {
            return true;
        }
        let more = !got.is_empty();
        self.got.extend(Some(got).filter(|got| !got.is_empty()));
        more
    }

    fn bytes(&self) -> Vec<u8> {
        self.got.concat()
    }

    #[track_caller]
    fn is_whole(&self, kind: Kind, case: &str) {
        let sent: Vec<u8> = (0..self.next).collect();
        assert_eq!(self.bytes(), sent, "{case}");
        if kind.has_messages() {
            assert!(
                self.got.iter().all(|message| message.len() == PIECE),
                "{case}"
            );
        }
    }
}

/// Gives a receive its fate.
async fn suffer(ours: &Ours, way: Way, fate: Fate, ledger: &mut Ledger) {
    let mut receive = ours.receive(way, ROOM);
    assert!(poll_once(&mut receive).await.is_pending());
    laps(1).await;
    match fate {
        Fate::Armed => {
            drop(receive);
            ledger.send();
        }
        Fate::Cancelled => {
            drop(receive);
            laps(4).await;
            ledger.send();
        }
        Fate::Unseen => {
            ledger.send();
            laps(4).await;
        }
        Fate::HalfWay => {
            ledger.send();
            laps(4).await;
            let done = poll_once(&mut receive).await;
            laps(1).await;
            ledger.send();
            if let Poll::Ready(got) = done {
                assert!(ledger.take(way, got), "nothing has ended");
                receive = ours.receive(way, ROOM);
                if let Poll::Ready(got) = poll_once(&mut receive).await {
                    assert!(ledger.take(way, got), "nothing has ended");
                }
            }
        }
        Fate::Queued => {
            let mut behind = ours.receive(Way::Read, ROOM);
            assert!(poll_once(&mut behind).await.is_pending());
            ledger.send();
            laps(4).await;
            drop(behind);
        }
    }
}

/// Receives all that is left by one way, to the end if there is one.
async fn receive_rest(ours: &Ours, kind: Kind, way: Way, ledger: &mut Ledger, case: &str) {
    loop {
        if !kind.ends() && ledger.bytes().len() == usize::from(ledger.next) {
            return;
        }
        let got = ours.receive(way, ROOM).await;
        if way == Way::Peek && !got.is_empty() {
            let at = ledger.bytes().len() as u8;
            assert_eq!(got, (at..).take(got.len()).collect::<Vec<u8>>(), "{case}");
        }
        let (way, got) = if way.leaves() {
            (Way::Read, ours.receive(Way::Read, ROOM).await)
        } else {
            (way, got)
        };
        if !ledger.take(way, got) {
            break;
        }
    }
    assert!(
        ours.receive(Way::Read, ROOM).await.is_empty(),
        "{case}: the end stays"
    );
}

/// Reads all that is left by std.
fn read_rest(kind: Kind, fd: OwnedFd, ledger: &mut Ledger) {
    if !kind.has_messages() {
        let mut rest = Vec::new();
        File::from(fd).read_to_end(&mut rest).unwrap();
        ledger.got.push(rest);
        return;
    }
    // recv(2) is the same for every socket.
    let socket = StdDatagram::from(fd);
    while ledger.bytes().len() < usize::from(ledger.next) {
        let mut buf = vec![0; ROOM];
        let n = socket.recv(&mut buf).unwrap();
        ledger.got.push(buf[..n].to_vec());
    }
}

/// Runs a case of each way and fate on a kind of ends; `finish` gets what is left, in every way.
fn on_every_kind(finish: impl AsyncFn(Ours, Kind, &mut Ledger, Option<Way>, &str)) {
    for kind in Kind::ALL {
        run(async {
            for &way in Way::of(kind) {
                for fate in FATES {
                    for next in Way::of(kind).iter().copied().map(Some).chain([None]) {
                        let case = format!("{kind:?}: {way:?}, {fate:?}, then {next:?}");
                        let (ours, peer) = kind.pair().await;
                        let mut ledger = Ledger {
                            peer: Some(peer),
                            next: 0,
                            got: Vec::new(),
                        };
                        suffer(&ours, way, fate, &mut ledger).await;
                        finish(ours, kind, &mut ledger, next, &case).await;
                        ledger.is_whole(kind, &case);
                    }
                }
            }
        });
    }
}

#[test]
fn whatever_becomes_of_a_receive_the_rest_is_whole_and_in_order_by_every_way() {
    on_every_kind(async |ours, kind, ledger, next, case| {
        ledger.send();
        if kind.ends() {
            ledger.peer = None;
        }
        match next {
            Some(way) => receive_rest(&ours, kind, way, ledger, case).await,
            None => {
                let (fd, left) = ours.into_std().await;
                ledger.got.extend(left);
                read_rest(kind, fd, ledger);
            }
        }
    });
}

#[test]
fn whatever_becomes_of_a_receive_before_the_end_the_end_is_seen_by_every_way() {
    on_every_kind(async |ours, kind, ledger, next, case| {
        if !kind.ends() {
            return receive_rest(&ours, kind, next.unwrap_or(Way::Read), ledger, case).await;
        }
        // The end itself comes for a receive that is dropped.
        let mut last = ours.receive(Way::Read, 200);
        while let Poll::Ready(got) = poll_once(&mut last).await {
            assert!(ledger.take(Way::Read, got), "{case}: nothing has ended");
            last = ours.receive(Way::Read, 200);
        }
        ledger.peer = None;
        laps(4).await;
        drop(last);
        let ours = ours.reunite();
        receive_rest(&ours, kind, next.unwrap_or(Way::Read), ledger, case).await;
    });
}

#[test]
fn receives_that_are_dropped_at_random_lose_double_and_reorder_nothing() {
    for kind in Kind::ALL {
        for seed in 1..=3 {
            run(async {
                let (ours, peer) = kind.pair().await;
                let mut numbers = Numbers(seed * 7919);
                let ways = Way::of(kind);
                let mut ledger = Random::new(peer);
                while ledger.goes_on(kind) {
                    if numbers.below(2) == 0 {
                        ledger.send(kind, &mut numbers);
                    }
                    let way = ways[numbers.below(ways.len())];
                    let room = if kind.has_messages() {
                        MOST
                    } else {
                        1 + numbers.below(MOST)
                    };
                    let mut receive = ours.receive(way, room);
                    let turns = numbers.below(5);
                    for _ in 0..turns {
                        if numbers.below(3) == 0 {
                            ledger.send(kind, &mut numbers);
                        }
                        if let Some(got) = for_turns(1, &mut receive).await {
                            ledger.take(way, got);
                            break;
                        }
                    }
                }
                ledger.is_whole(kind, &format!("{kind:?}, seed {seed}"));
            });
        }
    }
}

/// The most bytes of a random message.
const MOST: usize = 300;
/// How many bytes a random case sends.
const ALL: usize = 20_000;

/// What a random case sends, and what came of it: numbers of four bytes, in pieces of any length.
struct Random {
    peer: Option<Peer>,
    sent: Vec<u8>,
    pieces: Vec<usize>,
    got: Vec<Got>,
    ended: bool,
}

impl Random {
    fn new(peer: Peer) -> Self {
        Self {
            peer: Some(peer),
            sent: Vec::new(),
            pieces: Vec::new(),
            got: Vec::new(),
            ended: false,
        }
    }

    fn received(&self) -> usize {
        self.got.iter().map(Vec::len).sum()
    }

    fn goes_on(&self, kind: Kind) -> bool {
        let all = self.sent.len() >= ALL && self.received() >= self.sent.len();
        !self.ended && (kind.ends() || !all)
    }

    /// Sends a piece, unless so much is under way that it could block; at last it closes.
    fn send(&mut self, kind: Kind, numbers: &mut Numbers) {
        if self.sent.len() >= ALL {
            if kind.ends() {
                self.peer = None;
            }
            return;
        }
        if self.pieces.len() > self.got.len() + 4 && self.sent.len() > self.received() + 4 * MOST {
            return;
        }
        let piece = 1 + numbers.below(MOST);
        let from = self.sent.len();
        let bytes = (from..from + piece).map(|at| (at as u32 / 4).to_le_bytes()[at % 4]);
        let bytes: Vec<u8> = bytes.collect();
        self.peer.as_mut().expect("it is open").send(&bytes);
        self.sent.extend(&bytes);
        self.pieces.push(piece);
    }

    fn take(&mut self, way: Way, got: Got) {
        if !way.leaves() {
            self.ended |= got.is_empty();
            self.got.extend(Some(got).filter(|got| !got.is_empty()));
        }
    }

    #[track_caller]
    fn is_whole(&self, kind: Kind, case: &str) {
        let got = self.got.concat();
        let wrong = got.iter().zip(&self.sent).position(|(a, b)| a != b);
        assert_eq!((got.len(), wrong), (self.sent.len(), None), "{case}");
        if kind.has_messages() {
            let lengths: Vec<usize> = self.got.iter().map(Vec::len).collect();
            assert_eq!(lengths, self.pieces, "{case}");
        }
    }
}
