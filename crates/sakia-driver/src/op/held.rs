//! A lane that an op holds by itself: for one that needs two, where [`Laned`](super::laned::Laned) holds one.
//!
//! It is a part of the op's value, so it is held until the final completion also if the future is dropped in flight. There is no orphan then for
//! others to wait for: they queue.

use std::task::{Context, Poll, Waker, ready};

use super::lane::{Lane, Pass, Side};
use super::laned::release_orphan;
use crate::driver::Driver;
use crate::fd::FdRef;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Held {
    fd: FdRef,
    side: Side,
    pass: Pass,
}

impl Held {
    /// The lane is not held before it is [polled](Self::poll).
    pub(crate) fn new(fd: FdRef, side: Side) -> Self {
        let pass = Pass::Fresh;
        Self { fd, side, pass }
    }

    pub(crate) fn lane(&self) -> &Lane {
        self.fd.lane(self.side)
    }

    /// Takes the lane, and waits for its orphan.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let lane = self.fd.lane(self.side);
        ready!(lane.poll_hold(&mut self.pass, cx));
        if lane.orphan().is_some() && lane.watch_orphan(cx.waker()) {
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Gives it back inside dispatch, where no code of the user's may run: who is to be woken is so at the end of the turn.
    pub(crate) fn leave_in_dispatch(mut self) {
        self.leave(|driver, waker| driver.wake_later(waker));
    }

    fn leave(&mut self, wake: impl Fn(&Driver, Waker)) {
        let driver = self.fd.driver();
        release_orphan(&self.fd, self.side, self.pass);
        let gone = self.fd.lane(self.side).leave(&mut self.pass);
        driver.next_in_lane(&self.fd, self.side, |waker| wake(driver, waker));
        for waker in gone.into_iter().chain(self.fd.take_closer()) {
            wake(driver, waker);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.leave(|driver, waker| driver.guarded(|| waker.wake()));
    }
}
