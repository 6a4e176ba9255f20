//! Where the time comes from: the clock's seam, and the layer that tests pause. No timers here.
use std::rc::Rc;
use std::time::Instant;

#[cfg(any(test, feature = "test-util"))]
use std::cell::Cell;
#[cfg(any(test, feature = "test-util"))]
use std::time::Duration;

/// Tells the time.
///
/// The readings must not run backwards; should they do so all the same, [`Timers`](crate::Timers) stands still until
/// the clock has caught up.
///
/// # Examples
/// ```
/// use sakia_time::{Clock, Timers};
/// use std::{cell::Cell, rc::Rc, time::{Duration, Instant}};
///
/// /// A clock that a simulation turns by hand.
/// struct Hand(Cell<Instant>);
///
/// impl Clock for Hand {
///     fn now(&self) -> Instant {
///         self.0.get()
///     }
/// }
///
/// let hand = Rc::new(Hand(Cell::new(Instant::now())));
/// let timers = Timers::with_clock(hand.clone());
/// let before = timers.now();
/// hand.0.set(before + Duration::from_secs(1));
/// timers.begin_turn();
/// assert_eq!(timers.now(), before + Duration::from_secs(1));
/// ```
pub trait Clock {
    /// Returns the present instant.
    fn now(&self) -> Instant;
}

/// Tells the monotonic time of the system, as [`Instant::now`] does.
///
/// # Examples
/// ```
/// use sakia_time::{Clock, SystemClock};
///
/// assert!(SystemClock.now() <= std::time::Instant::now());
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }
}

/// How virtual time relates to the clock beneath.
#[cfg(any(test, feature = "test-util"))]
#[derive(Clone, Copy)]
enum Virtual {
    /// It is the clock's time: nobody has paused it yet.
    Same,
    /// It stands still.
    Paused(Instant),
    /// It runs again: from `virt`, which was when the clock said `real`.
    Shifted { virt: Instant, real: Instant },
}

/// The clock, under the layer that tests can pause. Without `test-util` the layer is not there.
pub(crate) struct Source {
    clock: Rc<dyn Clock>,
    #[cfg(any(test, feature = "test-util"))]
    state: Cell<Virtual>,
}

impl Source {
    pub(crate) fn new(clock: Rc<dyn Clock>) -> Self {
        Source {
            clock,
            #[cfg(any(test, feature = "test-util"))]
            state: Cell::new(Virtual::Same),
        }
    }

    #[cfg(not(any(test, feature = "test-util")))]
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    #[cfg(not(any(test, feature = "test-util")))]
    pub(crate) fn is_paused(&self) -> bool {
        false
    }
}

#[cfg(any(test, feature = "test-util"))]
impl Source {
    pub(crate) fn now(&self) -> Instant {
        match self.state.get() {
            Virtual::Same => self.clock.now(),
            Virtual::Paused(at) => at,
            Virtual::Shifted { virt, real } => {
                virt + self.clock.now().saturating_duration_since(real)
            }
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        matches!(self.state.get(), Virtual::Paused(_))
    }

    /// Stands still at `at`. Says whether it was running.
    pub(crate) fn pause(&self, at: Instant) -> bool {
        let ran = !self.is_paused();
        if ran {
            self.state.set(Virtual::Paused(at));
        }
        ran
    }

    /// Runs again from where it stood. Says whether it was paused.
    pub(crate) fn resume(&self) -> bool {
        let Virtual::Paused(virt) = self.state.get() else {
            return false;
        };
        let real = self.clock.now();
        self.state.set(Virtual::Shifted { virt, real });
        true
    }

    /// Moves a paused clock on; `None` if it runs, or if no [`Instant`] is that late.
    pub(crate) fn advance(&self, by: Duration) -> Option<Instant> {
        let Virtual::Paused(at) = self.state.get() else {
            return None;
        };
        let at = at.checked_add(by)?;
        self.state.set(Virtual::Paused(at));
        Some(at)
    }
}
