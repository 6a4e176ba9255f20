//! Lists of buffers, for one operation that gathers from or scatters to many.
//! The kernel's `iovec` does not belong here: a list shows its pointers to a visitor, who builds what the kernel wants.

use std::ptr;
use std::slice;

use crate::{IoBuf, IoBufMut};

/// Lends the kernel a list of buffers to read from: what a vectored write sends.
///
/// Implemented for `Vec<B>`, `Box<[B]>`, `[B; N]`, and tuples of two or three different buffers.
///
/// ```
/// use sakia_buf::IoVecBuf;
///
/// let list = ("HTTP/1.1 ", String::from("200"), vec![13u8, 10]);
/// assert_eq!(list.total_init(), 14);
/// ```
///
/// A list is lent like a single buffer; see [`IoBuf`].
///
/// # Safety
///
/// Whoever implements this trait promises that `for_each` shows each buffer once, and always the same pointers and lengths
/// in the same order, until the owner uses the list by `&mut`, wherever the list is moved; and that each pointer keeps
/// the promises of [`IoBuf`]. The methods with a body keep their meaning if they are written anew.
pub unsafe trait IoVecBuf: Unpin + 'static {
    /// Shows `f` the pointer and the number of initialised bytes of each buffer, in order.
    ///
    /// ```
    /// use sakia_buf::IoVecBuf;
    ///
    /// let mut lengths = Vec::new();
    /// ["a", "wheel"].for_each(&mut |_, len| lengths.push(len));
    /// assert_eq!(lengths, [1, 5]);
    /// ```
    fn for_each(&self, f: &mut dyn FnMut(*const u8, usize));

    /// Shows `f` the initialised bytes of each buffer, in order.
    ///
    /// ```
    /// use sakia_buf::IoVecBuf;
    ///
    /// let mut all = Vec::new();
    /// ("a ", "wheel").for_each_slice(&mut |part| all.extend_from_slice(part));
    /// assert_eq!(all, b"a wheel");
    /// ```
    fn for_each_slice(&self, f: &mut dyn FnMut(&[u8])) {
        self.for_each(&mut |ptr, len| {
            // SAFETY: the implementor promises `len` initialised bytes behind `ptr` as `IoBuf` does, unchanged while
            // `self` is borrowed; `f` cannot keep the slice.
            f(unsafe { slice::from_raw_parts(ptr, len) });
        });
    }

    /// Counts the initialised bytes of all buffers: what a vectored write would send.
    ///
    /// ```
    /// use sakia_buf::IoVecBuf;
    ///
    /// assert_eq!(["a", "wheel"].total_init(), 6);
    /// ```
    fn total_init(&self) -> usize {
        let mut total = 0;
        self.for_each(&mut |_, len| total += len);
        total
    }
}

/// Lends the kernel a list of buffers to write to: what a vectored read fills.
///
/// ```
/// use sakia_buf::IoVecBufMut;
///
/// let mut list = (Box::new([0u8; 2]), Vec::with_capacity(8));
/// assert_eq!(list.fill_from(b"a wheel"), 7);
/// assert_eq!(list, (Box::new(*b"a "), b"wheel".to_vec()));
/// ```
///
/// # Safety
///
/// Beside the promises of [`IoVecBuf`], `for_each_mut` shows the same buffers in the same order, each with the number of
/// bytes that it can hold; each pointer keeps the promises of [`IoBufMut`], and no two buffers overlap; and
/// `total_capacity` and `set_init` do what they say.
pub unsafe trait IoVecBufMut: IoVecBuf {
    /// Shows `f` the pointer and the capacity of each buffer, in order.
    ///
    /// ```
    /// use sakia_buf::IoVecBufMut;
    ///
    /// let mut lengths = Vec::new();
    /// [Box::new([0u8; 4]), Box::new([0u8; 4])].for_each_mut(&mut |_, len| lengths.push(len));
    /// assert_eq!(lengths, [4, 4]);
    /// ```
    fn for_each_mut(&mut self, f: &mut dyn FnMut(*mut u8, usize));

    /// Counts the bytes that all buffers can hold: what a vectored read would fill.
    ///
    /// ```
    /// use sakia_buf::IoVecBufMut;
    ///
    /// assert_eq!([Box::new([0u8; 4]), Box::new([0u8; 4])].total_capacity(), 8);
    /// ```
    fn total_capacity(&self) -> usize;

    /// Tells the buffers that the first `total` bytes of the whole list are initialised.
    ///
    /// The total is spread in order: a buffer is filled to its capacity before the next gets any. The length of each becomes
    /// `max(length, its share)`.
    ///
    /// ```
    /// use sakia_buf::IoVecBufMut;
    ///
    /// let mut list = [Box::new([0u8; 4]).to_vec(), Vec::with_capacity(16)];
    /// list.for_each_mut(&mut |ptr, len| {
    ///     // SAFETY: the list shows memory that may be written for this length.
    ///     unsafe { ptr.write_bytes(7, len) };
    /// });
    /// // SAFETY: all bytes were written just before, and the capacity is at least 4 + 16.
    /// unsafe { list.set_init(6) };
    /// assert_eq!(list, [vec![7; 4], vec![7; 2]]);
    /// ```
    ///
    /// # Safety
    ///
    /// `total` is at most `total_capacity`, and that many bytes are initialised, counted through the buffers in order.
    unsafe fn set_init(&mut self, total: usize);

    /// Copies as much of `src` as there is room for into the buffers, in order, and returns how much that was.
    ///
    /// This is what a vectored read does, for readers that have their bytes in memory.
    ///
    /// ```
    /// use sakia_buf::IoVecBufMut;
    ///
    /// let mut list = [Box::new([0u8; 2]), Box::new([0u8; 2])];
    /// assert_eq!(list.fill_from(b"wheel"), 4);
    /// assert_eq!(list, [Box::new(*b"wh"), Box::new(*b"ee")]);
    /// ```
    fn fill_from(&mut self, src: &[u8]) -> usize {
        let mut rest = src;
        self.for_each_mut(&mut |ptr, capacity| {
            let (now, later) = rest.split_at(rest.len().min(capacity));
            // SAFETY: the implementor promises `capacity` writable bytes behind `ptr`, which nobody else can reach
            // while we hold `&mut self`, so they cannot overlap `src`.
            unsafe { ptr::copy_nonoverlapping(now.as_ptr(), ptr, now.len()) };
            rest = later;
        });
        let n = src.len() - rest.len();
        // SAFETY: each buffer in order was filled up before the next, `n` bytes in all, so `n` is within the capacity.
        unsafe { self.set_init(n) };
        n
    }
}

fn show<B: IoBuf>(buf: &B, f: &mut dyn FnMut(*const u8, usize)) {
    f(buf.stable_ptr(), buf.bytes_init());
}

fn show_mut<B: IoBufMut>(buf: &mut B, f: &mut dyn FnMut(*mut u8, usize)) {
    f(buf.stable_mut_ptr(), buf.bytes_total());
}

fn capacity<B: IoBufMut>(bufs: &[B]) -> usize {
    bufs.iter().map(IoBuf::bytes_total).sum()
}

/// Gives a buffer its share of `left`, and returns what is left for the next.
///
/// # Safety
///
/// The first `min(left, bytes_total)` bytes of the buffer are initialised.
unsafe fn share<B: IoBufMut>(buf: &mut B, left: usize) -> usize {
    let n = left.min(buf.bytes_total());
    // SAFETY: `n` is within the capacity, and our caller promises the bytes.
    unsafe { buf.set_init(n) };
    left - n
}

/// Spreads `total` over the buffers, in order.
///
/// # Safety
///
/// As [`IoVecBufMut::set_init`].
unsafe fn spread<B: IoBufMut>(bufs: &mut [B], total: usize) {
    let mut left = total;
    for buf in bufs {
        // SAFETY: our caller promises that the bytes are initialised in order, so those of this buffer are.
        left = unsafe { share(buf, left) };
    }
    debug_assert_eq!(left, 0, "more bytes than the list can hold");
}

// SAFETY: moving the list moves the buffers, and the memory of each stays where it is, as `IoBuf` promises. The list
// is visited in its own order, which only `&mut` can change.
unsafe impl<B: IoBuf> IoVecBuf for Vec<B> {
    fn for_each(&self, f: &mut dyn FnMut(*const u8, usize)) {
        self.iter().for_each(|buf| show(buf, f));
    }
}

// SAFETY: each buffer is `IoBufMut`, whose memory is its own, so no two overlap.
unsafe impl<B: IoBufMut> IoVecBufMut for Vec<B> {
    fn for_each_mut(&mut self, f: &mut dyn FnMut(*mut u8, usize)) {
        self.iter_mut().for_each(|buf| show_mut(buf, f));
    }

    fn total_capacity(&self) -> usize {
        capacity(self)
    }

    unsafe fn set_init(&mut self, total: usize) {
        // SAFETY: our caller keeps the same contract.
        unsafe { spread(self, total) };
    }
}

// SAFETY: as for `Vec<B>`.
unsafe impl<B: IoBuf> IoVecBuf for Box<[B]> {
    fn for_each(&self, f: &mut dyn FnMut(*const u8, usize)) {
        self.iter().for_each(|buf| show(buf, f));
    }
}

// SAFETY: as for `Vec<B>`.
unsafe impl<B: IoBufMut> IoVecBufMut for Box<[B]> {
    fn for_each_mut(&mut self, f: &mut dyn FnMut(*mut u8, usize)) {
        self.iter_mut().for_each(|buf| show_mut(buf, f));
    }

    fn total_capacity(&self) -> usize {
        capacity(self)
    }

    unsafe fn set_init(&mut self, total: usize) {
        // SAFETY: our caller keeps the same contract.
        unsafe { spread(self, total) };
    }
}

// SAFETY: as for `Vec<B>`. The array is inline, but what is lent is the memory of each buffer, which is not.
unsafe impl<B: IoBuf, const N: usize> IoVecBuf for [B; N] {
    fn for_each(&self, f: &mut dyn FnMut(*const u8, usize)) {
        self.iter().for_each(|buf| show(buf, f));
    }
}

// SAFETY: as for `Vec<B>`.
unsafe impl<B: IoBufMut, const N: usize> IoVecBufMut for [B; N] {
    fn for_each_mut(&mut self, f: &mut dyn FnMut(*mut u8, usize)) {
        self.iter_mut().for_each(|buf| show_mut(buf, f));
    }

    fn total_capacity(&self) -> usize {
        capacity(self)
    }

    unsafe fn set_init(&mut self, total: usize) {
        // SAFETY: our caller keeps the same contract.
        unsafe { spread(self, total) };
    }
}

// SAFETY: as for `[B; N]`.
unsafe impl<A: IoBuf, B: IoBuf> IoVecBuf for (A, B) {
    fn for_each(&self, f: &mut dyn FnMut(*const u8, usize)) {
        show(&self.0, f);
        show(&self.1, f);
    }
}

// SAFETY: as for `[B; N]`.
unsafe impl<A: IoBufMut, B: IoBufMut> IoVecBufMut for (A, B) {
    fn for_each_mut(&mut self, f: &mut dyn FnMut(*mut u8, usize)) {
        show_mut(&mut self.0, f);
        show_mut(&mut self.1, f);
    }

    fn total_capacity(&self) -> usize {
        self.0.bytes_total() + self.1.bytes_total()
    }

    unsafe fn set_init(&mut self, total: usize) {
        // SAFETY: our caller promises that the bytes are initialised in order, so those of each buffer are.
        unsafe {
            let left = share(&mut self.0, total);
            share(&mut self.1, left);
        }
    }
}

// SAFETY: as for `[B; N]`.
unsafe impl<A: IoBuf, B: IoBuf, C: IoBuf> IoVecBuf for (A, B, C) {
    fn for_each(&self, f: &mut dyn FnMut(*const u8, usize)) {
        show(&self.0, f);
        show(&self.1, f);
        show(&self.2, f);
    }
}

// SAFETY: as for `[B; N]`.
unsafe impl<A: IoBufMut, B: IoBufMut, C: IoBufMut> IoVecBufMut for (A, B, C) {
    fn for_each_mut(&mut self, f: &mut dyn FnMut(*mut u8, usize)) {
        show_mut(&mut self.0, f);
        show_mut(&mut self.1, f);
        show_mut(&mut self.2, f);
    }

    fn total_capacity(&self) -> usize {
        self.0.bytes_total() + self.1.bytes_total() + self.2.bytes_total()
    }

    unsafe fn set_init(&mut self, total: usize) {
        // SAFETY: our caller promises that the bytes are initialised in order, so those of each buffer are.
        unsafe {
            let left = share(&mut self.0, total);
            let left = share(&mut self.1, left);
            share(&mut self.2, left);
        }
    }
}
