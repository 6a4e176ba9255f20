//! A ring of provided buffers: the kernel takes one when there is data, and the loop gives it back.

use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::{Submitter, types};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// Buffers of one size, lent to the kernel as group 0. They are never unmapped: they live as long as the program.
pub struct Buffers {
    entries: NonNull<types::BufRingEntry>,
    memory: NonNull<u8>,
    size: usize,
    tail: u16,
    mask: u16,
    published: u16,
}

impl Buffers {
    /// So many buffers (a power of two), of `size` bytes each; all of them are the kernel's.
    pub fn new(submitter: &Submitter<'_>, count: u16, size: usize) -> Self {
        assert!(count.is_power_of_two());
        let entries = map(usize::from(count) * size_of::<types::BufRingEntry>())
            .cast::<types::BufRingEntry>();
        // SAFETY: the mapping is as long as `count` entries are, aligned to a page, and never unmapped; no other thread knows it.
        let registered =
            unsafe { submitter.register_buf_ring_with_flags(entries.as_ptr() as u64, count, 0, 0) };
        registered.expect("Linux 5.19 or newer");
        let mut buffers = Self {
            entries,
            memory: map(usize::from(count) * size),
            size,
            tail: 0,
            mask: count - 1,
            published: 0,
        };
        (0..count).for_each(|id| buffers.give_back(id));
        buffers.publish();
        buffers
    }

    /// Puts a buffer into the ring. The kernel sees it at the next [`publish`](Self::publish).
    #[inline]
    pub fn give_back(&mut self, id: u16) {
        let address = self.address(id) as u64;
        let at = usize::from(self.tail & self.mask);
        // SAFETY: `at` is below the number of entries, so it is in the mapping; the kernel reads no entry at or behind the published tail.
        let entry = unsafe { self.entries.add(at).as_mut() };
        entry.set_addr(address);
        entry.set_len(self.size as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel what was given back.
    #[inline]
    pub fn publish(&mut self) {
        if self.published != self.tail {
            // SAFETY: the pointer leads to the mapping's first entry, in which the tail is; it is aligned, and written atomically by this thread alone.
            unsafe {
                let tail = types::BufRingEntry::tail(self.entries.as_ptr());
                (*tail.cast::<AtomicU16>()).store(self.tail, Ordering::Release);
            }
            self.published = self.tail;
        }
    }

    /// Where a buffer begins.
    #[inline]
    pub fn address(&self, id: u16) -> *mut u8 {
        assert!(id <= self.mask, "there is no such buffer");
        // SAFETY: the mapping holds `mask + 1` buffers of `size` bytes, and `id` is one of them.
        unsafe { self.memory.add(usize::from(id) * self.size) }.as_ptr()
    }
}

fn map(len: usize) -> NonNull<u8> {
    // SAFETY: a new private mapping, at an address of the kernel's choice, touches no memory that is in use.
    let memory = unsafe {
        mmap_anonymous(
            null_mut(),
            len,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE,
        )
    };
    NonNull::new(memory.expect("there is memory").cast()).expect("no mapping is at address 0")
}
