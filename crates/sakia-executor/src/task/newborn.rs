//! A task that is made on another thread than its owner's: how it is born, adopted, or refused.
//!
//! It is born in the remote queue (`REMOTE` is set), with all its references in the atomic half of the count and `DONE` in
//! the owner's flags, which says that the other half is not used. The loop adopts it when it takes it out of the
//! queue: `DONE` is cleared, and from then on it is a task like any other. If the executor ends first, whoever pops it refuses
//! it: the future, which nobody has polled and which may be dropped on any thread, goes at once. Before the adoption nobody
//! but the popping side touches the slot, and nobody who pops late touches the owner's fields.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::TaskId;
use super::guard::guarded;
use super::outcome::Joiner;
use super::raw::{Birth, TaskRef};
use super::state::{Word, own};
use crate::local::Local;
use crate::remote::CoreRef;

/// Makes a task of `future` for the executor of `core`: the reference for the remote queue, and the one that joins.
#[cfg_attr(feature = "track-origin", track_caller)]
pub(crate) fn new_elsewhere<F>(future: F, core: CoreRef) -> (TaskRef, Joiner<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let birth = Birth {
        word: Word::newborn(),
        id: TaskId::of_newborn(),
        refs: 0,
        flags: own::QUEUED | own::DONE,
    };
    let task = TaskRef::write(future, core, birth, None);
    // SAFETY: `newborn` counts two references, and these are they.
    let (queued, joining) = unsafe { (TaskRef::from_ptr(task), TaskRef::from_ptr(task)) };
    (queued, Joiner::new(joining))
}

/// The same for a future that need not be `Send`: it is made by `make`, at home.
#[cfg_attr(feature = "track-origin", track_caller)]
pub(crate) fn new_elsewhere_by<C, F>(make: C, core: CoreRef) -> (TaskRef, Joiner<F::Output>)
where
    C: FnOnce() -> F + Send + 'static,
    F: Future + 'static,
    F::Output: Send + 'static,
{
    new_elsewhere(Lazy::Make(make), core)
}

/// A future that is made at its first poll.
enum Lazy<C, F> {
    Make(C),
    Made(Pin<Box<F>>),
    /// `make` has panicked.
    Gone,
}

// SAFETY: this file makes a Lazy in one place, as `Make`, and moves it into a task at once. It is polled by the loop alone, on the
// owner's thread, and only there a task is dropped that was polled; a task that was not is `Make` still, and C is Send.
unsafe impl<C: Send, F> Send for Lazy<C, F> {}

// Neither part is ever pinned in here: the future has a box.
impl<C, F> Unpin for Lazy<C, F> {}

impl<C: FnOnce() -> F, F: Future> Future for Lazy<C, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if let Self::Make(_) = *self
            && let Self::Make(make) = std::mem::replace(&mut *self, Self::Gone)
        {
            *self = Self::Made(Box::pin(make()));
        }
        match &mut *self {
            Self::Made(future) => future.as_mut().poll(cx),
            Self::Make(_) | Self::Gone => unreachable!("a task that has panicked is not polled"),
        }
    }
}

impl TaskRef {
    /// Makes a newborn a task of the loop's; false if it was one already.
    pub(crate) fn adopt(&self, local: &Local) -> bool {
        let own = self.own(local);
        let newborn = own.has(own::DONE) && !own.has(own::ENDING);
        if newborn {
            own.clear(own::DONE);
        }
        newborn
    }

    /// Drops what a pop after the end has found; tells how many destructors panicked.
    ///
    /// # Safety
    /// The caller is the popping side, took self out of the remote queue, and the executor has ended, or never saw it.
    pub(crate) unsafe fn refuse(self) -> u32 {
        if self.is_complete() {
            return 0;
        }
        let header = self.header();
        // SAFETY: all tasks that the loop had are complete when it ends, so this one was never adopted: the future is in the slot
        // as `new_elsewhere` wrote it, sendable, and nobody but the popping side, the caller, touches it.
        let panics = guarded(|| unsafe { (self.vtable().drop_future)(self.as_ptr()) });
        let before = header.word.complete(0, 0);
        panics + self.wake_joiner(before)
    }
}
