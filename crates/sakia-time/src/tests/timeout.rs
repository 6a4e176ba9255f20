//! Bounding futures: free when ready, never too early, the future wins.
use std::error::Error;
use std::future::{pending, ready};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::support::{MS, Wakes, by_hand, poll, run, turn, yield_now};
use crate::{Clock, Elapsed, Timeout, now, sleep, timeout, timeout_at};

const LONG: Duration = Duration::from_secs(3600);

#[test]
fn a_future_that_is_ready_touches_neither_clock_nor_timers_nor_even_a_runtime() {
    let (hand, timers) = by_hand();
    {
        let mut outside = pin!(timeout(LONG, ready(7)));
        assert_eq!(poll(&mut outside, Waker::noop()), Poll::Ready(Ok(7)));
    }
    let _entered = timers.enter();
    let mut inside = pin!(timeout(LONG, ready(8)));
    assert_eq!(poll(&mut inside, Waker::noop()), Poll::Ready(Ok(8)));
    assert_eq!((hand.reads(), timers.len()), (0, 0));
}

#[test]
fn a_future_that_pends_within_a_turn_costs_no_reading_of_the_clock() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    for _ in 0..100 {
        let mut bounded = pin!(timeout(LONG, yield_now()));
        assert_eq!(poll(&mut bounded, Waker::noop()), Poll::Pending);
        assert_eq!(timers.len(), 1);
        assert_eq!(poll(&mut bounded, Waker::noop()), Poll::Ready(Ok(())));
    }
    assert_eq!((hand.reads(), timers.len()), (0, 0));
}

#[test]
fn a_timeout_ends_in_an_error_after_its_time() {
    run(async {
        let begin = now();
        assert_eq!(timeout(20 * MS, pending::<()>()).await, Err(Elapsed {}));
        let took = now() - begin;
        assert!(took >= 20 * MS && took <= 21 * MS, "{took:?}");
        let deadline = now() + 20 * MS;
        assert_eq!(timeout_at(deadline, pending::<()>()).await, Err(Elapsed {}));
        assert!(now() >= deadline && now() <= deadline + MS);
    });
}

#[test]
fn a_timeout_that_is_set_late_in_a_long_turn_is_not_early() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    turn(&timers);
    // A task computes for 50 ms, and then waits for 10.
    hand.turn(50 * MS);
    let mut bounded = Timeout::new(10 * MS, pending::<()>());
    assert_eq!(poll(&mut bounded, Waker::noop()), Poll::Pending);
    turn(&timers);
    assert_eq!(poll(&mut bounded, Waker::noop()), Poll::Pending, "early");
    hand.turn(11 * MS);
    assert_eq!(turn(&timers), 1);
    assert_eq!(
        poll(&mut bounded, Waker::noop()),
        Poll::Ready(Err(Elapsed {}))
    );
}

#[test]
fn a_timeout_begins_even_in_a_loop_that_never_parks() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    let mut bounded = Timeout::new(10 * MS, pending::<()>());
    assert_eq!(poll(&mut bounded, Waker::noop()), Poll::Pending);
    // It is never asked for the time nor for the next deadline.
    for _ in 0..12 {
        timers.fire(hand.now());
        hand.turn(MS);
    }
    assert_eq!(timers.fire(hand.now()), 0);
    assert!(timers.is_empty());
    assert_eq!(
        poll(&mut bounded, Waker::noop()),
        Poll::Ready(Err(Elapsed {}))
    );
}

#[test]
fn firing_with_an_old_reading_lets_no_timeout_begin_in_the_past() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    let old = timers.now();
    hand.turn(50 * MS);
    let mut bounded = Timeout::new(10 * MS, pending::<()>());
    assert_eq!(poll(&mut bounded, Waker::noop()), Poll::Pending);
    timers.fire(old);
    hand.turn(5 * MS);
    turn(&timers);
    assert_eq!(poll(&mut bounded, Waker::noop()), Poll::Pending, "early");
}

#[test]
fn the_next_deadline_knows_timeouts_of_this_turn() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    hand.turn(7 * MS);
    let mut bounded = Timeout::new(10 * MS, pending::<()>());
    assert_eq!(poll(&mut bounded, Waker::noop()), Poll::Pending);
    let next = timers.next_deadline().expect("one is pending");
    let begin = now();
    assert!(next >= begin + 10 * MS && next <= begin + 11 * MS);
    assert!(timers.park_time().is_some_and(|time| time >= 10 * MS));
}

#[test]
fn no_time_at_all_polls_once() {
    run(async {
        assert_eq!(timeout(Duration::ZERO, ready(1)).await, Ok(1));
        let begin = now();
        assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
        assert!(timeout_at(begin, pending::<()>()).await.is_err());
        assert_eq!(now(), begin, "nobody waited");
    });
}

#[test]
fn all_the_time_in_the_world_overflows_nothing() {
    run(async {
        let nap = timeout(Duration::MAX, sleep(MS)).await;
        assert_eq!(nap, Ok(()));
        let nap = timeout_at(now() + 1000 * LONG, sleep(MS)).await;
        assert_eq!(nap, Ok(()));
    });
}

#[test]
fn when_both_are_ready_the_future_wins() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    let mut bounded = Timeout::new(MS, sleep(MS));
    assert_eq!(poll(&mut bounded, Waker::noop()), Poll::Pending);
    assert!(timers.next_deadline().is_some());
    hand.turn(5 * MS);
    assert_eq!(turn(&timers), 2);
    assert_eq!(poll(&mut bounded, Waker::noop()), Poll::Ready(Ok(())));
}

#[test]
fn a_timeout_that_is_not_needed_any_more_leaves_the_wheel() {
    let (_, timers) = by_hand();
    let _entered = timers.enter();
    let (wakes, waker) = Wakes::new();
    let mut bounded = Timeout::new(LONG, pending::<()>());
    assert_eq!(poll(&mut bounded, &waker), Poll::Pending);
    let far = timers.next_deadline();
    assert!(far.is_some() && timers.len() == 1);
    let inner = bounded.into_inner();
    assert_eq!((timers.len(), timers.next_deadline()), (0, None));
    drop(inner);
    assert_eq!(wakes.take(), 0);
}

#[test]
fn the_inner_future_survives_a_timeout_that_has_a_name() {
    run(async {
        let begin = now();
        let mut bounded = Timeout::new(5 * MS, sleep(50 * MS));
        assert!((&mut bounded).await.is_err());
        assert!(now() < begin + 10 * MS);
        assert!(!bounded.get_ref().is_elapsed());
        bounded.get_mut().reset(begin + 60 * MS);
        bounded.into_inner().await;
        assert!(now() >= begin + 60 * MS);
        let mut at = Timeout::at(begin, pending::<()>());
        assert!((&mut at).await.is_err());
    });
}

#[test]
fn timeouts_nest() {
    run(async {
        let outer = timeout(50 * MS, timeout(10 * MS, pending::<()>())).await;
        assert_eq!(outer, Ok(Err(Elapsed {})));
        let inner = timeout(10 * MS, timeout(50 * MS, pending::<()>())).await;
        assert_eq!(inner, Err(Elapsed {}));
    });
}

#[test]
fn an_elapsed_becomes_an_io_error_that_says_timed_out_and_why() {
    let error = io::Error::from(Elapsed {});
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(error.to_string(), Elapsed {}.to_string());
    assert!(error.get_ref().is_some_and(|inner| inner.is::<Elapsed>()));
    assert!(Elapsed {}.source().is_none());
}

#[test]
fn a_bounded_future_has_no_place_for_an_output_and_may_cross_threads_whatever_that_is() {
    const fn is_send<T: Send>(_: &T) {}
    let (large, small) = (pending::<[u64; 64]>(), pending::<()>());
    let (large, small) = (timeout(LONG, large), timeout(LONG, small));
    assert_eq!(size_of_val(&large), size_of_val(&small));
    is_send(&timeout(LONG, pending::<Rc<u8>>()));
}
