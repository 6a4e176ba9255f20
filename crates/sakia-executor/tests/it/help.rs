//! Futures that count their polls and drops, and an executor to put them in. No tests.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use sakia_executor::{Executor, JoinHandle, ThreadPark};

/// An executor of this thread.
pub fn executor() -> Executor {
    Executor::new(Arc::new(ThreadPark::new()))
}

/// Runs until nothing is ready; tells how many polls there were.
pub fn settle(executor: &Executor) -> usize {
    let mut polls = 0;
    while executor.has_ready() {
        polls += executor.run(usize::MAX, || {});
    }
    polls
}

/// A waker that counts.
#[derive(Default)]
pub struct Woken(AtomicUsize);

impl Woken {
    pub fn new() -> (Arc<Self>, Waker) {
        let woken = Arc::new(Self::default());
        (woken.clone(), Waker::from(woken))
    }

    pub fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Wakes by value, by a clone: not the same way as by reference.
pub fn wake_by_value(waker: &Waker) {
    let clone = waker.clone();
    clone.wake();
}

/// Polls a handle once, without interest in a wake.
pub fn peek<T>(handle: &mut JoinHandle<T>) -> Poll<Result<T, sakia_executor::JoinError>> {
    Pin::new(handle).poll(&mut Context::from_waker(Waker::noop()))
}

/// What a `Probe` has seen.
#[derive(Default)]
pub struct Seen {
    pub polls: Cell<usize>,
    pub drops: Cell<usize>,
    pub waker: RefCell<Option<Waker>>,
    /// The probe is ready at its next poll.
    pub open: Cell<bool>,
}

impl Seen {
    pub fn new() -> Rc<Self> {
        Rc::new(Self::default())
    }

    /// Polls and drops.
    pub fn counts(&self) -> (usize, usize) {
        (self.polls.get(), self.drops.get())
    }

    pub fn waker(&self) -> Waker {
        self.waker.borrow().clone().expect("the probe was polled")
    }

    /// A future that pends until `open`, counts, and leaves its waker here.
    pub fn probe(self: &Rc<Self>) -> Probe {
        Probe(self.clone())
    }
}

pub struct Probe(Rc<Seen>);

impl Future for Probe {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let seen = &self.0;
        seen.polls.set(seen.polls.get() + 1);
        *seen.waker.borrow_mut() = Some(cx.waker().clone());
        if seen.open.get() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.drops.set(self.0.drops.get() + 1);
    }
}

/// Runs its closure when dropped.
pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
