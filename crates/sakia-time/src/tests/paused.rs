//! Time that stands still.
use std::future::pending;
use std::pin::pin;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::support::{MS, Wakes, block_on, by_hand, poll, run, turn};
use crate::{Timeout, Timers, advance, now, pause, resume, sleep, timeout};

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn paused_time_jumps_to_the_next_deadline_and_no_further() {
    let real = Instant::now();
    run(async {
        let begin = now();
        sleep(365 * DAY).await;
        let slept = now() - begin;
        assert!(slept >= 365 * DAY && slept <= 365 * DAY + MS);
    });
    assert!(
        real.elapsed() < Duration::from_secs(30),
        "nobody waited a year"
    );
}

#[test]
fn paused_time_stands_still_whatever_the_clock_does() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    hand.turn(3 * MS);
    pause();
    let at = now();
    hand.turn(DAY);
    assert_eq!((now(), timers.is_paused()), (at, true));
    resume();
    assert_eq!(
        (now(), timers.is_paused()),
        (at, false),
        "it goes on from where it stood"
    );
    hand.turn(5 * MS);
    assert_eq!(now(), at + 5 * MS);
    pause();
    timers.advance(DAY);
    resume();
    hand.turn(MS);
    assert_eq!(now(), at + 6 * MS + DAY, "what was advanced stays");
}

#[test]
fn an_advance_wakes_what_is_due_before_it_yields() {
    let timers = Timers::new();
    let _entered = timers.enter();
    pause();
    let begin = now();
    let (wakes, waker) = Wakes::new();
    let (own_wakes, own) = Wakes::new();
    let mut nap = sleep(10 * MS);
    assert_eq!(poll(&mut nap, &waker), Poll::Pending);
    for (by, at, woken) in [(9, 9, 0), (2, 11, 1)] {
        let mut jump = pin!(advance(by * MS));
        assert_eq!(poll(&mut jump, &own), Poll::Pending, "it yields");
        assert_eq!((wakes.take(), own_wakes.take()), (woken, 1));
        assert_eq!(poll(&mut jump, &own), Poll::Ready(()));
        assert_eq!(now(), begin + at * MS);
    }
}

#[test]
fn a_timeout_of_this_turn_began_before_the_advance() {
    run(async {
        let mut bounded = Timeout::new(10 * MS, pending::<()>());
        assert_eq!(poll(&mut bounded, Waker::noop()), Poll::Pending);
        advance(11 * MS).await;
        assert!(poll(&mut bounded, Waker::noop()).is_ready());
    });
}

#[test]
fn parking_is_for_ever_or_not_at_all_while_time_is_paused() {
    let timers = Timers::new();
    let _entered = timers.enter();
    timers.pause();
    let mut nap = sleep(10 * MS);
    assert_eq!(poll(&mut nap, Waker::noop()), Poll::Pending);
    assert_eq!(timers.park_time(), None);
    assert!(timers.auto_advance());
    assert_eq!(timers.park_time(), Some(Duration::ZERO));
    assert!(timers.auto_advance(), "still due");
    assert_eq!(turn(&timers), 1);
    assert!(!timers.auto_advance(), "nothing is left");
    timers.resume();
    nap.reset(now() + 10 * MS);
    assert_eq!(poll(&mut nap, Waker::noop()), Poll::Pending);
    assert!(timers.park_time().is_some_and(|time| time > Duration::ZERO));
    assert!(!timers.auto_advance(), "a clock that runs is left alone");
}

#[test]
fn a_jump_goes_straight_to_the_earliest_of_many_even_if_earlier_ones_were_dropped() {
    let timers = Timers::new();
    timers.pause();
    block_on(&timers, async {
        let mut naps: Vec<_> = (0..500).map(|n| sleep(DAY + n * MS)).collect();
        for nap in &mut naps {
            assert_eq!(poll(nap, Waker::noop()), Poll::Pending);
        }
        naps.drain(..400);
        let due = naps[0].deadline();
        assert!(timers.auto_advance());
        let at = timers.now();
        assert!(at >= due && at < due + MS);
    });
}

#[test]
fn many_waits_at_once_all_end_at_their_own_time() {
    run(async {
        let begin = now();
        for n in [1, 50, 64, 65, 5000] {
            let late = timeout(n * MS, sleep(DAY)).await;
            assert!(late.is_err());
        }
        let took = now() - begin;
        assert!(took >= 5180 * MS && took <= 5185 * MS, "{took:?}");
    });
}

#[test]
#[should_panic(expected = "paused already")]
fn pausing_twice_panics() {
    let timers = Timers::new();
    timers.pause();
    timers.pause();
}

#[test]
#[should_panic(expected = "not paused")]
fn resuming_what_runs_panics() {
    Timers::new().resume();
}

#[test]
#[should_panic(expected = "not paused")]
fn advancing_what_runs_panics() {
    Timers::new().advance(MS);
}

#[test]
#[should_panic(expected = "no instant is that late")]
fn advancing_beyond_the_end_of_time_panics() {
    let timers = Timers::new();
    timers.pause();
    timers.advance(Duration::MAX);
}

#[test]
#[should_panic(expected = "outside a runtime")]
fn pausing_outside_a_runtime_panics() {
    pause();
}
