//! To wait until an instant.
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::FusedFuture;

use crate::context;
use crate::registration::{Deadline, Registration};

/// As far away as a deadline gets when the sum is more than an [`Instant`] can hold.
const FAR: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Returns the present instant, by the clock of the current [`Timers`](crate::Timers).
///
/// Reads the clock each time; the readings never run backwards. Outside a runtime it is [`Instant::now`].
///
/// # Examples
/// ```
/// let begin = sakia_time::now();
/// assert!(sakia_time::now() >= begin);
/// ```
#[must_use]
pub fn now() -> Instant {
    match context::current() {
        Some(timers) => timers.read_clock(),
        None => Instant::now(),
    }
}

/// Adds, and stops at the far end of time.
pub(crate) fn later(instant: Instant, by: Duration) -> Instant {
    instant
        .checked_add(by)
        .or_else(|| instant.checked_add(FAR))
        .unwrap_or(instant)
}

/// Waits for a duration, counted from this call.
///
/// A duration of zero is over at the first poll: to let other tasks run, yield. A sum beyond what an
/// [`Instant`] holds (`Duration::MAX`) is taken for a hundred years.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// # async fn example() {
/// sakia_time::sleep(Duration::from_millis(20)).await;
/// # }
/// ```
///
/// # Cancellation
/// Dropping the future takes the timer out; nothing is lost.
///
/// # Panics
/// The future panics if it is polled outside a runtime; the call itself may be made anywhere.
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(later(now(), duration))
}

/// Waits until a deadline.
///
/// # Examples
/// ```
/// use sakia_time::{now, sleep_until};
/// use std::time::Duration;
///
/// # async fn example() {
/// let begin = now();
/// sleep_until(begin + Duration::from_millis(20)).await;
/// assert!(now() >= begin + Duration::from_millis(20));
/// # }
/// ```
///
/// # Cancellation
/// Dropping the future takes the timer out; nothing is lost.
///
/// # Panics
/// The future panics if it is polled outside a runtime; the call itself may be made anywhere.
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep {
        deadline,
        registration: Registration::new(),
    }
}

/// Waits until its deadline; made by [`sleep`] and [`sleep_until`].
///
/// It completes at the deadline or up to half a millisecond after it (a millisecond, while other timers fall due just before it), never before.
/// Polled again, it is still complete.
///
/// It holds numbers only, and so is `Send`, `Sync` and `Unpin`. The timer belongs to the runtime that polls it; polled in another one, it
/// moves there. Dropped on another thread, or where its runtime is not entered, it leaves a note in a mailbox and the
/// timer goes when its runtime next looks at its timers; if the deadline is sooner, one task is woken for nothing.
///
/// # Examples
/// ```
/// use sakia_time::sleep;
/// use std::time::Duration;
///
/// # async fn example() {
/// let mut nap = sleep(Duration::from_secs(3600));
/// nap.reset(sakia_time::now() + Duration::from_millis(1));
/// (&mut nap).await;
/// assert!(nap.is_elapsed());
/// # }
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless they are polled"]
pub struct Sleep {
    deadline: Instant,
    registration: Registration,
}

impl Sleep {
    /// Returns the instant at which the wait ends.
    ///
    /// # Examples
    /// ```
    /// let at = sakia_time::now();
    /// assert_eq!(sakia_time::sleep_until(at).deadline(), at);
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Moves the deadline, also of a wait that is over.
    ///
    /// A task that waits already is woken at the new deadline, if the runtime it waits in is entered here; in every other case
    /// the future must be polled again, as a new one must.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut nap = sakia_time::sleep(Duration::ZERO);
    /// let later = sakia_time::now() + Duration::from_secs(1);
    /// nap.reset(later);
    /// assert_eq!(nap.deadline(), later);
    /// ```
    pub fn reset(&mut self, deadline: Instant) {
        self.deadline = deadline;
        self.registration.reset(deadline);
    }

    /// Says whether the wait is over: whether a poll would complete.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// assert!(!sakia_time::sleep(Duration::from_secs(60)).is_elapsed());
    /// assert!(sakia_time::sleep(Duration::ZERO).is_elapsed());
    /// ```
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        self.registration
            .has_elapsed()
            .unwrap_or_else(|| self.deadline <= now())
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = Deadline::At(self.deadline);
        self.registration.poll(&deadline, cx)
    }
}

impl FusedFuture for Sleep {
    fn is_terminated(&self) -> bool {
        self.registration.is_done()
    }
}
