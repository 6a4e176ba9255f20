//! Streams of which more has arrived than was read: they are read and written on the spot, before the others get their turn, and nothing is lost or reordered.

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use sakia_buf::BufResult;
use sakia_driver::{Cancellable, Driver, Fd, Kind, ops, submit};

use crate::help::{
    OwnSend, adopt, block_on, driver, end, is_readable, kernel_release, pair, poll,
    refuse_receives, turns,
};

/// What one poll of a task may be answered.
const BUDGET: usize = 64;

/// Whether this kernel tells that a receive has left something: the emulated one does not, and all goes its way.
pub fn tells() -> bool {
    std::env::var_os("SAKIA_KERNEL").is_none_or(|kernel| kernel != "emulated")
}

/// A connection of the driver's and its peer, which sends that much at once; one byte of it is read.
fn hot(driver: &Rc<Driver>, sent: &[u8]) -> (Fd, TcpStream) {
    hot_with(driver, sent, false)
}

/// The same with TCP_NODELAY on the driver's side, or without.
pub fn hot_with(driver: &Rc<Driver>, sent: &[u8], nodelay: bool) -> (Fd, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    peer.set_nodelay(true).unwrap();
    let ours = listener.accept().unwrap().0;
    ours.set_nodelay(nodelay).unwrap();
    let fd = adopt(driver, ours, Kind::TcpStream);
    peer.write_all(sent).unwrap();
    let (n, buf) = block_on(driver, ops::recv(&fd, Vec::with_capacity(1)));
    assert_eq!((n.unwrap(), &buf[..]), (1, &sent[..1]));
    driver.refill();
    (fd, peer)
}

fn recv(driver: &Rc<Driver>, fd: &Fd, len: usize) -> (bool, std::io::Result<Vec<u8>>) {
    let mut recv = ops::recv(fd, Vec::with_capacity(len));
    let (at_once, (n, buf)) = match poll(driver, &mut recv) {
        Poll::Ready(done) => (true, done),
        Poll::Pending => (false, block_on(driver, recv)),
    };
    (at_once, n.map(|n| buf[..n].to_vec()))
}

fn send(driver: &Rc<Driver>, fd: &Fd, bytes: &'static [u8]) -> bool {
    let mut send = ops::send_all(fd, bytes);
    match poll(driver, &mut send) {
        Poll::Ready(done) => done.0.map(|()| true).unwrap(),
        Poll::Pending => block_on(driver, send).0.map(|()| false).unwrap(),
    }
}

#[test]
fn a_unix_stream_that_has_more_is_read_and_written_at_the_first_poll_too() {
    // Linux 6.17 tells it of these.
    if !tells() || kernel_release() < (6, 17) {
        return;
    }
    let driver = driver();
    let (fd, mut peer) = pair(&driver);
    peer.write_all(b"0abcdefgh").unwrap();
    block_on(&driver, ops::recv(&fd, Vec::with_capacity(1)))
        .0
        .unwrap();
    driver.refill();
    let (at_once, bytes) = recv(&driver, &fd, 4);
    assert_eq!((at_once, bytes.unwrap()), (true, b"abcd".to_vec()));
    assert!(send(&driver, &fd, b"answer"));
    let mut got = [0; 6];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"answer");
    drop(fd);
    end(&driver);
}

#[test]
fn a_stream_that_has_more_is_read_and_written_at_the_first_poll_until_a_read_finds_less_than_it_has_room_for()
 {
    let driver = driver();
    let (fd, mut peer) = hot(&driver, b"0abcdefgh");
    let told = tells();
    let (at_once, bytes) = recv(&driver, &fd, 4);
    assert_eq!((at_once, bytes.unwrap()), (told, b"abcd".to_vec()));
    assert_eq!(send(&driver, &fd, b"first "), told);
    let (at_once, bytes) = recv(&driver, &fd, 16);
    assert_eq!((at_once, bytes.unwrap()), (told, b"efgh".to_vec()));
    assert!(!send(&driver, &fd, b"second"), "it is not hot any more");
    let mut got = [0; 12];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"first second");
    assert_eq!(driver.answered_on_the_spot(), if told { 3 } else { 0 });
    drop(fd);
    end(&driver);
}

#[test]
fn a_task_that_reads_a_stream_that_never_ends_goes_by_the_ring_when_its_budget_is_spent() {
    let driver = driver();
    let (fd, _peer) = hot(&driver, &[7; 2 * BUDGET]);
    for _ in 0..BUDGET {
        assert_eq!(recv(&driver, &fd, 1).0, tells());
    }
    let (at_once, byte) = recv(&driver, &fd, 1);
    assert_eq!((at_once, byte.unwrap()), (false, vec![7]));
    driver.refill();
    assert_eq!(
        recv(&driver, &fd, 1).0,
        tells(),
        "the next poll has another"
    );
    drop(fd);
    end(&driver);
}

#[test]
fn what_a_full_socket_takes_no_more_of_is_sent_by_the_ring_behind_what_it_has_taken() {
    const PIECE: usize = 16 << 10;
    let driver = driver();
    let (fd, mut peer) = hot(&driver, b"hot");
    let mut sent = 0;
    let mut waits = loop {
        driver.refill();
        let bytes: Vec<u8> = (sent..sent + PIECE).map(|at| (at % 251) as u8).collect();
        let mut send = ops::send_all(&fd, bytes);
        sent += PIECE;
        match poll(&driver, &mut send) {
            Poll::Ready(done) => done.0.unwrap(),
            Poll::Pending => break send,
        }
        assert!(sent < 1 << 28, "the peer does not read");
    };
    let reader = std::thread::spawn(move || {
        let mut got = vec![0; sent];
        peer.read_exact(&mut got).unwrap();
        got
    });
    block_on(&driver, &mut waits).0.unwrap();
    let got = reader.join().unwrap();
    let wrong = got
        .iter()
        .enumerate()
        .find(|(at, byte)| **byte != (at % 251) as u8);
    assert_eq!(wrong, None);
    assert!(driver.answered_on_the_spot() > 1 || !tells());
    drop((waits, fd));
    end(&driver);
}

#[test]
fn the_error_of_a_stream_that_was_reset_is_told_though_the_read_was_answered_on_the_spot() {
    let driver = driver();
    let (fd, peer) = hot(&driver, b"0abcd");
    // A peer that goes with something unread resets the connection.
    assert_eq!(send(&driver, &fd, b"unread"), tells());
    drop(peer);
    let (_, bytes) = recv(&driver, &fd, 4);
    assert_eq!(bytes.unwrap(), b"abcd", "what had arrived comes first");
    let (at_once, error) = recv(&driver, &fd, 4);
    assert_eq!(at_once, tells());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(
        recv(&driver, &fd, 4).1.unwrap(),
        b"",
        "and then it has ended"
    );
    drop(fd);
    end(&driver);
}

#[test]
fn a_stream_that_is_read_in_long_pieces_goes_by_the_ring_though_it_has_more() {
    let driver = driver();
    let (fd, _peer) = hot(&driver, &[7; 60_000]);
    let (at_once, bytes) = recv(&driver, &fd, 20 << 10);
    assert_eq!((at_once, bytes.unwrap().len()), (false, 20 << 10));
    assert!(!send(&driver, &fd, b"short"), "it is not hot");
    assert_eq!(driver.answered_on_the_spot(), 0);
    drop(fd);
    end(&driver);
}

#[test]
fn what_is_longer_than_a_piece_is_sent_by_the_ring_though_the_stream_is_hot() {
    const PIECE: usize = 16 << 10;
    let driver = driver();
    let (fd, mut peer) = hot(&driver, b"0abcd");
    assert_eq!(send(&driver, &fd, &[1; PIECE]), tells());
    assert!(!send(&driver, &fd, &[2; PIECE + 1]));
    let mut got = [0; 2 * PIECE + 1];
    peer.read_exact(&mut got).unwrap();
    assert!(got[..PIECE].iter().all(|byte| *byte == 1));
    assert!(got[PIECE..].iter().all(|byte| *byte == 2));
    drop(fd);
    end(&driver);
}

#[test]
fn what_an_op_of_the_users_own_sends_into_a_hot_stream_goes_by_the_ring() {
    let driver = driver();
    let (fd, mut peer) = hot(&driver, b"0abcd");
    let mut own = submit(OwnSend(fd.clone()));
    assert!(poll(&driver, &mut own).is_pending());
    assert_eq!(block_on(&driver, own).unwrap(), 4);
    let mut got = [0; 4];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"mine");
    drop(fd);
    end(&driver);
}

trait Receive: Cancellable<Buf = Vec<u8>> + Future<Output = BufResult<usize, Vec<u8>>> {}

impl<R: Cancellable<Buf = Vec<u8>> + Future<Output = BufResult<usize, Vec<u8>>>> Receive for R {}

/// A stream that was hot and has run dry, its peer, and a receive of it that is in flight.
fn dry(driver: &Rc<Driver>) -> (Fd, TcpStream, impl Receive + use<>) {
    let (fd, peer) = hot(driver, b"0abcd");
    let (at_once, bytes) = recv(driver, &fd, 4);
    assert_eq!((at_once, bytes.unwrap()), (tells(), b"abcd".to_vec()));
    let mut receive = ops::recv(&fd, Vec::with_capacity(4));
    assert!(poll(driver, &mut receive).is_pending(), "it is dry");
    turns(driver, 1);
    (fd, peer, receive)
}

#[test]
fn a_hot_stream_that_has_run_dry_is_read_on_the_spot_again_once_there_is_something() {
    let driver = driver();
    let (fd, mut peer, mut receive) = dry(&driver);
    peer.write_all(b"efgh").unwrap();
    let (n, buf) = block_on(&driver, &mut receive);
    assert_eq!((n.unwrap(), &buf[..]), (4, &b"efgh"[..]));
    assert_eq!(driver.answered_on_the_spot(), if tells() { 2 } else { 0 });
    assert_eq!(send(&driver, &fd, b"answer"), tells(), "it is still hot");
    let mut got = [0; 6];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"answer");
    drop(peer);
    assert_eq!(recv(&driver, &fd, 4).1.unwrap(), b"", "so is its end");
    drop((receive, fd));
    end(&driver);
}

#[test]
fn what_comes_for_the_dropped_read_of_a_dry_stream_is_there_for_the_next_and_nothing_else_is() {
    for seen in [false, true] {
        let driver = driver();
        let (fd, mut peer, receive) = dry(&driver);
        peer.write_all(b"efgh").unwrap();
        assert!(is_readable(fd.as_fd(), Duration::from_secs(10)));
        if seen {
            // Its completion is there, and nobody has asked for it.
            turns(&driver, 2);
        }
        drop(receive);
        turns(&driver, 3);
        driver.refill();
        assert_eq!(recv(&driver, &fd, 8).1.unwrap(), b"efgh");
        drop(fd);
        end(&driver);
    }
}

#[test]
fn a_cancelled_read_of_a_dry_stream_has_taken_nothing_though_it_was_told_that_there_is_something() {
    for arrives in [false, true] {
        let driver = driver();
        let (fd, mut peer, mut receive) = dry(&driver);
        if arrives {
            peer.write_all(b"ef").unwrap();
            assert!(is_readable(fd.as_fd(), Duration::from_secs(10)));
            turns(&driver, 2);
        }
        let (n, buf) = block_on(&driver, poll_fn(|cx| receive.poll_expire(cx)));
        if arrives && !tells() {
            // Here it was a receive.
            assert_eq!((n.unwrap(), &buf[..]), (2, &b"ef"[..]));
        } else {
            assert_eq!(n.unwrap_err().kind(), ErrorKind::TimedOut);
            assert_eq!(
                (buf.len(), buf.capacity()),
                (0, 4),
                "and gives its buffer back"
            );
            if arrives {
                assert_eq!(recv(&driver, &fd, 4).1.unwrap(), b"ef");
            }
        }
        peer.write_all(b"gh").unwrap();
        assert_eq!(recv(&driver, &fd, 4).1.unwrap(), b"gh");
        drop((receive, fd));
        end(&driver);
    }
}

#[test]
fn a_read_of_a_dry_stream_waits_on_when_somebody_else_has_taken_what_was_there() {
    let driver = driver();
    let (fd, mut peer, mut receive) = dry(&driver);
    let mut other = TcpStream::from(fd.as_fd().try_clone_to_owned().unwrap());
    other
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    peer.write_all(b"ef").unwrap();
    assert!(is_readable(fd.as_fd(), Duration::from_secs(10)));
    turns(&driver, 2);
    if tells() {
        let mut taken = [0; 2];
        other.read_exact(&mut taken).unwrap();
        assert!(poll(&driver, &mut receive).is_pending());
        peer.write_all(b"gh").unwrap();
    }
    let (n, buf) = block_on(&driver, &mut receive);
    let wanted: &[u8] = if tells() { b"gh" } else { b"ef" };
    assert_eq!((n.unwrap(), &buf[..]), (2, wanted));
    drop((receive, other, fd));
    end(&driver);
}

#[test]
fn where_the_call_is_refused_a_hot_stream_is_read_by_the_ring() {
    if !tells() {
        // The emulated kernel has no other way to receive.
        return;
    }
    let reader = std::thread::spawn(|| {
        let driver = driver();
        let (fd, peer) = hot(&driver, b"0abcdefgh");
        refuse_receives();
        let mut receive = ops::recv(&fd, Vec::with_capacity(8));
        // As the loop does before each poll: it is not the budget that ends the attempts.
        let refilled = poll_fn(|cx| {
            driver.refill();
            Pin::new(&mut receive).poll(cx)
        });
        let (n, buf) = block_on(&driver, refilled);
        assert_eq!((n.unwrap(), &buf[..]), (8, &b"abcdefgh"[..]));
        assert_eq!(driver.answered_on_the_spot(), 0);
        drop((receive, peer, fd));
        end(&driver);
    });
    reader.join().expect("it is read");
}
