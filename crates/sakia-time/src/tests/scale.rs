//! A million timers. The bounds are lenient, for machines that are slow and builds that are not optimised: they catch
//! what grows with the number of timers, not what is a little slow. They are of processor time: on a machine that others use as well the clock tells nothing.
use std::task::{Poll, Waker};
use std::time::Duration;

use super::support::{MS, by_hand, poll, turn};
use crate::{Sleep, sleep};

const MILLION: u32 = 1_000_000;

/// How long one step may take on average. A step that walks a million timers takes milliseconds.
const LENIENT: Duration = Duration::from_micros(50);

fn a_million(spread_ms: u32) -> Vec<Sleep> {
    let mut naps = Vec::with_capacity(MILLION as usize);
    for n in 0..MILLION {
        // Scattered, not sorted.
        let mut nap = sleep((1000 + n.wrapping_mul(2_654_435_761) % spread_ms) * MS);
        assert_eq!(poll(&mut nap, Waker::noop()), Poll::Pending);
        naps.push(nap);
    }
    naps
}

/// The processor time that this thread has used.
fn used() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat");
    let stat = stat.expect("the kernel counts the time of threads");
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("its first number is of nanoseconds"))
}

fn assert_lenient(what: &str, begin: Duration, steps: u32) {
    let each = (used() - begin) / steps;
    assert!(each < LENIENT, "{what}: {each:?} each");
}

#[test]
fn to_set_and_to_drop_a_timer_stays_cheap_among_a_million() {
    let (_, timers) = by_hand();
    let _entered = timers.enter();
    let begin = used();
    let naps = a_million(100_000);
    assert_lenient("set a million", begin, MILLION);
    let begin = used();
    for n in 0..MILLION / 10 {
        let mut nap = sleep((n % 100_000) * MS + 500 * MS);
        assert_eq!(poll(&mut nap, Waker::noop()), Poll::Pending);
    }
    assert_lenient("set and drop among a million", begin, MILLION / 10);
    let begin = used();
    drop(naps);
    assert_lenient("drop a million", begin, MILLION);
    assert!(timers.is_empty());
}

#[test]
fn a_turn_with_nothing_due_does_not_look_at_a_million_timers() {
    let (_, timers) = by_hand();
    let _entered = timers.enter();
    let mut naps = a_million(3000);
    let begin = used();
    for _ in 0..10_000 {
        naps.pop();
        assert_eq!(turn(&timers), 0);
        assert!(timers.next_deadline().is_some());
    }
    assert_lenient("a turn", begin, 10_000 * 4);
}

#[test]
fn when_the_earliest_of_very_many_leaves_the_next_deadline_does_not_look_at_them_all() {
    let (_, timers) = by_hand();
    let _entered = timers.enter();
    // All in one slot, the earliest first, as in a server with one timeout for all.
    let mut naps: Vec<_> = (0..100_000).map(|n| sleep((300_000 + n) * MS)).collect();
    for nap in &mut naps {
        assert_eq!(poll(nap, Waker::noop()), Poll::Pending);
    }
    let begin = used();
    for nap in naps.drain(..50_000) {
        let due = nap.deadline();
        drop(nap);
        assert!(
            timers
                .next_deadline()
                .is_some_and(|next| next <= due + 2 * MS)
        );
    }
    assert_lenient("drop the earliest", begin, 50_000);
}

#[test]
fn a_million_timers_all_fire_in_their_own_time() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    let mut naps = a_million(2000);
    let mut fired = 0;
    let begin = used();
    for _ in 0..3001 {
        hand.turn(MS);
        fired += turn(&timers);
    }
    assert_lenient("fire a million", begin, MILLION);
    assert_eq!((fired, timers.len()), (MILLION as usize, 0));
    assert!(
        naps.iter_mut()
            .all(|nap| poll(nap, Waker::noop()).is_ready())
    );
}
