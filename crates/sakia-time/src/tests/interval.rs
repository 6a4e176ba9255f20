//! Ticking: in step, and each way to be late.
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;

use super::support::{MS, by_hand, poll, run, turn};
use crate::{MissedTickBehavior, advance, interval, interval_at, now, sleep, timeout};

#[test]
fn the_first_tick_comes_at_once_and_the_others_in_step() {
    run(async {
        let begin = now();
        let mut beat = interval(10 * MS);
        for n in 0..5 {
            assert_eq!(beat.tick().await, begin + n * 10 * MS);
            assert!(now() >= begin + n * 10 * MS && now() <= begin + n * 10 * MS + MS);
            // Work between the ticks does not move them.
            sleep(3 * MS).await;
        }
    });
}

#[test]
fn a_start_in_the_future_is_waited_for() {
    run(async {
        let start = now() + 25 * MS;
        let mut beat = interval_at(start, 10 * MS);
        assert_eq!(beat.tick().await, start);
        assert!(now() >= start);
        assert_eq!(beat.tick().await, start + 10 * MS);
    });
}

/// Misses ticks by 35 ms of a period of 10, and returns when the next four were due, in ms since the start.
fn late_by_35(behavior: MissedTickBehavior) -> Vec<u128> {
    run(async move {
        let begin = now();
        let mut beat = interval(10 * MS);
        beat.set_missed_tick_behavior(behavior);
        assert_eq!(beat.missed_tick_behavior(), behavior);
        beat.tick().await;
        advance(45 * MS).await;
        let mut due = Vec::new();
        for _ in 0..6 {
            due.push((beat.tick().await - begin).as_millis());
        }
        due
    })
}

#[test]
fn burst_makes_up_for_every_tick() {
    let due = late_by_35(MissedTickBehavior::Burst);
    assert_eq!(due, [10, 20, 30, 40, 50, 60]);
}

#[test]
fn delay_moves_the_steps() {
    let due = late_by_35(MissedTickBehavior::Delay);
    assert_eq!(due, [10, 55, 65, 75, 85, 95]);
}

#[test]
fn skip_stays_in_step() {
    let due = late_by_35(MissedTickBehavior::Skip);
    assert_eq!(due, [10, 50, 60, 70, 80, 90]);
}

#[test]
fn a_tick_within_the_slack_is_not_missed() {
    run(async {
        let begin = now();
        let mut beat = interval(100 * MS);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat.tick().await;
        advance(105 * MS).await;
        assert_eq!(beat.tick().await, begin + 100 * MS);
        assert_eq!(beat.tick().await, begin + 200 * MS, "5 ms are nothing");
        advance(106 * MS).await;
        let late = now();
        assert_eq!(beat.tick().await, begin + 300 * MS);
        assert_eq!(beat.tick().await, late + 100 * MS, "6 ms are something");
    });
}

#[test]
fn a_tick_that_was_not_awaited_to_the_end_is_not_lost() {
    run(async {
        let begin = now();
        let mut beat = interval(50 * MS);
        beat.tick().await;
        for _ in 0..4 {
            assert!(timeout(10 * MS, beat.tick()).await.is_err());
        }
        assert_eq!(beat.tick().await, begin + 50 * MS);
    });
}

#[test]
fn a_reset_starts_the_steps_anew() {
    run(async {
        let mut beat = interval(10 * MS);
        beat.tick().await;
        sleep(7 * MS).await;
        let at = now();
        beat.reset();
        assert_eq!(beat.tick().await, at + 10 * MS);
        beat.reset_immediately();
        let at = now();
        assert_eq!((beat.tick().await, now()), (at, at));
        beat.reset_after(33 * MS);
        assert_eq!(beat.tick().await, at + 33 * MS);
        beat.reset_at(at + 70 * MS);
        assert_eq!(beat.tick().await, at + 70 * MS);
        assert_eq!(beat.tick().await, at + 80 * MS);
        assert_eq!(beat.period(), 10 * MS);
    });
}

#[test]
fn an_interval_is_a_stream_without_an_end() {
    run(async {
        let begin = now();
        let mut beat = interval(10 * MS);
        for n in 0..3 {
            let item = poll_fn(|cx| Pin::new(&mut beat).poll_next(cx)).await;
            assert_eq!(item, Some(begin + n * 10 * MS));
        }
        assert_eq!(beat.size_hint(), (usize::MAX, None));
    });
}

#[test]
fn the_longest_period_overflows_nothing() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    for behavior in [
        MissedTickBehavior::Burst,
        MissedTickBehavior::Delay,
        MissedTickBehavior::Skip,
    ] {
        let mut beat = interval(Duration::MAX);
        beat.set_missed_tick_behavior(behavior);
        hand.turn(1000 * MS);
        turn(&timers);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(beat.poll_tick(&mut cx).is_ready());
        assert_eq!(beat.poll_tick(&mut cx), Poll::Pending);
    }
}

#[test]
#[should_panic(expected = "must not be zero")]
fn a_period_of_zero_panics() {
    let _ = interval(Duration::ZERO);
}

#[test]
fn dropping_an_interval_leaves_nothing_in_the_wheel() {
    let (_, timers) = by_hand();
    let _entered = timers.enter();
    let mut beat = interval(10 * MS);
    assert!(poll(&mut std::pin::pin!(beat.tick()), Waker::noop()).is_ready());
    assert!(poll(&mut std::pin::pin!(beat.tick()), Waker::noop()).is_pending());
    assert_eq!(timers.len(), 1);
    drop(beat);
    assert_eq!(timers.len(), 0);
}
