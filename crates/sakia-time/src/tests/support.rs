//! What the tests share: a hand-turned clock, a waker that counts, and a tiny loop on paused time. No tests here.
use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::{Clock, Timers};

pub(super) const MS: Duration = Duration::from_millis(1);

/// A clock that is turned by hand, and counts how often it is read.
pub(super) struct Hand {
    now: Cell<Instant>,
    reads: Cell<usize>,
}

impl Hand {
    pub(super) fn turn(&self, by: Duration) {
        self.now.set(self.now.get() + by);
    }

    pub(super) fn turn_back(&self, by: Duration) {
        self.now.set(self.now.get() - by);
    }

    /// Returns how often the clock was read since this was last asked.
    pub(super) fn reads(&self) -> usize {
        self.reads.take()
    }
}

impl Clock for Hand {
    fn now(&self) -> Instant {
        self.reads.set(self.reads.get() + 1);
        self.now.get()
    }
}

/// Timers on a hand-turned clock.
pub(super) fn by_hand() -> (Rc<Hand>, Timers) {
    let hand = Rc::new(Hand {
        now: Cell::new(Instant::now()),
        reads: Cell::new(0),
    });
    let timers = Timers::with_clock(hand.clone());
    hand.reads();
    (hand, timers)
}

/// Begins a turn and fires what is due.
pub(super) fn turn(timers: &Timers) -> usize {
    timers.begin_turn();
    timers.fire(timers.now())
}

/// Counts the wakes of one task.
#[derive(Default)]
pub(super) struct Wakes(AtomicUsize);

impl Wakes {
    pub(super) fn new() -> (Arc<Self>, Waker) {
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        (wakes, waker)
    }

    /// Returns how often the task was woken since this was last asked.
    pub(super) fn take(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub(super) fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Runs a future on timers that are paused. Time jumps when nothing else is left to do.
pub(super) fn block_on<F: Future>(timers: &Timers, future: F) -> F::Output {
    let _entered = timers.enter();
    let (wakes, waker) = Wakes::new();
    let mut future = pin!(future);
    loop {
        turn(timers);
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        while wakes.take() == 0 && turn(timers) == 0 {
            assert!(timers.auto_advance(), "the future waits for nothing");
        }
    }
}

/// Runs a future on timers that were paused before it began.
pub(super) fn run<F: Future>(future: F) -> F::Output {
    let timers = Timers::new();
    timers.pause();
    block_on(&timers, future)
}

/// Lets everyone else run once.
pub(super) async fn yield_now() {
    let mut has_yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
