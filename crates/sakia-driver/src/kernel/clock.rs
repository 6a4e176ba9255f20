//! The kernel's clock: the one clock of a runtime. The driver reads it for its own deadlines, the facade hands it to the timers.

use std::time::{Duration, Instant};

/// Tells the time as the kernel below a driver tells it.
///
/// On Linux it is the monotonic clock of the system. A kernel that is simulated has a time of its own, which moves when it says so.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    _private: (),
}

impl Clock {
    /// Returns the present instant.
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// Blocks the thread that long, by this clock.
    pub(crate) fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
