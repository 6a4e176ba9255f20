//! The memory of a set of registered buffers: an allocation that begins at a page, zeroed.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::io;
use std::ptr::NonNull;

const PAGE: usize = 4096;

/// See the module's page.
pub(super) struct Memory {
    start: NonNull<u8>,
    layout: Layout,
}

impl Memory {
    /// So many bytes, one at least.
    pub(super) fn new(bytes: usize) -> io::Result<Self> {
        debug_assert!(bytes > 0);
        let layout = Layout::from_size_align(bytes, PAGE).map_err(io::Error::other)?;
        // SAFETY: the only caller asks for one byte at least.
        let start = unsafe { alloc_zeroed(layout) };
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, layout })
    }

    pub(super) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// The address of a byte of it.
    ///
    /// # Panics
    /// If it is not within the memory.
    pub(super) fn at(&self, offset: usize) -> NonNull<u8> {
        assert!(offset < self.layout.size());
        // SAFETY: the offset is within the allocation.
        unsafe { self.start.add(offset) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and is freed once. Nobody has any of it: buffers hold their set, and so do the operations that own
        // them, until the final completion; one without a completion is leaked, and this memory with it.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}
