//! Runs user code that must not unwind into the loop: destructors and wakers.
//!
//! The polls of futures are caught in `raw.rs`, since their payload is kept for the `JoinHandle`.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `code`; tells how many panics came out of it and of the payloads they threw.
///
/// Nothing that `code` captured is looked at after a panic, so its unwind safety is the caller's user's concern alone.
pub(crate) fn guarded(code: impl FnOnce()) -> u32 {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(()) => 0,
        Err(payload) => 1 + drop_payload(payload),
    }
}

/// Drops what a panic threw. Should that panic too, what *that* threw is leaked: one has to stop somewhere.
pub(crate) fn drop_payload(payload: Box<dyn Any + Send>) -> u32 {
    match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        Ok(()) => 0,
        Err(again) => {
            mem::forget(again);
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any(Bomb);
        }
    }

    #[test]
    fn a_payload_that_throws_itself_again_is_counted_twice_and_left_alone() {
        assert_eq!(guarded(|| {}), 0);
        assert_eq!(guarded(|| std::panic::panic_any(1)), 1);
        assert_eq!(guarded(|| std::panic::panic_any(Bomb)), 2);
    }
}
