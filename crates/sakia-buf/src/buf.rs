//! The two traits of a single buffer, and their implementations for the types of std.
//! Ranges belong in `slice`, lists of buffers in `vectored`, other crates' types in a file of their own.

use std::ops::RangeBounds;
use std::ptr;
use std::slice;

use crate::Slice;

/// Says that memory is registered with a ring, and under which number.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Whose ring it is: the address of its driver.
    pub driver: usize,
    /// The ring's number of the memory.
    pub slot: u16,
}

/// Lends the kernel memory to read from: what a write sends.
///
/// An operation takes the buffer by value, keeps it until the kernel is done with it, and gives it back with the result.
/// Only types that own their memory, or borrow it for `'static`, can be lent that way.
///
/// ```
/// use sakia_buf::IoBuf;
///
/// let mut buf = Vec::with_capacity(16);
/// buf.extend_from_slice(b"wheel");
/// assert_eq!(buf.bytes_init(), 5);
/// assert!(buf.bytes_total() >= 16);
///
/// let part = buf.slice(1..3);
/// assert_eq!(part.as_slice(), b"he");
/// ```
///
/// # How a buffer is lent
///
/// The borrower (sakia's driver, or whoever hands the memory to the kernel):
///
/// 1. moves the value to where it will rest, in a `MaybeUninit` or as other raw parts, so that a later move of it
///    asserts nothing about the memory (moving a bare `Box` claims its content anew);
/// 2. asks for the pointer and the lengths there, once for each operation;
/// 3. runs none of the value's code, and shows it to nobody, until the kernel is done. The resting place may move;
/// 4. then calls [`set_init`](IoBufMut::set_init) if the kernel wrote, and gives the value back.
///
/// If the kernel is never seen to be done, the value is leaked, not dropped.
///
/// # Safety
///
/// Whoever implements this trait promises, from the moment the value exists until it is dropped:
///
/// - `stable_ptr` is not null, and the `bytes_init` bytes behind it are initialised, in one allocation, and may be
///   read by the kernel and from any thread.
/// - The pointer and both lengths stay the same while the value is moved (the memory is not inside the value), and while only
///   `&self` methods are called on it. They may change when the owner uses the value by `&mut`.
/// - While the value is lent, nobody writes to these bytes: no clone, no other handle, no other thread.
/// - Leaking the value leaks the memory: it stays valid as if the value had lived on.
/// - `bytes_init() <= bytes_total() <= isize::MAX`.
/// - None of the three methods without a body panics. Those with a body keep their meaning if they are written anew.
pub unsafe trait IoBuf: Unpin + 'static {
    /// Returns the address of the first byte.
    ///
    /// ```
    /// use sakia_buf::IoBuf;
    ///
    /// let buf = vec![1u8, 2, 3];
    /// let before = buf.stable_ptr();
    /// let moved = buf;
    /// assert_eq!(before, moved.stable_ptr());
    /// ```
    fn stable_ptr(&self) -> *const u8;

    /// Counts the initialised bytes, which begin at [`stable_ptr`](IoBuf::stable_ptr).
    ///
    /// ```
    /// use sakia_buf::IoBuf;
    ///
    /// assert_eq!("a sakia".bytes_init(), 7);
    /// ```
    fn bytes_init(&self) -> usize;

    /// Counts the bytes that the buffer can hold, initialised or not.
    ///
    /// For a type that is not [`IoBufMut`] there is nothing to fill, and this is the same as `bytes_init`.
    ///
    /// ```
    /// use sakia_buf::IoBuf;
    ///
    /// let buf = vec![0u8; 8].into_boxed_slice();
    /// assert_eq!(buf.bytes_total(), 8);
    /// ```
    fn bytes_total(&self) -> usize;

    /// Borrows the initialised bytes.
    ///
    /// ```
    /// use sakia_buf::IoBuf;
    ///
    /// assert_eq!(String::from("wheel").as_slice(), b"wheel");
    /// ```
    fn as_slice(&self) -> &[u8] {
        // SAFETY: the implementor of `IoBuf` promises that `bytes_init` bytes behind `stable_ptr` (never null) are
        // initialised and in one allocation, that they stay so while `self` is not used by `&mut`, and that nobody
        // writes to them; the borrow of `self` lasts as long as the slice.
        unsafe { slice::from_raw_parts(self.stable_ptr(), self.bytes_init()) }
    }

    /// Says which ring knows the buffer's memory already, all of it, for as long as the value lives. For drivers; none by default.
    #[doc(hidden)]
    #[inline]
    fn registration(&self) -> Option<Registration> {
        None
    }

    /// Restricts an operation to a part of the buffer, which [`Slice::into_inner`] gives back whole.
    ///
    /// The end may reach up to `bytes_total`, and is there if it is left open. A slice of a slice stays flat:
    /// [`Slice`] has a `slice` of its own.
    ///
    /// ```
    /// use sakia_buf::IoBuf;
    ///
    /// let part = vec![1u8, 2, 3, 4].slice(..3).slice(1..);
    /// assert_eq!(&part[..], [2, 3]);
    /// assert_eq!(part.into_inner(), [1, 2, 3, 4]);
    /// ```
    ///
    /// # Panics
    ///
    /// If the range begins after `bytes_init`, ends after `bytes_total`, or ends before it begins.
    #[track_caller]
    fn slice(self, range: impl RangeBounds<usize>) -> Slice<Self>
    where
        Self: Sized,
    {
        Slice::new(self, range)
    }
}

/// Lends the kernel memory to write to: what a read fills.
///
/// A read fills the buffer from its first byte, up to `bytes_total`, over what was there. Afterwards the
/// length is `max(length, n)`: a read never makes a buffer shorter.
///
/// ```
/// use sakia_buf::{IoBuf, IoBufMut};
///
/// let mut buf = Vec::with_capacity(16);
/// assert_eq!(buf.fill_from(b"wheel"), 5);
/// assert_eq!(buf.fill_from(b"st"), 2);
/// assert_eq!(buf.as_slice(), b"steel");
/// ```
///
/// # Safety
///
/// Beside the promises of [`IoBuf`]:
///
/// - `stable_mut_ptr` is the same address as `stable_ptr`, and the kernel, on any thread, may write the `bytes_total`
///   bytes behind it, all of them in one allocation.
/// - While the value is lent, nobody else reads or writes these bytes.
/// - `set_init` does what it says, moves no memory, and changes no other byte.
pub unsafe trait IoBufMut: IoBuf {
    /// Returns the address of the first byte, for writing.
    ///
    /// ```
    /// use sakia_buf::{IoBuf, IoBufMut};
    ///
    /// let mut buf = vec![0u8; 4];
    /// assert_eq!(buf.stable_mut_ptr().cast_const(), buf.stable_ptr());
    /// ```
    fn stable_mut_ptr(&mut self) -> *mut u8;

    /// Tells the buffer that its first `n` bytes are initialised: its length becomes `max(length, n)`.
    ///
    /// ```
    /// use sakia_buf::IoBufMut;
    ///
    /// let mut buf: Vec<u8> = Vec::with_capacity(4);
    /// // SAFETY: the capacity is at least 4, and the two bytes are written just before.
    /// unsafe {
    ///     buf.stable_mut_ptr().write_bytes(7, 2);
    ///     buf.set_init(2);
    /// }
    /// assert_eq!(buf, [7, 7]);
    /// ```
    ///
    /// # Safety
    ///
    /// `n` is at most `bytes_total`, and the first `n` bytes are initialised.
    unsafe fn set_init(&mut self, n: usize);

    /// Copies as much of `src` as there is room for to the front of the buffer, and returns how much that was.
    ///
    /// This is what a read does, for readers that have their bytes in memory.
    ///
    /// ```
    /// use sakia_buf::IoBufMut;
    ///
    /// let mut buf = Box::new([0u8; 3]);
    /// assert_eq!(buf.fill_from(b"wheel"), 3);
    /// assert_eq!(*buf, *b"whe");
    /// ```
    fn fill_from(&mut self, src: &[u8]) -> usize {
        let n = src.len().min(self.bytes_total());
        // SAFETY: the implementor promises `bytes_total >= n` writable bytes behind the pointer, which nobody else
        // can reach while we hold `&mut self`, so they cannot overlap `src`. The first `n` are then initialised.
        unsafe {
            ptr::copy_nonoverlapping(src.as_ptr(), self.stable_mut_ptr(), n);
            self.set_init(n);
        }
        n
    }
}

// SAFETY: the bytes of a `Vec` are on the heap, whatever moves the `Vec`; only `&mut` methods move or free them; the
// first `len` are initialised, and a `Vec` is the only way to its bytes.
unsafe impl IoBuf for Vec<u8> {
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

// SAFETY: `Vec::as_mut_ptr` is good for writes to the whole capacity, and nobody else can reach these bytes.
unsafe impl IoBufMut for Vec<u8> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    unsafe fn set_init(&mut self, n: usize) {
        if n > self.len() {
            // SAFETY: our caller promises that `n` is within the capacity and that the first `n` bytes are initialised.
            unsafe { self.set_len(n) };
        }
    }
}

// SAFETY: the bytes are on the heap, all of them initialised, and the box is the only way to them.
unsafe impl IoBuf for Box<[u8]> {
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

// SAFETY: a box may write all its bytes, and nobody else can reach them; `set_init` has nothing to do, since all
// bytes are initialised from the start.
unsafe impl IoBufMut for Box<[u8]> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    unsafe fn set_init(&mut self, _n: usize) {}
}

// SAFETY: as for `Box<[u8]>`.
unsafe impl<const N: usize> IoBuf for Box<[u8; N]> {
    fn stable_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        N
    }

    fn bytes_total(&self) -> usize {
        N
    }
}

// SAFETY: as for `Box<[u8]>`.
unsafe impl<const N: usize> IoBufMut for Box<[u8; N]> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    unsafe fn set_init(&mut self, _n: usize) {}
}

// SAFETY: the bytes are borrowed for `'static`, so they never move and are never freed or written.
unsafe impl IoBuf for &'static [u8] {
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

// SAFETY: as for `&'static [u8]`.
unsafe impl IoBuf for &'static str {
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

// SAFETY: a `String` is a `Vec<u8>` that is UTF-8. It is not `IoBufMut`: what the kernel writes need not be UTF-8.
unsafe impl IoBuf for String {
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

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;

    use super::*;

    /// Does with a buffer what a driver does: rest it, ask once, move the resting place, write, give it back.
    fn lend<B: IoBufMut>(buf: B, bytes: &[u8]) -> B {
        let mut rest = MaybeUninit::new(buf);
        // SAFETY: it was put there just before.
        let lent = unsafe { rest.assume_init_mut() };
        let (ptr, total) = (lent.stable_mut_ptr(), lent.bytes_total());
        assert!(bytes.len() <= total);
        let mut moved = Box::new(rest);
        // SAFETY: the implementor promises `total` writable bytes there, wherever the value was moved; they are
        // written, so the length may be told; and the value is taken out once.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), ptr, bytes.len());
            moved.assume_init_mut().set_init(bytes.len());
            moved.assume_init_read()
        }
    }

    #[test]
    fn what_the_kernel_wrote_is_in_the_buffer_after_its_resting_place_moved() {
        assert_eq!(lend(Vec::with_capacity(8), b"wheel"), b"wheel");
        assert_eq!(lend(vec![0; 5].into_boxed_slice(), b"wheel")[..], *b"wheel");
        assert_eq!(*lend(Box::new([0; 5]), b"wheel"), *b"wheel");
        assert_eq!(lend(vec![0; 9].slice(2..7), b"wheel")[..], *b"wheel");
        #[cfg(feature = "bytes")]
        assert_eq!(
            lend(::bytes::BytesMut::with_capacity(8), b"wheel")[..],
            *b"wheel"
        );
    }

    #[test]
    fn the_room_behind_what_is_initialised_may_be_written() {
        let mut half = Vec::with_capacity(8);
        half.extend_from_slice(b"abc");
        assert_eq!(lend(half, b"wheel"), b"wheel");
        #[cfg(feature = "bytes")]
        {
            let mut half = ::bytes::BytesMut::with_capacity(8);
            half.extend_from_slice(b"abc");
            assert_eq!(lend(half, b"wheel")[..], *b"wheel");
        }
    }
}
