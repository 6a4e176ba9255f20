//! The runtime: the driver, the executor and the timers of one thread, and the loop that turns them.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use sakia_driver::{Driver, FdInfo, Park, Shrunk, Unparker};
use sakia_executor::{Executor, Handle, JoinHandle, Unpark};
use sakia_time::{Clock, Timers};

use crate::builder::{OnEvent, OnShutdown};
use crate::embed::Around;
use crate::{Builder, Event, ShutdownReport, shutdown};

/// How many tasks are polled before the ring and the timers get their turn.
const BATCH: usize = 128;

/// Wakes the parked ring on behalf of the executor's wakers.
struct RingUnpark(Arc<Unparker>);

impl Unpark for RingUnpark {
    fn unpark(&self) {
        self.0.unpark();
    }
}

/// The kernel's clock, for the timers.
struct KernelClock(sakia_driver::Clock);

impl Clock for KernelClock {
    fn now(&self) -> Instant {
        self.0.now()
    }
}

thread_local! {
    /// How many runtimes are blocking on this thread right now.
    static BLOCKING: Cell<u32> = const { Cell::new(0) };
}

/// The parts of a runtime, in the order in which its end takes them.
pub(crate) struct Inner {
    pub(crate) executor: Executor,
    pub(crate) timers: Timers,
    pub(crate) driver: Rc<Driver>,
    pub(crate) running: Cell<bool>,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) on_shutdown: RefCell<Option<OnShutdown>>,
    pub(crate) on_event: OnEvent,
}

impl Inner {
    /// Runs `f` with the parts of this runtime as the current ones of the thread.
    pub(crate) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        self.driver.within(|| {
            let _executor = self.executor.enter();
            let _timers = self.timers.enter();
            f()
        })
    }

    /// One lap: timers, tasks, then the ring, which parks if nothing else is to be done.
    fn lap(&self) {
        self.run();
        let turned = self.driver.turn(self.park(), || self.executor.has_ready());
        if let Err(error) = turned {
            panic!("the ring of this sakia runtime is dead: {error}");
        }
    }

    /// Fires the timers that are due, and polls the tasks that are ready.
    pub(crate) fn run(&self) {
        self.timers.begin_turn();
        if !self.timers.is_empty() {
            self.timers.fire(self.timers.now());
        }
        self.executor.run(BATCH, || self.driver.refill());
    }

    pub(crate) fn park(&self) -> Park {
        // What other threads have woken is looked for once more, behind a fence, when this one is announced as parked.
        if self.executor.has_ready_here() {
            return Park::No;
        }
        if self.advances_by_itself() {
            return Park::No;
        }
        match self.timers.park_time() {
            None => Park::Forever,
            Some(time) if time.is_zero() => Park::No,
            Some(time) => Park::For(time),
        }
    }

    /// Paused time jumps when nothing else is left to wait for.
    #[cfg(feature = "test-util")]
    fn advances_by_itself(&self) -> bool {
        self.timers.is_paused()
            && self.driver.in_flight() == 0
            && !self.executor.has_ready()
            && self.timers.auto_advance()
    }

    #[cfg(not(feature = "test-util"))]
    fn advances_by_itself(&self) -> bool {
        false
    }
}

/// A runtime for the thread that builds it.
///
/// [`block_on`](Self::block_on) runs a future and, beside it, the tasks that it spawns; between two calls tasks rest. Dropping the runtime ends
/// it as [`shutdown`](Self::shutdown) does, within the builder's `shutdown_timeout`: it says nothing when clean, and one line when not.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let runtime = sakia::Runtime::new()?;
/// let answer = runtime.block_on(async { sakia::spawn(async { 42 }).await.unwrap() });
/// assert_eq!(answer, 42);
///
/// let report = runtime.shutdown(std::time::Duration::from_secs(1));
/// assert!(report.is_clean(), "{report}");
/// # Ok(())
/// # }
/// ```
pub struct Runtime {
    /// Taken by the end.
    inner: Option<Rc<Inner>>,
    /// What a foreign loop polls, once one asked.
    pub(crate) wake_fd: OnceCell<Rc<OwnedFd>>,
}

impl Runtime {
    /// Builds a runtime with the default options.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// The options of a runtime.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn build(builder: Builder) -> io::Result<Self> {
        #[cfg(feature = "tracing")]
        let builder = crate::trace::attach(builder);
        let driver = Driver::new(&builder.driver)?;
        let executor = Executor::new(Arc::new(RingUnpark(driver.unparker())));
        #[cfg(feature = "tracing")]
        crate::trace::watch(&executor);
        if let Some(hook) = builder.on_task_panic {
            executor.set_panic_hook(hook);
        }
        let timers = Timers::with_clock(Rc::new(KernelClock(driver.clock().clone())));
        #[cfg(feature = "test-util")]
        if builder.start_paused {
            timers.pause();
        }
        let inner = Inner {
            executor,
            timers,
            driver,
            running: Cell::new(false),
            shutdown_timeout: builder.shutdown_timeout,
            on_shutdown: RefCell::new(builder.on_shutdown),
            on_event: builder.on_event,
        };
        let inner = Rc::new(inner);
        let around = Around(Rc::downgrade(&inner));
        inner.executor.set_surroundings(Rc::new(around));
        let runtime = Self {
            inner: Some(inner),
            wake_fd: OnceCell::new(),
        };
        runtime.tell_what_is_less();
        Ok(runtime)
    }

    /// Tells what the kernel has not given as it was asked for.
    fn tell_what_is_less(&self) {
        let inner = self.inner();
        if let Some(reason) = inner.driver.fallback_reason() {
            (inner.on_event)(&Event::FallbackKernel { reason });
        }
        if let Some(Shrunk { asked, got, .. }) = inner.driver.shrunk() {
            (inner.on_event)(&Event::RingShrunk { asked, got });
        }
    }

    pub(crate) fn inner(&self) -> &Rc<Inner> {
        self.inner.as_ref().expect("only the end takes it")
    }

    /// Runs a future to its end on this thread, and the runtime's tasks beside it.
    ///
    /// # Panics
    /// Inside another `block_on` of this thread: that one would stand still. When the future panics, the panic comes through and
    /// the runtime can be used again. When the ring is dead (the kernel has lost a completion).
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let inner = self.inner().clone();
        let _blocking = Blocking::begin(&inner);
        inner.within(|| {
            let mut future = pin!(future);
            let waker = inner.executor.root_waker();
            let mut cx = Context::from_waker(&waker);
            let mut woken = true;
            loop {
                if woken {
                    inner.driver.refill();
                    if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                        return output;
                    }
                }
                inner.lap();
                woken = inner.executor.take_root_wake();
            }
        })
    }

    /// Spawns a task, which runs during [`block_on`](Self::block_on).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let handle = self.inner().executor.spawn(future);
        self.inner().driver.stir();
        handle
    }

    /// Gives a handle for other threads: they spawn tasks by it, and ask the runtime to shut down.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = sakia::Runtime::new()?;
    /// let handle = runtime.handle();
    /// let other = std::thread::spawn(move || {
    ///     let task = handle.spawn_with(|| async {
    ///         let file = sakia::fs::File::open("/dev/null").await?;
    ///         file.close().await
    ///     });
    ///     handle.request_shutdown();
    ///     task
    /// });
    /// runtime.block_on(runtime.handle().shutdown_requested());
    /// let task = other.join().unwrap();
    /// runtime.block_on(task).unwrap()
    /// # }
    /// ```
    pub fn handle(&self) -> Handle {
        self.inner().executor.handle()
    }

    /// Lists every descriptor that this runtime owns.
    pub fn fds(&self) -> Vec<FdInfo> {
        self.inner().driver.fds()
    }

    /// The simulated kernel that it runs on, if it does.
    #[cfg(feature = "sim")]
    pub(crate) fn simulation(&self) -> Option<sakia_driver::Simulation> {
        self.inner().driver.simulation()
    }

    /// Ends the runtime: drops its tasks, cancels and reaps what is in flight, waits for pending closes, closes the ring.
    ///
    /// It returns by the deadline `within` from now, whatever is stuck; what has not ended by then is set aside and named in the report. When the report
    /// is clean, ports are free to bind, peers have seen the end of their streams, and no thread or descriptor of the runtime is left.
    ///
    /// # Panics
    /// Inside the runtime's own `block_on`.
    #[track_caller]
    pub fn shutdown(mut self, within: Duration) -> ShutdownReport {
        assert!(
            !self.inner().running.get(),
            "a sakia runtime cannot be shut down inside its own block_on"
        );
        let inner = self.inner.take().expect("only the end takes it");
        shutdown::run(&inner, within)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else {
            return;
        };
        if inner.running.get() {
            // We are below our own block_on (process::exit in a task, say): its frames still use all of this. Leaking is
            // the one sound answer.
            std::mem::forget(inner);
            return;
        }
        shutdown::on_drop(&inner);
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

/// Marks a runtime, and its thread, as inside a `block_on`.
pub(crate) struct Blocking<'a> {
    inner: &'a Inner,
}

impl<'a> Blocking<'a> {
    #[track_caller]
    pub(crate) fn begin(inner: &'a Inner) -> Self {
        let outer = BLOCKING
            .try_with(|blocking| blocking.replace(blocking.get() + 1))
            .unwrap_or(0);
        let guard = Self { inner };
        if outer > 0 {
            let _ = BLOCKING.try_with(|blocking| blocking.set(outer));
            std::mem::forget(guard);
            panic!(
                "block_on was called inside a sakia runtime: the task that is running would stand still; await the future, or spawn it, instead"
            );
        }
        inner.running.set(true);
        guard
    }
}

impl Drop for Blocking<'_> {
    fn drop(&mut self) {
        self.inner.running.set(false);
        let _ = BLOCKING.try_with(|blocking| blocking.set(blocking.get() - 1));
    }
}

/// Lists every descriptor that the current runtime owns: kind, number, what it is doing, how long.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// sakia::Runtime::new()?.block_on(async {
///     let _file = sakia::fs::File::open("/dev/null").await?;
///     assert!(sakia::fds().iter().any(|fd| fd.kind == sakia::Kind::File));
///     Ok(())
/// })
/// # }
/// ```
///
/// # Panics
/// Outside a runtime.
#[track_caller]
pub fn fds() -> Vec<FdInfo> {
    Driver::current()
        .expect("fds() was called outside a sakia runtime")
        .fds()
}
