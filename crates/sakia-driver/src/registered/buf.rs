//! `RegisteredBuf`: one buffer of a set, as whoever took it has it.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::rc::Rc;

use sakia_buf::{IoBuf, IoBufMut, Registration};

use super::Set;

/// A buffer that the runtime's ring knows; see [`RegisteredBufs`](super::RegisteredBufs), which it is taken from and goes back to when it is dropped.
///
/// It is used as a `Vec` with a capacity that cannot grow: a read fills it from 0 up to its capacity, a write sends its length, and it is a slice of bytes up to that.
pub struct RegisteredBuf {
    set: Rc<Set>,
    at: u32,
    /// How much of it whoever took it has seen filled.
    len: u32,
    start: NonNull<u8>,
}

impl RegisteredBuf {
    /// The set has taken this buffer off its list.
    pub(super) fn new(set: Rc<Set>, at: u32) -> Self {
        let start = set.memory.at(at as usize * set.size);
        Self {
            set,
            at,
            len: 0,
            start,
        }
    }

    /// How many bytes it can hold.
    pub fn capacity(&self) -> usize {
        self.set.size
    }

    /// Makes its length 0.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes it so long: the end is cut off, or filled up with `value`.
    ///
    /// # Panics
    /// If it is more than the capacity.
    pub fn resize(&mut self, len: usize, value: u8) {
        assert!(len <= self.capacity(), "a registered buffer cannot grow");
        let before = std::mem::replace(&mut self.len, len as u32) as usize;
        if let Some(rest) = self.get_mut(before..) {
            rest.fill(value);
        }
    }
}

impl Deref for RegisteredBuf {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the buffer is `size` bytes of the set's memory, which this value holds; `len` is at most that; all of it is initialised (it was zeroed); and nobody
        // but this value has it, until it is dropped: the set has taken it off its list. While it is lent to the kernel nobody calls this.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len as usize) }
    }
}

impl DerefMut for RegisteredBuf {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` is the only way to it.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len as usize) }
    }
}

impl AsRef<[u8]> for RegisteredBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl AsMut<[u8]> for RegisteredBuf {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

// SAFETY: the bytes are the set's memory, which is not inside the value and which it keeps alive, for itself alone; all of them are initialised. Pointer and
// lengths change by `&mut` methods alone. Leaking the value leaks its count of the set, and so the memory. Nothing here panics. The registration is that of the
// set's memory, which the ring knows until the set is dropped, if not longer.
unsafe impl IoBuf for RegisteredBuf {
    #[inline]
    fn stable_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    #[inline]
    fn bytes_init(&self) -> usize {
        self.len as usize
    }

    #[inline]
    fn bytes_total(&self) -> usize {
        self.set.size
    }

    #[inline]
    fn registration(&self) -> Option<Registration> {
        self.set.registration()
    }
}

// SAFETY: as above; the memory was allocated by us and may be written.
unsafe impl IoBufMut for RegisteredBuf {
    #[inline]
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.start.as_ptr()
    }

    #[inline]
    unsafe fn set_init(&mut self, n: usize) {
        debug_assert!(n <= self.set.size);
        self.len = self.len.max(n as u32);
    }
}

impl Drop for RegisteredBuf {
    fn drop(&mut self) {
        self.set.bring_home(self.at);
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for RegisteredBuf {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl Eq for RegisteredBuf {}

impl fmt::Debug for RegisteredBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RegisteredBuf").field(&&**self).finish()
    }
}
