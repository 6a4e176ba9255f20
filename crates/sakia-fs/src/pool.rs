//! What has no opcode and runs on the runtime's blocking pool, as a lazy, named future.
//! The pool itself is the driver's; which calls go there is said where they are offered.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_driver::{Blocking, Driver, spawn_blocking};

type Job<T> = Box<dyn FnOnce() -> io::Result<T> + Send>;

enum State<T> {
    Fresh(Job<T>),
    Running(Blocking<io::Result<T>>),
    Done,
}

/// Awaits a call that has no opcode and runs on the runtime's blocking pool: `read_dir`, `canonicalize` and their like.
///
/// ```
/// # sakia::Runtime::new()?.block_on(async {
/// let call: sakia::fs::OnPool<std::path::PathBuf> = sakia::fs::canonicalize("/proc/..");
/// assert_eq!(call.await?, std::path::Path::new("/"));
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Cancellation
/// Dropped before a thread took it up, the call is not made; later, it goes on, and its result is dropped.
///
/// # Errors
/// Beside those of the call: outside a runtime, and if the runtime ends before the call began.
#[must_use = "futures do nothing unless polled"]
pub struct OnPool<T: Send + 'static> {
    state: State<T>,
}

// Nothing in it is ever pinned.
impl<T: Send + 'static> Unpin for OnPool<T> {}

impl<T: Send + 'static> OnPool<T> {
    pub(crate) fn new(job: impl FnOnce() -> io::Result<T> + Send + 'static) -> Self {
        Self {
            state: State::Fresh(Box::new(job)),
        }
    }
}

impl<T: Send + 'static> Future for OnPool<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let State::Fresh(_) = this.state {
            let allowed = match Driver::current() {
                Some(driver) => driver.is_this_machine(),
                None => Err(io::Error::other("polled outside a sakia runtime")),
            };
            if let Err(error) = allowed {
                this.state = State::Done;
                return Poll::Ready(Err(error));
            }
            if let State::Fresh(job) = std::mem::replace(&mut this.state, State::Done) {
                this.state = State::Running(spawn_blocking(job));
            }
        }
        let State::Running(job) = &mut this.state else {
            panic!("a call was polled after it had completed");
        };
        let result = ready!(Pin::new(job).poll(cx));
        this.state = State::Done;
        Poll::Ready(result.unwrap_or_else(|error| Err(error.into())))
    }
}

impl<T: Send + 'static> fmt::Debug for OnPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Fresh(_) => "fresh",
            State::Running(_) => "running",
            State::Done => "done",
        };
        f.debug_tuple("OnPool").field(&state).finish()
    }
}
