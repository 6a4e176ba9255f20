//! The free functions that find the current executor of the thread.
//!
//! The thread-local itself is in `remote.rs`, beside the laws that make its pointer sound.

use std::future::Future;

use crate::executor::spawn_in;
use crate::remote::Home;
use crate::{JoinHandle, TaskId};

/// Spawns a task on this thread's executor; dropping the handle detaches it.
///
/// ```
/// use sakia_executor::{block_on, spawn};
///
/// let sum = block_on(async {
///     let a = spawn(async { 1 });
///     let b = spawn(async { 2 });
///     a.await.unwrap() + b.await.unwrap()
/// });
/// assert_eq!(sum, 3);
/// ```
///
/// # Panics
///
/// Outside a runtime: see [`try_spawn`].
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match try_spawn(future) {
        Ok(handle) => handle,
        Err(_) => panic!(
            "there is no runtime on this thread: call `spawn` inside `block_on` or a task, or hold an `Entered` guard"
        ),
    }
}

/// Spawns a task on this thread's executor, or gives the future back if there is none.
///
/// ```
/// assert!(sakia_executor::try_spawn(async {}).is_err());
/// ```
///
/// # Errors
///
/// The future itself, outside a runtime.
#[cfg_attr(feature = "track-origin", track_caller)]
pub fn try_spawn<F>(future: F) -> Result<JoinHandle<F::Output>, F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    match Home::current() {
        Some(home) => Ok(spawn_in(&home, future)),
        None => Err(future),
    }
}

/// Tells which task runs, in its poll or in the destructor of its future; `None` in the root and outside.
///
/// ```
/// use sakia_executor::{block_on, current_task_id, spawn};
///
/// block_on(async {
///     assert_eq!(current_task_id(), None);
///     let handle = spawn(async { current_task_id() });
///     let id = handle.id();
///     assert_eq!(handle.await.unwrap(), Some(id));
/// });
/// ```
#[must_use]
pub fn current_task_id() -> Option<TaskId> {
    Home::current()?.task.get()
}
