//! Pooled reads: a buffer is lent only when there is something, comes back from wherever it is dropped, and bounds who reads, never what is kept.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use sakia_driver::ops;
use sakia_driver::{Config, Driver, Fd, KernelChoice, Kind, Park, PoolConfig, PooledBuf, Receipt};

use crate::help::{Count, adopt, block_on, end, pair, poll, poll_by, turn_for, turns};

/// A driver on each kernel, with a pool of this size.
pub fn drivers(size: usize, most: usize) -> impl Iterator<Item = Rc<Driver>> {
    [KernelChoice::Auto, KernelChoice::Emulated]
        .into_iter()
        .map(move |kernel| {
            let mut config = Config::default();
            config.entries = 64;
            config.kernel = kernel;
            config.pool = PoolConfig::new().buffer_size(size).max_buffers(most);
            Driver::new(&config).expect("a kernel")
        })
}

pub fn read(driver: &Rc<Driver>, fd: &Fd) -> PooledBuf {
    let got = block_on(driver, ops::recv_pooled(fd)).expect("a read");
    got.expect("not the end")
}

/// A read under way on each of these.
fn reads(
    driver: &Rc<Driver>,
    pairs: &[(Fd, UnixStream)],
) -> Vec<impl Future<Output = io::Result<Option<PooledBuf>>> + Unpin + use<>> {
    let read = |(ours, _): &(Fd, UnixStream)| {
        let mut read = ops::recv_pooled(ours);
        assert!(poll(driver, &mut read).is_pending());
        read
    };
    pairs.iter().map(read).collect()
}

/// Turns until nothing more happens at once: whether the future is still pending then.
pub fn waits<F: Future + Unpin>(driver: &Rc<Driver>, future: &mut F) -> bool {
    for _ in 0..8 {
        if poll(driver, future).is_ready() {
            return false;
        }
        turn_for(driver, Duration::from_millis(2));
    }
    true
}

#[test]
fn a_pooled_read_brings_what_is_there_and_nothing_at_the_end() {
    for driver in drivers(64, 4) {
        let (ours, mut peer) = pair(&driver);
        peer.write_all(&[7; 100]).unwrap();
        assert_eq!(
            read(&driver, &ours),
            [7; 64],
            "a buffer is the most that one read brings"
        );
        assert_eq!(read(&driver, &ours), [7; 36]);
        drop(peer);
        for _ in 0..2 {
            assert!(
                block_on(&driver, ops::recv_pooled(&ours))
                    .unwrap()
                    .is_none()
            );
        }
        drop(ours);
        end(&driver);
    }
}

#[test]
fn reads_that_wait_hold_no_buffer() {
    // One buffer for all of them: any that held one would keep the others from it.
    for driver in drivers(64, 1) {
        let mut pairs: Vec<_> = (0..50).map(|_| pair(&driver)).collect();
        let mut reads = reads(&driver, &pairs);
        turns(&driver, 2);
        for (i, read) in reads.iter_mut().enumerate() {
            pairs[i].1.write_all(&[i as u8; 3]).unwrap();
            let got = block_on(&driver, read).unwrap();
            assert_eq!(got.expect("not the end"), [i as u8; 3]);
        }
        drop((reads, pairs));
        end(&driver);
    }
}

#[test]
fn at_the_bound_a_read_waits_without_spinning_until_a_buffer_comes_back() {
    for driver in drivers(64, 2) {
        let (ours, mut peer) = pair(&driver);
        peer.write_all(&[1; 64]).unwrap();
        peer.write_all(&[2; 64]).unwrap();
        peer.write_all(&[3; 64]).unwrap();
        let first = read(&driver, &ours);
        let second = read(&driver, &ours);
        let mut third = ops::recv_pooled(&ours);
        assert!(waits(&driver, &mut third), "both buffers are in use");
        let before = Instant::now();
        let mut laps = 0;
        while before.elapsed() < Duration::from_millis(100) {
            let _ = poll(&driver, &mut third);
            driver
                .turn(Park::For(Duration::from_millis(100)), || false)
                .unwrap();
            laps += 1;
        }
        assert!(laps < 10, "it waits for the buffer and not in a loop");
        drop(first);
        let third = block_on(&driver, third).unwrap().expect("not the end");
        assert_eq!((&second[..], &third[..]), (&[2; 64][..], &[3; 64][..]));
        drop(ours);
        end(&driver);
    }
}

#[test]
fn a_buffer_that_another_thread_drops_wakes_the_read_that_waits_for_it() {
    for driver in drivers(64, 1) {
        let (ours, mut peer) = pair(&driver);
        for round in 0..12u8 {
            peer.write_all(&[round; 64]).unwrap();
            peer.write_all(&[round + 100; 64]).unwrap();
            let held = read(&driver, &ours);
            let mut next = ops::recv_pooled(&ours);
            assert!(waits(&driver, &mut next));
            let thread = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(u64::from(round % 4) * 5));
                assert_eq!(held, [round; 64]);
            });
            let parked = Instant::now();
            while parked.elapsed() < Duration::from_secs(5) {
                driver
                    .turn(Park::For(Duration::from_secs(10)), || false)
                    .unwrap();
                if let Poll::Ready(got) = poll(&driver, &mut next) {
                    let got = got.unwrap().expect("not the end");
                    assert_eq!(got, [round + 100; 64]);
                    break;
                }
            }
            let slept = parked.elapsed();
            assert!(slept < Duration::from_secs(5), "nobody woke it: {slept:?}");
            thread.join().unwrap();
        }
        drop(ours);
        end(&driver);
    }
}

#[test]
fn who_waits_for_a_buffer_and_goes_passes_it_on() {
    for driver in drivers(64, 1) {
        let mut pairs: Vec<_> = (0..4).map(|_| pair(&driver)).collect();
        for (i, (_, peer)) in pairs.iter_mut().enumerate() {
            peer.write_all(&[i as u8; 8]).unwrap();
        }
        let held = read(&driver, &pairs[0].0);
        let mut waiting: Vec<_> = pairs[1..]
            .iter()
            .map(|(ours, _)| ops::recv_pooled(ours))
            .collect();
        for read in &mut waiting {
            assert!(waits(&driver, read));
        }
        // The first goes before it is granted the buffer, the second after.
        drop(waiting.remove(0));
        drop(held);
        turns(&driver, 1);
        drop(waiting.remove(0));
        let third = block_on(&driver, waiting.remove(0)).unwrap();
        assert_eq!(third.expect("not the end"), [3; 8]);
        for (i, (ours, _)) in pairs.iter().enumerate().skip(1).take(2) {
            assert_eq!(read(&driver, ours), [i as u8; 8], "nothing was lost");
        }
        drop(pairs);
        end(&driver);
    }
}

#[test]
fn the_pool_grows_for_a_burst_and_every_byte_of_it_arrives() {
    for driver in drivers(64, 2000) {
        let mut pairs: Vec<_> = (0..500).map(|_| pair(&driver)).collect();
        for round in 0..3u8 {
            let reads = reads(&driver, &pairs);
            turns(&driver, 1);
            for (i, (_, peer)) in pairs.iter_mut().enumerate() {
                peer.write_all(&[i as u8, round]).unwrap();
            }
            let held: Vec<PooledBuf> = reads
                .into_iter()
                .map(|read| block_on(&driver, read).unwrap().expect("not the end"))
                .collect();
            for (i, buf) in held.iter().enumerate() {
                assert_eq!(buf, &[i as u8, round]);
            }
        }
        drop(pairs);
        end(&driver);
    }
}

#[test]
fn a_buffer_comes_back_with_its_last_part() {
    for driver in drivers(64, 1) {
        let (ours, mut peer) = pair(&driver);
        peer.write_all(b"hello world").unwrap();
        let mut all = read(&driver, &ours);
        peer.write_all(b"next").unwrap();
        let rest = all.split_off(5);
        let space = rest.share(..1);
        let copy = all.clone();
        let head = all.split_to(2);
        all.advance(1);
        assert_eq!(
            (&head[..], &all[..], &copy[..]),
            (&b"he"[..], &b"lo"[..], &b"hello"[..])
        );
        assert_eq!((&rest[..], &space[..]), (&b" world"[..], &b" "[..]));
        let mut cut = all.clone();
        cut.truncate(0);
        let nothing = [all.share(2..), rest.share(3..3), head.share(..0), cut];
        let mut next = ops::recv_pooled(&ours);
        for part in [head, all, rest, copy] {
            drop(part);
            assert!(waits(&driver, &mut next), "a part is left");
        }
        assert_eq!(space, b" ");
        drop(space);
        let next = block_on(&driver, next).unwrap().expect("not the end");
        assert_eq!(next, b"next", "empty parts hold nothing");
        drop((nothing, ours));
        end(&driver);
    }
}

#[test]
fn buffers_outlive_their_driver_on_other_threads() {
    for driver in drivers(64, 8) {
        let (ours, mut peer) = pair(&driver);
        peer.write_all(&[9; 128]).unwrap();
        let (here, there) = (read(&driver, &ours), read(&driver, &ours));
        drop(ours);
        end(&driver);
        drop(driver);
        let thread = std::thread::spawn(move || there.clone());
        assert_eq!(thread.join().unwrap(), [9; 64]);
        assert_eq!(here, [9; 64]);
    }
}

#[test]
fn the_end_finds_reads_that_wait_for_data_and_for_buffers_and_tells_them() {
    for driver in drivers(64, 1) {
        let (idle, mut idle_peer) = pair(&driver);
        let (starved, mut peer) = pair(&driver);
        peer.write_all(&[1; 65]).unwrap();
        let held = read(&driver, &starved);
        let mut reads = [ops::recv_pooled(&idle), ops::recv_pooled(&starved)];
        let told = [Count::new(None), Count::new(None)];
        for (read, count) in reads.iter_mut().zip(&told) {
            assert!(waits(&driver, read));
            assert!(poll_by(&driver, read, &Waker::from(count.clone())).is_pending());
        }
        end(&driver);
        assert!(told.iter().all(|count| count.wakes() > 0));
        for mut read in reads {
            match poll(&driver, &mut read) {
                Poll::Ready(Err(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        drop((idle, starved));
        assert_eq!(idle_peer.read(&mut [0]).unwrap(), 0, "the peer is told");
        assert_eq!(held, [1; 64]);
    }
}

#[test]
fn a_handle_that_is_dropped_beside_its_pooled_read_closes_at_once() {
    for driver in drivers(64, 4) {
        let (ours, mut peer) = pair(&driver);
        let mut waiting = ops::recv_pooled(&ours);
        assert!(waits(&driver, &mut waiting));
        drop(waiting);
        drop(ours);
        assert_eq!(peer.read(&mut [0]).unwrap(), 0, "the peer sees the end");
        end(&driver);
    }
}

#[test]
fn a_driver_that_is_dropped_with_reads_in_flight_frees_no_buffer_under_the_kernel() {
    for driver in drivers(64, 4) {
        let (ours, mut peer) = pair(&driver);
        let mut waiting = ops::recv_pooled(&ours);
        assert!(waits(&driver, &mut waiting));
        std::mem::forget(waiting);
        std::mem::forget(ours);
        drop(driver);
        let _ = peer.write_all(&[1; 64]);
    }
}

#[test]
fn a_cancel_tells_what_the_read_brought_or_that_it_brought_nothing() {
    for driver in drivers(64, 4) {
        let (ours, mut peer) = pair(&driver);
        let mut waiting = ops::recv_pooled(&ours);
        assert!(waits(&driver, &mut waiting));
        assert!(block_on(&driver, waiting.cancel()).is_cancelled());
        peer.write_all(b"kept").unwrap();
        let mut arrived = ops::recv_pooled(&ours);
        assert!(poll(&driver, &mut arrived).is_pending());
        turn_for(&driver, Duration::from_millis(2));
        match block_on(&driver, arrived.cancel()) {
            Receipt::Completed(got, ()) => assert_eq!(got.unwrap().expect("bytes"), b"kept"),
            // Where a look comes first, the bytes may not have been asked for yet.
            Receipt::Cancelled(()) => assert_eq!(read(&driver, &ours), b"kept"),
        }
        drop(ours);
        end(&driver);
    }
}

/// A socket of datagrams, and its peer.
fn datagrams(driver: &Rc<Driver>) -> (Fd, std::net::UdpSocket) {
    let ours = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.connect(ours.local_addr().unwrap()).unwrap();
    (adopt(driver, ours, Kind::UdpSocket), peer)
}

#[test]
fn datagrams_come_whole_with_their_senders_and_say_when_they_were_cut() {
    for driver in drivers(64, 4) {
        let (ours, peer) = datagrams(&driver);
        let from = peer.local_addr().unwrap();
        for (sent, kept) in [(5, 5), (0, 0), (100, 64)] {
            peer.send(&vec![8; sent]).unwrap();
            let got = block_on(&driver, ops::recv_msg_pooled(&ours)).unwrap();
            let got = got.expect("datagrams have no end");
            assert_eq!(
                (&got.data[..], got.truncated),
                (&vec![8; kept][..], sent > kept)
            );
            assert_eq!(got.from.as_ip(), Some(from));
        }
        drop(ours);
        end(&driver);
    }
}

#[test]
fn a_datagram_for_a_dropped_pooled_receive_is_given_whole_to_the_next() {
    for driver in drivers(64, 4) {
        let (ours, peer) = datagrams(&driver);
        for pooled_next in [false, true] {
            let mut dropped = ops::recv_msg_pooled(&ours);
            assert!(poll(&driver, &mut dropped).is_pending());
            turns(&driver, 1);
            peer.send(b"whole").unwrap();
            turn_for(&driver, Duration::from_millis(1));
            drop(dropped);
            let (data, from) = if pooled_next {
                let next = block_on(&driver, ops::recv_msg_pooled(&ours)).unwrap();
                let next = next.expect("a datagram");
                (next.data.to_vec(), next.from)
            } else {
                let (received, [buf]) = block_on(&driver, ops::recv_from(&ours, [vec![0; 5]]));
                (buf, received.unwrap().from)
            };
            assert_eq!(data, b"whole");
            assert_eq!(from.as_ip(), Some(peer.local_addr().unwrap()));
        }
        drop(ours);
        end(&driver);
    }
}

#[cfg(feature = "bytes")]
#[test]
fn a_pooled_buffer_becomes_bytes_in_its_place_and_comes_back_with_the_last_of_them() {
    for driver in drivers(64, 1) {
        let (ours, mut peer) = pair(&driver);
        peer.write_all(b"hello").unwrap();
        let buf = read(&driver, &ours);
        let place = buf.as_ptr();
        let bytes = bytes::Bytes::from(buf);
        assert_eq!((&bytes[..], bytes.as_ptr()), (&b"hello"[..], place));
        let part = bytes.slice(1..3);
        drop(bytes);
        peer.write_all(b"next").unwrap();
        let mut next = ops::recv_pooled(&ours);
        assert!(waits(&driver, &mut next));
        assert_eq!(&part[..], b"el");
        drop(part);
        let next = block_on(&driver, next).unwrap();
        assert_eq!(next.expect("not the end"), b"next");
        drop(ours);
        end(&driver);
    }
}
