//! To wait again and again.
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;

use crate::sleep::{Sleep, later, now, sleep_until};

/// How late a tick may come before it counts as missed, unless the period is shorter still. The same as in tokio.
const SLACK: Duration = Duration::from_millis(5);

/// What an [`Interval`] does about ticks that it missed.
///
/// A tick is missed if it comes more than 5 ms late, or more than one period, whichever is less.
///
/// # Examples
/// ```
/// use sakia_time::{MissedTickBehavior, interval};
/// use std::time::Duration;
///
/// let mut beat = interval(Duration::from_secs(1));
/// beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
/// assert_eq!(beat.missed_tick_behavior(), MissedTickBehavior::Skip);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MissedTickBehavior {
    /// Makes up for them as fast as it can, until it is in step again.
    #[default]
    Burst,
    /// Goes on one period after the late tick: the steps move.
    Delay,
    /// Leaves them out and goes on in step.
    Skip,
}

impl MissedTickBehavior {
    /// Returns when the tick after a late one is due.
    fn after(self, due: Instant, now: Instant, period: Duration) -> Instant {
        match self {
            MissedTickBehavior::Burst => later(due, period),
            MissedTickBehavior::Delay => later(now, period),
            MissedTickBehavior::Skip => {
                let late = now.saturating_duration_since(due).as_nanos();
                // Less than the period, so it fits wherever the period does: seconds and nanoseconds apart.
                let over = late % period.as_nanos();
                let over =
                    Duration::new((over / 1_000_000_000) as u64, (over % 1_000_000_000) as u32);
                later(now, period - over)
            }
        }
    }
}

/// Ticks once a period; the first tick comes at once.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// # async fn example() {
/// let mut beat = sakia_time::interval(Duration::from_millis(10));
/// for _ in 0..3 {
///     beat.tick().await;
/// }
/// # }
/// ```
///
/// # Panics
/// If the period is zero.
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(now(), period)
}

/// Ticks once a period; the first tick comes at `start`.
///
/// # Examples
/// ```
/// use sakia_time::{interval_at, now};
/// use std::time::Duration;
///
/// # async fn example() {
/// let start = now() + Duration::from_millis(5);
/// let mut beat = interval_at(start, Duration::from_millis(10));
/// assert_eq!(beat.tick().await, start);
/// # }
/// ```
///
/// # Panics
/// If the period is zero.
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(
        !period.is_zero(),
        "the period of an interval must not be zero"
    );
    Interval {
        sleep: sleep_until(start),
        period,
        missed: MissedTickBehavior::default(),
    }
}

/// Ticks again and again; made by [`interval`] and [`interval_at`].
///
/// It is also a [`Stream`] of instants that never ends.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// let beat = sakia_time::interval(Duration::from_secs(1));
/// assert_eq!(beat.period(), Duration::from_secs(1));
/// ```
#[derive(Debug)]
pub struct Interval {
    sleep: Sleep,
    period: Duration,
    missed: MissedTickBehavior,
}

impl Interval {
    /// Waits for the next tick, and returns when it was due.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// # async fn example() {
    /// let mut beat = sakia_time::interval(Duration::from_millis(10));
    /// let first = beat.tick().await;
    /// assert_eq!(beat.tick().await, first + Duration::from_millis(10));
    /// # }
    /// ```
    ///
    /// # Cancellation
    /// Dropping the future loses no tick: the next call returns it.
    ///
    /// # Panics
    /// The future panics if it is polled outside a runtime.
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Polls for the next tick, as [`tick`](Self::tick) awaits it.
    ///
    /// # Examples
    /// ```
    /// use std::{future::poll_fn, time::Duration};
    ///
    /// # async fn example() {
    /// let mut beat = sakia_time::interval(Duration::from_millis(10));
    /// let due = poll_fn(|cx| beat.poll_tick(cx)).await;
    /// assert!(due <= sakia_time::now());
    /// # }
    /// ```
    ///
    /// # Panics
    /// If it is called outside a runtime.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let due = self.sleep.deadline();
        let now = now();
        let is_late = now.saturating_duration_since(due) > SLACK.min(self.period);
        let next = if is_late {
            self.missed.after(due, now, self.period)
        } else {
            later(due, self.period)
        };
        self.sleep.reset(next);
        Poll::Ready(due)
    }

    /// Starts again: the next tick comes one period from now.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut beat = sakia_time::interval(Duration::from_secs(1));
    /// beat.reset();
    /// ```
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// Starts again: the next tick comes at once.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut beat = sakia_time::interval(Duration::from_secs(1));
    /// beat.reset_immediately();
    /// ```
    pub fn reset_immediately(&mut self) {
        self.reset_at(now());
    }

    /// Starts again: the next tick comes after a duration.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut beat = sakia_time::interval(Duration::from_secs(1));
    /// beat.reset_after(Duration::from_secs(9));
    /// ```
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(later(now(), after));
    }

    /// Starts again: the next tick comes at an instant.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut beat = sakia_time::interval(Duration::from_secs(1));
    /// beat.reset_at(sakia_time::now());
    /// ```
    pub fn reset_at(&mut self, deadline: Instant) {
        self.sleep.reset(deadline);
    }

    /// Returns the period.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// let period = Duration::from_secs(1);
    /// assert_eq!(sakia_time::interval(period).period(), period);
    /// ```
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Returns what is done about missed ticks.
    ///
    /// # Examples
    /// ```
    /// use sakia_time::{MissedTickBehavior, interval};
    ///
    /// let beat = interval(std::time::Duration::from_secs(1));
    /// assert_eq!(beat.missed_tick_behavior(), MissedTickBehavior::Burst);
    /// ```
    #[must_use]
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed
    }

    /// Says what to do about missed ticks.
    ///
    /// # Examples
    /// ```
    /// use sakia_time::{MissedTickBehavior, interval};
    ///
    /// let mut beat = interval(std::time::Duration::from_secs(1));
    /// beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    /// ```
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed = behavior;
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}
