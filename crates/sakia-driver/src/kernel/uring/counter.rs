//! An eventfd that a foreign loop polls: the kernel raises it with each completion, we clear it before a rest.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use crate::kernel::KernelFd;

/// A non-blocking eventfd.
pub(super) struct Counter(Rc<OwnedFd>);

impl Counter {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: eventfd(2) reads two integers.
        let raw = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if raw < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(Rc::new(KernelFd::adopt(raw).into_std()?)))
    }

    /// The descriptor, which lives as long as somebody polls it.
    pub(super) fn fd(&self) -> &Rc<OwnedFd> {
        &self.0
    }

    /// Makes it unreadable.
    pub(super) fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: the kernel writes 8 bytes to a local integer. EAGAIN says that the counter was clear; a non-blocking eventfd is not
        // interrupted, and knows no other error.
        unsafe {
            let count = std::ptr::from_mut(&mut count).cast();
            libc::read(self.0.as_raw_fd(), count, size_of::<u64>())
        };
    }

    /// Makes it readable.
    pub(super) fn raise(&self) {
        let one = 1u64;
        // SAFETY: the kernel reads 8 bytes of a local integer. EAGAIN says that the counter is at its top, so readable.
        unsafe {
            let one = std::ptr::from_ref(&one).cast();
            libc::write(self.0.as_raw_fd(), one, size_of::<u64>())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_readable(counter: &Counter) -> bool {
        let mut poll = libc::pollfd {
            fd: counter.0.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd of ours, for the call.
        unsafe { libc::poll(&mut poll, 1, 0) == 1 }
    }

    #[test]
    fn a_counter_is_readable_from_the_first_raise_to_the_next_clear() {
        let counter = Counter::new().unwrap();
        counter.clear();
        assert!(
            !is_readable(&counter),
            "clearing a clear one does not block"
        );
        counter.raise();
        counter.raise();
        assert!(is_readable(&counter));
        counter.clear();
        assert!(!is_readable(&counter));
    }
}
