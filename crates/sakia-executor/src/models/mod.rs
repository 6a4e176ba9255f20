//! Models of everything that other threads do to an executor: `cargo xtask loom` runs them in every interleaving, and
//! with every value that a load may see, within the bound on preemptions that each one names (`None`: all there are).
//!
//! What a model finds by itself: a race on the slot, the join waker, the owner's fields or a queue; a use of memory that
//! was freed, or whose freeing nothing orders after it; an owner that sleeps over a wake. What leaks keeps the executor's
//! memory, and so is seen at the end of [`Owner`].

mod bounds;
mod ends;
mod joins;
mod newborns;
mod wakes;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::panic;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{self, AtomicUsize};
use std::sync::{Arc, Once};
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Notify;
use loom::sync::atomic::AtomicBool;
use loom::thread::{self, Thread, ThreadId};

use crate::{Executor, Unpark};

std::thread_local! {
    /// A panic was thrown in the model that this thread runs, be it that the executor caught it.
    static PANICKED: Cell<bool> = const { Cell::new(false) };
    /// The wakers that were made in this run of the model, each with two references of our own: one drop too many is seen.
    static SLEEPERS: RefCell<Vec<[Arc<Sleeper>; 2]>> = const { RefCell::new(Vec::new()) };
}

/// Runs `run` in every way that needs no more preemptions than `bound`, or than `LOOM_MAX_PREEMPTIONS` if that is more.
fn model(bound: Option<usize>, run: impl Fn() + Send + Sync + 'static) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICKED.set(true);
            before(info);
        }));
    });
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound.map(|bound| bound.max(builder.preemption_bound.unwrap_or(0)));
    builder.check(move || {
        run();
        assert!(!PANICKED.get(), "a panic was caught on its way out");
        for [sleeper, _other] in SLEEPERS.take() {
            assert_eq!(
                Arc::strong_count(&sleeper),
                2,
                "a waker leaked, or was dropped twice"
            );
        }
    });
}

/// What a driver does when the executor has nothing to do.
///
/// The flag orders nothing, so that a wake arrives by the executor's own fences or not at all.
struct Park {
    parked: AtomicBool,
    bell: Notify,
}

impl Unpark for Park {
    fn unpark(&self) {
        if self.parked.load(Relaxed) {
            self.bell.notify();
        }
    }
}

/// An executor on the thread that made it.
struct Owner {
    executor: Executor,
    park: Arc<Park>,
}

impl Owner {
    fn new() -> Self {
        let park = Arc::new(Park {
            parked: AtomicBool::new(false),
            bell: Notify::new(),
        });
        Self {
            executor: Executor::new(park.clone()),
            park,
        }
    }

    /// Runs and sleeps until `done`.
    fn run_until(&self, done: impl Fn() -> bool) {
        loop {
            self.executor.run(usize::MAX, || {});
            if done() {
                return;
            }
            self.park.parked.store(true, Relaxed);
            if !self.executor.has_ready() {
                self.park.bell.wait();
            }
            self.park.parked.store(false, Relaxed);
        }
    }

    /// Drops the executor; gives what tells whether its memory is gone.
    fn end(self) -> Ended {
        drop(self.executor);
        Ended(self.park)
    }
}

/// An executor that has ended; threads may still hold wakers and handles.
#[must_use]
struct Ended(Arc<Park>);

impl Ended {
    /// All threads have been joined: no task and no executor is left.
    fn leaves_nothing(self) {
        assert_eq!(Arc::strong_count(&self.0), 1, "memory leaked");
    }
}

/// Counts its drops, and remembers where they were. Its atomics are std's: they are the witness, not the model.
#[derive(Clone)]
struct Watch(Arc<Watched>);

struct Watched {
    home: ThreadId,
    drops: AtomicUsize,
    strayed: atomic::AtomicBool,
}

impl Watch {
    /// Watches from this thread, the owner's.
    fn new() -> Self {
        Self(Arc::new(Watched {
            home: thread::current().id(),
            drops: AtomicUsize::new(0),
            strayed: atomic::AtomicBool::new(false),
        }))
    }

    /// Something that is dropped once, somewhere.
    fn thing(&self) -> Thing {
        Thing(self.0.clone())
    }

    fn drops(&self) -> usize {
        self.0.drops.load(Relaxed)
    }

    fn was_dropped_once(&self) {
        assert_eq!(self.drops(), 1);
    }

    fn was_dropped_once_at_home(&self) {
        self.was_dropped_once();
        assert!(!self.0.strayed.load(Relaxed), "dropped on another thread");
    }
}

struct Thing(Arc<Watched>);

impl Drop for Thing {
    fn drop(&mut self) {
        self.0.drops.fetch_add(1, Relaxed);
        if thread::current().id() != self.0.home {
            self.0.strayed.store(true, Relaxed);
        }
    }
}

/// Wakes a thread that [`block_on`] has put to sleep.
struct Sleeper(Thread);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A waker of this thread, unlike all others.
fn sleeper() -> Waker {
    let sleeper = Arc::new(Sleeper(thread::current()));
    SLEEPERS.with_borrow_mut(|all| all.push([sleeper.clone(), sleeper.clone()]));
    sleeper.into()
}

/// Waits for `future` on this thread, with a fresh waker at each poll.
fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    loop {
        let waker = sleeper();
        let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
        if let Poll::Ready(output) = polled {
            return output;
        }
        thread::park();
    }
}
