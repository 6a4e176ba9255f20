//! Between two turns, when somebody else's loop waits for this driver: what makes its wake descriptor readable.
//!
//! A foreign loop polls the [wake descriptor](Driver::wake_fd) and turns the driver when it is readable. So everything that gives a turn something to do
//! must raise it: completions do by themselves (the kernel raises it), wakes of other threads do since the owner counts as parked
//! while it rests, and what the owner's own thread does between turns calls [`stir`](Driver::stir). A driver
//! whose wake descriptor was never asked for never rests, and pays nothing.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use crate::driver::{Driver, Phase};
use crate::kernel::Kernel;
use crate::op::Refusal;

impl Driver {
    /// A descriptor that is readable when a turn has something to do, for another loop to wait for. Made at the first call.
    ///
    /// It is readable at first. From then on [`rest`](Self::rest) decides.
    ///
    /// # Errors
    /// When no descriptor is free, or the runtime has ended.
    pub fn wake_fd(&self) -> io::Result<Rc<OwnedFd>> {
        self.takes_ops()?;
        let mut core = self.core();
        let fd = core.kernel.wake_fd()?;
        core.kernel.alert();
        Ok(fd)
    }

    /// Rests until the wake descriptor is readable. `true`: there is something to do after all, and the descriptor is readable already.
    ///
    /// `ready` is asked after the thread was announced as parked, as in [`turn`](Self::turn).
    pub fn rest(&self, ready: impl FnOnce() -> bool) -> bool {
        if let Err(refusal) = self.takes_ops() {
            // The next turn tells that the ring is dead.
            return refusal == Refusal::Lost;
        }
        self.end_visit();
        self.unparker_ref().awake();
        let fetches = {
            let core = &mut *self.core();
            if !core.eventfd_armed {
                self.arm_eventfd(core);
                // An error stays: what was pushed is still there, and the next turn tells it.
                let _ = core.hand_over();
            }
            core.kernel.rest()
        };
        let parked = self.unparker_ref().park();
        self.resting().set(true);
        self.note_errand();
        let swept = self.cancels().is_empty();
        let busy = fetches
            || !parked
            || ready()
            || !swept
            || self.has_pending()
            || self.core().has_backlog()
            || self.core().buffers.has_awaited();
        if !self.resting().get() {
            // The look was code of the user's, and has turned the driver: that has ended the rest, and no wake would be heard.
            self.core().kernel.alert();
            return true;
        }
        if busy {
            self.stir();
        }
        busy
    }

    /// Ends a rest: the wake descriptor becomes readable, because this thread has made something to do. Does nothing outside a rest.
    pub fn stir(&self) {
        // The descriptor of a forked child is its parent's.
        if self.rise() && !self.is_forked() {
            self.core().kernel.alert();
        }
    }

    /// Whether a turn that does not park would do nothing at all: tasks that only wake each other pay for the look alone.
    #[inline]
    pub(crate) fn turns_for_nothing(&self) -> bool {
        if self.phase() != Phase::Running
            || self.is_forked()
            || self.has_errands()
            || self.has_pending()
        {
            return false;
        }
        let mut core = self.core();
        !core.has_backlog() && core.kernel.is_quiet()
    }

    /// A turn begins: wakes of other threads need no system call any more. Tells whether this was a rest.
    pub(crate) fn rise(&self) -> bool {
        if !self.resting().get() {
            return false;
        }
        self.resting().set(false);
        self.unparker_ref().awake();
        true
    }
}
