//! How a task can fail, as its `JoinHandle` and the panic hook tell it.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::{Mutex, PoisonError};

use crate::TaskId;
use crate::task::raw::TaskRef;

/// Says why a task gave no output: it was cancelled, or it panicked.
///
/// ```
/// use sakia_executor::{block_on, spawn};
///
/// let error = block_on(async { spawn(async { panic!("boom") }).await.unwrap_err() });
/// assert!(error.is_panic());
/// assert!(error.to_string().contains("boom"));
/// ```
pub struct JoinError {
    id: TaskId,
    #[cfg(feature = "track-origin")]
    origin: &'static std::panic::Location<'static>,
    why: Why,
}

enum Why {
    Cancelled,
    /// In a mutex since a payload is `Send` and an error should be `Sync`; it is never contended.
    Panic(Mutex<Box<dyn Any + Send>>),
}

impl JoinError {
    pub(crate) fn cancelled(task: &TaskRef) -> Self {
        Self::of(task, Why::Cancelled)
    }

    pub(crate) fn panic(task: &TaskRef, payload: Box<dyn Any + Send>) -> Self {
        Self::of(task, Why::Panic(Mutex::new(payload)))
    }

    fn of(task: &TaskRef, why: Why) -> Self {
        Self {
            id: task.id(),
            #[cfg(feature = "track-origin")]
            origin: task.origin(),
            why,
        }
    }

    /// Tells which task failed.
    ///
    /// ```
    /// use sakia_executor::{block_on, spawn};
    ///
    /// block_on(async {
    ///     let handle = spawn(std::future::pending::<()>());
    ///     let id = handle.id();
    ///     handle.abort();
    ///     assert_eq!(handle.await.unwrap_err().id(), id);
    /// });
    /// ```
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Tells where the task was spawned.
    ///
    /// ```
    /// use sakia_executor::{block_on, spawn};
    ///
    /// let error = block_on(async { spawn(async { panic!() }).await.unwrap_err() });
    /// assert_eq!(error.origin().file(), file!());
    /// ```
    #[cfg(feature = "track-origin")]
    #[cfg_attr(docsrs, doc(cfg(feature = "track-origin")))]
    #[must_use]
    pub fn origin(&self) -> &'static std::panic::Location<'static> {
        self.origin
    }

    /// Tells whether the task was aborted, or dropped at the end of its executor.
    ///
    /// ```
    /// use sakia_executor::{block_on, spawn};
    ///
    /// block_on(async {
    ///     let handle = spawn(std::future::pending::<()>());
    ///     handle.abort();
    ///     assert!(handle.await.unwrap_err().is_cancelled());
    /// });
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.why, Why::Cancelled)
    }

    /// Tells whether the task panicked.
    ///
    /// ```
    /// use sakia_executor::{block_on, spawn};
    ///
    /// let error = block_on(async { spawn(async { panic!() }).await.unwrap_err() });
    /// assert!(error.is_panic() && !error.is_cancelled());
    /// ```
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.why, Why::Panic(_))
    }

    /// Gives what the task threw.
    ///
    /// ```
    /// use sakia_executor::{block_on, spawn};
    ///
    /// let error = block_on(async { spawn(async { panic!("boom") }).await.unwrap_err() });
    /// assert_eq!(error.into_panic().downcast_ref(), Some(&"boom"));
    /// ```
    ///
    /// # Panics
    ///
    /// If the task did not panic.
    #[track_caller]
    #[must_use]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(error) => panic!("into_panic on a task that did not panic: {error}"),
        }
    }

    /// Gives what the task threw, or the error back.
    ///
    /// ```
    /// use sakia_executor::{block_on, spawn};
    ///
    /// block_on(async {
    ///     let handle = spawn(std::future::pending::<()>());
    ///     handle.abort();
    ///     assert!(handle.await.unwrap_err().try_into_panic().is_err());
    /// });
    /// ```
    ///
    /// # Errors
    ///
    /// This error itself, if the task did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match self.why {
            Why::Panic(payload) => Ok(payload.into_inner().unwrap_or_else(PoisonError::into_inner)),
            why @ Why::Cancelled => Err(Self { why, ..self }),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Cancelled => write!(f, "task {} was cancelled", self.id),
            Why::Panic(payload) => {
                let payload = payload.lock().unwrap_or_else(PoisonError::into_inner);
                match message(&**payload) {
                    Some(message) => write!(f, "task {} panicked: {message}", self.id),
                    None => write!(f, "task {} panicked", self.id),
                }
            }
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl Error for JoinError {}

impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        Self::other(error)
    }
}

/// The text of a payload, if it is the usual one.
fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// Describes the panic of a task to the hook of [`Executor::set_panic_hook`](crate::Executor::set_panic_hook).
pub struct TaskPanic<'a> {
    pub(crate) id: TaskId,
    pub(crate) payload: &'a (dyn Any + Send),
    #[cfg(feature = "track-origin")]
    pub(crate) origin: &'static std::panic::Location<'static>,
}

impl TaskPanic<'_> {
    /// Tells which task panicked; an example is at `set_panic_hook`.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Shows what was thrown.
    #[must_use]
    pub fn payload(&self) -> &(dyn Any + Send) {
        self.payload
    }

    /// Shows the text of the panic, if it has one.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        message(self.payload)
    }

    /// Tells where the task was spawned.
    #[cfg(feature = "track-origin")]
    #[cfg_attr(docsrs, doc(cfg(feature = "track-origin")))]
    #[must_use]
    pub fn origin(&self) -> &'static std::panic::Location<'static> {
        self.origin
    }
}

impl fmt::Debug for TaskPanic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskPanic")
            .field("id", &self.id)
            .field("message", &self.message())
            .finish_non_exhaustive()
    }
}
