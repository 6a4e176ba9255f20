//! What the ring knows by a number of its own: files and memory that it looked up once (`IORING_REGISTER_FILES2`, `IORING_REGISTER_BUFFERS2`).
//!
//! Each is a table of slots, made empty when the first is asked for (Linux 5.19). Which slot is whose, and that none is emptied under an op that names
//! it, is the business of the descriptor and of the buffers above; here are only numbers.

use std::io;
use std::os::fd::RawFd;

use io_uring::Submitter;

use super::setup::memlock_limit;
use crate::kernel::Want;
use crate::kernel::setup_error::SetupError;

/// The most files, a half of them because they are busy, and the most pieces of memory. A kernel takes no more files than the process may have open (RLIMIT_NOFILE): then it is a half of it, and so on.
const FILES: u32 = 2048;
const PIECES: u32 = 256;
const FEWEST: u32 = 16;

/// The slots of one table.
#[derive(Debug)]
struct Slots {
    /// Those that have been used and are empty again.
    free: Vec<u16>,
    /// The first that was never used.
    next: u32,
    count: u32,
}

impl Slots {
    fn of(count: u32) -> Self {
        let free = Vec::new();
        Self {
            free,
            next: 0,
            count,
        }
    }

    /// Whether a half of them is in use.
    fn is_half_full(&self) -> bool {
        self.next - self.free.len() as u32 >= self.count / 2
    }

    /// Fills a slot by `fill`; answers which.
    fn fill(&mut self, fill: impl FnOnce(u32) -> io::Result<()>) -> io::Result<u16> {
        let fresh = self.free.is_empty();
        let slot = match self.free.last() {
            Some(slot) => u32::from(*slot),
            None if self.next < self.count => self.next,
            None => return Err(io::Error::from_raw_os_error(libc::ENOSPC)),
        };
        fill(slot)?;
        if fresh {
            self.next += 1;
        } else {
            self.free.pop();
        }
        Ok(slot as u16)
    }
}

/// A table that is made when it is first asked for.
#[derive(Debug, Default)]
enum Table {
    #[default]
    Unasked,
    /// The kernel has none.
    Missing,
    Made(Slots),
}

impl Table {
    /// The table, made by `make` of a number of slots if it was not asked for yet. `None`: this kernel has none.
    fn slots(
        &mut self,
        count: u32,
        make: impl Fn(u32) -> io::Result<()>,
    ) -> io::Result<Option<&mut Slots>> {
        let mut size = count;
        while matches!(self, Self::Unasked) {
            match make(size) {
                Ok(()) => *self = Self::Made(Slots::of(size)),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EMFILE) if size > FEWEST => size /= 2,
                    // Before 5.19.
                    Some(libc::EINVAL) => *self = Self::Missing,
                    _ => return Err(error),
                },
            }
        }
        Ok(match self {
            Self::Made(slots) => Some(slots),
            _ => None,
        })
    }

    /// Notes that a slot was emptied by `empty`.
    fn empty(&mut self, slot: u16, empty: impl FnOnce(u32) -> io::Result<()>) {
        if let Self::Made(slots) = self
            && empty(u32::from(slot)).is_ok()
        {
            // One that could not be emptied is not used again: what is in it may be asked for by mistake.
            slots.free.push(slot);
        }
    }
}

/// The two tables of a ring.
#[derive(Debug, Default)]
pub(super) struct Registered {
    files: Table,
    memory: Table,
}

impl Registered {
    /// Registers a descriptor's file. `None`: this kernel cannot.
    ///
    /// The slot holds the file as a descriptor does. Before Linux 6.13 an emptied slot lets go of it only after every op that was under way
    /// then, so a close would be no close: such kernels are not asked (`prompt`).
    pub(super) fn add_file(
        &mut self,
        ring: &Submitter<'_>,
        fd: RawFd,
        want: Want,
        prompt: bool,
    ) -> io::Result<Option<u16>> {
        if !prompt {
            return Ok(None);
        }
        let slots = self
            .files
            .slots(FILES, |count| ring.register_files_sparse(count))?;
        let slots = slots.filter(|slots| want == Want::Asked || !slots.is_half_full());
        let fill = |slot| ring.register_files_update(slot, &[fd]).map(drop);
        let slot = slots.map(|slots| slots.fill(fill)).transpose();
        slot.map_err(|error| explain(error, "files", 0))
    }

    /// Empties a file's slot. What the ring held of the file is gone when this returns, but for ops under way.
    pub(super) fn forget_file(&mut self, ring: &Submitter<'_>, slot: u16) {
        self.files.empty(slot, |slot| {
            ring.register_files_update(slot, &[-1]).map(drop)
        });
    }

    /// Registers memory: its pages are pinned, and charged to RLIMIT_MEMLOCK. `None`: this kernel cannot.
    pub(super) fn add_memory(
        &mut self,
        ring: &Submitter<'_>,
        memory: *mut u8,
        len: usize,
    ) -> io::Result<Option<u16>> {
        let slots = self
            .memory
            .slots(PIECES, |count| ring.register_buffers_sparse(count))?;
        let piece = iovec(memory, len);
        // SAFETY: registering touches no byte: it pins the pages, which keeps them there even if the memory is freed. Only an op that names the slot
        // lets the kernel read or write them, and such an op owns a buffer of that memory until its end (the promise of `unsafe trait Op`).
        let fill = |slot| unsafe { ring.register_buffers_update(slot, &[piece], None) };
        let slot = slots.map(|slots| slots.fill(fill)).transpose();
        slot.map_err(|error| explain(error, "sets of buffers", len))
    }

    /// Empties a slot of memory: its pages are let go of, but for ops under way.
    pub(super) fn forget_memory(&mut self, ring: &Submitter<'_>, slot: u16) {
        let nothing = iovec(std::ptr::null_mut(), 0);
        self.memory.empty(slot, |slot| {
            // SAFETY: it names no memory.
            unsafe { ring.register_buffers_update(slot, &[nothing], None) }
        });
    }

    /// Lets go of all at once, before the ring is closed: that would do so some time later.
    pub(super) fn end(&mut self, ring: &Submitter<'_>) {
        if let Table::Made(_) = std::mem::replace(&mut self.files, Table::Missing) {
            let _ = ring.unregister_files();
        }
        if let Table::Made(_) = std::mem::replace(&mut self.memory, Table::Missing) {
            let _ = ring.unregister_buffers();
        }
    }
}

fn explain(error: io::Error, what: &str, bytes: usize) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ENOSPC) => {
            let full = format!("no more {what} can be registered with the ring of this runtime");
            io::Error::new(io::ErrorKind::ResourceBusy, full)
        }
        Some(libc::ENOMEM) if bytes > 0 => {
            let kib = bytes.div_ceil(1024);
            let limit = memlock_limit();
            SetupError::wrap(
                format!(
                    "no memory may be locked for registered buffers: they take {kib} KiB, RLIMIT_MEMLOCK is {limit}, and the rings and buffers of this user have spent it"
                ),
                format!(
                    "raise the limit (ulimit -l, LimitMEMLOCK=, --ulimit memlock=-1) by {kib} KiB, or ask for fewer buffers or smaller ones"
                ),
                error,
            )
        }
        _ => error,
    }
}

fn iovec(memory: *mut u8, len: usize) -> libc::iovec {
    libc::iovec {
        iov_base: memory.cast(),
        iov_len: len,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errno(code: i32) -> io::Error {
        io::Error::from_raw_os_error(code)
    }

    #[test]
    fn a_table_is_made_once_as_large_as_the_limit_of_descriptors_allows() {
        let mut table = Table::default();
        let asked = std::cell::RefCell::new(Vec::new());
        let make = |count| {
            asked.borrow_mut().push(count);
            if count > 100 {
                Err(errno(libc::EMFILE))
            } else {
                Ok(())
            }
        };
        for _ in 0..2 {
            let slots = table.slots(FILES, make).unwrap().unwrap();
            assert_eq!(slots.count, 64);
        }
        assert_eq!(asked.take(), [2048, 1024, 512, 256, 128, 64]);
    }

    #[test]
    fn a_kernel_without_tables_is_asked_once_and_a_refusal_is_told() {
        let mut table = Table::default();
        let refused = table.slots(FILES, |_| Err(errno(libc::ENOMEM)));
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::ENOMEM));
        let missing = table.slots(FILES, |_| Err(errno(libc::EINVAL)));
        assert!(missing.unwrap().is_none());
        let again = table.slots(FILES, |_| panic!("asked again"));
        assert!(again.unwrap().is_none());
    }

    #[test]
    fn a_slot_is_used_again_when_it_was_emptied_and_only_then() {
        let mut table = Table::Made(Slots::of(2));
        let fill = |table: &mut Table, fill: fn(u32) -> io::Result<()>| {
            let slots = table.slots(2, |_| panic!("it is there")).unwrap();
            slots.unwrap().fill(fill)
        };
        assert!(fill(&mut table, |_| Err(errno(libc::ENOMEM))).is_err());
        assert_eq!(fill(&mut table, |_| Ok(())).unwrap(), 0);
        assert_eq!(fill(&mut table, |_| Ok(())).unwrap(), 1);
        let full = fill(&mut table, |_| Ok(())).unwrap_err();
        assert_eq!(full.raw_os_error(), Some(libc::ENOSPC));
        table.empty(0, |_| Err(errno(libc::EINVAL)));
        assert!(fill(&mut table, |_| Ok(())).is_err());
        table.empty(1, |_| Ok(()));
        assert!(fill(&mut table, |_| Err(errno(libc::ENOMEM))).is_err());
        assert_eq!(fill(&mut table, |_| Ok(())).unwrap(), 1);
    }
    #[test]
    fn files_that_are_busy_leave_a_half_of_the_slots_to_those_of_whom_somebody_asks() {
        let Ok(ring) = io_uring::IoUring::new(1) else {
            eprintln!("skipped: no ring");
            return;
        };
        let ring = &ring.submitter();
        ring.register_files_sparse(4).unwrap();
        let mut known = Registered {
            files: Table::Made(Slots::of(4)),
            memory: Table::Missing,
        };
        let mut add = |want| known.add_file(ring, 0, want, true);
        assert_eq!(add(Want::Busy).unwrap(), Some(0));
        assert_eq!(add(Want::Busy).unwrap(), Some(1));
        assert_eq!(add(Want::Busy).unwrap(), None);
        assert_eq!(add(Want::Asked).unwrap(), Some(2));
        assert_eq!(add(Want::Asked).unwrap(), Some(3));
        let full = add(Want::Asked).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::ResourceBusy);
        known.forget_file(ring, 1);
        assert_eq!(known.add_file(ring, 0, Want::Busy, true).unwrap(), None);
        known.forget_file(ring, 0);
        known.forget_file(ring, 3);
        assert_eq!(known.add_file(ring, 0, Want::Busy, true).unwrap(), Some(3));
    }
}
