//! Timers that are dropped or polled away from home.
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use super::support::{MS, Wakes, by_hand, poll, turn};
use crate::{Sleep, Timers, sleep};

const LONG: Duration = Duration::from_secs(3600);

fn waiting(waker: &Waker, count: usize) -> Vec<Sleep> {
    let mut naps: Vec<_> = (0..count).map(|_| sleep(LONG)).collect();
    for nap in &mut naps {
        assert_eq!(poll(nap, waker), Poll::Pending);
    }
    naps
}

#[test]
fn a_sleep_that_is_dropped_on_another_thread_goes_at_the_next_turn() {
    let (_, timers) = by_hand();
    let _entered = timers.enter();
    let (wakes, waker) = Wakes::new();
    let naps = waiting(&waker, 1000);
    thread::spawn(move || drop(naps)).join().expect("harmless");
    assert_eq!(timers.len(), 1000, "another thread cannot reach the wheel");
    assert_eq!((turn(&timers), wakes.take()), (0, 0));
    assert_eq!(timers.len(), 0);
    assert_eq!(
        std::sync::Arc::strong_count(&wakes),
        2,
        "their wakers went too"
    );
}

#[test]
fn a_sleep_that_is_dropped_elsewhere_does_not_wake_the_thread_once_it_is_asked_how_long_to_park() {
    let (_, timers) = by_hand();
    let _entered = timers.enter();
    let naps = waiting(Waker::noop(), 3);
    thread::spawn(move || drop(naps)).join().expect("harmless");
    assert_eq!(timers.park_time(), None);
    assert!(timers.is_empty());
}

#[test]
fn sleeps_that_are_dropped_while_their_timers_are_not_entered_go_too() {
    let (_, timers) = by_hand();
    let naps = {
        let _entered = timers.enter();
        waiting(Waker::noop(), 3)
    };
    drop(naps);
    assert_eq!(timers.next_deadline(), None);
    assert_eq!(timers.len(), 0);
}

#[test]
fn memory_stays_bounded_when_all_timers_are_dropped_elsewhere_within_one_turn() {
    let (_, timers) = by_hand();
    let _entered = timers.enter();
    // No turn in between: the wheel looks at its mail before it takes new memory.
    for _ in 0..100 {
        let naps = waiting(Waker::noop(), 100);
        thread::spawn(move || drop(naps)).join().expect("harmless");
        assert!(timers.len() <= 256, "{} timers", timers.len());
    }
}

#[test]
fn a_note_that_comes_late_takes_out_no_other_timer() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    let mut old = sleep(MS);
    assert_eq!(poll(&mut old, Waker::noop()), Poll::Pending);
    hand.turn(2 * MS);
    assert_eq!(turn(&timers), 1);
    // `new` has the place that `old` had.
    let _new = waiting(Waker::noop(), 1);
    thread::spawn(move || drop(old)).join().expect("harmless");
    turn(&timers);
    assert_eq!(timers.len(), 1);
}

#[test]
fn a_sleep_may_outlive_its_runtime_on_another_thread() {
    let (naps, before) = {
        let (_, timers) = by_hand();
        let _entered = timers.enter();
        (waiting(Waker::noop(), 3), timers.inner.id())
    };
    thread::spawn(move || drop(naps)).join().expect("harmless");
    let (_, next) = by_hand();
    assert!(next.inner.id() > before, "numbers are not used twice");
}

#[test]
fn a_sleep_that_moves_to_another_runtime_waits_there() {
    let (_, timers) = by_hand();
    let _entered = timers.enter();
    let mut naps = waiting(Waker::noop(), 1);
    let moved = thread::spawn(move || {
        let timers = Timers::new();
        let _entered = timers.enter();
        assert_eq!(poll(&mut naps[0], Waker::noop()), Poll::Pending);
        assert_eq!(timers.len(), 1);
        naps
    });
    let naps = moved.join().expect("it registers anew");
    turn(&timers);
    assert_eq!(timers.len(), 0, "and leaves its old home");
    drop(naps);
}

#[test]
fn a_reset_elsewhere_takes_hold_at_the_next_poll() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    let mut nap = waiting(Waker::noop(), 1).remove(0);
    let sooner = crate::now() + MS;
    let mut nap = thread::spawn(move || {
        nap.reset(sooner);
        nap
    })
    .join()
    .expect("harmless");
    assert_eq!(nap.deadline(), sooner);
    assert_eq!(poll(&mut nap, Waker::noop()), Poll::Pending);
    hand.turn(2 * MS);
    assert_eq!(turn(&timers), 1);
    assert_eq!(
        (poll(&mut nap, Waker::noop()), timers.len()),
        (Poll::Ready(()), 0)
    );
}
