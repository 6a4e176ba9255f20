//! A descriptor as the kernel below the seam gave it out, owned: whoever holds it is the one who can close it.
//!
//! It is not an `OwnedFd`, because std's drop would call close(2) on the number whoever gave it out. This one knows, and so no descriptor leaves the
//! driver as an `OwnedFd`, or comes in as one, but through the conversions here.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use super::call;

/// See the module's page. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct KernelFd {
    raw: RawFd,
    /// Whether O_NONBLOCK is on it that nobody has asked for.
    hasty: bool,
}

impl KernelFd {
    /// Takes ownership of a descriptor that a call, or a completion, has just brought: exactly once, and before anybody else can know the number.
    pub(crate) fn adopt(raw: RawFd) -> Self {
        Self { raw, hasty: false }
    }

    /// The same of one that was opened with O_NONBLOCK, so that the open did not wait, by who did not ask for it.
    ///
    /// The flag stays until it could be noticed: until the ring is handed an op on the descriptor, or code outside has it. What is only read on the spot,
    /// and closed, needs no call to take it off.
    pub(crate) fn adopt_hasty(raw: RawFd) -> Self {
        Self { raw, hasty: true }
    }

    /// Takes O_NONBLOCK off, if it is there for us alone.
    #[inline]
    pub(crate) fn calm(&mut self) {
        if std::mem::take(&mut self.hasty) {
            call::clear_nonblock(self.raw);
        }
    }

    pub(crate) fn is_hasty(&self) -> bool {
        self.hasty
    }

    pub(crate) fn raw(&self) -> RawFd {
        self.raw
    }

    /// Gives the number to somebody else to own: the close table.
    pub(crate) fn into_raw(self) -> RawFd {
        let raw = self.raw;
        std::mem::forget(self);
        raw
    }

    /// close(2): the number is free afterwards, whatever the answer.
    pub(crate) fn close(self) -> io::Result<u64> {
        end(self.into_raw())
    }

    /// Hands it to code outside.
    ///
    /// # Errors
    /// When it is nothing outside; it is closed then.
    pub(crate) fn into_std(mut self) -> io::Result<OwnedFd> {
        self.as_std()?;
        // SAFETY: the number is open in this process (`as_std` says whose it is) and owned by `self`, which forgets it.
        Ok(unsafe { OwnedFd::from_raw_fd(self.into_raw()) })
    }

    /// Lends it to code outside.
    ///
    /// # Errors
    /// When it is nothing outside.
    pub(crate) fn as_std(&mut self) -> io::Result<BorrowedFd<'_>> {
        #[cfg(feature = "sim")]
        if super::simulated::is_simulated(self.raw) {
            return Err(super::simulated::nothing_outside());
        }
        self.calm();
        // SAFETY: the number was given out by this machine's kernel and is open as long as `self`, which the borrow keeps alive.
        Ok(unsafe { BorrowedFd::borrow_raw(self.raw) })
    }
}

impl From<OwnedFd> for KernelFd {
    fn from(fd: OwnedFd) -> Self {
        Self::adopt(fd.into_raw_fd())
    }
}

impl AsRawFd for KernelFd {
    fn as_raw_fd(&self) -> RawFd {
        self.raw
    }
}

impl Drop for KernelFd {
    fn drop(&mut self) {
        let _ = end(self.raw);
    }
}

fn end(raw: RawFd) -> io::Result<u64> {
    #[cfg(feature = "sim")]
    if super::simulated::is_simulated(raw) {
        return super::simulated::close(raw);
    }
    call::close(raw)
}
