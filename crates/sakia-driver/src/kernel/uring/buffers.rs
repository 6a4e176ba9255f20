//! A ring of buffers that the kernel chooses from when a receive has something (`IORING_REGISTER_PBUF_RING`, Linux 5.19).
//!
//! It is a queue in shared memory: we write entries (address, length, number) and move the tail, the kernel reads them and keeps its own head. What
//! the buffers are, and who has which, is the business of `pooled`.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

use crate::kernel::abi::BUFFER_GROUP;

/// The ring's memory is to begin at a page.
const PAGE: usize = 4096;

/// See the module's page.
pub(super) struct BufferRing {
    entries: NonNull<BufRingEntry>,
    count: u16,
    tail: u16,
}

impl BufferRing {
    /// Registers a ring for so many buffers, a power of two. It has none yet.
    pub(super) fn register(submitter: &Submitter<'_>, count: u16) -> io::Result<Self> {
        let layout = Self::layout(count);
        // SAFETY: the layout is not of size zero.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(entries) = NonNull::new(memory.cast::<BufRingEntry>()) else {
            handle_alloc_error(layout);
        };
        let ring = Self {
            entries,
            count,
            tail: 0,
        };
        // SAFETY: the memory holds `count` entries, begins at a page, and is freed only in `drop`, which whoever has registered it calls after
        // `unregister` (or after it has failed here).
        unsafe { submitter.register_buf_ring_with_flags(memory as u64, count, BUFFER_GROUP, 0) }?;
        Ok(ring)
    }

    /// Takes it back from the kernel, which chooses nothing from it any more.
    pub(super) fn unregister(submitter: &Submitter<'_>) {
        let _ = submitter.unregister_buf_ring(BUFFER_GROUP);
    }

    fn layout(count: u16) -> Layout {
        Layout::from_size_align(usize::from(count) * size_of::<BufRingEntry>(), PAGE)
            .expect("65536 entries of 16 bytes are no overflow")
    }

    /// Adds a buffer. The kernel sees it once it is [shown](Self::show).
    pub(super) fn push(&mut self, number: u16, address: *mut u8, len: usize) {
        let at = usize::from(self.tail & (self.count - 1));
        // SAFETY: `at` is below `count`, so the entry is in the ring's memory. The kernel reads no entry at or behind the tail that was shown
        // last, and fewer than `count` are before it: the caller lends at most `count` buffers at a time.
        let entry = unsafe { self.entries.add(at).as_mut() };
        entry.set_addr(address as u64);
        entry.set_len(len as u32);
        entry.set_bid(number);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel what was added.
    pub(super) fn show(&self) {
        // SAFETY: the tail lies in the first entry, in the ring's memory; it is aligned, written by this thread alone, and atomically.
        unsafe {
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }
}

impl Drop for BufferRing {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and the kernel does not know it any more (see `register`).
        unsafe { dealloc(self.entries.as_ptr().cast(), Self::layout(self.count)) };
    }
}
