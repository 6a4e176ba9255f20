//! A descriptor's slot: the ring has looked its file up once, and ops name it by the slot.
//!
//! A descriptor has one if somebody has asked for it, or if it is busy: if so many ops on it have gone by the ring that to register it is paid for. The slot holds the file as a descriptor does, so it is emptied before the descriptor ends, wherever that happens; and as every op in flight holds the
//! descriptor, it is never emptied, nor used for another file, under an op that names it.

use std::cell::Cell;
use std::io;

use super::{Descriptor, Fd};
use crate::kernel::abi::{Sqe, opcode};
use crate::kernel::{Kernel, Want};

/// So many ops without a slot are enough. To look a file up costs an op some 15 ns, to fill a slot and to empty it 1000.
const BUSY: u16 = 128;

/// The slot of a descriptor, `BUSY` added, or how many of its ops have gone without one.
#[derive(Default)]
pub(super) struct Slot(Cell<u16>);

impl Slot {
    #[inline]
    fn get(&self) -> Option<u16> {
        self.0.get().checked_sub(BUSY)
    }

    /// Without one the count begins anew.
    fn set(&self, slot: Option<u16>) {
        // There are not so many slots that the sum would be too much.
        self.0.set(slot.map_or(0, |slot| slot + BUSY));
    }

    #[inline]
    fn take(&self) -> Option<u16> {
        let slot = self.get();
        self.set(None);
        slot
    }

    /// Counts an op without a slot. Is it one too many? If there is none to be had, it will be again after as many.
    #[inline]
    fn is_wanted(&self) -> bool {
        let count = (self.0.get() + 1) % BUSY;
        self.0.set(count);
        count == 0
    }
}

impl Fd {
    /// Registers the file with the runtime's ring (`IORING_REGISTER_FILES2`, Linux 6.15): reads and writes of it do not look the descriptor up any more.
    ///
    /// Answers whether it is registered. A kernel that has no such slots, or one that would not let go of the file at once, is not asked, and nothing is different then.
    /// Doing it again does nothing, and a file on which many ops have gone by the ring is registered by itself. The slot is emptied when the descriptor ends, which is what it was without it.
    ///
    /// # Errors
    /// `ResourceBusy` if 1024 files are registered already, or fewer where the process may not have so many open. If the runtime has ended.
    pub fn register(&self) -> io::Result<bool> {
        let inner = &self.inner;
        if inner.slot.get().is_none() {
            inner.driver().takes_ops()?;
            inner.register(Want::Asked)?;
        }
        Ok(inner.has_slot())
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
        if sqe.fd != self.raw() || !may_name_slot(sqe.opcode) {
            return sqe;
        }
        match self.slot.get().or_else(|| self.earn_slot()) {
            Some(slot) => sqe.by_slot(slot),
            None => sqe,
        }
    }

    #[inline]
    fn earn_slot(&self) -> Option<u16> {
        self.slot
            .is_wanted()
            .then(|| self.register_busy())
            .flatten()
    }

    #[cold]
    fn register_busy(&self) -> Option<u16> {
        self.register(Want::Busy).ok()?;
        self.slot.get()
    }

    fn register(&self, want: Want) -> io::Result<()> {
        // The ring notes now, and for good, whether the file knows how not to wait.
        self.calm();
        let slot = self.driver().core().kernel.add_file(self.raw(), want)?;
        self.slot.set(slot);
        Ok(())
    }

    /// Empties its slot, before it ends.
    #[inline]
    pub(super) fn leave_slot(&self) {
        if let Some(slot) = self.slot.take() {
            self.empty(slot);
        }
    }

    #[cold]
    fn empty(&self, slot: u16) {
        if !self.driver().is_forked() {
            self.driver().core().kernel.forget_file(slot);
        }
    }
}

/// Ops on what is in a file or goes through a stream, and no others: those on names take a directory by its number alone.
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
            | opcode::RECV
            | opcode::SEND
    )
}
