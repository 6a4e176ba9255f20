//! The memory of pooled buffers: some of one size, side by side, each with a count of the parts that hold it.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32 as Count, Ordering};

use super::home::Home;
use crate::sync::AtomicU32;

/// What is kept beside a buffer.
#[derive(Debug)]
struct Beside {
    /// How many parts hold it.
    parts: Count,
    /// Its link while it is [`Home`].
    link: AtomicU32,
}

/// See the module's page. Whoever holds a part of a buffer holds the slab.
#[derive(Debug)]
pub(crate) struct Slab {
    memory: NonNull<u8>,
    len: usize,
    /// A buffer's size is 1 << this.
    shift: u32,
    /// The number of its first buffer in the pool.
    first: u16,
    beside: Box<[Beside]>,
    /// Where its buffers go when nobody holds them; nowhere, if they are not a pool's.
    home: Option<Arc<Home>>,
}

// SAFETY: the memory is an allocation of its own that no thread is tied to. A buffer's bytes are read through shared references to the
// parts that hold it, and written by nobody but the kernel, to which they are lent only when no part holds them (`Home` orders the two).
unsafe impl Send for Slab {}
// SAFETY: as above.
unsafe impl Sync for Slab {}

impl Slab {
    /// So many buffers of 1 << `shift` bytes, numbered from `first`.
    pub(super) fn new(first: u16, count: usize, shift: u32, home: Arc<Home>) -> Arc<Self> {
        // Zeroed memory is not there before it is touched.
        let memory = vec![0; count << shift];
        Arc::new(Self::of(memory, count, shift, first, Some(home)))
    }

    /// One buffer of no pool's: bytes that are there already.
    pub(super) fn alone(bytes: Vec<u8>) -> Arc<Self> {
        Arc::new(Self::of(bytes, 1, u32::BITS, 0, None))
    }

    fn of(memory: Vec<u8>, count: usize, shift: u32, first: u16, home: Option<Arc<Home>>) -> Self {
        let memory = Box::leak(memory.into_boxed_slice());
        let beside = || Beside {
            parts: Count::new(1),
            link: AtomicU32::new(0),
        };
        Self {
            len: memory.len(),
            memory: NonNull::from(memory).cast(),
            shift,
            first,
            beside: (0..count).map(|_| beside()).collect(),
            home,
        }
    }

    pub(super) fn count(&self) -> usize {
        self.beside.len()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Which buffer this byte is in.
    fn at(&self, start: u32) -> usize {
        start.checked_shr(self.shift).unwrap_or(0) as usize
    }

    /// Where a buffer begins.
    pub(super) fn start(&self, at: usize) -> u32 {
        (at as u32).checked_shl(self.shift).unwrap_or(0)
    }

    /// The address of a byte.
    pub(super) fn address(&self, start: u32) -> *mut u8 {
        debug_assert!(start as usize <= self.len);
        // SAFETY: the callers' `start` is within the memory, or its end: it is that of a buffer, or of a part of one.
        unsafe { self.memory.as_ptr().add(start as usize) }
    }

    /// The bytes of a part.
    ///
    /// # Safety
    /// The range is within one buffer, and the caller holds a part of that buffer for as long as the slice lives.
    pub(super) unsafe fn bytes(&self, start: u32, len: u32) -> &[u8] {
        // SAFETY: the range is within the memory, which is initialised (zeroed, or the caller's vector), and nobody writes to a buffer of which
        // somebody holds a part.
        unsafe { std::slice::from_raw_parts(self.address(start), len as usize) }
    }

    /// The first part takes a buffer that nobody held.
    pub(super) fn begin(&self, at: usize) {
        self.beside[at].parts.store(1, Ordering::Relaxed);
    }

    /// One more part of the buffer that this byte is in.
    pub(super) fn join(&self, start: u32) {
        self.beside[self.at(start)]
            .parts
            .fetch_add(1, Ordering::Relaxed);
    }

    /// One part less; the last brings the buffer home.
    pub(super) fn leave(&self, start: u32) {
        let at = self.at(start);
        let beside = &self.beside[at];
        // Only who holds a part can make another, so the only one stays the only one.
        let last = beside.parts.load(Ordering::Acquire) == 1
            || beside.parts.fetch_sub(1, Ordering::AcqRel) == 1;
        if let (true, Some(home)) = (last, &self.home) {
            home.bring(self.first + at as u16, &beside.link);
        }
    }

    /// The link of one of its buffers.
    pub(super) fn link(&self, at: usize) -> u32 {
        self.beside[at].link.load(Ordering::Relaxed)
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        let memory = NonNull::slice_from_raw_parts(self.memory, self.len);
        // SAFETY: it was leaked as a box of this length in `of`, and is freed once. No part is left, for each holds the slab; nor does the
        // kernel have any of it: the pool, which holds the slab, too, outlives the ring and whatever is in flight on it.
        drop(unsafe { Box::from_raw(memory.as_ptr()) });
    }
}
