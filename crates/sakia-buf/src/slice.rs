//! `Slice`: a buffer and the range of it that an operation may touch.
//! The rules of the range live here alone; what a buffer is belongs in `buf`.

use std::ops::{Bound, Deref, DerefMut, RangeBounds};
use std::slice;

use crate::{IoBuf, IoBufMut, Registration};

/// Restricts an operation to the range `begin..end` of a buffer that it owns.
///
/// Made by [`IoBuf::slice`]. It is a buffer itself, and dereferences to the initialised bytes of its range.
///
/// ```
/// use sakia_buf::{IoBuf, IoBufMut};
///
/// let mut part = Vec::with_capacity(8).slice(..4);
/// assert_eq!(part.bytes_total(), 4);
/// assert_eq!(part.fill_from(b"sakia"), 4);
/// assert_eq!(&part[..], b"saki");
///
/// // The next bytes go behind them.
/// let mut rest = part.into_inner().slice(4..);
/// rest.fill_from(b"a!");
/// assert_eq!(rest.into_inner(), b"sakia!");
/// ```
///
/// If the buffer was changed by [`get_mut`](Slice::get_mut), the slice covers what is left of its range, and nothing at all
/// if the byte before `begin` is no longer initialised.
#[derive(Debug)]
pub struct Slice<B> {
    buf: B,
    begin: usize,
    end: usize,
}

impl<B> Slice<B> {
    /// Returns the buffer whole, with what was read into it.
    ///
    /// ```
    /// use sakia_buf::IoBuf;
    ///
    /// let buf = vec![1u8, 2, 3].slice(1..2).into_inner();
    /// assert_eq!(buf, [1, 2, 3]);
    /// ```
    pub fn into_inner(self) -> B {
        self.buf
    }

    /// Borrows the whole buffer.
    ///
    /// ```
    /// use sakia_buf::IoBuf;
    ///
    /// let part = vec![1u8, 2, 3].slice(1..2);
    /// assert_eq!(part.get_ref().len(), 3);
    /// ```
    pub fn get_ref(&self) -> &B {
        &self.buf
    }

    /// Borrows the whole buffer, to change it.
    ///
    /// The range stays as it is. A buffer that became too short for it makes the slice shorter.
    ///
    /// ```
    /// use sakia_buf::IoBuf;
    ///
    /// let mut part = vec![1u8, 2, 3].slice(1..3);
    /// part.get_mut().truncate(2);
    /// assert_eq!(&part[..], [2]);
    /// ```
    pub fn get_mut(&mut self) -> &mut B {
        &mut self.buf
    }

    /// Returns where the range begins in the buffer.
    ///
    /// ```
    /// use sakia_buf::IoBuf;
    ///
    /// assert_eq!(vec![1u8, 2, 3].slice(1..2).begin(), 1);
    /// ```
    pub fn begin(&self) -> usize {
        self.begin
    }

    /// Returns where the range ends in the buffer.
    ///
    /// ```
    /// use sakia_buf::IoBuf;
    ///
    /// assert_eq!(vec![1u8, 2, 3].slice(1..2).end(), 2);
    /// ```
    pub fn end(&self) -> usize {
        self.end
    }
}

impl<B: IoBuf> Slice<B> {
    #[track_caller]
    pub(crate) fn new(buf: B, range: impl RangeBounds<usize>) -> Self {
        let (begin, end) = resolve(range, buf.bytes_init(), buf.bytes_total());
        Self { buf, begin, end }
    }

    /// Restricts the slice further; the range counts from where this slice begins.
    ///
    /// The result is a `Slice<B>` again, not a `Slice<Slice<B>>`, so that one [`into_inner`](Slice::into_inner) gives the
    /// buffer back however often it was sliced.
    ///
    /// ```
    /// use sakia_buf::{IoBuf, Slice};
    ///
    /// let part: Slice<Vec<u8>> = vec![0u8; 10].slice(2..8).slice(1..3);
    /// assert_eq!((part.begin(), part.end()), (3, 5));
    /// ```
    ///
    /// # Panics
    ///
    /// As [`IoBuf::slice`], with the lengths of this slice.
    #[track_caller]
    #[must_use = "the buffer is in the slice that this returns"]
    pub fn slice(self, range: impl RangeBounds<usize>) -> Slice<B> {
        let (begin, end) = resolve(range, self.bytes_init(), self.bytes_total());
        let (base, _) = self.live();
        Slice {
            buf: self.buf,
            begin: base + begin,
            end: base + end,
        }
    }

    /// Returns the range as far as the buffer still covers it: `begin <= bytes_init` and `begin <= end <= bytes_total`
    /// of the buffer hold, always. The range was checked when the slice was made, but `get_mut` lets anybody shorten
    /// the buffer after that, and our unsafe code must not believe an old check.
    fn live(&self) -> (usize, usize) {
        let init = self.buf.bytes_init();
        if self.begin > init {
            return (init, init);
        }
        (self.begin, self.end.min(self.buf.bytes_total()))
    }
}

/// Turns a range into offsets and checks it against the lengths of a buffer.
#[track_caller]
fn resolve(range: impl RangeBounds<usize>, init: usize, total: usize) -> (usize, usize) {
    let after = |n: usize| n.checked_add(1).expect("the range overflows usize");
    let begin = match range.start_bound() {
        Bound::Included(&n) => n,
        Bound::Excluded(&n) => after(n),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&n) => after(n),
        Bound::Excluded(&n) => n,
        Bound::Unbounded => total,
    };
    assert!(
        begin <= init,
        "the slice begins at {begin}, but only {init} bytes are initialised"
    );
    assert!(
        end <= total,
        "the slice ends at {end}, but the buffer holds {total} bytes"
    );
    assert!(
        begin <= end,
        "the slice begins at {begin}, but ends at {end}"
    );
    (begin, end)
}

// SAFETY: the inner buffer keeps the promises of `IoBuf` for its whole range, and `live` lies within it: the
// pointer is offset by at most the inner `bytes_init`, and both lengths end where the inner ones do. `live` depends
// on the inner lengths alone, which stay the same while only `&self` methods run.
unsafe impl<B: IoBuf> IoBuf for Slice<B> {
    fn stable_ptr(&self) -> *const u8 {
        let (begin, _) = self.live();
        // SAFETY: `begin <= bytes_init` of the buffer, so the offset stays within its allocation.
        unsafe { self.buf.stable_ptr().add(begin) }
    }

    fn bytes_init(&self) -> usize {
        let (begin, end) = self.live();
        self.buf.bytes_init().min(end) - begin
    }

    fn bytes_total(&self) -> usize {
        let (begin, end) = self.live();
        end - begin
    }

    fn registration(&self) -> Option<Registration> {
        self.buf.registration()
    }
}

// SAFETY: as above, with the promises of `IoBufMut`: the range is a part of what the inner buffer lets be written.
unsafe impl<B: IoBufMut> IoBufMut for Slice<B> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        let (begin, _) = self.live();
        // SAFETY: `begin <= bytes_init` of the buffer, so the offset stays within its allocation.
        unsafe { self.buf.stable_mut_ptr().add(begin) }
    }

    unsafe fn set_init(&mut self, n: usize) {
        let (begin, _) = self.live();
        // SAFETY: the inner bytes before `begin` are initialised, since `live` never begins after them; our caller
        // promises the `n` bytes from there on, and that `begin + n` is not past our end, which the buffer holds.
        unsafe { self.buf.set_init(begin + n) };
    }
}

impl<B: IoBuf> Deref for Slice<B> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl<B: IoBufMut> DerefMut for Slice<B> {
    fn deref_mut(&mut self) -> &mut [u8] {
        let init = self.bytes_init();
        // SAFETY: the implementor of `IoBufMut` promises `init` initialised bytes behind the pointer, writable, and
        // out of everybody else's reach while we hold `&mut self`, which lasts as long as the slice.
        unsafe { slice::from_raw_parts_mut(self.stable_mut_ptr(), init) }
    }
}
