//! What the parts of the driver ask of the kernel below, beside ops: the time, calls that are answered on the spot, what is this machine's.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use crate::driver::Driver;
#[cfg(feature = "sim")]
use crate::kernel::Below;
use crate::kernel::{Call, Clock, Kernel, KernelFd};

impl Driver {
    /// The clock of this driver's kernel.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The simulated kernel of this driver, if it has one.
    #[cfg(feature = "sim")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sim")))]
    pub fn simulation(&self) -> Option<crate::Simulation> {
        match &self.core().kernel {
            Below::Simulated(simulated) => Some(simulated.simulation()),
            _ => None,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Takes a descriptor in that code outside has opened.
    pub(crate) fn take_in(&self, fd: OwnedFd) -> io::Result<KernelFd> {
        self.core().kernel.take_in(fd)
    }

    /// Says whether a job on the blocking pool that asks this machine's kernel by itself asks the kernel that this driver runs on.
    ///
    /// # Errors
    /// When it does not: the driver's kernel is simulated.
    pub fn is_this_machine(&self) -> io::Result<()> {
        self.core().kernel.is_this_machine()
    }

    /// Answers a request on the spot. What it is about has been sent all that was written to it before.
    pub(crate) fn call(&self, call: Call<'_>) -> io::Result<u64> {
        self.end_visit();
        self.ask_kernel(call)
    }

    /// The same where it does not matter what is held back.
    pub(crate) fn ask_kernel(&self, call: Call<'_>) -> io::Result<u64> {
        self.core().kernel.call(call)
    }
}
