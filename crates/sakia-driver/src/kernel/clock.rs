//! The kernel's clock: the one clock of a runtime. The driver reads it for its own deadlines, the facade hands it to the timers.

use std::time::{Duration, Instant};

use super::call;

/// Tells the time as the kernel below a driver tells it.
///
/// On Linux it is the monotonic clock of the system. A kernel that is simulated has a time of its own, which moves when it says so.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    #[cfg(feature = "sim")]
    hand: Option<(std::rc::Rc<std::cell::Cell<Instant>>, Instant)>,
}

impl Clock {
    /// A clock whose time is what stands in `hand`.
    #[cfg(feature = "sim")]
    pub(crate) fn by_hand(hand: std::rc::Rc<std::cell::Cell<Instant>>) -> Self {
        let begin = hand.get();
        Self {
            hand: Some((hand, begin)),
        }
    }

    /// Returns the present instant.
    pub fn now(&self) -> Instant {
        #[cfg(feature = "sim")]
        if let Some((hand, _)) = &self.hand {
            return hand.get();
        }
        Instant::now()
    }

    /// The time since some moment, up to a tick of the kernel (1 to 10 ms) behind: for what is counted in seconds, at a fraction of the cost of [`now`](Self::now).
    pub(crate) fn roughly(&self) -> Duration {
        #[cfg(feature = "sim")]
        if let Some((hand, begin)) = &self.hand {
            return hand.get() - *begin;
        }
        call::coarse_time()
    }

    /// Blocks the thread that long, by this clock.
    pub(crate) fn sleep(&self, time: Duration) {
        #[cfg(feature = "sim")]
        if let Some((hand, _)) = &self.hand {
            hand.set(hand.get() + time);
            return;
        }
        std::thread::sleep(time);
    }
}
