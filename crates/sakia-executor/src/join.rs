//! The handles of a task: the one that waits for its outcome, and the one that can only abort it.
//!
//! How the outcome crosses from the loop to the handle is in `task/outcome.rs`.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::task::outcome::{Joiner, Outcome};
use crate::task::raw::TaskRef;
use crate::{JoinError, TaskId};

/// Waits for the output of a task.
///
/// It is `Send` if the output is, though the task is not: it may be awaited on any thread, by any executor.
///
/// # Cancellation
///
/// Dropping it detaches the task, which goes on. [`abort`](Self::abort) ends the task.
///
/// ```
/// use sakia_executor::{block_on, spawn};
///
/// let handle = block_on(async { spawn(async { 7 }) });
/// // The runtime has ended, and so the task was dropped before it ran.
/// assert!(block_on(handle).unwrap_err().is_cancelled());
/// ```
pub struct JoinHandle<T> {
    joiner: Joiner<T>,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new(joiner: Joiner<T>) -> Self {
        Self { joiner }
    }

    /// Asks that the task be dropped, from any thread. It only marks and queues the task: the executor's loop drops
    /// the future. A task that is ready at its next poll already, or was, keeps its output.
    ///
    /// ```
    /// use sakia_executor::{block_on, spawn};
    ///
    /// block_on(async {
    ///     let handle = spawn(std::future::pending::<()>());
    ///     handle.abort();
    ///     assert!(!handle.is_finished());
    ///     assert!(handle.await.unwrap_err().is_cancelled());
    /// });
    /// ```
    pub fn abort(&self) {
        self.joiner.task().abort();
    }

    /// Gives a handle that can abort the task and nothing else.
    ///
    /// ```
    /// use sakia_executor::{block_on, spawn};
    ///
    /// block_on(async {
    ///     let handle = spawn(std::future::pending::<()>());
    ///     let abort = handle.abort_handle();
    ///     std::thread::spawn(move || abort.abort()).join().unwrap();
    ///     assert!(handle.await.unwrap_err().is_cancelled());
    /// });
    /// ```
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle {
            task: TaskRef::clone(&self.joiner.task()),
        }
    }

    /// Tells whether the task has ended: its future is gone, and awaiting the handle does not wait.
    ///
    /// ```
    /// use sakia_executor::{block_on, spawn, yield_now};
    ///
    /// block_on(async {
    ///     let handle = spawn(async {});
    ///     yield_now().await;
    ///     assert!(handle.is_finished());
    /// });
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.joiner.task().is_complete()
    }

    /// Tells the task's id.
    ///
    /// ```
    /// use sakia_executor::{block_on, current_task_id, spawn};
    ///
    /// block_on(async {
    ///     let handle = spawn(async { current_task_id().unwrap() });
    ///     let id = handle.id();
    ///     assert_eq!(handle.await.unwrap(), id);
    /// });
    /// ```
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.joiner.task().id()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// If it is polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.joiner.poll(cx.waker()).map(|outcome| match outcome {
            Outcome::Value(value) => Ok(value),
            Outcome::Panic(payload) => Err(JoinError::panic(&self.joiner.task(), payload)),
            Outcome::Cancelled => Err(JoinError::cancelled(&self.joiner.task())),
        })
    }
}

// The output is never pinned, and no reference to it is ever given out.
impl<T> Unpin for JoinHandle<T> {}
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}

/// Aborts a task, and leaves its outcome to the [`JoinHandle`].
///
/// `Send` and `Sync` whatever the task is.
///
/// ```
/// use sakia_executor::{block_on, spawn};
///
/// block_on(async {
///     let handle = spawn(std::future::pending::<()>());
///     handle.abort_handle().abort();
///     assert!(handle.await.is_err());
/// });
/// ```
#[derive(Clone)]
pub struct AbortHandle {
    task: TaskRef,
}

impl AbortHandle {
    /// Asks that the task be dropped: see [`JoinHandle::abort`].
    ///
    /// ```
    /// # use sakia_executor::{block_on, spawn};
    /// block_on(async {
    ///     let handle = spawn(std::future::pending::<()>());
    ///     let abort = handle.abort_handle();
    ///     abort.abort();
    ///     abort.abort(); // once more does nothing
    ///     assert!(handle.await.is_err());
    /// });
    /// ```
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Tells whether the task has ended.
    ///
    /// ```
    /// # use sakia_executor::{block_on, spawn};
    /// let abort = block_on(async { spawn(std::future::pending::<()>()).abort_handle() });
    /// assert!(abort.is_finished(), "it ended with its runtime");
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_complete()
    }

    /// Tells the task's id.
    ///
    /// ```
    /// # use sakia_executor::{block_on, spawn};
    /// block_on(async {
    ///     let handle = spawn(async {});
    ///     assert_eq!(handle.abort_handle().id(), handle.id());
    /// });
    /// ```
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.task.id()
    }
}

impl UnwindSafe for AbortHandle {}
impl RefUnwindSafe for AbortHandle {}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
