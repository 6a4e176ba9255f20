//! The buffers of the `bytes` crate, behind the feature of that name.
//! Nothing else may use that crate here.

use ::bytes::{Bytes, BytesMut};

use crate::{IoBuf, IoBufMut};

// SAFETY: the bytes are static or behind a reference-counted heap block, so moving the handle does not move them, and the
// handle keeps them alive. Clones share them, but no clone can write while another exists.
#[cfg_attr(docsrs, doc(cfg(feature = "bytes")))]
unsafe impl IoBuf for Bytes {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }

    fn bytes_total(&self) -> usize {
        self.len()
    }
}

// SAFETY: the bytes are on the heap, whatever moves the handle. Other handles may share the heap block after a split, but never
// this range of it. Only `&mut` methods move, free or lengthen the range.
#[cfg_attr(docsrs, doc(cfg(feature = "bytes")))]
unsafe impl IoBuf for BytesMut {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.len()
    }

    fn bytes_total(&self) -> usize {
        self.capacity()
    }
}

// SAFETY: as above; the range up to the capacity belongs to this handle alone, and may be written.
#[cfg_attr(docsrs, doc(cfg(feature = "bytes")))]
unsafe impl IoBufMut for BytesMut {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        let len = self.len();
        // The pointer of the initialised slice may, strictly, not be used beyond it. That of the spare capacity may,
        // and with a length of 0 all capacity is spare.
        // SAFETY: 0 bytes are initialised, always; and the `len` bytes that were initialised before still are, since
        // nothing is written in between.
        unsafe {
            self.set_len(0);
            let ptr = self.spare_capacity_mut().as_mut_ptr().cast();
            self.set_len(len);
            ptr
        }
    }

    unsafe fn set_init(&mut self, n: usize) {
        if n > self.len() {
            // SAFETY: our caller promises that `n` is within the capacity and that the first `n` bytes are initialised.
            unsafe { self.set_len(n) };
        }
    }
}
