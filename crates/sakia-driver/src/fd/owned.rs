//! The number of a descriptor, and whether it is still owned here: what a `Cell<Option<KernelFd>>` would say, in half the room and with a look that moves nothing.

use std::cell::Cell;
use std::os::fd::RawFd;

use crate::kernel::KernelFd;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// As it is.
    Calm,
    /// With O_NONBLOCK that nobody has asked for; see [`KernelFd::adopt_hasty`].
    Hasty,
    /// Somebody else's.
    Taken,
}

/// See the module's page. Dropping it closes what was not taken.
pub(super) struct Owned {
    raw: RawFd,
    state: Cell<State>,
}

impl Owned {
    pub(super) fn new(fd: KernelFd) -> Self {
        let state = Cell::new(State::Taken);
        let raw = fd.raw();
        let owned = Self { raw, state };
        owned.put_back(fd);
        owned
    }

    /// Owns another one, now that it owns none.
    #[inline]
    pub(super) fn renew(&mut self, fd: KernelFd) {
        self.raw = fd.raw();
        self.put_back(fd);
    }

    /// The number, whoever owns it.
    #[inline]
    pub(super) fn raw(&self) -> RawFd {
        self.raw
    }

    /// Takes the descriptor out, once.
    pub(super) fn take(&self) -> Option<KernelFd> {
        match self.state.replace(State::Taken) {
            State::Calm => Some(KernelFd::adopt(self.raw)),
            State::Hasty => Some(KernelFd::adopt_hasty(self.raw)),
            State::Taken => None,
        }
    }

    /// Takes it in again.
    pub(super) fn put_back(&self, fd: KernelFd) {
        let state = if fd.is_hasty() {
            State::Hasty
        } else {
            State::Calm
        };
        let raw = fd.into_raw();
        debug_assert_eq!(raw, self.raw);
        self.state.set(state);
    }

    /// Whether O_NONBLOCK is on it for us alone.
    #[inline]
    pub(super) fn is_hasty(&self) -> bool {
        self.state.get() == State::Hasty
    }

    /// Takes O_NONBLOCK off, if it is there for us alone.
    #[inline]
    pub(super) fn calm(&self) {
        if self.is_hasty() {
            self.calm_now();
        }
    }

    #[cold]
    fn calm_now(&self) {
        if let Some(mut fd) = self.take() {
            fd.calm();
            self.put_back(fd);
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        drop(self.take());
    }
}
