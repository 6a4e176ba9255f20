//! How an idle owner is woken, and the smallest runtime: an executor and `std::thread::park`.
//!
//! For use without a driver, and for tests. No I/O and no timers; those bring their own loop.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, Thread};

use crate::Executor;

/// Wakes the thread that owns an executor.
///
/// It lives as long as the executor's last waker, which may be anywhere; so it must not own what the end of a runtime
/// has to give back, a descriptor for example.
///
/// ```
/// use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
/// use std::sync::Arc;
/// use sakia_executor::{Executor, Unpark};
///
/// struct Count(AtomicUsize);
///
/// impl Unpark for Count {
///     fn unpark(&self) {
///         self.0.fetch_add(1, Relaxed);
///     }
/// }
///
/// let count = Arc::new(Count(AtomicUsize::new(0)));
/// let executor = Executor::new(count.clone());
/// let waker = executor.root_waker();
/// std::thread::spawn(move || waker.wake()).join().unwrap();
/// assert_eq!(count.0.load(Relaxed), 1);
/// ```
pub trait Unpark: Send + Sync + 'static {
    /// Ends the owner's park, or keeps it from parking if it has published that it will and not yet parked.
    ///
    /// Called after each remote wake that queued something, from any thread, after a `SeqCst` fence; it should cost
    /// no system call while the owner is awake. It may still come from a wake that raced with the executor's end, even
    /// shortly after its drop, and must be harmless then. It must not block, and should not panic.
    fn unpark(&self);
}

/// Parks its thread with [`std::thread::park`], and unparks it.
///
/// ```
/// use std::sync::Arc;
/// use sakia_executor::{Executor, ThreadPark};
///
/// let executor = Executor::new(Arc::new(ThreadPark::new()));
/// let waker = executor.root_waker();
/// let other = std::thread::spawn(move || waker.wake());
/// while !executor.has_ready() {
///     std::thread::park();
/// }
/// # other.join().unwrap();
/// ```
#[derive(Debug)]
pub struct ThreadPark {
    thread: Thread,
}

impl ThreadPark {
    /// Makes one for this thread.
    ///
    /// ```
    /// let park = sakia_executor::ThreadPark::new();
    /// # drop(park);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            thread: thread::current(),
        }
    }
}

impl Default for ThreadPark {
    fn default() -> Self {
        Self::new()
    }
}

impl Unpark for ThreadPark {
    fn unpark(&self) {
        // The token of std is the parked state: a system call is made only if the thread sleeps.
        self.thread.unpark();
    }
}

/// Runs futures on this thread without a driver: no I/O, no timers but what other threads wake.
///
/// ```
/// use sakia_executor::{LocalRuntime, spawn};
///
/// let runtime = LocalRuntime::new();
/// let handle = runtime.block_on(async { spawn(async { 1 }) });
/// // Tasks rest between two calls.
/// assert_eq!(runtime.block_on(handle).unwrap(), 1);
/// ```
pub struct LocalRuntime {
    executor: Executor,
    blocking: Cell<bool>,
}

impl LocalRuntime {
    /// Makes a runtime of this thread.
    ///
    /// ```
    /// let runtime = sakia_executor::LocalRuntime::new();
    /// assert_eq!(runtime.block_on(async { 1 }), 1);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            executor: Executor::new(Arc::new(ThreadPark::new())),
            blocking: Cell::new(false),
        }
    }

    /// Gives the executor.
    ///
    /// ```
    /// let runtime = sakia_executor::LocalRuntime::new();
    /// let handle = runtime.executor().spawn(async { 1 });
    /// assert_eq!(runtime.block_on(handle).unwrap(), 1);
    /// ```
    #[must_use]
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Polls `root`, and the tasks beside it, until `root` is ready.
    ///
    /// ```
    /// use sakia_executor::LocalRuntime;
    ///
    /// let (tx, rx) = std::sync::mpsc::channel();
    /// LocalRuntime::new().block_on(async move { tx.send(1) }).unwrap();
    /// assert_eq!(rx.recv(), Ok(1));
    /// ```
    ///
    /// # Panics
    ///
    /// If `root` does, or inside another `block_on` of the same runtime.
    pub fn block_on<F: Future>(&self, root: F) -> F::Output {
        assert!(
            !self.executor.is_running() && !self.blocking.replace(true),
            "block_on inside block_on of the same runtime"
        );
        let _blocking = Blocking(&self.blocking);
        let _entered = self.executor.enter();
        let mut root = pin!(root);
        let waker = self.executor.root_waker();
        let mut cx = Context::from_waker(&waker);
        waker.wake_by_ref();
        loop {
            if self.executor.take_root_wake()
                && let Poll::Ready(output) = root.as_mut().poll(&mut cx)
            {
                return output;
            }
            // The root takes turns with all that is ready: there is nothing else to look at in between.
            self.executor.run(usize::MAX, || {});
            if !self.executor.has_ready() {
                thread::park();
            }
        }
    }
}

/// Ends the blocking, even by a panic.
struct Blocking<'a>(&'a Cell<bool>);

impl Drop for Blocking<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Default for LocalRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LocalRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalRuntime").field(&self.executor).finish()
    }
}

/// Runs `root` and what it spawns on this thread, in a runtime that ends with the call.
///
/// ```
/// use sakia_executor::{block_on, spawn};
///
/// assert_eq!(block_on(async { spawn(async { 6 * 7 }).await.unwrap() }), 42);
/// ```
pub fn block_on<F: Future>(root: F) -> F::Output {
    LocalRuntime::new().block_on(root)
}
