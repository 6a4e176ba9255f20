//! Futures that are dropped: no byte, no datagram and no connection is lost, and bytes stay in order.

use std::io::Write;
use std::net::TcpStream as StdStream;

use futures_util::join;
use sakia_buf::IoBuf;
use sakia_net::{TcpListener, TcpStream};

use crate::common::{
    Numbers, for_turns, laps, loopback, pair, pends, poll_once, read_all, run,
    with_one_that_nobody_took,
};

#[test]
fn two_reads_are_served_in_the_order_in_which_they_were_asked() {
    run(async {
        let (ours, mut peer) = pair().await;
        let mut first = ours.read(Box::new([0; 2]));
        let mut second = ours.read(Box::new([0; 2]));
        pends(&mut first).await;
        pends(&mut second).await;
        laps(2).await;
        peer.write_all(b"abcd").unwrap();
        // The later one is polled first, and still comes second.
        let ((n, second), (m, first)) = join!(second, first);
        assert_eq!((n.unwrap(), m.unwrap()), (2, 2));
        assert_eq!((*first, *second), (*b"ab", *b"cd"));

        // The first has gone and the stream is free: it is still the second's turn.
        let mut reads = [(); 3].map(|()| ours.read(Box::new([0; 2])));
        for read in &mut reads {
            pends(read).await;
        }
        let [first, second, mut third] = reads;
        drop(first);
        pends(&mut third).await;
        peer.write_all(b"efgh").unwrap();
        let (third, second) = join!(third, second);
        assert_eq!((*second.1, *third.1), (*b"ef", *b"gh"));
    });
}

#[test]
fn what_arrives_for_a_dropped_read_is_served_to_the_next_one_first() {
    run(async {
        let (ours, mut peer) = pair().await;
        let mut read = ours.read(Vec::with_capacity(16));
        pends(&mut read).await;
        laps(1).await;
        drop(read);
        peer.write_all(b"abc").unwrap();
        laps(3).await;
        peer.write_all(b"def").unwrap();
        laps(3).await;
        let (n, buf) = ours.read(Vec::with_capacity(2).slice(..2)).await;
        assert_eq!((n.unwrap(), &buf[..]), (2, &b"ab"[..]));
        let (result, buf) = ours.read_exact(Box::new([0; 4])).await;
        result.unwrap();
        assert_eq!(*buf, *b"cdef");
    });
}

/// Leaves `text` with the stream, as a read does that has ended and is dropped before it is polled again.
async fn leave(ours: &TcpStream, peer: &mut StdStream, text: &[u8]) {
    let mut read = ours.read(Vec::with_capacity(64));
    pends(&mut read).await;
    laps(1).await;
    peer.write_all(text).unwrap();
    laps(3).await;
    drop(read);
}

#[test]
fn into_std_gives_the_bytes_that_came_for_a_dropped_read() {
    run(async {
        let (ours, mut peer) = pair().await;
        leave(&ours, &mut peer, b"left").await;
        peer.write_all(b"later").unwrap();
        let (mut std, leftovers) = ours.into_std().await.unwrap();
        assert_eq!(leftovers.bytes, b"left");
        drop(peer);
        assert_eq!(read_all(&mut std), b"later");
    });
}

#[test]
fn bytes_that_an_abandoned_read_brings_wait_for_the_one_behind_it_or_for_whoever_comes() {
    run(async {
        let (ours, mut peer) = pair().await;
        for follows in [true, false] {
            let mut first = ours.read(Vec::with_capacity(16));
            pends(&mut first).await;
            laps(1).await;
            let mut second = ours.read(Box::new([0; 2]));
            drop(first);
            // It holds the stream now, and waits for what the first one has left in the kernel.
            pends(&mut second).await;
            laps(3).await;
            peer.write_all(b"abcd").unwrap();
            laps(3).await;
            if follows {
                assert_eq!(*second.await.1, *b"ab");
                assert_eq!(ours.read(Vec::with_capacity(8)).await.1, b"cd");
            } else {
                drop(second);
                let (_, leftovers) = ours.into_std().await.unwrap();
                assert_eq!(leftovers.bytes, b"abcd");
                return;
            }
        }
    });
}

#[test]
fn every_way_of_reading_looks_at_the_leftovers_first() {
    run(async {
        let (ours, mut peer) = pair().await;
        leave(&ours, &mut peer, b"0123456789").await;
        peer.write_all(b"abcdef").unwrap();

        assert!(
            poll_once(&mut ours.readable()).await.is_ready(),
            "leftovers are readable at once"
        );
        assert_eq!(
            ours.peek(Vec::with_capacity(2).slice(..2)).await.1[..],
            *b"01"
        );
        let mut buf = [0; 3];
        assert_eq!(ours.try_read(&mut buf).unwrap(), 3);
        assert_eq!(&buf, b"012");
        let (n, [one, two]) = ours.readv([Box::new([0; 1]), Box::new([0; 1])]).await;
        assert_eq!((n.unwrap(), *one, *two), (2, *b"3", *b"4"));
        let (read, write) = ours.into_split();
        assert_eq!(*read.read(Box::new([0; 2])).await.1, *b"56");
        let ours = read.reunite(write).unwrap();
        let (result, buf) = ours.read_exact(Box::new([0; 9])).await;
        result.unwrap();
        assert_eq!(*buf, *b"789abcdef");
    });
}

#[test]
fn a_read_exact_that_is_dropped_half_way_gives_its_part_back() {
    run(async {
        let (ours, mut peer) = pair().await;
        peer.write_all(b"half").unwrap();
        let mut exact = ours.read_exact(Box::new([0; 8]));
        assert!(for_turns(4, &mut exact).await.is_none());
        drop(exact);
        peer.write_all(b"rest").unwrap();
        let (result, buf) = ours.read_exact(Box::new([0; 8])).await;
        result.unwrap();
        assert_eq!(*buf, *b"halfrest");
    });
}

#[test]
fn the_end_that_came_for_a_dropped_read_is_still_told() {
    run(async {
        let (ours, peer) = pair().await;
        let mut read = ours.read(Vec::with_capacity(8));
        pends(&mut read).await;
        laps(1).await;
        drop(peer);
        drop(read);
        laps(3).await;
        assert_eq!(ours.peek(vec![0; 8]).await.0.unwrap(), 0);
        assert_eq!(ours.read(vec![0; 8]).await.0.unwrap(), 0);
    });
}

#[test]
fn an_error_that_came_for_a_dropped_read_is_told_by_the_next() {
    run(async {
        let (ours, peer) = pair().await;
        let mut read = ours.read(Vec::with_capacity(8));
        pends(&mut read).await;
        ours.write_all("unread").await.0.unwrap();
        // It closes with bytes unread, so it answers with a reset, which the kernel tells once.
        drop(peer);
        laps(3).await;
        drop(read);
        let error = ours.read(Vec::with_capacity(8)).await.0.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(ours.read(vec![0; 8]).await.0.unwrap(), 0);
    });
}

/// Reads the stream to its end by random ways, most of which are dropped after a few turns.
async fn read_at_random(ours: &TcpStream, numbers: &mut Numbers) -> Vec<u8> {
    let mut all = Vec::new();
    let mut ended = false;
    while !ended {
        let turns = numbers.below(4);
        let room = 1 + numbers.below(300);
        let buf = Vec::with_capacity(room).slice(..room);
        match numbers.below(6) {
            0 => {
                let mut read = ours.read_exact(buf);
                if let Some((result, buf)) = for_turns(turns, &mut read).await {
                    all.extend_from_slice(&buf);
                    ended = result.is_err();
                }
            }
            1 => {
                let more = Vec::with_capacity(50).slice(..50);
                let mut read = ours.readv([buf, more]);
                if let Some((n, [one, two])) = for_turns(turns, &mut read).await {
                    all.extend_from_slice(&one);
                    all.extend_from_slice(&two);
                    ended = n.unwrap() == 0;
                }
            }
            2 => {
                let mut peek = ours.peek(buf);
                let _ = for_turns(turns, &mut peek).await;
            }
            3 => {
                let mut readable = ours.readable();
                let _ = for_turns(turns, &mut readable).await;
                let mut buf = vec![0; room];
                if let Ok(n) = ours.try_read(&mut buf) {
                    all.extend_from_slice(&buf[..n]);
                    ended = n == 0;
                }
            }
            _ => {
                let mut read = ours.read(buf);
                if let Some((n, buf)) = for_turns(turns, &mut read).await {
                    all.extend_from_slice(&buf);
                    ended = n.unwrap() == 0;
                }
            }
        }
    }
    all
}

#[test]
fn a_numbered_stream_survives_random_drops_of_its_reads_without_a_byte_lost_or_doubled() {
    for seed in 1..=4u64 {
        run(async {
            let (ours, mut peer) = pair().await;
            let sent: Vec<u8> = (0..20_000u32).flat_map(u32::to_le_bytes).collect();
            let writing = sent.clone();
            let writer = std::thread::spawn(move || {
                let mut numbers = Numbers(seed ^ 0xabcd_ef01);
                let mut rest = &writing[..];
                while !rest.is_empty() {
                    let n = (1 + numbers.below(700)).min(rest.len());
                    peer.write_all(&rest[..n]).unwrap();
                    rest = &rest[n..];
                    if numbers.below(3) == 0 {
                        std::thread::yield_now();
                    }
                }
            });
            let got = read_at_random(&ours, &mut Numbers(seed * 7919)).await;
            writer.join().unwrap();
            let wrong = got.iter().zip(&sent).position(|(a, b)| a != b);
            assert_eq!((got.len(), wrong), (sent.len(), None), "seed {seed}");
        });
    }
}

#[test]
fn a_write_that_is_dropped_in_flight_is_sent_before_the_next_one() {
    run(async {
        let (ours, mut peer) = pair().await;
        let mut big = ours.write_all(vec![1; 8 << 20]);
        pends(&mut big).await;
        laps(2).await;
        drop(big);
        let reader = std::thread::spawn(move || read_all(&mut peer));
        ours.write_all("tail").await.0.unwrap();
        drop(ours);
        let all = reader.join().unwrap();
        assert_eq!(all.len(), (8 << 20) + 4);
        assert!(all.ends_with(b"\x01tail"));
    });
}

#[test]
fn a_detached_write_finishes_though_the_stream_is_dropped() {
    run(async {
        let (ours, mut peer) = pair().await;
        let mut big = ours.write_all(vec![1; 8 << 20]).into_owned();
        pends(&mut big).await;
        laps(2).await;
        big.detach();
        drop(ours);
        let reader = std::thread::spawn(move || read_all(&mut peer));
        while !reader.is_finished() {
            crate::common::sleep(std::time::Duration::from_millis(1)).await;
        }
        assert_eq!(reader.join().unwrap().len(), 8 << 20);
    });
}

#[test]
fn an_owned_read_outlives_the_borrow_of_its_stream() {
    struct Bridge {
        read: sakia_net::Read<'static, Vec<u8>>,
        stream: TcpStream,
    }
    run(async {
        let (stream, mut peer) = pair().await;
        let read = stream.read(Vec::with_capacity(8)).into_owned();
        let mut bridge = Bridge { read, stream };
        pends(&mut bridge.read).await;
        peer.write_all(b"owned").unwrap();
        assert_eq!((&mut bridge.read).await.1, b"owned");
        bridge.read = bridge.stream.read(Vec::with_capacity(8)).into_owned();
        drop(peer);
        assert_eq!(bridge.read.await.0.unwrap(), 0);
    });
}

#[test]
fn a_connection_that_came_for_a_dropped_accept_is_given_to_the_next() {
    run(async {
        let (listener, first) = with_one_that_nobody_took().await;
        let second = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        for peer in [first, second] {
            let (_, from) = listener.accept().await.unwrap();
            assert_eq!(from, peer.local_addr().unwrap());
        }
    });
}

#[test]
fn an_accept_that_was_woken_and_then_dropped_passes_the_connection_on() {
    run(async {
        let listener = TcpListener::bind(loopback()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut first = listener.accept();
        let mut second = listener.accept();
        pends(&mut first).await;
        pends(&mut second).await;
        laps(1).await;
        let peer = StdStream::connect(addr).unwrap();
        laps(2).await;
        drop(first);
        let (_, from) = second.await.unwrap();
        assert_eq!(from, peer.local_addr().unwrap());
    });
}

#[test]
fn into_std_of_a_listener_gives_the_connection_that_nobody_took() {
    run(async {
        let (listener, mut peer) = with_one_that_nobody_took().await;
        let (_, leftovers) = listener.into_std().await.unwrap();
        let [(fd, from)] =
            <[_; 1]>::try_from(leftovers.connections).expect("one connection was left");
        assert_eq!(from.as_ip(), Some(peer.local_addr().unwrap()));
        StdStream::from(fd).write_all(b"late").unwrap();
        assert_eq!(read_all(&mut peer), b"late");
    });
}

#[test]
fn a_read_to_end_that_is_dropped_half_way_gives_back_what_it_has_read() {
    run(async {
        let (ours, mut peer) = pair().await;
        peer.write_all(b"abc").unwrap();
        laps(2).await;
        let mut rest = ours.read_to_end(b"mine".to_vec());
        pends(&mut rest).await;
        laps(2).await;
        pends(&mut rest).await;
        peer.write_all(b"def").unwrap();
        laps(2).await;
        drop(rest);
        laps(2).await;
        let mut first = Vec::new();
        while first.len() < 4 {
            let (n, buf) = ours.read(Vec::with_capacity(2).slice(..2)).await;
            assert!(n.unwrap() > 0);
            first.extend_from_slice(&buf);
        }
        peer.write_all(b"gh").unwrap();
        drop(peer);
        let had = first.len();
        let (n, all) = ours.read_to_end(first).await;
        assert_eq!(n.unwrap(), all.len() - had);
        assert_eq!(&all, b"abcdefgh");
    });
}
