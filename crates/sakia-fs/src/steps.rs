//! The future of what takes several requests on paths: written as one block of code, behind a name.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Awaits an operation of several requests; made by [`read`](crate::read), [`write`](crate::write()) and their kin.
///
/// It is lazy: nothing happens before its first poll. Its one allocation is nothing beside the open of a file.
///
/// ```
/// # sakia::Runtime::new()?.block_on(async {
/// let read: sakia::fs::Steps<std::io::Result<Vec<u8>>> = sakia::fs::read("/proc/self/comm");
/// assert!(!read.await?.is_empty());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Cancellation
/// The request that is under way is dropped, and no further one is made.
#[must_use = "futures do nothing unless polled"]
pub struct Steps<T> {
    work: Pin<Box<dyn Future<Output = T>>>,
}

impl<T> Steps<T> {
    pub(crate) fn new(work: impl Future<Output = T> + 'static) -> Self {
        Self {
            work: Box::pin(work),
        }
    }
}

impl<T> Future for Steps<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.work.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Steps<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").finish_non_exhaustive()
    }
}
