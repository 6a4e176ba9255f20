//! The bridge's way in: pieces, ends, and nothing lost when it is taken off the stream.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::Duration;

use sakia::net::UnixStream;
use sakia_compat::PollIo;

use crate::help::*;

#[test]
fn bytes_are_handed_out_in_pieces_as_large_as_the_reader_has_room_for() {
    run(async {
        let (mut io, mut peer) = pair();
        let sent = pattern(3000);
        peer.write_all(&sent).unwrap();
        let mut got = Vec::new();
        while got.len() < sent.len() {
            let piece = read(&mut io, 7).await.unwrap();
            assert!((1..=7).contains(&piece.len()));
            got.extend(piece);
        }
        assert_eq!(got, sent);
    });
}

#[test]
fn a_reader_without_room_is_answered_at_once() {
    run(async {
        let (mut io, mut peer) = pair();
        assert_eq!(read(&mut io, 0).await.unwrap(), b"");
        peer.write_all(b"x").unwrap();
        assert_eq!(read(&mut io, 0).await.unwrap(), b"");
        assert_eq!(read(&mut io, 1).await.unwrap(), b"x");
    });
}

#[test]
fn the_end_of_the_stream_stays_the_end() {
    run(async {
        let (mut io, mut peer) = pair();
        peer.write_all(b"last").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read(&mut io, 16).await.unwrap(), b"last");
        for _ in 0..3 {
            assert_eq!(read(&mut io, 16).await.unwrap(), b"");
        }
        // The other way is open still.
        assert_eq!(write(&mut io, b"answer").await.unwrap(), 6);
    });
}

#[test]
fn whoever_drives_both_ways_hears_that_the_answer_is_out_before_the_end_of_a_peer_that_went_with_it()
 {
    run(async {
        let (mut io, mut peer) = pair();
        start_read(&mut io).await;
        assert_eq!(write(&mut io, b"answer").await.unwrap(), 6);
        beside(move || peer.read_exact(&mut [0; 6]).unwrap()).await;
        // The end is there by now.
        sakia::time::sleep(Duration::from_millis(10)).await;
        start_read(&mut io).await;
        assert!(try_flush(&mut io).await.is_ready());
        assert_eq!(read(&mut io, 16).await.unwrap(), b"");
    });
}

#[test]
fn who_only_reads_is_told_the_end_all_the_same_though_it_came_with_the_answer() {
    run(async {
        let (mut io, mut peer) = pair();
        assert_eq!(write(&mut io, b"answer").await.unwrap(), 6);
        let reading = sakia::spawn(async move { read(&mut io, 16).await });
        beside(move || peer.read_exact(&mut [0; 6]).unwrap()).await;
        let end = sakia::time::timeout(SOON, reading).await;
        assert_eq!(end.expect("it was woken").unwrap().unwrap(), b"");
    });
}

#[test]
fn a_large_stream_arrives_whole_through_the_growing_buffer() {
    run(async {
        let (mut io, mut peer) = pair();
        let sent = pattern(8 << 20);
        let there = sent.clone();
        let sending = sakia::spawn(beside(move || peer.write_all(&there).unwrap()));
        let mut got = Vec::new();
        loop {
            let piece = read(&mut io, 50_000).await.unwrap();
            if piece.is_empty() {
                break;
            }
            got.extend(piece);
        }
        sending.await.unwrap();
        assert!(got == sent);
    });
}

#[test]
fn bridges_that_wait_or_have_unread_bytes_keep_no_buffer_of_the_pool() {
    // One buffer for all of them: any that kept it would keep the others from reading.
    let pool = sakia::PoolConfig::new().max_buffers(1);
    let runtime = sakia::Runtime::builder().pool(pool).build().unwrap();
    runtime.block_on(async {
        let mut pairs: Vec<_> = (0..8).map(|_| pair()).collect();
        for (io, _) in &mut pairs {
            start_read(io).await;
        }
        for (io, peer) in &mut pairs {
            peer.write_all(b"one two").unwrap();
            let got = sakia::time::timeout(SOON, read(io, 3)).await;
            assert_eq!(got.expect("a buffer is free").unwrap(), b"one");
        }
        for (io, _) in &mut pairs {
            assert_eq!(read(io, 16).await.unwrap(), b" two");
        }
    });
}

#[test]
fn taking_the_stream_back_loses_no_byte() {
    run(async {
        let (a, b) = UnixStream::pair().unwrap();
        let mut io = PollIo::new(a);
        b.write_all("one two").await.0.unwrap();
        assert_eq!(read(&mut io, 3).await.unwrap(), b"one");
        let parts = io.into_parts().await;
        assert_eq!(parts.unread, b" two");

        // With a read under way: what it brings belongs to the stream.
        let mut io = PollIo::new(parts.stream);
        start_read(&mut io).await;
        let parts = io.into_parts().await;
        assert!(parts.unread.is_empty());
        b.write_all("three").await.0.unwrap();
        let three = parts.stream.read(Vec::with_capacity(16)).await.1;
        assert_eq!(three, b"three");
    });
}

#[test]
fn a_read_that_is_polled_from_another_task_wakes_that_one() {
    run(async {
        let (mut io, mut peer) = pair();
        // The first poll is of this task, which then asks no more.
        start_read(&mut io).await;
        let other = sakia::spawn(async move { read(&mut io, 16).await.unwrap() });
        sakia::yield_now().await;
        peer.write_all(b"to you").unwrap();
        let got = sakia::time::timeout(SOON, other).await;
        assert_eq!(
            got.expect("the other task was not woken").unwrap(),
            b"to you"
        );
    });
}

#[test]
fn a_reset_is_an_error_and_the_bridge_can_be_asked_again() {
    run(async {
        let (mut io, peer) = pair();
        write(&mut io, b"unread").await.unwrap();
        flush(&mut io).await.unwrap();
        drop(peer);
        let error = read(&mut io, 16).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(
            read(&mut io, 16).await.unwrap(),
            b"",
            "the kernel tells a reset once"
        );
    });
}
