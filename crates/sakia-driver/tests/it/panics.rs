//! Destructors and wakers of the user's that panic where a future is dropped or ends: the panic goes to who drops or polls, and costs
//! nobody else a byte, a lane or a wake.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};

use sakia_driver::ops::{self, Stream};

use crate::help::{Count, block_on, bomb, driver, end, pair, poll, poll_by, turns};

/// Drops it, and answers whether that panicked.
fn panics(drops: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(drops)).is_err()
}

#[test]
fn a_buffer_that_panics_as_a_queued_read_is_dropped_keeps_no_place_in_the_queue() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut first = ops::recv(&ours, Vec::with_capacity(4));
    let mut second = ops::recv(&ours, bomb(4));
    let mut third = ops::recv(&ours, Vec::with_capacity(4));
    assert!(poll(&driver, &mut first).is_pending());
    assert!(poll(&driver, &mut second).is_pending());
    assert!(poll(&driver, &mut third).is_pending());
    assert!(panics(|| drop(second)));
    peer.write_all(b"onetwo").unwrap();
    let (_, first) = block_on(&driver, first);
    let (_, third) = block_on(&driver, third);
    assert_eq!([&first[..], &third[..]].concat(), b"onetwo");
    drop(ours);
    end(&driver);
}

#[test]
fn a_buffer_that_panics_as_a_read_is_dropped_that_has_ended_unseen_costs_no_byte() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut read = ops::recv(&ours, bomb(4));
    assert!(poll(&driver, &mut read).is_pending());
    peer.write_all(b"here").unwrap();
    turns(&driver, 3);
    assert!(panics(|| drop(read)));
    let (_, buf) = block_on(&driver, ops::recv(&ours, Vec::with_capacity(8)));
    assert_eq!(buf, b"here");
    drop(ours);
    end(&driver);
}

#[test]
fn a_buffer_that_panics_as_a_read_is_dropped_that_was_served_in_part_costs_no_byte() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut first = ops::recv_exact(&ours, Vec::with_capacity(8), Stream::Socket(0));
    assert!(poll(&driver, &mut first).is_pending());
    peer.write_all(b"ab").unwrap();
    turns(&driver, 2);
    assert!(poll(&driver, &mut first).is_pending());
    // Its part is a leftover now, and the read that goes on is an orphan: the next is served the part, and waits with it.
    drop(first);
    let mut second = ops::recv_exact(&ours, bomb(8), Stream::Socket(0));
    assert!(poll(&driver, &mut second).is_pending());
    assert!(panics(|| drop(second)));
    peer.write_all(b"cd").unwrap();
    let mut got = Vec::new();
    while got.len() < 4 {
        let (_, buf) = block_on(&driver, ops::recv(&ours, Vec::with_capacity(8)));
        got.extend(buf);
    }
    assert_eq!(got, b"abcd");
    drop(ours);
    end(&driver);
}

/// A waker that panics when it wakes.
struct Loud;

impl Wake for Loud {
    fn wake(self: Arc<Self>) {
        resume_unwind(Box::new("on purpose"));
    }
}

#[test]
fn a_waker_that_panics_costs_the_one_before_it_in_the_queue_no_byte_and_is_counted() {
    let driver = driver();
    let (ours, mut peer) = pair(&driver);
    let mut first = ops::recv(&ours, Vec::with_capacity(4));
    let mut second = ops::recv(&ours, Vec::with_capacity(4));
    assert!(poll(&driver, &mut first).is_pending());
    let loud = Waker::from(Arc::new(Loud));
    assert!(poll_by(&driver, &mut second, &loud).is_pending());
    peer.write_all(b"one").unwrap();
    turns(&driver, 3);
    let mut polled = Poll::Pending;
    assert!(
        !panics(|| polled = poll(&driver, &mut first)),
        "it is not its panic"
    );
    let Poll::Ready((Ok(3), _)) = polled else {
        panic!("the bytes are gone")
    };
    drop((second, ours));
    let report = driver.end(std::time::Instant::now());
    assert_eq!(report.panics, 1);
}

#[test]
fn a_waker_that_panics_as_a_read_before_it_is_dropped_keeps_no_close_waiting() {
    let driver = driver();
    let (ours, _peer) = pair(&driver);
    let mut first = ops::recv(&ours, Vec::with_capacity(4));
    let mut second = ops::recv(&ours, Vec::with_capacity(4));
    assert!(poll(&driver, &mut first).is_pending());
    let loud = Waker::from(Arc::new(Loud));
    assert!(poll_by(&driver, &mut second, &loud).is_pending());
    let mut close = sakia_driver::close(ours);
    let count = Count::new(None);
    let closer = Waker::from(count.clone());
    assert!(poll_by(&driver, &mut close, &closer).is_pending());
    assert!(!panics(|| drop(first)));
    assert!(count.wakes() > 0, "the close looks again");
    assert!(poll_by(&driver, &mut close, &closer).is_pending());
    drop(second);
    block_on(&driver, close).unwrap();
    assert_eq!(driver.end(std::time::Instant::now()).panics, 1);
}
