//! Waking a parked ring from another thread, the only part of the driver that other threads touch.
//!
//! | state | law | who moves it on |
//! |---|---|---|
//! | `AWAKE` | the owner runs; a wake costs one load | the owner parks |
//! | `PARKED` | the owner waits in the kernel, or is about to | the owner returns, or one notifier claims it |
//! | `NOTIFYING` | one notifier is making its system call | that notifier, back to `AWAKE`; the owner leaves it alone and does not sleep |
//! | `CLOSED` | the runtime has ended; the descriptors may be somebody else's | nobody |
//!
//! A notifier touches the descriptors in `NOTIFYING` alone, and the end waits until nobody is in `NOTIFYING` before it closes them: so the
//! 8 bytes never land in a stranger's descriptor. A wake is wait-free, allocates nothing and makes at most one system call (two if the
//! kernel refuses MSG_RING).

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::kernel::uring::sys;
use crate::op::table::{Own, Tag};

const AWAKE: u8 = 0;
const PARKED: u8 = 1;
const NOTIFYING: u8 = 2;
const CLOSED: u8 = 3;

/// Wakes the thread of one runtime; shared by its wakers.
#[derive(Debug)]
pub struct Unparker {
    state: AtomicU8,
    ring: RawFd,
    eventfd: RawFd,
    /// Whether the kernel posts to a ring from any thread (Linux 6.13); learned by trying.
    msg_ring: AtomicBool,
}

impl Unparker {
    pub(crate) fn new(ring: RawFd, eventfd: RawFd) -> Self {
        Self {
            state: AtomicU8::new(AWAKE),
            ring,
            eventfd,
            msg_ring: AtomicBool::new(true),
        }
    }

    /// Wakes the runtime's thread if it is parked, or about to park; does nothing if it runs or has ended.
    ///
    /// Whoever calls this has published what the thread should see (a task in its queue) before, with at least release ordering; a sequentially
    /// consistent fence here pairs with the one that the owner passes between announcing that it parks and looking once more.
    pub fn unpark(&self) {
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.state.load(Ordering::Relaxed) != PARKED {
            return;
        }
        if self
            .state
            .compare_exchange(PARKED, NOTIFYING, Ordering::SeqCst, Ordering::Relaxed)
            .is_err()
        {
            return;
        }
        self.notify();
        self.state.store(AWAKE, Ordering::Release);
    }

    fn notify(&self) {
        if self.msg_ring.load(Ordering::Relaxed) {
            if sys::send_msg_ring(self.ring, Tag::own(Own::Wake)).is_ok() {
                return;
            }
            self.msg_ring.store(false, Ordering::Relaxed);
        }
        write_eventfd(self.eventfd);
    }

    /// The owner is about to park. `false`: a notifier is under way, do not sleep.
    pub(crate) fn park(&self) -> bool {
        let parked = self
            .state
            .compare_exchange(AWAKE, PARKED, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok();
        std::sync::atomic::fence(Ordering::SeqCst);
        parked
    }

    /// The owner runs again.
    pub(crate) fn awake(&self) {
        // NOTIFYING stays: its notifier moves it on, and until then the owner does not sleep.
        let _ = self
            .state
            .compare_exchange(PARKED, AWAKE, Ordering::Acquire, Ordering::Relaxed);
    }

    /// The end: from here on nobody touches the descriptors.
    pub(crate) fn close(&self) {
        loop {
            let state = self.state.load(Ordering::Relaxed);
            if state == CLOSED {
                return;
            }
            if state == NOTIFYING {
                // One thread is between two instructions and a system call that does not block.
                std::thread::yield_now();
                continue;
            }
            if self
                .state
                .compare_exchange(state, CLOSED, Ordering::SeqCst, Ordering::Relaxed)
                .is_ok()
            {
                return;
            }
        }
    }
}

fn write_eventfd(fd: RawFd) {
    let one = 1u64;
    loop {
        // SAFETY: 8 bytes of a local integer are read. `fd` is the runtime's own eventfd: the caller is in NOTIFYING, and the
        // end waits for that before it closes the descriptor.
        let n = unsafe { libc::write(fd, std::ptr::from_ref(&one).cast(), size_of::<u64>()) };
        // EAGAIN: the counter is at its top, so the owner has a wake to read already.
        if n >= 0 || std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_before_the_park_is_seen_by_the_look_after_it_and_costs_no_call() {
        let unparker = Unparker::new(-1, -1);
        unparker.unpark();
        assert_eq!(unparker.state.load(Ordering::Relaxed), AWAKE);
        assert!(
            unparker.msg_ring.load(Ordering::Relaxed),
            "no call was tried"
        );
    }

    #[test]
    fn a_wake_of_a_parked_owner_is_claimed_once_and_hands_awake_back() {
        let unparker = Unparker::new(-1, -1);
        assert!(unparker.park());
        unparker.unpark();
        assert_eq!(unparker.state.load(Ordering::Relaxed), AWAKE);
        assert!(
            !unparker.msg_ring.load(Ordering::Relaxed),
            "a bad ring was tried, and the eventfd is used from then on"
        );
    }

    #[test]
    fn an_owner_does_not_sleep_while_a_notifier_is_under_way() {
        let unparker = Unparker::new(-1, -1);
        unparker.state.store(NOTIFYING, Ordering::Relaxed);
        unparker.awake();
        assert!(!unparker.park());
    }

    #[test]
    fn a_wake_after_the_end_touches_nothing() {
        let unparker = Unparker::new(-1, -1);
        assert!(unparker.park());
        unparker.close();
        unparker.unpark();
        assert_eq!(unparker.state.load(Ordering::Relaxed), CLOSED);
        assert!(
            unparker.msg_ring.load(Ordering::Relaxed),
            "no call was tried"
        );
    }
}
