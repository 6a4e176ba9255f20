//! `Handle`: a runtime as other threads see it.
//!
//! It keeps no runtime alive: only the little memory that wakes go through.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::executor::spawn_in;
use crate::remote::{CoreRef, Home};
use crate::request::{Request, ShutdownRequested};
use crate::sync::Thread;
use crate::task::newborn::{new_elsewhere, new_elsewhere_by};
use crate::{Executor, JoinHandle};

/// Reaches a runtime from any thread: spawns tasks on it, asks it to shut down.
///
/// `Send`, `Sync` and cheap to clone. It keeps no runtime alive. When the runtime has ended, or is ending, a spawn gives a handle that resolves to
/// cancelled, and a request to shut down does nothing.
///
/// ```
/// use sakia_executor::{Handle, block_on};
///
/// let (sum, handle) = block_on(async {
///     let handle = Handle::current();
///     let there = handle.clone();
///     let other = std::thread::spawn(move || there.spawn(async { 1 + 1 }));
///     (other.join().unwrap().await.unwrap(), handle)
/// });
/// assert_eq!(sum, 2);
/// assert!(handle.is_closed());
/// assert!(block_on(handle.spawn(async {})).unwrap_err().is_cancelled());
/// ```
#[derive(Clone)]
pub struct Handle {
    core: CoreRef,
}

impl Executor {
    /// Gives a handle for other threads.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use sakia_executor::{Executor, ThreadPark};
    ///
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// let handle = executor.handle();
    /// let task = std::thread::spawn(move || handle.spawn(async { 7 })).join().unwrap();
    /// executor.run(8, || {});
    /// assert!(task.is_finished());
    /// ```
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            core: self.home().anchor(),
        }
    }
}

impl Handle {
    /// Gives the handle of the runtime that this thread is inside.
    ///
    /// ```
    /// use sakia_executor::{Handle, block_on};
    ///
    /// assert!(!block_on(async { Handle::current().is_closed() }));
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a runtime: see [`try_current`](Self::try_current).
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        match Self::try_current() {
            Some(handle) => handle,
            None => panic!("there is no runtime on this thread to give a handle of"),
        }
    }

    /// Gives the handle of the runtime that this thread is inside, if there is one.
    ///
    /// ```
    /// assert!(sakia_executor::Handle::try_current().is_none());
    /// ```
    #[must_use]
    pub fn try_current() -> Option<Self> {
        let core = Home::current()?.anchor();
        Some(Self { core })
    }

    /// Spawns a task on the runtime, from any thread.
    ///
    /// The runtime's thread is woken with at most one system call, and with none if it is not parked. Tasks that one thread spawns begin in
    /// that order. On the runtime's own thread it is [`spawn`](crate::spawn).
    ///
    /// ```
    /// use sakia_executor::{Handle, block_on};
    ///
    /// block_on(async {
    ///     let handle = Handle::current();
    ///     let task = std::thread::spawn(move || handle.spawn(async { 7 })).join().unwrap();
    ///     assert_eq!(task.await.unwrap(), 7);
    /// });
    /// ```
    ///
    /// # Cancellation
    ///
    /// If the runtime has ended, or is shutting down, the future is dropped unpolled, by this call or by the end, and the
    /// `JoinHandle` resolves to cancelled.
    #[cfg_attr(feature = "track-origin", track_caller)]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if let Some(home) = self.core.home() {
            return spawn_in(&home, future);
        }
        #[cfg(feature = "watch")]
        let future = crate::task::watched::watched(future);
        let (task, joiner) = new_elsewhere(future, self.core.clone());
        CoreRef::send(task);
        JoinHandle::new(joiner)
    }

    /// Spawns the task that `make` makes on the runtime's thread: only `make` need be `Send`, and the future may hold what never
    /// leaves the thread.
    ///
    /// ```
    /// use std::rc::Rc;
    /// use sakia_executor::{Handle, block_on};
    ///
    /// block_on(async {
    ///     let handle = Handle::current();
    ///     let elsewhere = std::thread::spawn(move || {
    ///         handle.spawn_with(|| async {
    ///             let local = Rc::new(7);
    ///             sakia_executor::yield_now().await;
    ///             *local
    ///         })
    ///     });
    ///     assert_eq!(elsewhere.join().unwrap().await.unwrap(), 7);
    /// });
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`spawn`](Self::spawn); `make` is dropped uncalled then.
    #[cfg_attr(feature = "track-origin", track_caller)]
    pub fn spawn_with<C, F>(&self, make: C) -> JoinHandle<F::Output>
    where
        C: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        #[cfg(feature = "watch")]
        let make = {
            use crate::task::watched::{origin, watched_from};
            let origin = origin();
            move || watched_from(origin, make())
        };
        let (task, joiner) = new_elsewhere_by(make, self.core.clone());
        CoreRef::send(task);
        JoinHandle::new(joiner)
    }

    /// Asks the runtime to shut down, from any thread: wakes everybody who awaits [`shutdown_requested`](Self::shutdown_requested).
    ///
    /// It is a request. What comes of it is up to the one who owns the runtime: the future that it blocks on awaits the request, ends what
    /// is to be ended in an orderly way, and returns. Once made it stays made; to make it again, or after the end, does nothing.
    ///
    /// ```
    /// use sakia_executor::{Handle, block_on};
    ///
    /// block_on(async {
    ///     let handle = Handle::current();
    ///     let there = handle.clone();
    ///     std::thread::spawn(move || there.request_shutdown());
    ///     handle.shutdown_requested().await;
    /// });
    /// ```
    pub fn request_shutdown(&self) {
        self.request().make();
    }

    /// Tells whether the runtime was asked to shut down, or has ended.
    ///
    /// ```
    /// let handle = sakia_executor::block_on(async { sakia_executor::Handle::current() });
    /// assert!(handle.is_shutdown_requested());
    /// ```
    #[must_use]
    pub fn is_shutdown_requested(&self) -> bool {
        self.request().is_made()
    }

    /// Waits until the runtime is asked to shut down, or ends. It may be awaited on any thread.
    ///
    /// ```
    /// use sakia_executor::{Handle, block_on};
    ///
    /// let handle = block_on(async { Handle::current() });
    /// block_on(handle.shutdown_requested());
    /// ```
    pub fn shutdown_requested(&self) -> ShutdownRequested {
        ShutdownRequested::new(self.clone())
    }

    /// Tells whether the runtime refuses new tasks: it is shutting down, or has ended.
    ///
    /// ```
    /// let handle = sakia_executor::block_on(async { sakia_executor::Handle::current() });
    /// assert!(handle.is_closed());
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.core.is_closed()
    }

    /// The runtime's thread.
    ///
    /// ```
    /// use sakia_executor::{Handle, block_on};
    ///
    /// let here = std::thread::current().id();
    /// assert_eq!(block_on(async { Handle::current().thread().id() }), here);
    /// ```
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.core.thread()
    }

    pub(crate) fn request(&self) -> &Request {
        self.core.request()
    }
}

// What it reaches is made for every thread, and keeps its own order through a panic.
impl UnwindSafe for Handle {}
impl RefUnwindSafe for Handle {}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("thread", &self.thread().id())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
