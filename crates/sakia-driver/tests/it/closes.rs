//! Closing: at once, once, and in the order that keeps every op's descriptor open.

use std::fs::File;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::task::Poll;
use std::time::{Duration, Instant};

use sakia_driver::{FdState, Kind, ops};

use crate::help::{Count, adopt, block_on, driver, end, fill, pair, poll, poll_by, turns};

/// How long a socket lingers, in seconds, and what is clearly less.
const LINGER: u16 = 2;
const NOT_LINGERED: Duration = Duration::from_secs(1);

fn is_open(raw: i32) -> bool {
    // SAFETY: F_GETFD reads a number.
    unsafe { libc::fcntl(raw, libc::F_GETFD) != -1 }
}

#[test]
fn the_last_handle_closes_before_its_drop_returns_with_a_read_in_flight() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let half = ours.clone();
    let mut read = ops::recv(&ours, Vec::with_capacity(8));
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    drop(read);
    drop(ours);
    peer.set_nonblocking(true).unwrap();
    assert!(peer.read(&mut [0]).is_err(), "the other half is left");
    drop(half);
    assert_eq!(peer.read(&mut [0]).unwrap(), 0, "closed in the drop");
    end(&driver);
}

#[test]
fn a_future_that_outlives_the_handle_keeps_the_descriptor_and_closes_it() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut read = ops::recv(&ours, Vec::with_capacity(8));
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    drop(ours);
    std::io::Write::write_all(&mut peer, b"late").unwrap();
    let (n, buf) = block_on(&driver, read);
    assert_eq!(&buf[..n.unwrap()], b"late");
    peer.set_nonblocking(true).unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    end(&driver);
}

#[test]
fn an_awaited_close_cancels_what_was_abandoned_and_closes() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    fill(&ours);
    let mut write = ops::send_all(&ours, vec![0; 500_000]);
    assert!(poll(&driver, &mut write).is_pending());
    turns(&driver, 1);
    drop(write);
    block_on(&driver, sakia_driver::close(ours)).unwrap();
    peer.read_to_end(&mut Vec::new()).expect("the end is there");
    end(&driver);
}

#[test]
fn a_close_waits_for_a_future_that_still_reads_and_is_woken_when_it_goes() {
    let driver = driver();
    // The op completes and then its future is dropped, or the future is dropped in the queue.
    for queued in [false, true] {
        let (ours, mut peer) = pair(&driver);
        let mut first = ops::recv(&ours, Vec::with_capacity(8));
        let mut second = ops::recv(&ours, Vec::with_capacity(8));
        assert!(poll(&driver, &mut first).is_pending());
        if queued {
            assert!(poll(&driver, &mut second).is_pending());
        } else {
            drop(second);
            second = ops::recv(&ours.clone(), Vec::new());
        }
        let mut close = sakia_driver::close(ours);
        let count = Count::new(None);
        let waker = std::task::Waker::from(count.clone());
        assert!(poll_by(&driver, &mut close, &waker).is_pending());
        std::io::Write::write_all(&mut peer, b"x").unwrap();
        turns(&driver, 2);
        assert!(
            poll_by(&driver, &mut close, &waker).is_pending(),
            "the futures are still there"
        );
        let before = count.wakes();
        drop(first);
        drop(second);
        assert!(count.wakes() > before, "or the close waits for ever");
        assert!(poll(&driver, &mut close).is_ready());
    }
    end(&driver);
}

#[test]
fn a_close_that_waits_for_an_op_alone_is_woken_by_the_end_of_the_op() {
    let driver = driver();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let ours = adopt(&driver, reader, Kind::Pipe);
    // A positioned read stands in no lane: nothing but its last completion lets go of the descriptor. -1 is where the pipe stands.
    let mut read = ops::read_at(&ours, Vec::with_capacity(1), u64::MAX);
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    let mut close = sakia_driver::close(ours);
    let count = Count::new(None);
    let waker = std::task::Waker::from(count.clone());
    assert!(poll_by(&driver, &mut close, &waker).is_pending());
    std::io::Write::write_all(&mut writer, b"x").unwrap();
    turns(&driver, 2);
    assert!(count.wakes() > 0, "or the close waits for ever");
    assert!(poll(&driver, &mut close).is_ready());
    assert_eq!(block_on(&driver, read).1, b"x");
    end(&driver);
}

#[test]
fn a_socket_with_linger_is_closed_by_the_table_and_does_not_block_the_drop() {
    let driver = driver();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let ours = adopt(&driver, client, Kind::TcpStream);
    ours.set_linger(Some(LINGER)).unwrap();
    // What was sent and not taken keeps such a close waiting.
    let sent = fill(&ours);
    assert!(sent > 0);
    let raw = ours.as_fd().as_raw_fd();
    let start = Instant::now();
    drop(ours);
    assert!(start.elapsed() < NOT_LINGERED, "{:?}", start.elapsed());
    let closing: Vec<_> = driver
        .fds()
        .into_iter()
        .filter(|fd| fd.state == FdState::Closing)
        .collect();
    assert_eq!(
        closing.iter().map(|fd| fd.number).collect::<Vec<_>>(),
        [raw]
    );
    turns(&driver, 1);
    assert!(
        start.elapsed() < NOT_LINGERED,
        "nor the ring: {:?}",
        start.elapsed()
    );
    let report = end(&driver);
    assert_eq!(report.closes_drained, 1);
    assert!(!report.closed.is_empty());
    drop(peer.read(&mut [0]));
}

#[test]
fn an_awaited_close_of_a_lingering_socket_is_told_its_result_and_a_dropped_one_closes_too() {
    let driver = driver();
    for awaited in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let ours = adopt(&driver, client, Kind::TcpStream);
        ours.set_linger(Some(2)).unwrap();
        let mut close = sakia_driver::close(ours);
        if awaited {
            block_on(&driver, close).unwrap();
        } else {
            assert!(poll(&driver, &mut close).is_pending());
            drop(close);
            turns(&driver, 1);
        }
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    }
    end(&driver);
}

#[test]
fn what_needs_no_wait_is_closed_at_the_first_poll_after_the_end_too() {
    let driver = driver();
    let file = |driver| adopt(driver, File::open("/dev/null").unwrap(), Kind::File);
    let mut close = sakia_driver::close(file(&driver));
    assert!(matches!(poll(&driver, &mut close), Poll::Ready(Ok(()))));
    // Another handle is left, and an op on it.
    let (ours, _peer) = pair(&driver);
    let mut read = ops::recv(&ours, Vec::with_capacity(8));
    assert!(poll(&driver, &mut read).is_pending());
    let mut close = sakia_driver::close(ours.clone());
    assert!(matches!(poll(&driver, &mut close), Poll::Ready(Ok(()))));
    drop((read, ours));
    let late = file(&driver);
    let raw = late.as_fd().as_raw_fd();
    let report = end(&driver);
    assert_eq!(report.closes_drained, 0, "none went through the table");
    assert_eq!(report.still_held.len(), 1);
    let mut close = sakia_driver::close(late);
    assert!(matches!(poll(&driver, &mut close), Poll::Ready(Ok(()))));
    assert!(driver.fds().iter().all(|fd| fd.number != raw));
}

#[test]
fn an_unpolled_close_closes_and_another_handle_keeps_it_open() {
    let driver = driver();
    let file: OwnedFd = File::open("/dev/null").unwrap().into();
    let raw = file.as_raw_fd();
    let ours = adopt(&driver, file, Kind::File);
    let other = ours.clone();
    block_on(&driver, sakia_driver::close(ours)).unwrap();
    assert!(is_open(raw) && driver.fds().iter().any(|fd| fd.number == raw));
    drop(sakia_driver::close(other));
    assert!(driver.fds().iter().all(|fd| fd.number != raw));
    end(&driver);
}

#[test]
fn release_gives_the_socket_back_with_what_had_arrived() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut read = ops::recv(&ours, Vec::with_capacity(3));
    assert!(poll(&driver, &mut read).is_pending());
    turns(&driver, 1);
    std::io::Write::write_all(&mut peer, b"abcdef").unwrap();
    drop(read);
    let (owned, left) = block_on(&driver, ops::release(ours)).unwrap();
    let mut rest = [0; 8];
    let n = std::os::unix::net::UnixStream::from(owned)
        .read(&mut rest)
        .unwrap();
    assert_eq!([&left.bytes[..], &rest[..n]].concat(), b"abcdef");
    assert!(!left.ended && left.connections.is_empty());
    let report = end(&driver);
    assert!(report.still_held.is_empty());
}

#[test]
fn a_panic_that_unwinds_through_handles_and_futures_closes_everything() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut read = ops::recv(&ours, Vec::with_capacity(3));
        assert!(poll(&driver, &mut read).is_pending());
        let _moved = (read, ours);
        std::panic::resume_unwind(Box::new("on purpose"));
    }));
    assert!(caught.is_err());
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    end(&driver);
}
