//! Ways out in the middle of a stream: reads, writes and composites that are dropped while the kernel has them. What the peer sent is
//! read in order, what the peer reads is what was sent: both ends are numbered, and the peer is a plain std stream.

use std::io::{Read, Write};
use std::net::TcpStream as StdTcp;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream as StdUnix;
use std::thread::{self, JoinHandle};

use sakia::net::{TcpListener, TcpStream, UnixStream};
use sakia_tests::unread;

use crate::support::{laps, poll_once, run_clean, until};

async fn tcp() -> (TcpStream, StdTcp) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has free ports");
    let addr = listener.local_addr().expect("it is bound");
    let peer = StdTcp::connect(addr).expect("the backlog has room");
    let (ours, _) = listener.accept().await.expect("the peer has connected");
    (ours, peer)
}

fn unix() -> (UnixStream, StdUnix) {
    let (ours, peer) = StdUnix::pair().expect("a pair");
    (
        UnixStream::from_std(ours).expect("a runtime is current"),
        peer,
    )
}

/// Runs the same lines on a TCP stream and on a Unix stream: they have the same methods and no trait in common that has all of them.
macro_rules! on_each_stream {
    (|$ours:ident, $peer:ident| $body:block) => {{
        {
            #[allow(unused_mut, reason = "not every row sends by hand")]
            let ($ours, mut $peer) = tcp().await;
            $body
        }
        {
            #[allow(unused_mut, reason = "not every row sends by hand")]
            let ($ours, mut $peer) = unix();
            $body
        }
    }};
}

/// Sends numbered bytes, each the successor of the one before.
struct Numbers(u8);

impl Numbers {
    fn send(&mut self, peer: &mut impl Write, n: u8) {
        let bytes: Vec<u8> = (0..n).map(|i| self.0.wrapping_add(i)).collect();
        self.0 = self.0.wrapping_add(n);
        peer.write_all(&bytes).expect("our end is open");
    }

    /// Bytes are these numbers, from the first to the last that was sent.
    fn check(&self, got: &[u8]) {
        let sent: Vec<u8> = (0..=255).cycle().take(got.len()).collect();
        assert_eq!(got, sent);
        assert_eq!(got.len() % 256, usize::from(self.0), "to the last byte");
    }
}

/// Row 32.
#[test]
fn a_read_that_is_abandoned_while_armed_takes_no_byte_from_the_next_one() {
    run_clean(async {
        on_each_stream!(|ours, peer| {
            let (mut numbers, mut got) = (Numbers(0), Vec::new());
            for round in 0..20 {
                let mut abandoned = ours.read(Vec::with_capacity(3));
                assert!(poll_once(&mut abandoned).is_pending());
                // Armed in the kernel, or only pushed.
                laps(round % 2).await;
                // The bytes come while somebody reads, at once after, or when the op has been cancelled.
                match round % 3 {
                    0 => {
                        numbers.send(&mut peer, 5);
                        laps(2).await;
                        drop(abandoned);
                    }
                    1 => {
                        drop(abandoned);
                        numbers.send(&mut peer, 5);
                    }
                    _ => {
                        drop(abandoned);
                        laps(3).await;
                        numbers.send(&mut peer, 5);
                    }
                }
                let (n, buf) = ours.read(Vec::with_capacity(4)).await;
                assert!(n.expect("the peer is there") > 0);
                got.extend(buf);
            }
            drop(peer);
            let (n, rest) = ours.read_to_end(Vec::new()).await;
            n.expect("the end is seen");
            got.extend(rest);
            numbers.check(&got);
            assert_eq!(got.len(), 100);
        });
    });
}

/// Row 34.
#[test]
fn what_a_composite_read_has_when_it_is_dropped_half_way_is_served_to_the_next_read() {
    run_clean(async {
        on_each_stream!(|ours, peer| {
            let (mut numbers, mut got) = (Numbers(0), Vec::new());
            let number = ours.as_fd().as_raw_fd();
            for _ in 0..5 {
                let mut exact = ours.read_exact(Vec::with_capacity(8));
                assert!(poll_once(&mut exact).is_pending());
                numbers.send(&mut peer, 5);
                // It takes the five, and waits for three more.
                until(|| poll_once(&mut exact).is_pending() && unread(number) == 0).await;
                drop(exact);

                let mut to_end = ours.read_to_end(Vec::new());
                assert!(poll_once(&mut to_end).is_pending());
                numbers.send(&mut peer, 4);
                until(|| poll_once(&mut to_end).is_pending() && unread(number) == 0).await;
                drop(to_end);

                // Both parts, in order, and not a byte besides.
                let (n, buf) = ours.read_exact(vec![0; 9]).await;
                n.expect("they are there");
                got.extend(buf);

                let mut vectored = ours.readv([vec![0; 2], vec![0; 3]]);
                assert!(poll_once(&mut vectored).is_pending());
                numbers.send(&mut peer, 3);
                until(|| unread(number) == 0).await;
                drop(vectored);
                let (n, bufs) = ours.readv([vec![0; 2], vec![0; 3]]).await;
                assert_eq!(n.expect("there is something"), 3);
                got.extend(&bufs.concat()[..3]);
            }
            drop(peer);
            let (n, rest) = ours.read_to_end(got).await;
            n.expect("the end is seen");
            numbers.check(&rest);
            assert_eq!(rest.len(), 60);
        });
    });
}

/// Row 34, halves.
#[test]
fn what_a_dropped_half_has_read_is_served_to_the_other_reader_of_the_stream() {
    run_clean(async {
        on_each_stream!(|ours, peer| {
            let mut numbers = Numbers(0);
            let number = ours.as_fd().as_raw_fd();
            let (read, write) = ours.into_split();
            let mut exact = read.read_exact(Vec::with_capacity(8));
            assert!(poll_once(&mut exact).is_pending());
            numbers.send(&mut peer, 5);
            until(|| poll_once(&mut exact).is_pending() && unread(number) == 0).await;
            drop(exact);
            // A read on the half, then on the whole.
            let (n, mut got) = read.read(Vec::with_capacity(2)).await;
            assert_eq!(n.expect("it has them"), 2);
            let (n, more) = read.read_exact(vec![0; 3]).await;
            n.expect("and the rest");
            got.extend(more);
            let mut abandoned = read.read(Vec::with_capacity(2));
            assert!(poll_once(&mut abandoned).is_pending());
            numbers.send(&mut peer, 3);
            until(|| unread(number) <= 1).await;
            drop(abandoned);
            let ours = read.reunite(write).expect("they are of one stream");
            drop(peer);
            let (n, rest) = ours.read_to_end(Vec::new()).await;
            n.expect("the end is seen");
            got.extend(rest);
            numbers.check(&got);
            assert_eq!(got.len(), 8);
        });
    });
}

/// A peer that reads everything.
fn read_all(mut peer: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("our end is good");
        all
    })
}

/// Row 33.
#[test]
fn a_write_that_is_abandoned_while_armed_stays_before_the_next_and_in_doubt_tells_how_much_was_sent()
 {
    const LEN: usize = 8 << 20;
    run_clean(async {
        on_each_stream!(|ours, peer| {
            // The peer does not read, so neither of the two can end.
            let mut all = ours.write_all(vec![b'a'; LEN]);
            assert!(poll_once(&mut all).is_pending());
            laps(3).await;
            assert!(poll_once(&mut all).is_pending(), "the socket is full");
            drop(all);
            let doubt = ours.in_doubt().expect("a write was abandoned");
            assert_eq!((doubt.len(), doubt.is_pending()), (LEN, true));
            let mut once = ours.write(vec![b'b'; LEN]);
            assert!(poll_once(&mut once).is_pending(), "it waits for the first");
            laps(3).await;
            let reader = read_all(peer);
            let (wrote, _) = once.await;
            let wrote = wrote.expect("the peer reads");
            assert_eq!((doubt.sent(), doubt.is_pending()), (LEN, false));
            let mut last = ours.write(vec![b'c'; LEN]);
            assert!(poll_once(&mut last).is_pending());
            drop(last);
            let (end, _) = ours.write_all(b"end".to_vec()).await;
            end.expect("the peer reads");
            let last = ours.in_doubt().expect("another was abandoned");
            assert!(!last.is_pending());
            drop(ours);
            let got = reader.join().expect("the reader ends");
            let parts = [(b'a', LEN), (b'b', wrote), (b'c', last.sent())];
            let mut sent: Vec<u8> = Vec::new();
            for (byte, n) in parts {
                sent.resize(sent.len() + n, byte);
            }
            sent.extend(b"end");
            assert!(got == sent, "{} bytes came of {}", got.len(), sent.len());
        });
    });
}

/// Row 33, with the handle dropped: the write is cancelled, and what was sent of it is told.
#[test]
fn in_doubt_tells_what_the_peer_got_of_a_write_that_the_last_handle_took_along() {
    run_clean(async {
        on_each_stream!(|ours, peer| {
            let mut all = ours.write_all(vec![b'a'; 8 << 20]);
            assert!(poll_once(&mut all).is_pending());
            laps(3).await;
            drop(all);
            let doubt = ours.in_doubt().expect("a write was abandoned");
            drop(ours);
            laps(2).await;
            assert!(!doubt.is_pending() && doubt.sent() < doubt.len());
            let mut got = Vec::new();
            peer.read_to_end(&mut got).expect("our end was closed well");
            assert_eq!(got.len(), doubt.sent());
        });
    });
}
