//! The rules of the bridge's way out, one by one.

use std::io::{ErrorKind, IoSlice, Read as _, Write as _};
use std::time::Duration;

use sakia::net::UnixStream;
use sakia_compat::PollIo;

use crate::help::*;

const SMALL: usize = 1000;
const LARGE: usize = 256 * 1024;

/// Reads to the end, not at once: the writer is to meet a full socket.
fn read_late(mut peer: std::net::TcpStream) -> Vec<u8> {
    std::thread::sleep(Duration::from_millis(50));
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    got
}

async fn written_then_dropped(pieces: &[usize]) {
    let (mut io, peer) = pair();
    let sent = pattern(8 << 20);
    let reading = sakia::spawn(beside(move || read_late(peer)));
    let mut rest = &sent[..];
    for piece in pieces.iter().cycle() {
        let (now, later) = rest.split_at(rest.len().min(*piece));
        write_all(&mut io, now, *piece).await;
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    drop(io);
    assert!(
        reading.await.unwrap() == sent,
        "bytes were lost, or came out of order"
    );
}

#[test]
fn small_writes_reach_the_peer_though_the_bridge_was_dropped_without_a_flush() {
    run(written_then_dropped(&[SMALL]));
}

#[test]
fn large_writes_reach_the_peer_though_the_bridge_was_dropped_without_a_flush() {
    run(written_then_dropped(&[LARGE]));
}

#[test]
fn small_and_large_writes_keep_their_order() {
    run(written_then_dropped(&[
        SMALL,
        LARGE,
        16 * 1024 - 1,
        16 * 1024,
        1,
    ]));
}

/// Writes until an accepted write is stuck in the kernel, since the peer takes nothing; answers all that was accepted.
async fn write_until_stuck(io: &mut PollIo<sakia::net::TcpStream>) -> Vec<u8> {
    let all = pattern(16 << 20);
    let mut accepted = 0;
    loop {
        let piece = &all[accepted..accepted + 15_000];
        match sakia::time::timeout(Duration::from_millis(100), write(io, piece)).await {
            Ok(n) => accepted += n.unwrap(),
            Err(_) => return all[..accepted].to_vec(),
        }
    }
}

fn streams() -> Vec<sakia::FdInfo> {
    let all = sakia::fds().into_iter();
    all.filter(|fd| fd.kind == sakia::Kind::TcpStream).collect()
}

#[test]
fn an_accepted_write_outlives_the_bridge_and_the_socket_is_closed_after_it() {
    run(async {
        let (mut io, peer) = pair();
        let accepted = write_until_stuck(&mut io).await;
        drop(io);
        let fds = streams();
        assert_eq!(fds.len(), 1, "the socket stays open for its last write");
        assert_eq!(fds[0].state, sakia::FdState::OpInFlight);
        let got = beside(move || read_late(peer)).await;
        assert!(got == accepted, "{} of {} bytes", got.len(), accepted.len());
        sakia::time::sleep(Duration::from_millis(1)).await;
        assert!(streams().is_empty(), "and is closed then");
    });
}

#[test]
fn the_end_of_the_runtime_waits_for_an_accepted_write() {
    let (peer, accepted) = run(async {
        let (mut io, peer) = pair();
        let accepted = write_until_stuck(&mut io).await;
        (std::thread::spawn(move || read_late(peer)), accepted)
    });
    let got = peer.join().unwrap();
    assert!(got == accepted, "{} of {} bytes", got.len(), accepted.len());
}

#[test]
fn a_small_write_behind_one_that_was_abandoned_on_the_stream_keeps_its_place_when_the_bridge_is_dropped()
 {
    run(async {
        let (mut io, peer) = pair();
        assert_eq!(write(&mut io, b"first").await.unwrap(), 5);
        flush(&mut io).await.unwrap();
        let before = pattern(8 << 20);
        let write_before = io.get_ref().write_all(before.clone());
        sakia::time::timeout(Duration::from_millis(20), write_before)
            .await
            .unwrap_err();
        assert_eq!(write(&mut io, b"tail").await.unwrap(), 4);
        drop(io);
        let got = beside(move || read_late(peer)).await;
        let rest = got.strip_prefix(b"first").expect("the first write");
        assert!(
            rest.strip_suffix(b"tail") == Some(&before),
            "{} bytes",
            rest.len()
        );
    });
}

#[test]
fn a_large_write_waits_for_one_that_was_abandoned_on_the_stream() {
    run(async {
        let (mut io, peer) = pair();
        let before = pattern(8 << 20);
        let write_before = io.get_ref().write_all(before.clone());
        sakia::time::timeout(Duration::from_millis(20), write_before)
            .await
            .unwrap_err();
        let tail = pattern(LARGE);
        assert!(try_write(&mut io, &tail).await.is_pending());
        let reading = sakia::spawn(beside(move || read_late(peer)));
        write_all(&mut io, &tail, LARGE).await;
        drop(io);
        let got = reading.await.unwrap();
        assert!(got.strip_suffix(&tail[..]) == Some(&before));
    });
}

#[test]
fn taking_the_stream_back_waits_for_the_write_and_tells_what_became_of_it() {
    run(async {
        let (mut io, peer) = pair();
        let accepted = fill(&mut io, b'a').await;
        assert_eq!(write(&mut io, b"last").await.unwrap(), 4);
        let reading = sakia::spawn(beside(move || read_late(peer)));
        let parts = io.into_parts().await;
        parts.written.unwrap();
        drop(parts.stream);
        assert_eq!(reading.await.unwrap().len(), accepted + 4);

        let parts = reset_by_the_peer().await.into_parts().await;
        assert!(is_broken(&parts.written.unwrap_err()));
    });
}

#[test]
fn a_write_that_is_polled_from_another_task_wakes_that_one() {
    run(async {
        let (mut io, peer) = pair();
        fill(&mut io, b'a').await;
        // The last poll was of this task, which then asks no more.
        let other = sakia::spawn(async move { write(&mut io, &[b'b'; LARGE]).await });
        sakia::yield_now().await;
        let reading = sakia::spawn(beside(move || read_late(peer)));
        let wrote = sakia::time::timeout(SOON, other).await;
        assert!(
            wrote
                .expect("the other task was not woken")
                .unwrap()
                .unwrap()
                > 0
        );
        assert_eq!(reading.await.unwrap().last(), Some(&b'b'));
    });
}

#[test]
fn after_pending_the_caller_may_come_back_with_other_bytes() {
    run(async {
        let (mut io, peer) = pair();
        let accepted = fill(&mut io, b'a').await;
        let reading = sakia::spawn(beside(move || read_late(peer)));
        let n = write(&mut io, &[b'b'; LARGE]).await.unwrap();
        assert_eq!(write(&mut io, b"c").await.unwrap(), 1);
        drop(io);
        let got = reading.await.unwrap();
        assert_eq!(got.iter().filter(|byte| **byte == b'a').count(), accepted);
        assert_eq!(got.len(), accepted + n + 1);
        assert!(got[accepted..accepted + n].iter().all(|byte| *byte == b'b'));
    });
}

/// A connection that has written before, so that small writes are copied, and whose peer has reset it.
async fn reset_by_the_peer() -> PollIo<sakia::net::TcpStream> {
    let (mut io, mut peer) = pair();
    write(&mut io, b"hello").await.unwrap();
    write(&mut io, b"unread").await.unwrap();
    flush(&mut io).await.unwrap();
    let mut hello = [0; 5];
    peer.read_exact(&mut hello).unwrap();
    // Closed with bytes that were not read: a reset.
    drop(peer);
    assert_eq!(
        write(&mut io, b"into the void").await.unwrap(),
        13,
        "a small write is answered at once"
    );
    io
}

fn is_broken(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
    )
}

#[test]
fn the_error_of_a_small_write_is_told_by_the_flush() {
    run(async {
        let mut io = reset_by_the_peer().await;
        assert!(is_broken(&flush(&mut io).await.unwrap_err()));
        flush(&mut io).await.expect("it is told once");
    });
}

#[test]
fn the_error_of_a_small_write_is_told_by_the_next_write() {
    run(async {
        let mut io = reset_by_the_peer().await;
        assert!(is_broken(&write(&mut io, b"more").await.unwrap_err()));
    });
}

#[test]
fn the_error_of_a_small_write_is_told_by_the_shutdown() {
    run(async {
        let mut io = reset_by_the_peer().await;
        assert!(is_broken(&shutdown(&mut io).await.unwrap_err()));
    });
}

#[test]
fn a_shutdown_waits_for_the_write_before_it() {
    run(async {
        let (mut io, peer) = pair();
        let sent = pattern(SMALL);
        let accepted = fill(&mut io, b'a').await;
        let reading = sakia::spawn(beside(move || read_late(peer)));
        write_all(&mut io, &sent, SMALL).await;
        shutdown(&mut io).await.unwrap();
        let got = reading.await.unwrap();
        assert_eq!(got.len(), accepted + SMALL);
        assert_eq!(got[accepted..], sent);
        assert!(
            write(&mut io, b"x").await.is_ok(),
            "accepted; its error comes later"
        );
        assert!(is_broken(&flush(&mut io).await.unwrap_err()));
    });
}

#[test]
fn small_slices_go_out_as_one_and_a_head_takes_the_beginning_of_its_body_along() {
    run(async {
        let (a, b) = UnixStream::pair().unwrap();
        let mut io = PollIo::new(a);
        assert!(hyper::rt::Write::is_write_vectored(&io));
        let body = pattern(LARGE);
        let head = b"head";
        let slices = [
            IoSlice::new(b""),
            IoSlice::new(head),
            IoSlice::new(b"-"),
            IoSlice::new(&body[..90]),
        ];
        assert_eq!(
            write_vectored(&mut io, &slices).await.unwrap(),
            95,
            "the first write of a bridge"
        );
        assert_eq!(
            write_vectored(&mut io, &slices).await.unwrap(),
            95,
            "a copy"
        );
        flush(&mut io).await.unwrap();
        let (n, got) = b.read(Vec::with_capacity(4096)).await;
        assert_eq!(n.unwrap(), 190);
        assert_eq!(&got[95..100], b"head-");
        assert_eq!(&got[100..], &body[..90]);

        let slices = [IoSlice::new(head), IoSlice::new(&body)];
        assert_eq!(write_vectored(&mut io, &slices).await.unwrap(), 16 * 1024);
        let (n, got) = b.read(Vec::with_capacity(64 * 1024)).await;
        assert_eq!(n.unwrap(), 16 * 1024);
        assert_eq!(&got[..4], head);
        assert_eq!(&got[4..], &body[..16 * 1024 - 4]);

        let slices = [IoSlice::new(b""), IoSlice::new(&body)];
        let n = write_vectored(&mut io, &slices).await.unwrap();
        assert!(n > 16 * 1024, "a large slice goes straight out, {n}");
        assert_eq!(write_vectored(&mut io, &[]).await.unwrap(), 0);
    });
}

/// How much the peer could read now.
fn arrived(peer: &std::net::TcpStream) -> usize {
    peer.set_nonblocking(true).unwrap();
    peer.peek(&mut [0; 64]).unwrap_or(0)
}

#[test]
fn a_flush_sends_what_the_kernel_was_to_hold_back_until_the_poll_is_over() {
    const LEN: usize = 4;
    run(async {
        let (mut io, mut peer) = pair();
        io.get_ref().set_nodelay(true).unwrap();
        peer.write_all(&[7; 1 + 3 * LEN]).unwrap();
        io.get_ref().read(Vec::with_capacity(1)).await.0.unwrap();
        sakia::yield_now().await;
        let (n, message) = io.get_ref().read(Vec::with_capacity(LEN)).await;
        assert_eq!(n.unwrap(), LEN);
        assert_eq!(write(&mut io, &message).await.unwrap(), LEN);
        // The emulated kernel does not say whether more has arrived, and has each answer go at once.
        if std::env::var_os("SAKIA_KERNEL").is_none_or(|kernel| kernel != "emulated") {
            assert_eq!(arrived(&peer), 0, "it is held back");
        }
        flush(&mut io).await.unwrap();
        assert_eq!(arrived(&peer), LEN);
    });
}
