//! Splices between a stream and a pipe: bytes keep their order beside reads and writes that were dropped, and none is lost with a splice.

use std::io::{Read, Write};
use std::rc::Rc;
use std::time::Duration;

use sakia_driver::ops::{self, Stream};
use sakia_driver::{Driver, Fd, Receipt};

use crate::help::{block_on, driver, end, fill, pair, poll, turn_for, turns};

fn pipe(driver: &Rc<Driver>) -> (Fd, Fd) {
    driver.within(Fd::pipe).unwrap()
}

/// What lies in a pipe.
fn drain(driver: &Rc<Driver>, pipe: &Fd) -> Vec<u8> {
    let read = ops::read(pipe, Vec::with_capacity(1 << 16), Stream::Pipe);
    block_on(driver, read).1
}

fn fill_pipe(pipe: &Fd) -> usize {
    let mut filled = 0;
    while let Ok(n) = pipe.try_write(&[b'.'; 4096]) {
        filled += n;
    }
    filled
}

#[test]
fn what_a_dropped_read_has_received_is_spliced_first() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let (reader, writer) = pipe(&driver);
    let mut read = ops::recv(&ours, Vec::with_capacity(4));
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    peer.write_all(b"sakia, a water wheel").unwrap();
    turns(&driver, 2);
    drop(read);
    let mut moved = 0;
    for most in [3, 20, 20] {
        let splice = ops::splice((&ours, None), (&writer, None), most);
        let n = block_on(&driver, splice).unwrap();
        assert!(n > 0 && n <= most);
        moved += n;
    }
    assert_eq!(moved, 20);
    assert_eq!(drain(&driver, &reader), b"sakia, a water wheel");
    drop(peer);
    let mut read = ops::recv(&ours, Vec::with_capacity(4));
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 2);
    drop(read);
    let splice = ops::splice((&ours, None), (&writer, None), 9);
    assert_eq!(block_on(&driver, splice).unwrap(), 0, "the end was read");
    drop((ours, reader, writer));
    end(&driver);
}

#[test]
fn a_read_that_is_armed_still_is_awaited_by_a_splice_and_what_it_brings_goes_first() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let (reader, writer) = pipe(&driver);
    let mut read = ops::recv(&ours, Vec::with_capacity(2));
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    drop(read);
    let mut splice = ops::splice((&ours, None), (&writer, None), 9);
    assert!(poll(&driver, &mut splice).is_pending());
    peer.write_all(b"abcd").unwrap();
    assert_eq!(block_on(&driver, splice).unwrap(), 2);
    let splice = ops::splice((&ours, None), (&writer, None), 9);
    assert_eq!(block_on(&driver, splice).unwrap(), 2);
    assert_eq!(drain(&driver, &reader), b"abcd");
    drop((ours, reader, writer));
    end(&driver);
}

#[test]
fn a_write_that_was_dropped_under_way_comes_before_what_is_spliced() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let (reader, writer) = pipe(&driver);
    let before = fill(&ours);
    let mut write = ops::send_all(&ours, b"first, ".to_vec());
    assert!(poll(&driver, &mut write).is_pending());
    turns(&driver, 1);
    drop(write);
    let wrote = block_on(&driver, ops::write_all(&writer, "then", Stream::Pipe));
    wrote.0.unwrap();
    let mut splice = ops::splice((&reader, None), (&ours, None), 4);
    assert!(poll(&driver, &mut splice).is_pending());
    let all = std::thread::spawn(move || {
        let mut all = vec![0; before + 11];
        peer.read_exact(&mut all).unwrap();
        all
    });
    assert_eq!(block_on(&driver, splice).unwrap(), 4);
    assert_eq!(all.join().unwrap()[before..], *b"first, then");
    drop((ours, reader, writer));
    end(&driver);
}

#[test]
fn a_splice_that_is_dropped_or_cancelled_loses_nothing_and_the_read_behind_it_gets_all() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let (reader, writer) = pipe(&driver);
    let mut got = Vec::new();
    for round in 0..20u8 {
        let mut splice = ops::splice((&ours, None), (&writer, None), 9);
        assert!(poll(&driver, &mut splice).is_pending());
        turn_for(&driver, Duration::from_millis(u64::from(round % 3)));
        let mut read = ops::recv(&ours, Vec::with_capacity(9));
        assert!(poll(&driver, &mut read).is_pending(), "the lane is held");
        if round % 2 == 0 {
            drop(splice);
            // A byte that comes before the cancel is heard would be moved.
            while driver.in_flight() > 0 {
                turn_for(&driver, Duration::from_millis(1));
            }
        } else {
            let receipt = block_on(&driver, splice.cancel());
            assert!(matches!(receipt, Receipt::Cancelled(())), "{receipt:?}");
        }
        peer.write_all(&[round]).unwrap();
        got.extend(block_on(&driver, read).1);
    }
    assert_eq!(got, Vec::from_iter(0..20));
    drop((ours, reader, writer));
    end(&driver);
}

#[test]
fn what_a_splice_could_not_write_any_more_is_read_next() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let (reader, writer) = pipe(&driver);
    let mut read = ops::recv(&ours, Vec::with_capacity(4));
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    peer.write_all(b"abcd").unwrap();
    turns(&driver, 2);
    drop(read);
    let filled = fill_pipe(&writer);
    for _ in 0..2 {
        let mut splice = ops::splice((&ours, None), (&writer, None), 3);
        assert!(poll(&driver, &mut splice).is_pending());
        turns(&driver, 2);
        drop(splice);
        turns(&driver, 2);
    }
    let (_, buf) = block_on(&driver, ops::recv(&ours, Vec::with_capacity(9)));
    assert_eq!(buf, b"abc", "they went back, before what was not asked for");
    let (_, buf) = block_on(&driver, ops::recv(&ours, Vec::with_capacity(9)));
    assert_eq!(buf, b"d");
    assert_eq!(drain(&driver, &reader).len(), filled);
    drop((ours, reader, writer));
    end(&driver);
}

#[test]
fn a_splice_that_waits_for_a_socket_does_not_lock_the_pipe() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let (reader, writer) = pipe(&driver);
    let mut splice = ops::splice((&ours, None), (&writer, None), 9);
    assert!(poll(&driver, &mut splice).is_pending());
    turn_for(&driver, Duration::from_millis(20));
    let tried = reader.try_read(&mut [0; 4]);
    assert_eq!(tried.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    peer.write_all(b"abc").unwrap();
    assert_eq!(block_on(&driver, splice).unwrap(), 3);
    assert_eq!(drain(&driver, &reader), b"abc");
    drop((ours, reader, writer));
    end(&driver);
}

#[test]
fn a_splice_under_way_keeps_no_descriptor_open_when_all_is_dropped() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let (reader, writer) = pipe(&driver);
    let mut splice = ops::splice((&ours, None), (&writer, None), 9);
    assert!(poll(&driver, &mut splice).is_pending());
    turn_for(&driver, Duration::from_millis(5));
    drop((ours, reader, writer));
    drop(splice);
    turn_for(&driver, Duration::from_millis(100));
    assert_eq!(peer.read(&mut [0]).unwrap(), 0, "the peer is told");
    assert_eq!(driver.in_flight(), 0);
    end(&driver);
}
