//! The steady state allocates nothing. A binary of its own, because it counts for the whole process.

use std::cell::Cell;
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use counting::{Counting, allocations};
use sakia_time::{Clock, Interval, Sleep, Timers, interval, now, sleep, timeout};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Hand(Cell<Instant>);

impl Clock for Hand {
    fn now(&self) -> Instant {
        self.0.get()
    }
}

const MS: Duration = Duration::from_millis(1);

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Everything that timers are used for, a few hundred at once.
fn one_lap(timers: &Timers, hand: &Hand, naps: &mut Vec<Sleep>, beat: &mut Interval) {
    for n in 0..300_u32 {
        let mut nap = sleep((n * 37 % 5000 + 1) * MS);
        assert!(poll(Pin::new(&mut nap)).is_pending());
        naps.push(nap);
    }
    for nap in naps.iter_mut().step_by(3) {
        nap.reset(now() + 70 * MS);
    }
    let mut late = pin!(timeout(50 * MS, pending::<()>()));
    let mut unused = pin!(timeout(MS, async {}));
    assert!(poll(late.as_mut()).is_pending());
    assert!(poll(unused.as_mut()).is_ready());
    for _ in 0..100 {
        hand.0.set(hand.0.get() + MS);
        timers.begin_turn();
        timers.fire(timers.now());
        assert!(timers.next_deadline().is_some());
        let _ = poll(pin!(beat.tick()));
    }
    assert!(poll(late).is_ready());
    naps.clear();
}

#[test]
fn the_steady_state_allocates_nothing() {
    let hand = Rc::new(Hand(Cell::new(Instant::now())));
    let timers = Timers::with_clock(hand.clone());
    let _entered = timers.enter();
    let mut naps = Vec::with_capacity(300);
    let mut beat = interval(3 * MS);
    one_lap(&timers, &hand, &mut naps, &mut beat);
    let before = allocations();
    assert!(before > 0, "the counter counts");
    for _ in 0..20 {
        one_lap(&timers, &hand, &mut naps, &mut beat);
    }
    assert_eq!(allocations() - before, 0);
}
