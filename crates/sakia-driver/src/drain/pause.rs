//! How long an op that was cancelled has before it is cancelled again: doubled each time, up to the last.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(1);
const LAST: Duration = Duration::from_millis(250);

/// The time until a drain asks again.
pub(super) struct Pause {
    length: Duration,
    end: Instant,
}

impl Pause {
    /// The first, from now on.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            length: FIRST,
            end: now + FIRST,
        }
    }

    pub(super) fn end(&self) -> Instant {
        self.end
    }

    /// Whether it is over; the next has begun then.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        if now < self.end {
            return false;
        }
        self.length = (self.length * 2).min(LAST);
        self.end = now + self.length;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_over_at_its_end_and_the_next_is_longer_up_to_the_last() {
        let mut now = Instant::now();
        let mut pause = Pause::new(now);
        let mut expected = FIRST;
        for _ in 0..20 {
            assert_eq!(pause.end(), now + expected);
            assert!(!pause.is_over(pause.end() - Duration::from_nanos(1)));
            now = pause.end();
            assert!(pause.is_over(now));
            expected = (expected + expected).min(LAST);
        }
        assert_eq!(expected, LAST);
    }
}
