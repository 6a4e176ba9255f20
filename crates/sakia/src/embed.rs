//! A runtime inside somebody else's loop: turns from outside, and what that loop waits for in between.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Weak;
use std::time::{Duration, Instant};

use sakia_driver::Park;
use sakia_executor::Surroundings;

use crate::Runtime;
use crate::runtime::{Blocking, Inner};

/// # In a foreign loop
///
/// Another event loop on this thread (epoll, glib, tokio's) can drive the runtime in place of [`block_on`](Runtime::block_on): it calls [`turn`](Runtime::turn),
/// and when that says that nothing is left, waits until the [descriptor](Runtime::as_fd) is readable or the [deadline](Runtime::next_deadline) has come.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # fn poll_readable(_: std::os::fd::BorrowedFd<'_>, within: Option<std::time::Duration>) {
/// #     std::thread::sleep(within.unwrap_or_default().min(std::time::Duration::from_millis(1)));
/// # }
/// use std::time::{Duration, Instant};
///
/// let runtime = sakia::Runtime::new()?;
/// let fd = runtime.as_fd()?;
/// let task = runtime.spawn(sakia::time::sleep(Duration::from_millis(20)));
/// while !task.is_finished() {
///     if runtime.turn(Some(Duration::ZERO))? {
///         continue;
///     }
///     let left = runtime.next_deadline().map(|at| at.saturating_duration_since(Instant::now()));
///     poll_readable(fd, left); // poll(2), epoll, … with other descriptors beside this one
/// }
/// # Ok(())
/// # }
/// ```
///
/// Nothing is missed between two turns: completions, wakes of other threads, [`Handle`](crate::Handle)s, tasks spawned and handles dropped on this thread make the
/// descriptor readable. A runtime that was never asked for its descriptor pays nothing for any of this.
impl Runtime {
    /// A descriptor that is readable when [`turn`](Self::turn) has something to do.
    ///
    /// It is made, and registered with the ring, at the first call (`IORING_REGISTER_EVENTFD`, Linux 5.2: the ring's own descriptor would never
    /// wake epoll). It suits level-triggered and edge-triggered loops. It is readable at first, so that somebody turns. Only turns make it unreadable: do
    /// not read it.
    ///
    /// # Errors
    /// When no descriptor is free, or the kernel refuses.
    #[doc(alias = "IORING_REGISTER_EVENTFD")]
    pub fn as_fd(&self) -> io::Result<BorrowedFd<'_>> {
        if let Some(fd) = self.wake_fd.get() {
            return Ok(fd.as_fd());
        }
        let fd = self.inner().driver.wake_fd()?;
        Ok(self.wake_fd.get_or_init(|| fd).as_fd())
    }

    /// When [`turn`](Self::turn) must be called at the latest, even if the [descriptor](Self::as_fd) stays unreadable; `None` if no timer is pending.
    ///
    /// Ask before each wait. While time is paused (feature `test-util`) it is an instant of the paused clock.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.inner().timers.next_deadline()
    }

    /// Does what is to be done now: dispatches completions, fires timers, polls tasks that are ready (each at most once), submits what they asked for.
    ///
    /// If nothing is ready it waits, `timeout` at most (`None`: without a limit), for a completion, a timer or a wake; a foreign loop that waits by itself
    /// passes zero. `true`: there is more to do already, turn again soon; the [descriptor](Self::as_fd) is readable then, too.
    ///
    /// # Errors
    /// When the ring is dead: the kernel has lost a completion.
    ///
    /// # Panics
    /// Inside a `block_on` or `turn` of a sakia runtime on this thread.
    #[track_caller]
    pub fn turn(&self, timeout: Option<Duration>) -> io::Result<bool> {
        let inner = self.inner().clone();
        let _blocking = Blocking::begin(&inner);
        inner.within(|| {
            // Nobody blocks on a root here: who woke the last one's has come too late.
            let _ = inner.executor.take_root_wake();
            let park = at_most(inner.park(), timeout);
            inner.driver.turn(park, || inner.executor.has_ready())?;
            inner.run();
            inner.driver.turn(Park::No, || false)?;
            let due = inner.timers.park_time().is_some_and(|time| time.is_zero());
            let busy = || due || inner.executor.has_ready();
            Ok(if self.wake_fd.get().is_some() {
                inner.driver.rest(busy)
            } else {
                busy()
            })
        })
    }
}

fn at_most(park: Park, limit: Option<Duration>) -> Park {
    match (park, limit) {
        (Park::No, _) => Park::No,
        (park, None) => park,
        (Park::For(time), Some(limit)) => Park::For(time.min(limit)),
        (Park::Forever, Some(limit)) => Park::For(limit),
    }
}

/// Makes a runtime current for what is used on its thread between two turns, a `Bound` in a task of another executor's.
pub(crate) struct Around(pub(crate) Weak<Inner>);

impl Surroundings for Around {
    fn within(&self, code: &mut dyn FnMut()) {
        if let Some(inner) = self.0.upgrade() {
            inner.within(code);
            // It may have submitted an op, set a timer, spawned a task.
            inner.driver.stir();
        }
    }
}
