//! Writes that are dropped or let go on purpose: bytes stay in order, and what was detached arrives.

use std::cell::Cell;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::Waker;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sakia_driver::ops;

use crate::help::{
    Count, block_on, driver, end, fill, pair, poll, poll_by, tracked, turn_for, turns,
};

/// Reads to the end of the stream, after a while.
fn read_all(mut peer: UnixStream, after: Duration) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        std::thread::sleep(after);
        let mut all = Vec::new();
        peer.read_to_end(&mut all).expect("the stream has an end");
        all
    })
}

#[test]
fn a_write_after_an_abandoned_one_comes_behind_it() {
    let driver = driver();
    let (ours, peer) = pair(&driver);
    let before = fill(&ours);
    let mut first = ops::send_all(&ours, vec![b'1'; 300_000]);
    assert!(poll(&driver, &mut first).is_pending());
    turns(&driver, 1);
    drop(first);
    assert_eq!(
        ours.try_send(b"x").unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    let reader = read_all(peer, Duration::from_millis(20));
    block_on(&driver, ops::send_all(&ours, vec![b'2'; 10]))
        .0
        .unwrap();
    drop(ours);
    let all = reader.join().unwrap();
    assert_eq!(all.len(), before + 300_010);
    assert!(
        all[before..].is_sorted(),
        "all of the first comes before the second"
    );
    end(&driver);
}

#[test]
fn finish_writes_tells_the_end_behind_the_abandoned_write() {
    let driver = driver();
    let (ours, peer) = pair(&driver);
    let before = fill(&ours);
    let mut write = ops::send_all(&ours, vec![b'w'; 200_000]);
    assert!(poll(&driver, &mut write).is_pending());
    turns(&driver, 1);
    drop(write);
    ours.finish_writes();
    let reader = read_all(peer, Duration::ZERO);
    let until = Instant::now() + Duration::from_secs(10);
    while !reader.is_finished() {
        assert!(Instant::now() < until, "the peer never saw the end");
        driver
            .turn(sakia_driver::Park::For(Duration::from_millis(10)), || false)
            .unwrap();
    }
    assert_eq!(reader.join().unwrap().len(), before + 200_000);
    let (late, _) = block_on(&driver, ops::send(&ours, b"x".to_vec()));
    assert_eq!(late.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    drop(ours);
    end(&driver);
}

#[test]
fn a_detached_write_arrives_although_handle_and_driver_end() {
    let driver = driver();
    let (ours, peer) = pair(&driver);
    let before = fill(&ours);
    let mut write = ops::send_all(&ours, vec![b'w'; 500_000]).into_inner();
    assert!(poll(&driver, &mut write).is_pending());
    write.detach();
    drop(ours);
    // Longer than the waits of a drain, doubled, could last.
    let reader = read_all(peer, Duration::from_millis(1800));
    let report = end(&driver);
    assert_eq!(report.ops_cancelled, 0, "{report:?}");
    assert_eq!(reader.join().unwrap().len(), before + 500_000);
}

#[test]
fn a_detached_write_that_nobody_reads_is_cancelled_at_the_deadline_and_not_before() {
    let driver = driver();
    let (ours, peer) = pair(&driver);
    fill(&ours);
    let mut write = ops::send_all(&ours, vec![b'w'; 500_000]).into_inner();
    assert!(poll(&driver, &mut write).is_pending());
    write.detach();
    drop(ours);
    let start = Instant::now();
    let report = driver.end(start + Duration::from_millis(2500));
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(2500) && took < Duration::from_secs(10),
        "{took:?}"
    );
    assert_eq!(
        (report.ops_quarantined, report.ops_cancelled),
        (0, 1),
        "{report:?}"
    );
    drop(peer);
}

#[test]
fn an_abandoned_write_is_cancelled_when_the_last_handle_goes() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let before = fill(&ours);
    let mut write = ops::send_all(&ours, vec![b'w'; 500_000]);
    assert!(poll(&driver, &mut write).is_pending());
    turns(&driver, 1);
    drop(write);
    drop(ours);
    let mut all = Vec::new();
    peer.read_to_end(&mut all)
        .expect("the end is there: it was closed in the drop");
    assert!(all.len() >= before);
    end(&driver);
}

#[test]
fn a_write_dropped_after_the_last_handle_is_cancelled_too() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    fill(&ours);
    let mut write = ops::send_all(&ours, vec![b'w'; 500_000]);
    assert!(poll(&driver, &mut write).is_pending());
    turns(&driver, 1);
    drop(ours);
    drop(write);
    peer.read_to_end(&mut Vec::new())
        .expect("or the descriptor stays open until the peer reads, for ever");
    assert_eq!(driver.in_flight(), 0);
    end(&driver);
}

#[test]
fn an_abandoned_wait_for_room_is_cancelled() {
    let driver = driver();
    let (ours, _peer) = pair(&driver);
    fill(&ours);
    let mut wait = ops::writable(&ours);
    assert!(poll(&driver, &mut wait).is_pending());
    turns(&driver, 1);
    drop(wait);
    turns(&driver, 3);
    assert_eq!(driver.in_flight(), 0);
    drop(ours);
    end(&driver);
}

#[test]
fn a_queued_write_that_goes_lets_the_one_behind_it_through() {
    let driver = driver();
    let (ours, peer) = pair(&driver);
    let before = fill(&ours);
    let mut writes: Vec<_> = (b'1'..=b'3')
        .map(|c| ops::send_all(&ours, vec![c; 1000]))
        .collect();
    let count = Count::new(Some(&driver));
    for write in &mut writes {
        assert!(poll_by(&driver, write, &Waker::from(count.clone())).is_pending());
    }
    turns(&driver, 1);
    drop(writes.remove(1));
    drop(writes.remove(0));
    let reader = read_all(peer, Duration::ZERO);
    let last = writes.remove(0);
    block_on(&driver, last).0.unwrap();
    drop(ours);
    let all = reader.join().unwrap();
    assert_eq!(all[before..], [vec![b'1'; 1000], vec![b'3'; 1000]].concat());
    end(&driver);
}

#[test]
fn in_doubt_tells_the_truth_of_an_abandoned_write() {
    let driver = driver();
    let (ours, peer) = pair(&driver);
    let before = fill(&ours);
    assert!(ours.in_doubt().is_none());
    drop(ops::send(&ours, b"never polled".to_vec()));
    assert!(ours.in_doubt().is_none(), "nothing is in doubt of that one");
    let mut write = ops::send_all(&ours, vec![b'1'; 300_000]);
    assert!(poll(&driver, &mut write).is_pending());
    turns(&driver, 1);
    let mut queued = ops::send_all(&ours, vec![b'2'; 10]);
    assert!(poll(&driver, &mut queued).is_pending());
    drop(write);
    let first = ours.in_doubt().expect("it was abandoned");
    assert_eq!((first.len(), first.is_pending()), (300_000, true));
    drop(queued);
    let second = ours.in_doubt().expect("the latest");
    assert_eq!(
        (second.len(), second.sent(), second.is_pending()),
        (10, 0, false),
        "it was not submitted"
    );
    let reader = read_all(peer, Duration::ZERO);
    block_on(&driver, ops::send_all(&ours, vec![b'3'; 5]))
        .0
        .unwrap();
    assert_eq!((first.sent(), first.is_pending()), (300_000, false));
    assert!(first.error().is_none());
    drop(ours);
    assert_eq!(reader.join().unwrap().len(), before + 300_005);
    end(&driver);
}

#[test]
fn in_doubt_tells_of_a_write_that_was_cut_short_and_of_one_that_failed() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut write = ops::send_all(&ours, vec![b'1'; 2_000_000]);
    assert!(poll(&driver, &mut write).is_pending());
    turns(&driver, 1);
    let mut receipt = write.cancel();
    assert!(poll(&driver, &mut receipt).is_pending());
    drop(receipt);
    turns(&driver, 2);
    let doubt = ours.in_doubt().expect("the receipt was not awaited");
    assert!(!doubt.is_pending() && doubt.sent() < doubt.len());
    let mut got = vec![0; doubt.sent()];
    peer.read_exact(&mut got).unwrap();
    peer.set_nonblocking(true).unwrap();
    assert!(peer.read(&mut [0]).is_err(), "and not a byte more");

    fill(&ours);
    let mut write = ops::send_vectored(&ours, [vec![b'1'; 10], vec![b'2'; 10]]);
    assert!(poll(&driver, &mut write).is_pending());
    turns(&driver, 1);
    drop(write);
    drop(peer);
    turns(&driver, 2);
    let doubt = ours.in_doubt().expect("it was abandoned");
    assert_eq!((doubt.sent(), doubt.is_pending()), (0, false));
    assert_eq!(
        doubt.error().expect("the peer has gone").kind(),
        std::io::ErrorKind::BrokenPipe
    );
    drop(ours);
    end(&driver);
}

#[test]
fn writes_detached_while_they_queue_arrive_in_order_although_handle_and_driver_end() {
    let driver = driver();
    let (ours, peer) = pair(&driver);
    let before = fill(&ours);
    let mut writes: Vec<_> = (b'1'..=b'3')
        .map(|c| ops::send_all(&ours, vec![c; 200_000]).into_inner())
        .collect();
    for write in &mut writes {
        assert!(poll(&driver, write).is_pending());
    }
    let unpolled = ops::send(&ours, vec![b'4'; 10]);
    turns(&driver, 1);
    let third = writes.remove(2);
    third.detach();
    unpolled.detach();
    for write in writes.drain(..).rev() {
        write.detach();
    }
    ours.finish_writes();
    drop(ours);
    let reader = read_all(peer, Duration::from_millis(50));
    let report = end(&driver);
    assert_eq!(report.ops_cancelled, 0, "{report:?}");
    let all = reader.join().unwrap();
    assert_eq!(all.len(), before + 600_010);
    assert!(all[before..].is_sorted(), "each in its place");
}

#[test]
fn a_write_that_waits_behind_detached_ones_is_woken_when_its_turn_comes() {
    let driver = driver();
    let (ours, peer) = pair(&driver);
    let before = fill(&ours);
    let mut first = ops::send_all(&ours, vec![b'1'; 200_000]).into_inner();
    let mut second = ops::send_all(&ours, vec![b'2'; 10]).into_inner();
    let third = ops::send_all(&ours, vec![b'3'; 10]);
    assert!(poll(&driver, &mut first).is_pending());
    assert!(poll(&driver, &mut second).is_pending());
    let mut third = third;
    let count = Count::new(Some(&driver));
    assert!(poll_by(&driver, &mut third, &count.clone().into()).is_pending());
    turns(&driver, 1);
    second.detach();
    first.detach();
    let reader = read_all(peer, Duration::ZERO);
    let until = Instant::now() + Duration::from_secs(10);
    while count.wakes() == 0 {
        assert!(Instant::now() < until, "nobody wakes the third");
        turn_for(&driver, Duration::from_millis(1));
    }
    block_on(&driver, third).0.unwrap();
    drop(ours);
    end(&driver);
    let all = reader.join().unwrap();
    assert_eq!(all.len(), before + 200_020);
    assert!(all[before..].is_sorted(), "each in its place");
}

#[test]
fn an_abandoned_write_before_a_detached_one_is_not_cut_short() {
    for abandoned_last in [false, true] {
        let driver = driver();
        let (ours, peer) = pair(&driver);
        let before = fill(&ours);
        let mut first = ops::send_all(&ours, vec![b'1'; 300_000]).into_inner();
        let mut second = ops::send(&ours, vec![b'2'; 10]);
        assert!(poll(&driver, &mut first).is_pending());
        assert!(poll(&driver, &mut second).is_pending());
        turns(&driver, 1);
        if abandoned_last {
            second.detach();
            drop(ours);
            drop(first);
        } else {
            drop(first);
            // It holds the lane now, and waits for the first.
            assert!(poll(&driver, &mut second).is_pending());
            second.detach();
            drop(ours);
        }
        let reader = read_all(peer, Duration::from_millis(50));
        end(&driver);
        let all = reader.join().unwrap();
        assert_eq!(all.len(), before + 300_010, "a hole in the stream");
        assert!(all[before..].is_sorted());
    }
}

#[test]
fn a_detached_write_whose_turn_comes_after_the_end_is_dropped() {
    let driver = driver();
    let (ours, _peer) = pair(&driver);
    fill(&ours);
    let mut first = ops::send_all(&ours, vec![b'1'; 300_000]);
    assert!(poll(&driver, &mut first).is_pending());
    let drops = Rc::new(Cell::new(0));
    let buf = tracked(vec![b'2'; 10], &drops);
    ops::send(&ours, buf).detach();
    turns(&driver, 1);
    assert_eq!(drops.get(), 0);
    let report = driver.end(Instant::now() + Duration::from_millis(200));
    assert_eq!(report.ops_quarantined, 0, "{report:?}");
    drop((first, ours));
    assert_eq!(drops.get(), 1);
}
