//! Cancelling an op that somebody waits for: what its receipt says, and that no byte and no connection is lost by it.

use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};

use sakia_buf::BufResult;
use sakia_driver::{Cancellable, Driver, Fd, Kind, Park, Receipt, ops};

use crate::help::{adopt, block_on, driver, end, fill, pair, poll, turn_for, turns};

/// What the future answers when its time is over.
fn expire<F: Cancellable>(driver: &Rc<Driver>, mut op: F) -> F::Output {
    block_on(driver, poll_fn(|cx| op.poll_expire(cx)))
}

#[test]
fn a_cancelled_read_gives_its_buffer_back_and_the_bytes_go_to_the_next() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let buf = Vec::with_capacity(64);
    let place = buf.as_ptr();
    let mut read = ops::recv(&ours, buf);
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    let Receipt::Cancelled(buf) = block_on(&driver, read.cancel()) else {
        panic!("nothing had arrived");
    };
    assert_eq!((buf.as_ptr(), driver.in_flight()), (place, 0));
    peer.write_all(b"abc").unwrap();
    assert_eq!(block_on(&driver, ops::recv(&ours, buf)).1, b"abc");
    drop(ours);
    end(&driver);
}

#[test]
fn a_cancel_that_comes_too_late_gives_the_bytes() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut read = ops::recv(&ours, Vec::with_capacity(64));
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    peer.write_all(b"abc").unwrap();
    turns(&driver, 1);
    let Receipt::Completed(Ok(3), buf) = block_on(&driver, read.cancel()) else {
        panic!("three bytes had arrived");
    };
    assert_eq!(buf, b"abc");
    drop(ours);
    end(&driver);
}

#[test]
fn an_op_that_was_not_submitted_is_cancelled_without_the_kernel() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut first = ops::recv(&ours, Vec::with_capacity(1));
    let mut second = ops::recv(&ours, Vec::with_capacity(1));
    let mut third = ops::recv(&ours, Vec::with_capacity(1));
    assert!(poll(&driver, &mut first).is_pending());
    assert!(poll(&driver, &mut second).is_pending());
    assert!(poll(&driver, &mut third).is_pending());
    let unpolled = ops::recv(&ours, vec![7u8]);
    for op in [second, unpolled] {
        let mut receipt = op.cancel();
        assert!(matches!(
            poll(&driver, &mut receipt),
            Poll::Ready(Receipt::Cancelled(_))
        ));
    }
    peer.write_all(b"13").unwrap();
    assert_eq!(block_on(&driver, first).1, b"1");
    assert_eq!(block_on(&driver, third).1, b"3");
    drop(ours);
    end(&driver);
}

#[test]
fn reads_cancelled_while_the_peer_writes_lose_and_double_nothing() {
    const BYTES: usize = 20_000;
    const BURST: usize = 64;
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let numbers: Vec<u8> = (0..BYTES).map(|n| (n % 251) as u8).collect();
    let sent = numbers.clone();
    // The writer now and then waits for a cancelled read: a fast one would never let the reader run dry.
    let cancelled = Arc::new(AtomicUsize::new(0));
    let seen = cancelled.clone();
    let writer = std::thread::spawn(move || {
        for (n, piece) in sent.chunks(7).enumerate() {
            let before = seen.load(Relaxed);
            while n % BURST == 0 && seen.load(Relaxed) == before {
                std::thread::yield_now();
            }
            peer.write_all(piece).unwrap();
            std::thread::yield_now();
        }
    });
    let (mut got, mut round) = (Vec::new(), 0);
    while got.len() < BYTES {
        round += 1;
        let mut read = ops::recv(&ours, Vec::with_capacity(5));
        if let Poll::Ready((n, buf)) = poll(&driver, &mut read) {
            // Of what a dropped receipt has left.
            got.extend_from_slice(&buf[..n.unwrap()]);
            continue;
        }
        turns(&driver, round % 3);
        if round % 5 == 0 {
            // A receipt that is dropped leaves what the op brings to the next read.
            let mut receipt = read.cancel();
            if let Poll::Ready(Receipt::Completed(n, buf)) = poll(&driver, &mut receipt) {
                got.extend_from_slice(&buf[..n.unwrap()]);
            }
            continue;
        }
        match block_on(&driver, read.cancel()) {
            Receipt::Completed(Ok(0), _) => panic!("the end after {} bytes", got.len()),
            Receipt::Completed(n, buf) => got.extend_from_slice(&buf[..n.unwrap()]),
            Receipt::Cancelled(buf) => {
                assert!(buf.is_empty());
                cancelled.fetch_add(1, Relaxed);
            }
        }
    }
    writer.join().unwrap();
    assert!(got == numbers, "{} of {BYTES} bytes", got.len());
    let bursts = BYTES.div_ceil(7).div_ceil(BURST);
    assert!(cancelled.load(Relaxed) >= bursts, "or nothing was tried");
    drop(ours);
    end(&driver);
}

#[test]
fn a_dropped_receipt_of_a_ready_op_keeps_the_bytes_too() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut read = ops::recv(&ours, Vec::with_capacity(8));
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    peer.write_all(b"kept").unwrap();
    let mut receipt = read.cancel();
    assert!(poll(&driver, &mut receipt).is_pending());
    turns(&driver, 2);
    drop(receipt);
    let next = block_on(&driver, ops::recv(&ours, Vec::with_capacity(8)));
    assert_eq!(next.1, b"kept");
    drop(ours);
    end(&driver);
}

#[test]
fn a_cancelled_read_exact_tells_how_far_it_came() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let stream = ops::Stream::Socket(0);
    let mut read = ops::recv_exact(&ours, Box::new([0; 8]), stream.clone());
    assert!(poll(&driver, &mut read).is_pending());
    peer.write_all(b"abc").unwrap();
    turns(&driver, 1);
    assert!(poll(&driver, &mut read).is_pending(), "five are missing");
    turns(&driver, 1);
    match block_on(&driver, read.cancel()) {
        Receipt::Completed(Ok(3), buf) => assert_eq!(buf[..3], *b"abc"),
        other => panic!("{other:?}"),
    }
    let mut read = ops::recv_exact(&ours, Box::new([0; 8]), stream);
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    assert!(block_on(&driver, read.cancel()).is_cancelled());
    drop(ours);
    end(&driver);
}

#[test]
fn a_read_exact_whose_time_is_over_gives_its_part_back_to_the_stream() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut read = ops::recv_exact(&ours, Box::new([0; 8]), ops::Stream::Socket(0));
    assert!(poll(&driver, &mut read).is_pending());
    peer.write_all(b"abc").unwrap();
    turns(&driver, 1);
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    let (result, buf) = expire(&driver, read);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
    peer.write_all(b"defgh").unwrap();
    let again = ops::recv_exact(&ours, buf, ops::Stream::Socket(0));
    assert_eq!(*block_on(&driver, again).1, *b"abcdefgh");

    let mut rest = ops::recv_to_end(&ours, b"had ".to_vec());
    assert!(poll(&driver, &mut rest).is_pending());
    peer.write_all(b"abc").unwrap();
    turns(&driver, 1);
    assert!(poll(&driver, &mut rest).is_pending());
    let (result, buf) = expire(&driver, rest);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(buf, b"had ");
    drop(peer);
    let all = block_on(&driver, ops::recv_to_end(&ours, buf)).1;
    assert_eq!(all, b"had abc");
    drop(ours);
    end(&driver);
}

#[test]
fn a_timed_out_read_of_a_file_leaves_its_cursor() {
    let driver = driver();
    let (ours, peer) = UnixStream::pair().unwrap();
    drop(peer);
    let cursor = Rc::new(std::cell::Cell::new(100));
    let fd = adopt(&driver, ours, Kind::File);
    let stream = ops::Stream::Cursor(cursor.clone());
    let read = ops::recv_exact(&fd, vec![0u8; 4], stream);
    let (result, _) = expire(&driver, read);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(cursor.get(), 100);
    drop(fd);
    end(&driver);
}

/// A part of what a read waits for that is here, but that its future was not told of: `read`, after three bytes and a turn.
fn with_three_bytes<F: Future + Unpin>(
    driver: &Rc<Driver>,
    mut read: F,
    peer: &mut UnixStream,
) -> F {
    assert!(poll(driver, &mut read).is_pending());
    peer.write_all(b"one").unwrap();
    turns(driver, 2);
    read
}

#[test]
fn a_part_of_which_a_cancelled_read_was_not_told_yet_counts() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let whole = ops::recv_exact(&ours, Vec::with_capacity(8), ops::Stream::Socket(0));
    let whole = with_three_bytes(&driver, whole, &mut peer);
    let Receipt::Completed(n, buf) = block_on(&driver, whole.cancel()) else {
        panic!("three bytes are here");
    };
    assert_eq!((n.unwrap(), buf.as_slice()), (3, b"one".as_slice()));
    let rest = with_three_bytes(&driver, ops::recv_to_end(&ours, b"had".to_vec()), &mut peer);
    let Receipt::Completed(n, buf) = block_on(&driver, rest.cancel()) else {
        panic!("three bytes are here");
    };
    assert_eq!((n.unwrap(), buf.as_slice()), (3, b"hadone".as_slice()));
    drop(ours);
    end(&driver);
}

#[test]
fn a_part_of_which_a_read_was_not_told_when_its_time_is_over_goes_back_to_the_stream() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let whole = ops::recv_exact(&ours, Vec::with_capacity(8), ops::Stream::Socket(0));
    let whole = with_three_bytes(&driver, whole, &mut peer);
    assert!(expire(&driver, whole).0.is_err());
    let next = block_on(&driver, ops::recv(&ours, Vec::with_capacity(8)));
    assert_eq!(next.1, b"one");
    let rest = with_three_bytes(&driver, ops::recv_to_end(&ours, b"had".to_vec()), &mut peer);
    let (result, buf) = expire(&driver, rest);
    assert!(result.is_err());
    assert_eq!(buf, b"had", "as it was given");
    let next = block_on(&driver, ops::recv(&ours, Vec::with_capacity(8)));
    assert_eq!(next.1, b"one");
    drop(ours);
    end(&driver);
}

#[test]
fn a_read_to_the_end_begins_with_what_a_dropped_one_has_left_and_goes_on() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let dropped = ops::recv_to_end(&ours, Vec::new());
    drop(with_three_bytes(&driver, dropped, &mut peer));
    peer.write_all(b"two").unwrap();
    drop(peer);
    let (n, all) = block_on(&driver, ops::recv_to_end(&ours, Vec::new()));
    assert_eq!((n.unwrap(), all.as_slice()), (6, b"onetwo".as_slice()));
    drop(ours);
    end(&driver);
}

#[test]
fn an_op_that_is_polled_after_its_end_panics_and_does_nothing_else() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    peer.write_all(b"one").unwrap();
    let mut read = ops::recv(&ours, Vec::with_capacity(8));
    let mut nop = ops::nop();
    assert_eq!(block_on(&driver, &mut read).1, b"one");
    block_on(&driver, &mut nop).unwrap();
    let again = [
        catch_unwind(AssertUnwindSafe(|| drop(poll(&driver, &mut read)))),
        catch_unwind(AssertUnwindSafe(|| drop(poll(&driver, &mut nop)))),
    ];
    for panic in again {
        let panic = panic.expect_err("it has ended");
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        assert_eq!(text, Some("an op was polled after it had completed"));
    }
    peer.write_all(b"two").unwrap();
    let next = block_on(&driver, ops::recv(&ours, Vec::with_capacity(8)));
    assert_eq!(next.1, b"two");
    drop((read, nop, ours));
    end(&driver);
}

#[test]
fn a_cancelled_write_tells_how_much_the_peer_will_read() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut write = ops::send_all(&ours, vec![b'1'; 2_000_000]);
    assert!(poll(&driver, &mut write).is_pending());
    turns(&driver, 1);
    let Receipt::Completed(Ok(sent), buf) = block_on(&driver, write.cancel()) else {
        panic!("an empty socket takes a part");
    };
    assert!(sent > 0 && sent < buf.len(), "{sent}");
    let before = sent + fill(&ours);
    let mut none = ops::send_all(&ours, b"none".to_vec());
    assert!(poll(&driver, &mut none).is_pending());
    turns(&driver, 1);
    match block_on(&driver, none.cancel()) {
        Receipt::Cancelled(buf) => assert_eq!(buf, b"none"),
        other => panic!("{other:?}"),
    }
    assert!(ours.in_doubt().is_none(), "both were told");
    let mut all = vec![0; before];
    peer.read_exact(&mut all).unwrap();
    block_on(&driver, ops::send_all(&ours, b"last".to_vec()))
        .0
        .unwrap();
    drop(ours);
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"last", "what was cancelled is not sent later");
    end(&driver);
}

#[test]
fn a_write_whose_time_is_over_tells_the_stream_how_much_was_sent() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut write = ops::send_all(&ours, vec![b'1'; 2_000_000]);
    assert!(poll(&driver, &mut write).is_pending());
    turns(&driver, 1);
    let (result, buf) = expire(&driver, write);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
    let doubt = ours.in_doubt().expect("a write was given up");
    assert!(!doubt.is_pending());
    assert_eq!(doubt.len(), buf.len());
    drop(ours);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), doubt.sent());
    end(&driver);
}

#[test]
fn a_cancelled_accept_gives_the_connection_or_leaves_it_to_the_next() {
    let driver = driver();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    let listener = UnixListener::bind(&path).unwrap();
    let listener = adopt(&driver, listener, Kind::UnixListener);
    let (mut taken, mut cancelled) = (0, 0);
    for round in 0..60 {
        let mut accept = ops::accept(&listener, Kind::UnixStream);
        assert!(poll(&driver, &mut accept).is_pending());
        turns(&driver, round % 3);
        let _client = (round % 2 == 0).then(|| UnixStream::connect(&path).unwrap());
        match block_on(&driver, poll_fn(|cx| accept.poll_cancel(cx))) {
            Receipt::Completed(accepted, ()) => {
                accepted.unwrap();
                taken += 1;
            }
            Receipt::Cancelled(()) => cancelled += 1,
        }
    }
    while taken < 30 {
        block_on(&driver, ops::accept(&listener, Kind::UnixStream)).unwrap();
        taken += 1;
    }
    assert!(cancelled >= 30, "{cancelled}");
    turn_for(&driver, Duration::from_millis(1));
    drop(listener);
    end(&driver);
}

#[test]
fn positioned_ops_are_cancelled_or_have_their_result() {
    let driver = driver();
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    std::fs::write(&path, "hello").unwrap();
    let file = adopt(&driver, std::fs::File::open(&path).unwrap(), Kind::File);
    let mut read = ops::read_at(&file, Vec::with_capacity(5), 0);
    assert!(poll(&driver, &mut read).is_pending());
    match block_on(&driver, read.cancel()) {
        Receipt::Completed(Ok(5), buf) => assert_eq!(buf, b"hello"),
        Receipt::Cancelled(buf) => assert_eq!(buf.capacity(), 5),
        other => panic!("{other:?}"),
    }
    let never = ops::read_at(&file, Vec::with_capacity(5), 0);
    let (result, buf): BufResult<usize, Vec<u8>> = expire(&driver, never);
    assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(buf.capacity(), 5);
    let mut nap = ops::nap(Duration::from_secs(3600));
    assert!(poll(&driver, &mut nap).is_pending());
    turns(&driver, 1);
    assert!(block_on(&driver, nap.cancel()).is_cancelled());
    drop(file);
    end(&driver);
}

#[test]
fn a_cancel_that_meets_an_op_on_its_way_to_a_worker_is_repeated() {
    let driver = driver();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    // A backlog that is full: a connect waits on a worker thread of the kernel's.
    let listener = adopt(
        &driver,
        UnixListener::bind(&path).unwrap(),
        Kind::UnixListener,
    );
    listener.listen(0).unwrap();
    let _full = UnixStream::connect(&path).unwrap();
    let addr = sakia_driver::SockAddr::unix(&path).unwrap();
    for round in 0..300 {
        let socket = driver.within(|| Fd::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0));
        let socket = socket.unwrap();
        let mut connect = ops::connect(&socket, addr);
        assert!(poll(&driver, &mut connect).is_pending());
        turns(&driver, 1);
        for _ in 0..(round * 7) % 1500 {
            std::hint::spin_loop();
        }
        drop(connect);
        drop(socket);
        let until = Instant::now() + Duration::from_secs(5);
        while driver.in_flight() > 0 {
            assert!(
                Instant::now() < until,
                "round {round}: it was never cancelled"
            );
            driver
                .turn(Park::For(Duration::from_millis(100)), || false)
                .unwrap();
        }
    }
    drop(listener);
    end(&driver);
}
