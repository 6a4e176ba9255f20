//! `BoundIo`: a stream that may not leave its thread, for libraries that ask for `Send`. The traits are in `face`.

use std::fmt;
use std::pin::Pin;

use sakia::Bound;

/// Makes an I/O object `Send` and `Sync` for libraries that ask for it, and keeps it on its thread all the same: a [`Bound`] that reads and writes.
///
/// It implements the same I/O traits as [`PollIo`](crate::PollIo), as far as what it holds implements them.
///
/// ```
/// use sakia_compat::{BoundIo, PollIo};
///
/// fn sends<T: hyper::rt::Read + hyper::rt::Write + Send + Sync + 'static>(_: &T) {}
///
/// # sakia::Runtime::new()?.block_on(async {
/// let (a, _b) = sakia::net::UnixStream::pair()?;
/// sends(&BoundIo::new(PollIo::new(a)));
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Cancellation
///
/// Dropped on its own thread, it drops what it holds at once; dropped elsewhere, it sends it home.
///
/// # Panics
///
/// Each use on another thread than the runtime's, or after the end of the runtime.
pub struct BoundIo<T: 'static> {
    pub(crate) bound: Bound<T>,
}

impl<T: 'static> BoundIo<T> {
    /// Binds `io` to this thread's runtime.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let (a, _b) = sakia::net::UnixStream::pair()?;
    /// let io = sakia_compat::BoundIo::new(sakia_compat::PollIo::new(a));
    /// # drop(io);
    /// # std::io::Result::Ok(()) })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn new(io: T) -> Self {
        Self {
            bound: Bound::new(io),
        }
    }

    /// Shows what it holds to `f`.
    pub(crate) fn with<R>(self: Pin<&mut Self>, f: impl FnOnce(Pin<&mut T>) -> R) -> R {
        self.get_mut().bound.with(f)
    }
}

impl<T: 'static> fmt::Debug for BoundIo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BoundIo").field(&self.bound).finish()
    }
}
