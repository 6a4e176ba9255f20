//! `PooledBuf`: a part of a buffer that the runtime has lent to a read, as whoever asked for it sees it.

use std::fmt;
use std::ops::{Bound, Deref, RangeBounds};
use std::sync::Arc;

use sakia_buf::IoBuf;

use super::slab::Slab;

/// Bytes that a pooled read has brought, in memory of the runtime's pool.
///
/// It is read as a slice of bytes, can be written to another stream as it is, is shared (`clone`, [`share`](Self::share)) and split without a copy, and with the
/// feature `bytes` becomes a `bytes::Bytes` without one. It may go to other threads and may outlive its runtime.
///
/// The buffer goes back to the pool with the drop of its last part. Whoever keeps one for long keeps it from others: a pool is bounded, and at its bound
/// the sockets wait. Copy what is to be kept.
///
/// ```
/// # async fn run(fd: &sakia_driver::Fd) -> std::io::Result<()> {
/// use sakia_driver::ops;
///
/// while let Some(mut line) = ops::recv_pooled(fd).await? {
///     if let Some(colon) = line.iter().position(|byte| *byte == b':') {
///         let value = line.split_off(colon + 1);
///         println!("{:?} is {:?}", line, value.share(1..));
///     }
/// }
/// # Ok(()) }
/// ```
pub struct PooledBuf {
    slab: Arc<Slab>,
    start: u32,
    /// 0: it holds no part of a buffer.
    len: u32,
}

impl PooledBuf {
    /// The first `len` bytes of a buffer that nobody holds any more: the caller hands it over.
    #[inline]
    pub(super) fn first(slab: Arc<Slab>, at: usize, len: usize) -> Self {
        debug_assert!(len > 0, "it holds a part");
        slab.begin(at);
        let start = slab.start(at);
        let len = len as u32;
        Self { slab, start, len }
    }

    /// Bytes that are no pool's.
    pub(crate) fn alone(bytes: Vec<u8>) -> Self {
        let slab = Slab::alone(bytes);
        let len = u32::try_from(slab.len()).expect("a leftover of this length is served in pieces");
        Self {
            slab,
            start: 0,
            len,
        }
    }

    /// The address of its first byte, to have the kernel write there. Only for who holds all of a buffer, and shows it to nobody.
    pub(crate) fn lent(&self) -> (u64, u32) {
        (self.slab.address(self.start) as u64, self.len)
    }

    pub(crate) fn cut_to(mut self, len: usize) -> Self {
        self.truncate(len);
        self
    }

    /// Takes the first `at` bytes off, and leaves the rest.
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use = "what was taken off is dropped"]
    pub fn split_to(&mut self, at: usize) -> Self {
        let rest = self.split_off(at);
        std::mem::replace(self, rest)
    }

    /// Takes the bytes from `at` on off, and leaves those before.
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use = "what was taken off is dropped"]
    pub fn split_off(&mut self, at: usize) -> Self {
        let rest = self.share(at..);
        self.truncate(at);
        rest
    }

    /// Shares a part of it.
    ///
    /// # Panics
    /// If the range is not within it.
    pub fn share(&self, range: impl RangeBounds<usize>) -> Self {
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(to) => *to,
            Bound::Unbounded => self.len(),
        };
        let len = self[from..to].len() as u32;
        let start = self.start + from as u32;
        if len > 0 {
            self.slab.join(start);
        }
        Self {
            slab: self.slab.clone(),
            start,
            len,
        }
    }

    /// Drops the bytes from `len` on; does nothing if there are fewer.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len() {
            return;
        }
        if len == 0 {
            self.slab.leave(self.start);
        }
        self.len = len as u32;
    }

    /// Drops the first `n` bytes.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn advance(&mut self, n: usize) {
        drop(self.split_to(n));
    }
}

impl Clone for PooledBuf {
    fn clone(&self) -> Self {
        self.share(..)
    }
}

impl Drop for PooledBuf {
    fn drop(&mut self) {
        if self.len > 0 {
            self.slab.leave(self.start);
        }
    }
}

impl Deref for PooledBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the range is within one buffer (it was cut from one, by the checked ranges above), and unless it is empty this holds a
        // part of it, for as long as it is borrowed.
        unsafe { self.slab.bytes(self.start, self.len) }
    }
}

impl AsRef<[u8]> for PooledBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

// SAFETY: the memory is the slab's, which is not inside the value and which it keeps alive; it is initialised; nobody writes to a buffer of
// which a part is held, clones included. Pointer and length change by `&mut` methods alone. Leaking the value leaks its part and its count of
// the slab. Nothing here panics.
unsafe impl IoBuf for PooledBuf {
    fn stable_ptr(&self) -> *const u8 {
        self.slab.address(self.start)
    }

    fn bytes_init(&self) -> usize {
        self.len as usize
    }

    fn bytes_total(&self) -> usize {
        self.len as usize
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for PooledBuf {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl Eq for PooledBuf {}

impl fmt::Debug for PooledBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PooledBuf").field(&&**self).finish()
    }
}
