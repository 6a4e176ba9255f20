//! The kernel's clock: the one clock of a runtime. The driver reads it for its own deadlines, the facade hands it to the timers.

use std::time::{Duration, Instant};

/// Tells the time as the kernel below a driver tells it.
///
/// On Linux it is the monotonic clock of the system. A kernel that is simulated has a time of its own, which moves when it says so.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    #[cfg(feature = "sim")]
    hand: Option<std::rc::Rc<std::cell::Cell<Instant>>>,
}

impl Clock {
    /// A clock whose time is what stands in `hand`.
    #[cfg(feature = "sim")]
    pub(crate) fn by_hand(hand: std::rc::Rc<std::cell::Cell<Instant>>) -> Self {
        Self { hand: Some(hand) }
    }

    /// Returns the present instant.
    pub fn now(&self) -> Instant {
        #[cfg(feature = "sim")]
        if let Some(hand) = &self.hand {
            return hand.get();
        }
        Instant::now()
    }

    /// Blocks the thread that long, by this clock.
    pub(crate) fn sleep(&self, time: Duration) {
        #[cfg(feature = "sim")]
        if let Some(hand) = &self.hand {
            hand.set(hand.get() + time);
            return;
        }
        std::thread::sleep(time);
    }
}
