//! The clock of a turn, and sleeps on the wheel. A thread has one wheel.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::wheel::{Id, Wheel};

thread_local! {
    /// Never dropped: what it holds are wakers, whose drop may free sleeps, which look for it.
    static WHEEL: ManuallyDrop<RefCell<Wheel>> = ManuallyDrop::new(RefCell::new(Wheel::new()));
    /// When the turn began.
    static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Reads the clock.
pub fn refresh() -> Instant {
    let now = Instant::now();
    NOW.set(Some(now));
    now
}

/// When is there something to do?
#[inline]
pub fn next() -> Option<Instant> {
    WHEEL.with(|wheel| {
        let wheel = wheel.borrow();
        Some(wheel.start() + Duration::from_millis(wheel.next()?))
    })
}

/// Reads the clock, and wakes what is due.
pub fn fire() {
    let now = refresh();
    WHEEL.with(|wheel| {
        let mut wheel = wheel.borrow_mut();
        let tick = (now - wheel.start()).as_millis() as u64;
        wheel.advance(tick);
    });
}

/// A sleep, exact to the millisecond and never short.
pub fn sleep(time: Duration) -> Sleep {
    Sleep::new(Instant::now() + time, 0)
}

/// A limit by the clock of the turn, which may be late by what the turn has taken: so it ends a tick later.
pub fn limit(time: Duration) -> Sleep {
    let now = NOW.get().expect("the executor runs");
    Sleep::new(now + time, 1)
}

pub struct Sleep {
    tick: u64,
    id: Option<Id>,
}

impl Sleep {
    #[inline]
    fn new(deadline: Instant, late: u64) -> Self {
        let start = WHEEL.with(|wheel| wheel.borrow().start());
        let since = (deadline - start).as_nanos() as u64;
        Self {
            tick: since.div_ceil(1_000_000) + late,
            id: None,
        }
    }
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        WHEEL.with(|wheel| {
            let mut wheel = wheel.borrow_mut();
            match self.id {
                Some(id) => wheel.poll(id, cx.waker()),
                None if self.tick <= wheel.now() => Poll::Ready(()),
                None => {
                    self.id = Some(wheel.insert(self.tick, cx.waker().clone()));
                    Poll::Pending
                }
            }
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // The waker may be the last that holds a task; it is dropped when the wheel is free again.
            drop(WHEEL.with(|wheel| wheel.borrow_mut().remove(id)));
        }
    }
}
