//! Time that stands still and is moved by hand, for tests of code that waits. Nothing here is compiled without
//! the feature `test-util`.
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use crate::context;
use crate::timers::Timers;

impl Timers {
    /// Stops the clock of these timers.
    ///
    /// # Examples
    /// ```
    /// let timers = sakia_time::Timers::new();
    /// timers.pause();
    /// assert!(timers.is_paused());
    /// ```
    ///
    /// # Panics
    /// If it is stopped already.
    #[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
    #[track_caller]
    pub fn pause(&self) {
        let at = self.inner.read_clock();
        assert!(self.inner.source().pause(at), "time is paused already");
    }

    /// Lets the clock go on from where it stands.
    ///
    /// # Examples
    /// ```
    /// let timers = sakia_time::Timers::new();
    /// timers.pause();
    /// timers.resume();
    /// assert!(!timers.is_paused());
    /// ```
    ///
    /// # Panics
    /// If it is not stopped.
    #[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
    #[track_caller]
    pub fn resume(&self) {
        assert!(self.inner.source().resume(), "time is not paused");
        self.begin_turn();
    }

    /// Moves the stopped clock on. Fires nothing: that is left to the loop's next turn.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// let timers = sakia_time::Timers::new();
    /// timers.pause();
    /// let before = timers.now();
    /// timers.advance(Duration::from_secs(5));
    /// assert_eq!(timers.now(), before + Duration::from_secs(5));
    /// ```
    ///
    /// # Panics
    /// If the clock is not stopped, or if no [`Instant`](std::time::Instant) is that late.
    #[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
    #[track_caller]
    pub fn advance(&self, by: Duration) {
        assert!(self.is_paused(), "time is not paused");
        // Timers that wait for a reading of the clock began before the jump.
        self.inner.settle();
        assert!(
            self.inner.source().advance(by).is_some(),
            "no instant is that late"
        );
        self.begin_turn();
    }

    /// Says whether the clock is stopped.
    ///
    /// # Examples
    /// ```
    /// assert!(!sakia_time::Timers::new().is_paused());
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.inner.source().is_paused()
    }

    /// Moves the stopped clock on to the next deadline, and says whether a timer is due now.
    ///
    /// For the runtime's loop, when it has nothing left to do and nothing in flight. A clock that runs is left alone.
    ///
    /// # Examples
    /// ```
    /// let timers = sakia_time::Timers::new();
    /// timers.pause();
    /// assert!(!timers.auto_advance(), "no timer is pending");
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
    pub fn auto_advance(&self) -> bool {
        if !self.is_paused() {
            return false;
        }
        self.inner.collect_mail();
        let now = self.inner.read_clock();
        let Some(at) = self.inner.next_instant_exact() else {
            return false;
        };
        self.inner
            .source()
            .advance(at.saturating_duration_since(now));
        self.begin_turn();
        true
    }
}

/// Returns the current timers.
#[track_caller]
fn current() -> Timers {
    let Some(inner) = context::current() else {
        panic!("time was paused, resumed or advanced outside a runtime");
    };
    Timers { inner }
}

/// Stops the clock of the current runtime.
///
/// From then on time moves only by [`advance`], and by itself when the runtime has nothing else to do: then it
/// jumps to the next deadline.
///
/// # Examples
/// ```
/// let timers = sakia_time::Timers::new();
/// let _entered = timers.enter();
/// sakia_time::pause();
/// assert_eq!(sakia_time::now(), sakia_time::now());
/// ```
///
/// # Panics
/// If it is stopped already, or outside a runtime.
#[track_caller]
pub fn pause() {
    current().pause();
}

/// Lets the clock of the current runtime go on from where it stands.
///
/// # Examples
/// ```
/// let timers = sakia_time::Timers::new();
/// let _entered = timers.enter();
/// sakia_time::pause();
/// sakia_time::resume();
/// ```
///
/// # Panics
/// If it is not stopped, or outside a runtime.
#[track_caller]
pub fn resume() {
    current().resume();
}

/// Moves the stopped clock of the current runtime on, fires what is due then, and yields once, so that those who were woken
/// can run.
///
/// It is one jump: an [`Interval`](crate::Interval) sees the ticks between as missed.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// # async fn example() {
/// sakia_time::pause();
/// let before = sakia_time::now();
/// sakia_time::advance(Duration::from_secs(3600)).await;
/// assert_eq!(sakia_time::now(), before + Duration::from_secs(3600));
/// # }
/// ```
///
/// # Cancellation
/// The clock moves at the first poll; dropped after that, only the yield is missing.
///
/// # Panics
/// If the clock is not stopped, outside a runtime, or if no [`Instant`](std::time::Instant) is that late.
pub async fn advance(by: Duration) {
    let timers = current();
    timers.advance(by);
    timers.fire(timers.now());
    drop(timers);
    let mut has_yielded = false;
    poll_fn(|cx| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
