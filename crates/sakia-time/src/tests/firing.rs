//! Firing, when the wakers misbehave or come back.
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};

use super::support::{MS, Wakes, by_hand, poll, turn};
use crate::{Sleep, now, sleep, sleep_until};

/// Panics when woken, and when dropped if it was made so.
struct Bomb {
    on_drop: bool,
    dropped: Arc<AtomicUsize>,
}

impl Wake for Bomb {
    fn wake(self: Arc<Self>) {
        panic!("boom");
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        assert!(!self.on_drop, "boom on drop");
    }
}

#[test]
fn when_wakers_panic_all_others_are_woken_first_and_the_timers_go_on() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    let (wakes, waker) = Wakes::new();
    let dropped = Arc::new(AtomicUsize::new(0));
    // More than one batch, with a bomb in every tenth place.
    let mut naps: Vec<_> = (0..1000).map(|_| sleep(MS)).collect();
    for (n, nap) in naps.iter_mut().enumerate() {
        let bomb = Bomb {
            on_drop: false,
            dropped: Arc::clone(&dropped),
        };
        let waker = if n % 10 == 0 {
            &Waker::from(Arc::new(bomb))
        } else {
            &waker
        };
        assert_eq!(poll(nap, waker), Poll::Pending);
    }
    hand.turn(2 * MS);
    let panicked = catch_unwind(AssertUnwindSafe(|| turn(&timers)));
    let payload = panicked.expect_err("the panic comes through");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"boom"));
    assert_eq!(wakes.take(), 900);
    assert_eq!(
        dropped.load(Ordering::Relaxed),
        1000,
        "100 used, 900 never given away"
    );
    assert!(timers.is_empty());
    let mut nap = sleep(MS);
    assert_eq!(poll(&mut nap, &waker), Poll::Pending);
    hand.turn(2 * MS);
    assert_eq!((turn(&timers), wakes.take()), (1, 1));
}

#[test]
fn when_a_waker_panics_on_its_drop_the_end_drops_the_others_all_the_same() {
    let (_, timers) = by_hand();
    let entered = timers.enter();
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut naps: Vec<_> = (0..10).map(|_| sleep(MS)).collect();
    for nap in &mut naps {
        let waker = Waker::from(Arc::new(Bomb {
            on_drop: true,
            dropped: Arc::clone(&dropped),
        }));
        assert_eq!(poll(nap, &waker), Poll::Pending);
        // The wheel's clone is the last one.
        drop(waker);
    }
    let panicked = catch_unwind(AssertUnwindSafe(|| timers.close()));
    assert!(panicked.is_err());
    assert_eq!(dropped.load(Ordering::Relaxed), 10);
    assert!(timers.is_empty());
    drop(entered);
}

thread_local! {
    /// What a `Meddler` does when woken: timers are `!Send`, so it cannot hold them.
    static MEDDLE: RefCell<Option<Box<dyn FnMut()>>> = const { RefCell::new(None) };
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Runs other people's code as it is woken.
struct Meddler;

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {
        let meddle = MEDDLE.take();
        if let Some(mut meddle) = meddle {
            meddle();
            MEDDLE.set(Some(meddle));
        }
    }
}

#[test]
fn a_waker_may_set_drop_and_fire_timers_while_it_is_woken() {
    let (hand, timers) = by_hand();
    let entered = timers.enter();
    let mut nap = sleep(MS);
    assert_eq!(
        poll(&mut nap, &Waker::from(Arc::new(Meddler))),
        Poll::Pending
    );
    let (wakes, waker) = Wakes::new();
    let mut victims: Vec<Sleep> = (0..4).map(|n| sleep((10 + n) * MS)).collect();
    for victim in &mut victims {
        assert_eq!(poll(victim, &waker), Poll::Pending);
    }
    let inside = timers.clone();
    MEDDLE.set(Some(Box::new(move || {
        victims.clear();
        let mut more = sleep_until(now() + MS);
        assert_eq!(poll(&mut more, &waker), Poll::Pending);
        victims.push(more);
        assert_eq!(inside.fire(inside.now()), 0);
        assert!(inside.next_deadline().is_some());
    })));
    hand.turn(2 * MS);
    assert_eq!(turn(&timers), 1);
    assert_eq!(timers.len(), 1);
    hand.turn(3 * MS);
    assert_eq!((turn(&timers), wakes.take()), (1, 1));
    MEDDLE.set(None);
    drop(entered);
}

#[test]
fn a_waker_that_sets_a_timer_that_is_due_at_once_does_not_hold_up_the_turn() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    let mut nap = sleep(MS);
    let again = Waker::from(Arc::new(Meddler));
    assert_eq!(poll(&mut nap, &again), Poll::Pending);
    // Between the last reading and the present tick: due, but not known to be.
    let soon = now() + MS / 2;
    let mut kept = Vec::new();
    MEDDLE.set(Some(Box::new(move || {
        DEPTH.set(DEPTH.get() + 1);
        assert!(DEPTH.get() < 10, "the turn does not end");
        let mut nap = sleep_until(soon.max(now()) + std::time::Duration::from_nanos(1));
        assert_eq!(poll(&mut nap, &again), Poll::Pending);
        kept.push(nap);
    })));
    hand.turn(1000 * MS);
    // A whole tick ahead of the clock's reading, so that what is set now is due by the wheel.
    let ahead = timers.now() + 2000 * MS;
    assert_eq!(timers.fire(ahead), 1);
    assert_eq!(timers.fire(ahead), 1);
    assert_eq!(DEPTH.get(), 2);
    MEDDLE.set(None);
}

#[test]
fn timers_wake_in_the_order_of_their_deadlines() {
    /// Notes its number when woken.
    struct Note(u32, Arc<std::sync::Mutex<Vec<u32>>>);
    impl Wake for Note {
        fn wake(self: Arc<Self>) {
            self.1.lock().expect("nobody panics").push(self.0);
        }
    }
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    let order = Arc::default();
    let mut naps = Vec::new();
    for n in [900, 3, 70, 64, 5000, 1, 65, 63, 4096] {
        let mut nap = sleep(n * MS);
        let note = Waker::from(Arc::new(Note(n, Arc::clone(&order))));
        assert_eq!(poll(&mut nap, &note), Poll::Pending);
        naps.push(nap);
    }
    hand.turn(10_000 * MS);
    assert_eq!(turn(&timers), 9);
    let order = order.lock().expect("nobody panics");
    assert_eq!(*order, [1, 3, 63, 64, 65, 70, 900, 4096, 5000]);
}

#[test]
fn timers_in_a_row_are_woken_for_once_a_millisecond_and_one_alone_at_once() {
    let (hand, timers) = by_hand();
    let _entered = timers.enter();
    let (wakes, waker) = Wakes::new();
    let start = now();
    // One every tenth of a millisecond, and one long after.
    let mut naps: Vec<_> = (1..=100)
        .map(|n| sleep_until(start + n * MS / 10))
        .collect();
    naps.push(sleep_until(start + 20 * MS + MS / 2));
    for nap in &mut naps {
        assert_eq!(poll(nap, &waker), Poll::Pending);
    }
    let mut rounds = 0;
    while timers.len() > 1 {
        let wait = timers.park_time().expect("timers are pending");
        assert!(wait <= MS, "{wait:?}");
        hand.turn(wait);
        assert!(turn(&timers) > 0, "not woken for nothing");
        rounds += 1;
    }
    assert_eq!(wakes.take(), 100);
    assert!(rounds <= 11, "{rounds} rounds in ten milliseconds");
    let at = timers.next_deadline().expect("one is left");
    assert_eq!(at, start + 20 * MS + MS / 2);
}
