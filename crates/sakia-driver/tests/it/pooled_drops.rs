//! Pooled reads that are dropped: whatever read comes next is served first what they were to bring, and the other way round.

use std::cell::Cell;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use sakia_driver::ops::{self, Stream};
use sakia_driver::{Driver, Fd};

use crate::help::{block_on, end, pair, poll, turn_for, turns};
use crate::pooled::{drivers, read, waits};

/// The kinds of reads that take bytes from a stream.
const KINDS: usize = 8;

/// Reads at most `most` bytes in one of the ways; peeks and looks for readiness before some.
async fn by(kind: usize, fd: &Fd, most: usize) -> Vec<u8> {
    let room = || Vec::with_capacity(most);
    let cut = |mut buf: Vec<u8>, n: std::io::Result<usize>| {
        buf.truncate(n.expect("a read"));
        buf
    };
    match kind {
        0 => ops::recv_pooled(fd)
            .await
            .unwrap()
            .map_or(vec![], |buf| buf.to_vec()),
        1 => {
            let (n, buf) = ops::recv(fd, room()).await;
            cut(buf, n)
        }
        2 => {
            let (n, [a, b]) = ops::recvv(fd, [vec![0; 1], vec![0; most]]).await;
            cut([a, b].concat(), n)
        }
        3 => {
            let (n, seen) = ops::peek(fd, room()).await;
            let seen = cut(seen, n);
            let (n, buf) = ops::recv(fd, vec![0; seen.len()]).await;
            assert_eq!(cut(buf, n), seen, "what was seen comes next");
            seen
        }
        4 => loop {
            ops::readable(fd).await.unwrap();
            let mut buf = vec![0; most];
            match fd.try_recv(&mut buf) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                n => return cut(buf, n),
            }
        },
        5 => {
            let all = ops::recv_exact(fd, vec![0; 2], Stream::Socket(0)).into_inner();
            let (n, buf) = all.await;
            n.map_or(vec![], |_| buf)
        }
        6 => {
            let (received, [buf]) = ops::recv_msg(fd, [room()]).await;
            let n = received.map(|received| received.len);
            cut(buf, n)
        }
        _ => {
            let got = ops::recv_pooled(fd).await.unwrap();
            got.map_or(vec![], |mut buf| buf.split_to(buf.len()).to_vec())
        }
    }
}

/// Drops a read at a point of its life, from unpolled (0) to woken and not polled again (3).
fn drop_at(
    driver: &Rc<Driver>,
    point: usize,
    peer: &mut UnixStream,
    bytes: &[u8],
    fd: &Fd,
    kind: usize,
) {
    let mut dropped = Box::pin(by(kind, fd, 8));
    if point > 0 {
        assert!(poll(driver, &mut dropped).is_pending());
    }
    if point > 1 {
        turns(driver, 1);
    }
    peer.write_all(bytes).unwrap();
    if point > 2 {
        turn_for(driver, Duration::from_millis(1));
    }
    drop(dropped);
}

#[test]
fn whatever_read_comes_after_a_dropped_pooled_one_is_served_its_bytes_first() {
    for driver in drivers(64, 4) {
        for kind in 0..KINDS {
            for point in 0..4 {
                let (ours, mut peer) = pair(&driver);
                drop_at(&driver, point, &mut peer, b"ab", &ours, 0);
                let got = block_on(&driver, by(kind, &ours, 8));
                assert_eq!(got, b"ab", "kind {kind}, dropped at {point}");
                peer.write_all(b"cd").unwrap();
                assert_eq!(block_on(&driver, by(kind, &ours, 8)), b"cd");
            }
        }
        end(&driver);
    }
}

#[test]
fn a_pooled_read_is_served_first_what_any_dropped_read_was_to_bring() {
    for driver in drivers(64, 4) {
        for kind in 0..KINDS {
            for point in 0..4 {
                let (ours, mut peer) = pair(&driver);
                drop_at(&driver, point, &mut peer, b"ab", &ours, kind);
                let mut got = Vec::new();
                while got.len() < 2 {
                    got.extend_from_slice(&read(&driver, &ours));
                }
                assert_eq!(got, b"ab", "kind {kind}, dropped at {point}");
            }
        }
        end(&driver);
    }
}

#[test]
fn the_second_round_of_a_pooled_read_can_be_dropped_too() {
    // Only where the kernel does not choose is there a second round without a lack of buffers.
    for driver in drivers(64, 4).skip(1) {
        let (ours, mut peer) = pair(&driver);
        let mut dropped = ops::recv_pooled(&ours);
        assert!(poll(&driver, &mut dropped).is_pending());
        peer.write_all(b"ab").unwrap();
        turn_for(&driver, Duration::from_millis(1));
        assert!(poll(&driver, &mut dropped).is_pending(), "now it receives");
        drop(dropped);
        assert_eq!(read(&driver, &ours), b"ab");
        drop(ours);
        end(&driver);
    }
}

#[test]
fn what_somebody_else_has_taken_leaves_the_read_waiting_without_a_buffer() {
    for driver in drivers(64, 1).skip(1) {
        let (ours, mut peer) = pair(&driver);
        let (other, mut other_peer) = pair(&driver);
        let mut stranger = UnixStream::from(ours.as_fd().try_clone_to_owned().unwrap());
        let mut robbed = ops::recv_pooled(&ours);
        assert!(poll(&driver, &mut robbed).is_pending());
        peer.write_all(b"ab").unwrap();
        turn_for(&driver, Duration::from_millis(1));
        assert_eq!(stranger.read(&mut [0; 8]).unwrap(), 2);
        assert!(waits(&driver, &mut robbed));
        other_peer.write_all(b"cd").unwrap();
        assert_eq!(read(&driver, &other), b"cd", "the only buffer is not held");
        peer.write_all(b"ef").unwrap();
        let got = block_on(&driver, robbed).unwrap();
        assert_eq!(got.expect("not the end"), b"ef");
        drop((ours, other));
        end(&driver);
    }
}

#[test]
fn a_read_that_waits_for_a_buffer_can_be_dropped_and_loses_nothing() {
    for driver in drivers(64, 1) {
        for kind in 0..KINDS {
            let (ours, mut peer) = pair(&driver);
            peer.write_all(&[1; 64]).unwrap();
            let held = read(&driver, &ours);
            peer.write_all(b"ab").unwrap();
            let mut starved = ops::recv_pooled(&ours);
            assert!(waits(&driver, &mut starved));
            drop(starved);
            if matches!(kind, 0 | 7) {
                drop(held);
            }
            assert_eq!(block_on(&driver, by(kind, &ours, 8)), b"ab", "kind {kind}");
        }
        end(&driver);
    }
}

#[test]
fn a_descriptor_is_given_back_with_what_a_dropped_pooled_read_brought() {
    for driver in drivers(64, 4) {
        let (ours, mut peer) = pair(&driver);
        let mut dropped = ops::recv_pooled(&ours);
        assert!(poll(&driver, &mut dropped).is_pending());
        turns(&driver, 1);
        peer.write_all(b"ab").unwrap();
        turn_for(&driver, Duration::from_millis(1));
        drop(dropped);
        let (std, leftovers) = block_on(&driver, ops::release(ours)).unwrap();
        peer.write_all(b"cd").unwrap();
        let mut bytes = leftovers.bytes;
        let mut rest = [0; 8];
        let n = UnixStream::from(std).read(&mut rest).unwrap();
        bytes.extend_from_slice(&rest[..n]);
        if bytes == b"ab" {
            // The look found them, and they were read by hand: the others come after.
            bytes.extend_from_slice(b"cd");
        }
        assert_eq!(bytes, b"abcd");
        end(&driver);
    }
}

#[test]
fn a_numbered_stream_read_in_every_way_under_select_loses_nothing() {
    const ALL: usize = 4000;
    for (seed, driver) in drivers(64, 2).enumerate() {
        let (ours, mut peer) = pair(&driver);
        let writer = std::thread::spawn(move || {
            let bytes: Vec<u8> = (0..ALL).map(|i| (i % 251) as u8).collect();
            for (i, piece) in bytes.chunks(7).enumerate() {
                peer.write_all(piece).expect("we read");
                if i % 5 == 0 {
                    std::thread::yield_now();
                }
            }
        });
        let chance = Cell::new(0x9e37_79b9_7f4a_7c15 ^ seed as u64);
        let dice = |sides: u64| {
            let mut x = chance.get();
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            chance.set(x);
            (x % sides) as usize
        };
        let mut got = Vec::new();
        let mut held = Vec::new();
        while got.len() + 1 < ALL {
            let kind = if dice(2) == 0 { 0 } else { dice(KINDS as u64) };
            // At the bound a pooled read would wait for us for ever.
            held.truncate(dice(2));
            let mut future = Box::pin(by(kind, &ours, 1 + dice(9)));
            for _ in 0..1 + dice(4) {
                if let Poll::Ready(bytes) = poll(&driver, &mut future) {
                    assert!(!bytes.is_empty(), "the peer has not ended: kind {kind}");
                    got.extend_from_slice(&bytes);
                    break;
                }
                turns(&driver, dice(3));
            }
            drop(future);
            if dice(3) == 0
                && let Poll::Ready(Ok(Some(buf))) = poll(&driver, &mut ops::recv_pooled(&ours))
            {
                got.extend_from_slice(&buf);
                held.push(buf);
            }
        }
        let end_at = Instant::now() + Duration::from_secs(10);
        while got.len() < ALL && Instant::now() < end_at {
            held.clear();
            got.extend_from_slice(&read(&driver, &ours));
        }
        writer.join().unwrap();
        assert_eq!(got.len(), ALL);
        for (i, byte) in got.iter().enumerate() {
            assert_eq!(*byte, (i % 251) as u8, "byte {i}");
        }
        drop(ours);
        end(&driver);
    }
}
