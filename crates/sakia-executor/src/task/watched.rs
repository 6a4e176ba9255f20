//! A task that somebody looks on at (feature `watch`): its future in a wrapper that calls the watch around each poll and around the drop.
//!
//! Without the feature the wrapper is not there: a task is its future and nothing else. What is done with what is seen is not ours.

use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::remote::Home;
use crate::{Executor, TaskId};

/// Looks on at one task, from its first poll to the drop of its future; then it is dropped.
///
/// It is `Send` because a task that is not polled yet may be.
pub trait Watch: Send {
    /// Calls `code`, a poll of the task or the drop of its future, once.
    fn around(&self, code: &mut dyn FnMut());
}

/// Decides at a task's first poll who looks on; `None` is nobody. It is told the task, and with the feature `track-origin` where it was spawned.
pub type Watcher = dyn Fn(TaskId, Option<&'static Location<'static>>) -> Option<Box<dyn Watch>>;

impl Executor {
    /// Sets who looks on at the tasks that are first polled from now on.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use std::sync::{Arc, atomic::{AtomicU32, Ordering::Relaxed}};
    /// use sakia_executor::{Executor, ThreadPark, Watch, yield_now};
    ///
    /// struct Count(Arc<AtomicU32>);
    ///
    /// impl Watch for Count {
    ///     fn around(&self, code: &mut dyn FnMut()) {
    ///         self.0.fetch_add(1, Relaxed);
    ///         code();
    ///     }
    /// }
    ///
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// let seen = Arc::new(AtomicU32::new(0));
    /// let sink = seen.clone();
    /// executor.set_watcher(Box::new(move |_, _| Some(Box::new(Count(sink.clone())))));
    /// executor.spawn(yield_now());
    /// while executor.has_ready() {
    ///     executor.run(8, || {});
    /// }
    /// assert_eq!(seen.load(Relaxed), 3, "two polls and a drop");
    /// ```
    pub fn set_watcher(&self, watcher: Box<Watcher>) {
        let _old = self.home().watcher.replace(Some(Rc::from(watcher)));
    }
}

enum Seen {
    /// Not polled yet, by nobody's eyes.
    Unasked(Option<&'static Location<'static>>),
    By(Option<Box<dyn Watch>>),
}

/// The future of a task, and who looks on.
pub(crate) struct Watched<F> {
    future: ManuallyDrop<F>,
    seen: Seen,
}

/// Wraps the future of a new task.
#[cfg_attr(feature = "track-origin", track_caller)]
pub(crate) fn watched<F: Future>(future: F) -> Watched<F> {
    watched_from(origin(), future)
}

/// The same where the caller is not who spawns.
pub(crate) fn watched_from<F: Future>(
    origin: Option<&'static Location<'static>>,
    future: F,
) -> Watched<F> {
    Watched {
        future: ManuallyDrop::new(future),
        seen: Seen::Unasked(origin),
    }
}

/// Where a task is being spawned.
#[cfg_attr(feature = "track-origin", track_caller)]
pub(crate) fn origin() -> Option<&'static Location<'static>> {
    cfg!(feature = "track-origin").then_some(Location::caller())
}

/// Asks the executor that polls now.
fn ask(origin: Option<&'static Location<'static>>) -> Option<Box<dyn Watch>> {
    let home = Home::current()?;
    let watcher = home.watcher.borrow().clone()?;
    watcher(home.task.get()?, origin)
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `future` is pinned with self: below it is only pinned again, and `drop` drops it in place. `seen` is not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        if let Seen::Unasked(origin) = this.seen {
            this.seen = Seen::By(ask(origin));
        }
        // SAFETY: as above. The value is there: only `drop` takes it.
        let mut future = unsafe { Pin::new_unchecked(&mut *this.future) };
        let Seen::By(Some(watch)) = &this.seen else {
            return future.poll(cx);
        };
        let mut polled = None;
        watch.around(&mut || polled = Some(future.as_mut().poll(cx)));
        polled.expect("a watch calls the code that it is around")
    }
}

/// A future that is dropped in place when it is asked to go, or else with this.
struct Going<'a, F>(Option<&'a mut ManuallyDrop<F>>);

impl<F> Going<'_, F> {
    fn go(&mut self) {
        if let Some(future) = self.0.take() {
            // SAFETY: `Watched::drop` alone makes one, once, of a value that is there; it is taken out of the option first, so this happens
            // once even if it unwinds.
            unsafe { ManuallyDrop::drop(future) };
        }
    }
}

impl<F> Drop for Going<'_, F> {
    fn drop(&mut self) {
        self.go();
    }
}

impl<F> Drop for Watched<F> {
    fn drop(&mut self) {
        let mut going = Going(Some(&mut self.future));
        if let Seen::By(Some(watch)) = &self.seen {
            // Should it panic before it calls, the future is dropped all the same.
            watch.around(&mut || going.go());
        }
    }
}
