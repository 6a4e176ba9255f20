//! A small bounded pool of threads for what has no opcode: getaddrinfo, directory listings, and blocking code of the user's.
//!
//! Threads are started when work waits and none is idle, up to the bound, and end after ten idle seconds. A panic in a job is caught and told to
//! whoever awaits it; a job whose future is dropped before it began never runs. At the end of the runtime the queue is
//! dropped, the threads are joined within the deadline, and those that are stuck are counted. No unsafe, no ring.

use std::any::Any;
use std::collections::VecDeque;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::driver::{Driver, Phase};
use crate::kernel::Clock;

const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A piece of work, whatever its result is.
pub(crate) trait Job: Send {
    fn run(self: Box<Self>);
}

#[derive(Default)]
struct State {
    queue: VecDeque<Box<dyn Job>>,
    threads: Vec<JoinHandle<()>>,
    live: usize,
    idle: usize,
    closing: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
    ended: Condvar,
}

impl Shared {
    /// Nothing of the user's runs under the lock, so a poisoned lock guards sound data.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module's page.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    /// What its threads are called.
    name: &'static str,
    most: usize,
    /// What each thread does first.
    begin: fn(),
}

impl Pool {
    pub(crate) fn new(name: &'static str, most: usize, begin: fn()) -> Self {
        Self {
            shared: Arc::default(),
            name,
            most,
            begin,
        }
    }

    /// Queues a job, and starts a thread for it if none is idle.
    ///
    /// # Errors
    /// When no thread lives and none can be started: the job is dropped.
    pub(crate) fn push(&self, job: Box<dyn Job>) -> std::io::Result<()> {
        let mut state = self.shared.lock();
        if state.closing {
            return Ok(());
        }
        if self.most == 0 {
            // A kernel that is simulated has one thread, and its order of events is the seed's: the job runs here and now.
            drop(state);
            job.run();
            return Ok(());
        }
        state.queue.push_back(job);
        if state.idle >= state.queue.len() {
            self.shared.work.notify_one();
            return Ok(());
        }
        if state.live < self.most {
            let (shared, begin) = (self.shared.clone(), self.begin);
            let started = std::thread::Builder::new()
                .name(self.name.into())
                .spawn(move || {
                    begin();
                    work(&shared);
                });
            match started {
                Ok(thread) => {
                    state.live += 1;
                    state.threads.retain(|thread| !thread.is_finished());
                    state.threads.push(thread);
                }
                // Another thread will come to it.
                Err(_) if state.live > 0 => {}
                Err(error) => {
                    // The job is code of the user's: it is dropped outside the lock.
                    let refused = state.queue.pop_back();
                    drop(state);
                    drop(refused);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Takes no more work, and answers what has not begun. Dropping a job tells its future: the caller does it, one by one and guarded.
    #[must_use]
    pub(crate) fn close(&self) -> VecDeque<Box<dyn Job>> {
        let queue = {
            let mut state = self.shared.lock();
            state.closing = true;
            std::mem::take(&mut state.queue)
        };
        self.shared.work.notify_all();
        queue
    }

    /// Joins the threads until the deadline; answers how many are left.
    pub(crate) fn join(&self, deadline: Instant, clock: &Clock) -> usize {
        drop(self.close());
        let mut state = self.shared.lock();
        while state.live > 0 {
            let left = deadline.saturating_duration_since(clock.now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.ended.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let left = state.live;
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        for thread in threads {
            // A thread that has counted itself out is at its last instructions; one that has not would block us.
            if left == 0 || thread.is_finished() {
                let _ = thread.join();
            }
        }
        left
    }
}

fn work(shared: &Shared) {
    let mut state = shared.lock();
    loop {
        if let Some(job) = state.queue.pop_front() {
            drop(state);
            // The job catches its own panic; this is for the waker that it wakes. A thread that is gone could not be joined.
            let _ = catch_unwind(AssertUnwindSafe(|| job.run()));
            state = shared.lock();
            continue;
        }
        if state.closing {
            break;
        }
        state.idle += 1;
        let waited = shared.work.wait_timeout(state, KEEP_ALIVE);
        let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        state = after;
        state.idle -= 1;
        if timeout.timed_out() && state.queue.is_empty() {
            break;
        }
    }
    state.live -= 1;
    shared.ended.notify_all();
}

/// Why a blocking job has no result.
pub struct BlockingError {
    /// In a mutex since a payload is `Send` and an error should be `Sync`; it is never contended.
    panic: Option<Mutex<Box<dyn Any + Send>>>,
}

impl BlockingError {
    fn cancelled() -> Self {
        Self { panic: None }
    }

    fn panicked(payload: Box<dyn Any + Send>) -> Self {
        Self {
            panic: Some(Mutex::new(payload)),
        }
    }

    /// Whether the runtime ended before the job began.
    pub fn is_cancelled(&self) -> bool {
        self.panic.is_none()
    }

    /// Whether the job panicked.
    pub fn is_panic(&self) -> bool {
        self.panic.is_some()
    }

    /// The panic's payload, if it was one.
    pub fn into_panic(self) -> Option<Box<dyn Any + Send>> {
        let payload = self.panic?;
        Some(payload.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for BlockingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_panic() {
            "BlockingError::Panic(…)"
        } else {
            "BlockingError::Cancelled"
        })
    }
}

impl fmt::Display for BlockingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_panic() {
            "a blocking job panicked"
        } else {
            "the runtime ended before a blocking job began"
        })
    }
}

impl Error for BlockingError {}

impl From<BlockingError> for std::io::Error {
    fn from(error: BlockingError) -> Self {
        Self::other(error)
    }
}

enum Slot<T> {
    Waiting(Option<Waker>),
    Ready(Result<T, BlockingError>),
    /// Taken, or nobody waits.
    Gone,
}

struct Cell<T> {
    slot: Mutex<Slot<T>>,
}

impl<T> Cell<T> {
    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self, result: Result<T, BlockingError>) {
        let mut slot = self.lock();
        if matches!(*slot, Slot::Gone) {
            drop(slot);
            // The job's result is dropped here, on the pool's thread; a panic of its destructor ends with it.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(result)));
            return;
        }
        let before = std::mem::replace(&mut *slot, Slot::Ready(result));
        drop(slot);
        if let Slot::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }
}

struct Task<F, T> {
    run: Option<F>,
    cell: Arc<Cell<T>>,
}

impl<F: FnOnce() -> T + Send, T: Send> Job for Task<F, T> {
    fn run(mut self: Box<Self>) {
        let Some(run) = self.run.take() else { return };
        if matches!(*self.cell.lock(), Slot::Gone) {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(run)));
            return;
        }
        let result = catch_unwind(AssertUnwindSafe(run));
        self.cell.fill(result.map_err(BlockingError::panicked));
    }
}

impl<F, T> Drop for Task<F, T> {
    fn drop(&mut self) {
        if self.run.is_some() {
            self.cell.fill(Err(BlockingError::cancelled()));
        }
    }
}

/// The result of a job on the pool.
///
/// # Cancellation
/// Dropping it before the job has begun keeps it from running; a job that runs goes on, and its result is dropped.
#[must_use = "dropping this may keep the job from running"]
pub struct Blocking<T> {
    cell: Arc<Cell<T>>,
    /// Why no thread could be started.
    refused: Option<std::io::Error>,
}

/// Runs blocking code on the current driver's pool of threads.
///
/// # Panics
/// Outside a runtime.
pub fn spawn_blocking<F, T>(run: F) -> Blocking<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let driver = Driver::current().expect("spawn_blocking was called outside a sakia runtime");
    let cell = Arc::new(Cell {
        slot: Mutex::new(Slot::Waiting(None)),
    });
    let task = Task {
        run: Some(run),
        cell: cell.clone(),
    };
    // At the end of the runtime the job is dropped, which tells its future: a thread that started now would be nobody's to join.
    let refused = if driver.phase() == Phase::Running {
        driver.pool().push(Box::new(task)).err()
    } else {
        None
    };
    Blocking { cell, refused }
}

impl<T> Future for Blocking<T> {
    type Output = Result<T, BlockingError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(error) = self.refused.take() {
            let panic: Box<dyn Any + Send> = Box::new(error);
            return Poll::Ready(Err(BlockingError::panicked(panic)));
        }
        // A waker's clone and drop may run code of the user's: not under the lock.
        let waker = cx.waker().clone();
        let mut slot = self.cell.lock();
        let before = std::mem::replace(&mut *slot, Slot::Gone);
        if matches!(before, Slot::Waiting(_)) {
            *slot = Slot::Waiting(Some(waker));
        }
        drop(slot);
        match before {
            Slot::Ready(result) => Poll::Ready(result),
            Slot::Waiting(_) => Poll::Pending,
            Slot::Gone => panic!("a blocking job was polled after it had completed"),
        }
    }
}

impl<T> Drop for Blocking<T> {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut *self.cell.lock(), Slot::Gone);
        drop(before);
    }
}

impl<T> fmt::Debug for Blocking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocking").finish_non_exhaustive()
    }
}
