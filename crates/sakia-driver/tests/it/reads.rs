//! Reads that are dropped, shared and half done: no byte is lost, none comes twice, none out of order.

use std::cell::Cell;
use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use sakia_driver::ops::{self, Stream};
use sakia_driver::{Driver, Fd, Kind};

use crate::help::{
    Count, adopt, block_on, driver, end, kernel_release, known, pair, poll, poll_by, tracked,
    turn_for, turns,
};

fn room(n: usize) -> Vec<u8> {
    Vec::with_capacity(n)
}

#[test]
fn an_abandoned_read_keeps_its_bytes_for_the_next() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut first = ops::recv(&ours, room(4));
    assert!(poll(&driver, &mut first).is_pending());
    turns(&driver, 1);
    peer.write_all(b"abcdefgh").expect("the peer writes");
    drop(first);
    let (n, buf) = block_on(&driver, ops::recv(&ours, room(3)));
    assert_eq!((n.unwrap(), &buf[..]), (3, &b"abc"[..]));
    let (n, buf) = block_on(&driver, ops::recv(&ours, room(64)));
    assert_eq!(
        &buf[..n.unwrap()],
        b"d",
        "what was left of the abandoned read comes before the kernel's"
    );
    let (n, buf) = block_on(&driver, ops::recv(&ours, room(64)));
    assert_eq!(&buf[..n.unwrap()], b"efgh");
    drop(ours);
    end(&driver);
}

#[test]
fn a_numbered_stream_read_under_select_loses_nothing() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    const ALL: usize = 3000;
    let writer = std::thread::spawn(move || {
        for i in 0..ALL {
            peer.write_all(&[(i % 251) as u8]).expect("the peer writes");
            if i % 7 == 0 {
                std::thread::yield_now();
            }
        }
    });
    let mut got = Vec::new();
    let mut round = 0u32;
    while got.len() < ALL {
        round += 1;
        let mut read = ops::recv(&ours, room(1 + (round % 3) as usize));
        let ready = poll(&driver, &mut read);
        if round.is_multiple_of(2) {
            turns(&driver, (round % 4) as usize);
        }
        let ready = match ready {
            Poll::Pending if round.is_multiple_of(3) => poll(&driver, &mut read),
            other => other,
        };
        if let Poll::Ready((n, buf)) = ready {
            let n = n.expect("a read");
            assert!(n > 0, "the peer is still there");
            got.extend_from_slice(&buf[..n]);
        }
    }
    writer.join().unwrap();
    for (i, byte) in got.iter().enumerate() {
        assert_eq!(*byte, (i % 251) as u8, "byte {i}");
    }
    drop(ours);
    end(&driver);
}

#[test]
fn read_exact_dropped_half_way_gives_its_part_back_in_order() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut exact = ops::recv_exact(&ours, room(8), Stream::Socket(0));
    assert!(poll(&driver, &mut exact).is_pending());
    peer.write_all(b"abc").unwrap();
    turn_for(&driver, Duration::from_millis(5));
    assert!(poll(&driver, &mut exact).is_pending(), "three of eight");
    peer.write_all(b"de").unwrap();
    drop(exact);
    turn_for(&driver, Duration::from_millis(5));
    // Half served from what was kept, half from the kernel, and dropped once more.
    let mut again = ops::recv_exact(&ours, room(8), Stream::Socket(0));
    assert!(poll(&driver, &mut again).is_pending());
    turn_for(&driver, Duration::from_millis(5));
    assert!(poll(&driver, &mut again).is_pending());
    drop(again);
    peer.write_all(b"fgh").unwrap();
    let (all, buf) = block_on(&driver, ops::recv_exact(&ours, room(8), Stream::Socket(0)));
    all.unwrap();
    assert_eq!(buf, b"abcdefgh");
    drop(ours);
    end(&driver);
}

#[test]
fn what_a_composite_took_from_leftovers_stands_before_what_its_orphan_brings() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    peer.write_all(b"ab").unwrap();
    let mut one = ops::recv(&ours, room(2));
    assert!(poll(&driver, &mut one).is_pending());
    turns(&driver, 2);
    drop(one); // done, untaken: "ab" is kept
    let mut exact = ops::recv_exact(&ours, room(6), Stream::Socket(0));
    assert!(
        poll(&driver, &mut exact).is_pending(),
        "served two, in flight for four"
    );
    peer.write_all(b"cd").unwrap();
    turn_for(&driver, Duration::from_millis(5));
    drop(exact); // its completion is there, untaken
    let (n, buf) = block_on(&driver, ops::recv(&ours, room(9)));
    let first = buf[..n.unwrap()].to_vec();
    let (n, buf) = block_on(&driver, ops::recv(&ours, room(9)));
    assert_eq!([&first[..], &buf[..n.unwrap()]].concat(), b"abcd");
    drop(ours);
    end(&driver);
}

#[test]
fn an_abandoned_vectored_read_and_a_peek_agree_on_the_stream() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut many = ops::recvv(&ours, [room(2), room(0), room(3)]);
    assert!(poll(&driver, &mut many).is_pending());
    turns(&driver, 1);
    peer.write_all(b"abcdef").unwrap();
    drop(many);
    let (n, buf) = block_on(&driver, ops::peek(&ours, room(2)));
    assert_eq!(&buf[..n.unwrap()], b"ab");
    let (n, buf) = block_on(&driver, ops::peek(&ours, room(9)));
    assert_eq!(&buf[..n.unwrap()], b"abcde", "a peek takes nothing");
    let (n, bufs) = block_on(&driver, ops::recvv(&ours, [room(1), room(2)]));
    assert_eq!(
        (n.unwrap(), &bufs[..]),
        (3, &[b"a".to_vec(), b"bc".to_vec()][..])
    );
    let (n, buf) = block_on(&driver, ops::recv(&ours, room(9)));
    assert_eq!(&buf[..n.unwrap()], b"de");
    let mut peek = ops::peek(&ours, room(9));
    let got = poll(&driver, &mut peek);
    drop((got, peek));
    let (n, buf) = block_on(&driver, ops::recv(&ours, room(9)));
    assert_eq!(
        &buf[..n.unwrap()],
        b"f",
        "an abandoned peek brings nothing twice"
    );
    drop(ours);
    end(&driver);
}

#[test]
fn the_end_of_a_stream_is_kept_and_told_again() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut read = ops::recv(&ours, room(4));
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    peer.write_all(b"x").unwrap();
    drop(read);
    drop(peer);
    for expected in [1, 0, 0] {
        let (n, _) = block_on(&driver, ops::recv(&ours, room(4)));
        assert_eq!(n.unwrap(), expected);
    }
    let (result, buf) = block_on(&driver, ops::recv_exact(&ours, room(4), Stream::Socket(0)));
    assert_eq!(
        result.unwrap_err().kind(),
        std::io::ErrorKind::UnexpectedEof
    );
    assert!(buf.is_empty());
    drop(ours);
    end(&driver);
}

#[test]
fn an_abandoned_end_of_stream_is_served_once_and_an_empty_buffer_is_not_one() {
    let driver = driver();
    let (ours, peer) = pair(&driver);
    let mut read = ops::recv(&ours, room(4));
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    drop(peer);
    turns(&driver, 2);
    drop(read);
    assert_eq!(block_on(&driver, ops::recv(&ours, room(0))).0.unwrap(), 0);
    let (owned, left) = block_on(&driver, ops::release(ours)).unwrap();
    assert!(left.ended && left.bytes.is_empty(), "{left:?}");
    drop(owned);
    end(&driver);
}

#[test]
fn datagrams_stay_whole_with_their_senders() {
    let driver = driver();
    let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = ours.local_addr().unwrap();
    let senders: Vec<UdpSocket> = (0..3)
        .map(|_| UdpSocket::bind("127.0.0.1:0").unwrap())
        .collect();
    let ours = adopt(&driver, ours, Kind::UdpSocket);
    let mut first = ops::recv_msg(&ours, [room(64)]);
    assert!(poll(&driver, &mut first).is_pending());
    turns(&driver, 1);
    for (i, sender) in senders.iter().enumerate() {
        sender
            .send_to(format!("message {i}").as_bytes(), to)
            .unwrap();
    }
    drop(first);
    let (got, [buf]) = block_on(&driver, ops::peek_msg(&ours, [room(64)]));
    let got = got.unwrap();
    assert_eq!(
        (&buf[..got.len], got.from.as_ip()),
        (&b"message 0"[..], Some(senders[0].local_addr().unwrap()))
    );
    for (i, sender) in senders.iter().enumerate() {
        let (got, [buf]) = block_on(&driver, ops::recv_msg(&ours, [room(64)]));
        let got = got.unwrap();
        let sent_from: SocketAddr = sender.local_addr().unwrap();
        assert_eq!(
            (&buf[..got.len], got.from.as_ip()),
            (format!("message {i}").as_bytes(), Some(sent_from))
        );
    }
    drop(ours);
    end(&driver);
}

#[test]
fn readers_are_served_in_the_order_in_which_they_came() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut reads: Vec<_> = (0..4).map(|_| ops::recv(&ours, room(1))).collect();
    for read in &mut reads {
        assert!(poll(&driver, read).is_pending());
    }
    turns(&driver, 1);
    // The first (in flight) and the third (in the queue) go.
    drop(reads.remove(2));
    drop(reads.remove(0));
    peer.write_all(b"abc").unwrap();
    let got: Vec<u8> = reads
        .drain(..)
        .map(|read| block_on(&driver, read).1[0])
        .collect();
    assert_eq!(got, b"ab");
    drop(ours);
    end(&driver);
}

#[test]
fn a_reader_that_was_woken_and_dropped_passes_the_lane_on() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut first = ops::recv(&ours, room(1));
    let (mut second, mut third) = (ops::recv(&ours, room(1)), ops::recv(&ours, room(1)));
    let counts = [Count::new(None), Count::new(None)];
    assert!(poll(&driver, &mut first).is_pending());
    assert!(poll_by(&driver, &mut second, &Waker::from(counts[0].clone())).is_pending());
    assert!(poll_by(&driver, &mut third, &Waker::from(counts[1].clone())).is_pending());
    drop(first);
    assert_eq!((counts[0].wakes(), counts[1].wakes()), (1, 0));
    drop(second);
    assert_eq!(counts[1].wakes(), 1, "or the third would wait for ever");
    peer.write_all(b"z").unwrap();
    assert_eq!(block_on(&driver, third).1, b"z");
    drop(ours);
    end(&driver);
}

#[test]
fn bytes_of_an_abandoned_read_reach_a_reader_that_outlives_the_handle() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut orphan = ops::recv(&ours, room(1));
    assert!(poll(&driver, &mut orphan).is_pending());
    turns(&driver, 1);
    drop(orphan);
    let mut reader = ops::recv(&ours, room(8));
    assert!(
        poll(&driver, &mut reader).is_pending(),
        "it waits for the orphan"
    );
    peer.write_all(b"ab").unwrap();
    drop(ours);
    let (_, got) = block_on(&driver, reader);
    assert!(
        got == b"a" || got == b"ab",
        "from the first byte on: {got:?}"
    );
    end(&driver);
}

#[test]
fn an_abandoned_wait_for_readiness_is_cancelled() {
    let driver = driver();
    let (ours, _peer) = pair(&driver);
    let mut wait = ops::readable(&ours);
    assert!(poll(&driver, &mut wait).is_pending());
    turns(&driver, 1);
    drop(wait);
    turns(&driver, 3);
    assert_eq!(
        driver.in_flight(),
        0,
        "a poll has nothing to lose: nobody needs it any more"
    );
    drop(ours);
    end(&driver);
}

#[test]
fn readable_sees_what_was_kept() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut read = ops::recv(&ours, room(4));
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    peer.write_all(b"ab").unwrap();
    drop(read);
    block_on(&driver, ops::readable(&ours)).unwrap();
    let mut buf = [0; 8];
    assert_eq!(ours.try_recv(&mut buf).unwrap(), 2);
    assert_eq!(
        ours.try_recv(&mut buf).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    drop(ours);
    end(&driver);
}

#[test]
fn a_cursor_that_is_moved_under_a_read_exact_does_no_harm() {
    let driver = driver();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"abc").unwrap();
    let ours = adopt(&driver, file, Kind::File);
    let cursor = Rc::new(Cell::new(0));
    let drops = Rc::new(Cell::new(0));
    let buf = tracked(room(8), &drops);
    let mut exact = ops::recv_exact(&ours, buf, Stream::Cursor(cursor.clone()));
    assert!(poll(&driver, &mut exact).is_pending());
    turns(&driver, 1);
    assert!(
        poll(&driver, &mut exact).is_pending(),
        "three of eight, the next round is in flight"
    );
    cursor.set(0); // a seek by another task
    drop(exact);
    assert_eq!(drops.get(), 0, "the kernel has the buffer");
    turns(&driver, 2);
    assert_eq!(drops.get(), 1);
    assert_eq!(cursor.get(), 0, "nothing was delivered");
    drop(ours);
    end(&driver);
}

#[test]
fn a_read_exact_of_a_file_moves_the_cursor_by_what_it_delivered() {
    let driver = driver();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"abcdefg").unwrap();
    let ours = adopt(&driver, file, Kind::File);
    let cursor = Rc::new(Cell::new(0));
    let (result, buf) = block_on(
        &driver,
        ops::recv_exact(&ours, room(4), Stream::Cursor(cursor.clone())),
    );
    result.unwrap();
    assert_eq!((&buf[..], cursor.get()), (&b"abcd"[..], 4));
    let (result, buf) = block_on(
        &driver,
        ops::recv_exact(&ours, room(4), Stream::Cursor(cursor.clone())),
    );
    assert_eq!(
        result.unwrap_err().kind(),
        std::io::ErrorKind::UnexpectedEof
    );
    assert_eq!((&buf[..], cursor.get()), (&b"efg"[..], 7));
    cursor.set(2);
    let (n, bufs) = block_on(
        &driver,
        ops::readv(&ours, [room(1), room(2)], &Stream::Cursor(cursor.clone())),
    );
    assert_eq!((n.unwrap(), &bufs[1][..], cursor.get()), (3, &b"de"[..], 5));
    drop(ours);
    end(&driver);
}

/// A pair, and what is under way on our side of it.
type Waiting<F> = ((Fd, UnixStream), F);

/// Pairs with a receive under way on each, which all find something at the next turn. Fewer are done by one call than these.
fn many_that_wait(
    driver: &Rc<Driver>,
) -> Vec<Waiting<impl Future<Output = (io::Result<usize>, Vec<u8>)> + Unpin + use<>>> {
    let one = |_| {
        let pair = pair(driver);
        let mut receive = ops::recv(&pair.0, room(1));
        assert!(poll(driver, &mut receive).is_pending());
        (pair, receive)
    };
    let mut waiting: Vec<_> = (0..50).map(one).collect();
    turns(driver, 1);
    for ((_, peer), _) in &mut waiting {
        peer.write_all(b"x").expect("the peer writes");
    }
    waiting
}

#[test]
fn one_turn_brings_what_has_come_for_all_that_waited_however_many_they_are() {
    let driver = driver();
    let mut waiting = many_that_wait(&driver);
    turns(&driver, 1);
    for (_, receive) in &mut waiting {
        assert!(poll(&driver, receive).is_ready());
    }
    drop(waiting);
    end(&driver);
}

#[test]
fn beside_pooled_reads_a_turn_brings_all_only_after_an_answer_on_the_spot() {
    let driver = driver();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"here already").unwrap();
    let file = adopt(&driver, file, Kind::File);
    let (pooled, mut peer) = pair(&driver);
    peer.write_all(b"x").unwrap();
    block_on(&driver, ops::recv_pooled(&pooled)).expect("a read");
    for answered in [false, true] {
        let mut waiting = many_that_wait(&driver);
        driver.refill();
        if answered {
            assert!(poll(&driver, &mut ops::read_at(&file, room(1), 0)).is_ready());
        }
        turns(&driver, 1);
        let ready = waiting
            .iter_mut()
            .filter_map(|(_, receive)| poll(&driver, receive).is_ready().then_some(()));
        let ready = ready.count();
        // Since Linux 6.14 a ring does 20 items of deferred work a call.
        let all = answered || known(&driver).is_none() || kernel_release() < (6, 14);
        assert_eq!(ready == 50, all, "{ready} of 50, answered: {answered}");
        drop(waiting);
    }
    drop((file, pooled));
    end(&driver);
}
