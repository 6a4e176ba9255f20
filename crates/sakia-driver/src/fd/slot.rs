//! A descriptor's slot: the ring has looked its file up once, and ops name it by the slot.
//!
//! The slot holds the file as a descriptor does, so it is emptied before the descriptor ends, wherever that happens; and as every op in flight holds the
//! descriptor, it is never emptied, nor used for another file, under an op that names it.

use std::cell::Cell;
use std::io;
use std::num::NonZeroU16;

use super::{Descriptor, Fd};
use crate::kernel::Kernel;
use crate::kernel::abi::{Sqe, opcode};

/// The slot of a descriptor, if it has one. The number after it is kept, so that to have none takes no room.
#[derive(Default)]
pub(super) struct Slot(Cell<Option<NonZeroU16>>);

impl Slot {
    #[inline]
    fn get(&self) -> Option<u16> {
        Some(self.0.get()?.get() - 1)
    }

    fn set(&self, slot: Option<u16>) {
        // There are not so many slots that the last number would have none after it.
        self.0.set(slot.and_then(|slot| NonZeroU16::new(slot + 1)));
    }

    fn take(&self) -> Option<u16> {
        let slot = self.get();
        self.set(None);
        slot
    }
}

impl Fd {
    /// Registers the file with the runtime's ring (`IORING_REGISTER_FILES2`, Linux 6.15): reads and writes of it do not look the descriptor up any more.
    ///
    /// Answers whether it is registered. A kernel that has no such slots, or one that would not let go of the file at once, is not asked, and nothing is different then.
    /// Doing it again does nothing. The slot is emptied when the descriptor ends, which is what it was without it.
    ///
    /// # Errors
    /// `ResourceBusy` if 1024 files are registered already, or fewer where the process may not have so many open. If the runtime has ended.
    pub fn register(&self) -> io::Result<bool> {
        let (inner, driver) = (&self.inner, &self.inner.driver);
        if inner.slot.get().is_some() {
            return Ok(true);
        }
        driver.takes_ops()?;
        // The ring notes now, and for good, whether the file knows how not to wait.
        inner.calm();
        let slot = driver.core().kernel.add_file(inner.raw())?;
        inner.slot.set(slot);
        Ok(slot.is_some())
    }
}

impl Descriptor {
    #[inline]
    pub(crate) fn has_slot(&self) -> bool {
        self.slot.get().is_some()
    }

    /// Has the op name the descriptor by its slot, if it has one and the op is of those that may.
    ///
    /// By value, and inlined with all that it calls: so the submission need not be in memory before it is in the ring.
    #[inline(always)]
    pub(crate) fn name_by_slot(&self, sqe: Sqe) -> Sqe {
        match self.slot.get() {
            Some(slot) if sqe.fd == self.raw() && may_name_slot(sqe.opcode) => sqe.by_slot(slot),
            _ => sqe,
        }
    }

    /// Empties its slot, before it ends.
    pub(super) fn leave_slot(&self) {
        if let Some(slot) = self.slot.take()
            && !self.driver.is_forked()
        {
            self.driver.core().kernel.forget_file(slot);
        }
    }
}

/// Ops on what is in a file, and no others: those on names take a directory by its number alone.
#[inline]
fn may_name_slot(code: u8) -> bool {
    matches!(
        code,
        opcode::READ
            | opcode::WRITE
            | opcode::READ_FIXED
            | opcode::WRITE_FIXED
            | opcode::READV
            | opcode::WRITEV
            | opcode::FSYNC
    )
}
