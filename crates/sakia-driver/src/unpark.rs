//! Waking a parked ring from another thread, the only part of the driver that other threads touch.
//!
//! Who may make the call, and when, is the [`Gate`]'s business. A wake is wait-free, allocates nothing and makes at most one system call (two
//! if the kernel refuses MSG_RING).

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;

use crate::gate::Gate;
use crate::kernel::uring::sys;
use crate::op::table::{Own, Tag};

/// Wakes the thread of one runtime; shared by its wakers.
#[derive(Debug)]
pub struct Unparker {
    gate: Gate,
    /// Where a message goes, if the kernel takes messages.
    ring: Option<RawFd>,
    eventfd: RawFd,
    /// Whether the kernel posts to a ring from any thread (Linux 6.13); learned by trying.
    msg_ring: AtomicBool,
    /// Who waits without a system call.
    sleeper: Option<Thread>,
}

impl Unparker {
    pub(crate) fn new(ring: Option<RawFd>, eventfd: RawFd, sleeper: Option<Thread>) -> Self {
        Self {
            gate: Gate::new(),
            ring,
            eventfd,
            msg_ring: AtomicBool::new(ring.is_some()),
            sleeper,
        }
    }

    /// Wakes the runtime's thread if it is parked, or about to park; does nothing if it runs or has ended.
    ///
    /// Whoever calls this has published what the thread should see (a task in its queue) before, with at least release ordering; a sequentially
    /// consistent fence here pairs with the one that the owner passes between announcing that it parks and looking once more.
    pub fn unpark(&self) {
        self.gate.unpark(|| self.notify());
    }

    fn notify(&self) {
        if let Some(thread) = &self.sleeper {
            thread.unpark();
            return;
        }
        if let Some(ring) = self.ring
            && self.msg_ring.load(Ordering::Relaxed)
        {
            if sys::send_msg_ring(ring, Tag::own(Own::Wake)).is_ok() {
                return;
            }
            self.msg_ring.store(false, Ordering::Relaxed);
        }
        write_eventfd(self.eventfd);
    }

    /// The owner is about to park. `false`: the end has come, nobody would wake it.
    pub(crate) fn park(&self) -> bool {
        self.gate.park()
    }

    /// Whether a wake would still be heard: the owner has not been woken, and has not woken itself, since it parked.
    pub(crate) fn is_parked(&self) -> bool {
        self.gate.is_parked()
    }

    /// The owner runs again.
    pub(crate) fn awake(&self) {
        self.gate.awake();
    }

    /// The end: from here on nobody touches the descriptors.
    pub(crate) fn close(&self) {
        self.gate.close();
    }
}

fn write_eventfd(fd: RawFd) {
    let one = 1u64;
    loop {
        // SAFETY: 8 bytes of a local integer are read. `fd` is the runtime's own eventfd: the caller is a counted notifier, and the
        // end waits for it before it closes the descriptor.
        let n = unsafe { libc::write(fd, std::ptr::from_ref(&one).cast(), size_of::<u64>()) };
        // EAGAIN: the counter is at its top, so the owner has a wake to read already.
        if n >= 0 || std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
            return;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_ring_that_refuses_is_tried_once_and_the_eventfd_is_used_from_then_on() {
        let unparker = Unparker::new(Some(-1), -1, None);
        assert!(unparker.park());
        unparker.unpark();
        assert!(!unparker.msg_ring.load(Ordering::Relaxed));
    }
}
