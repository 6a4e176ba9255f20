//! Sleeping: never early, not late, moved, dropped, polled in the wrong place.
use std::cell::Cell;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use futures_core::FusedFuture;

use super::support::{MS, Wakes, by_hand, poll, run, turn};
use crate::{Clock, Sleep, Timers, now, sleep, sleep_until};

#[test]
fn sleep_and_its_kin_are_send_sync_and_unpin() {
    fn is<T: Send + Sync + Unpin>() {}
    is::<Sleep>();
    is::<crate::Timeout<()>>();
    is::<crate::Interval>();
}

#[test]
fn a_sleep_ends_at_its_deadline_or_less_than_a_tick_later_and_never_before() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    let (wakes, waker) = Wakes::new();
    for micros in [1, 400, 999, 1000, 1001, 12_345, 64_000, 100_777] {
        hand.turn(Duration::from_micros(137));
        let begin = now();
        let duration = Duration::from_micros(micros);
        let mut nap = sleep(duration);
        assert_eq!(nap.deadline(), begin + duration);
        assert_eq!(poll(&mut nap, &waker), Poll::Pending);
        let next = timers.next_deadline().expect("one is pending");
        assert!(next >= nap.deadline() && next < nap.deadline() + MS);
        hand.turn(next - begin - Duration::from_nanos(1));
        assert_eq!(turn(&timers), 0, "early");
        assert_eq!(poll(&mut nap, &waker), Poll::Pending);
        hand.turn(Duration::from_nanos(1));
        assert_eq!((turn(&timers), wakes.take()), (1, 1));
        assert_eq!(poll(&mut nap, &waker), Poll::Ready(()));
        assert!(timers.is_empty());
    }
}

#[test]
fn a_sleep_counts_from_its_call_even_late_in_a_long_turn() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    turn(&timers);
    // A task computes for 50 ms; the time of the turn is that old now.
    hand.turn(50 * MS);
    let mut nap = sleep(10 * MS);
    assert_eq!(poll(&mut nap, Waker::noop()), Poll::Pending);
    turn(&timers);
    assert_eq!(poll(&mut nap, Waker::noop()), Poll::Pending, "early");
    hand.turn(11 * MS);
    turn(&timers);
    assert_eq!(poll(&mut nap, Waker::noop()), Poll::Ready(()));
}

#[test]
fn a_deadline_that_has_passed_is_ready_at_once_and_enters_no_wheel() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    hand.turn(MS);
    let mut zero = sleep(Duration::ZERO);
    let mut past = sleep_until(now() - MS);
    let mut ancient = sleep_until(now() - 100 * MS);
    for nap in [&mut zero, &mut past, &mut ancient] {
        assert_eq!(poll(nap, Waker::noop()), Poll::Ready(()));
    }
    assert!(timers.is_empty());
}

#[test]
fn a_sleep_that_is_over_stays_over_until_it_is_reset() {
    run(async {
        let mut nap = sleep(5 * MS);
        assert!(!nap.is_elapsed() && !nap.is_terminated());
        (&mut nap).await;
        (&mut nap).await;
        assert!(nap.is_elapsed() && nap.is_terminated());
        let deadline = now() + 7 * MS;
        nap.reset(deadline);
        assert!(!nap.is_elapsed() && !nap.is_terminated());
        (&mut nap).await;
        assert!(now() >= deadline);
    });
}

#[test]
fn the_longest_duration_is_a_hundred_years_and_overflows_nothing() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    let year = Duration::from_secs(365 * 86_400);
    let mut naps = [Duration::MAX, Duration::MAX / 3, 1000 * year].map(sleep);
    for nap in &mut naps {
        assert_eq!(poll(nap, Waker::noop()), Poll::Pending);
    }
    hand.turn(99 * year);
    assert_eq!(turn(&timers), 0);
    hand.turn(2 * year);
    assert!(turn(&timers) >= 1, "the one of Duration::MAX");
    hand.turn(800 * year);
    turn(&timers);
    assert_eq!(poll(&mut naps[2], Waker::noop()), Poll::Pending, "early");
}

#[test]
fn a_dropped_sleep_leaves_the_wheel_at_once_and_drops_its_waker() {
    let (_, timers) = by_hand();
    let _entered = timers.enter();
    let (wakes, waker) = Wakes::new();
    let held = std::sync::Arc::strong_count(&wakes);
    let mut nap = sleep(MS);
    assert_eq!(poll(&mut nap, &waker), Poll::Pending);
    assert_eq!(std::sync::Arc::strong_count(&wakes), held + 1);
    drop(nap);
    assert_eq!(std::sync::Arc::strong_count(&wakes), held);
    assert_eq!((timers.len(), timers.next_deadline()), (0, None));
}

#[test]
fn the_waker_of_the_last_poll_is_woken_and_no_other() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    let (old_wakes, old) = Wakes::new();
    let (new_wakes, new) = Wakes::new();
    let mut nap = sleep(MS);
    assert_eq!(poll(&mut nap, &old), Poll::Pending);
    assert_eq!(poll(&mut nap, &new), Poll::Pending);
    assert_eq!(timers.len(), 1);
    hand.turn(2 * MS);
    turn(&timers);
    assert_eq!((old_wakes.take(), new_wakes.take()), (0, 1));
}

#[test]
fn a_reset_moves_the_wake_of_a_task_that_waits() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    let (wakes, waker) = Wakes::new();
    let mut nap = sleep(10 * MS);
    assert_eq!(poll(&mut nap, &waker), Poll::Pending);
    nap.reset(now() + 100 * MS);
    hand.turn(50 * MS);
    assert_eq!((turn(&timers), wakes.take()), (0, 0), "later means later");
    nap.reset(now() + 10 * MS);
    hand.turn(11 * MS);
    assert_eq!((turn(&timers), wakes.take()), (1, 1), "sooner means sooner");
    assert_eq!(poll(&mut nap, &waker), Poll::Ready(()));
}

#[test]
fn a_reset_between_the_wake_and_the_poll_waits_anew() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    let mut nap = sleep(MS);
    assert_eq!(poll(&mut nap, Waker::noop()), Poll::Pending);
    hand.turn(2 * MS);
    assert_eq!(turn(&timers), 1);
    assert!(nap.is_elapsed());
    nap.reset(now() + 5 * MS);
    assert!(!nap.is_elapsed());
    assert_eq!(poll(&mut nap, Waker::noop()), Poll::Pending);
    hand.turn(6 * MS);
    turn(&timers);
    assert_eq!(poll(&mut nap, Waker::noop()), Poll::Ready(()));
}

#[test]
#[should_panic(expected = "outside a runtime")]
fn a_poll_outside_a_runtime_panics_and_says_so() {
    let _ = poll(&mut sleep(MS), Waker::noop());
}

#[test]
#[should_panic(expected = "closed")]
fn a_poll_after_the_end_panics_and_says_so() {
    let (_, timers) = by_hand();
    let _entered = timers.enter();
    let mut nap = sleep(MS);
    let _ = poll(&mut nap, Waker::noop());
    timers.close();
    let _ = poll(&mut nap, Waker::noop());
}

#[test]
fn the_end_drops_the_wakers_wakes_nobody_and_later_drops_are_harmless() {
    let (hand, timers) = by_hand();
    let entered = timers.enter();
    let (wakes, waker) = Wakes::new();
    let mut naps: Vec<_> = (1..100).map(|n| sleep(n * MS)).collect();
    for nap in &mut naps {
        assert_eq!(poll(nap, &waker), Poll::Pending);
    }
    timers.close();
    timers.close();
    hand.turn(1000 * MS);
    assert_eq!((turn(&timers), wakes.take(), timers.len()), (0, 0, 0));
    assert_eq!(
        std::sync::Arc::strong_count(&wakes),
        2,
        "one here, one in `waker`"
    );
    naps.truncate(50);
    drop((entered, timers));
    drop(naps);
}

#[test]
fn the_last_handle_closes() {
    let (wakes, waker) = Wakes::new();
    let (_, timers) = by_hand();
    let entered = timers.enter();
    let mut nap = sleep(MS);
    assert_eq!(poll(&mut nap, &waker), Poll::Pending);
    drop(timers);
    assert_eq!(
        std::sync::Arc::strong_count(&wakes),
        3,
        "the guard is a handle"
    );
    drop(entered);
    assert_eq!(std::sync::Arc::strong_count(&wakes), 2);
}

#[test]
fn contexts_form_a_stack_and_a_sleep_follows_whoever_polls_it() {
    let (hand_a, a) = by_hand();
    let (_, b) = by_hand();
    let entered_a = a.enter();
    let mut nap = sleep(10 * MS);
    assert_eq!(poll(&mut nap, Waker::noop()), Poll::Pending);
    let entered_b = b.enter();
    assert_eq!((a.len(), b.len()), (1, 0));
    assert_eq!(poll(&mut nap, Waker::noop()), Poll::Pending);
    assert_eq!((a.len(), b.len()), (0, 1), "it moved");
    // In the wrong order, on purpose.
    drop(entered_a);
    assert_eq!(poll(&mut nap, Waker::noop()), Poll::Pending);
    assert_eq!((a.len(), b.len()), (0, 1), "b is still current");
    drop(nap);
    assert_eq!(b.len(), 0);
    drop(entered_b);
    hand_a.turn(MS);
    assert!(now() <= Instant::now(), "outside it is the system's time");
}

#[test]
fn time_never_runs_backwards_even_if_the_clock_does() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    hand.turn(10 * MS);
    let before = now();
    hand.turn_back(5 * MS);
    assert_eq!(now(), before);
    timers.begin_turn();
    assert_eq!(timers.now(), before);
    hand.turn(6 * MS);
    assert_eq!(now(), before + MS);
}

#[test]
fn the_clock_is_read_at_most_once_a_turn_and_not_at_all_while_nothing_waits() {
    let (hand, timers) = by_hand();
    for _ in 0..100 {
        timers.begin_turn();
        assert_eq!((timers.is_empty(), timers.park_time()), (true, None));
    }
    assert_eq!(hand.reads(), 0);
    timers.begin_turn();
    for _ in 0..100 {
        timers.fire(timers.now());
    }
    assert_eq!(hand.reads(), 1);
}

#[test]
fn the_time_to_park_is_counted_from_the_present_and_not_from_the_beginning_of_the_turn() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    turn(&timers);
    let mut nap = sleep_until(now() + 10 * MS);
    assert_eq!(poll(&mut nap, Waker::noop()), Poll::Pending);
    hand.turn(4 * MS);
    assert_eq!(timers.park_time(), Some(6 * MS));
    hand.turn(60 * MS);
    assert_eq!(timers.park_time(), Some(Duration::ZERO));
}

#[test]
fn the_system_clock_is_the_monotonic_one() {
    let before = Instant::now();
    let reading = crate::SystemClock.now();
    assert!(before <= reading && reading <= Instant::now());
}

#[test]
fn a_real_sleep_on_a_real_thread_is_never_early() {
    let timers = Timers::new();
    let _entered = timers.enter();
    for micros in [300, 1000, 1700, 5000] {
        let duration = Duration::from_micros(micros);
        let begin = Instant::now();
        let mut nap = sleep(duration);
        while poll(&mut nap, Waker::noop()).is_pending() {
            std::thread::sleep(timers.park_time().expect("one is pending"));
            turn(&timers);
        }
        assert!(begin.elapsed() >= duration);
    }
}

#[test]
fn a_sleep_in_a_thread_local_may_be_dropped_as_the_thread_ends() {
    thread_local! {
        static KEPT: Cell<Option<(Sleep, Rc<()>)>> = const { Cell::new(None) };
    }
    std::thread::spawn(|| {
        KEPT.set(None);
        let timers = Timers::new();
        let _entered = timers.enter();
        let mut nap = sleep(MS);
        assert_eq!(poll(&mut nap, Waker::noop()), Poll::Pending);
        KEPT.set(Some((nap, Rc::new(()))));
    })
    .join()
    .expect("the destructor does not panic");
}
