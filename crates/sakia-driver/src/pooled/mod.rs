//! Pooled buffers: memory that the runtime lends to a receive only when there is something to receive.
//!
//! ```text
//!            adopt (a completion names it)          drop of the last part, on any thread
//! kernel ◀──────────────────────────▶ PooledBuf ───────────────────────────────────▶ Home
//!    ▲                                    ▲ granted to who waits at the bound            │
//!    └──────────── lend ──── free ────────┴────────────── refill, each turn ◀────────────┘
//! ```
//!
//! A buffer has one owner at every instant: the kernel's ring, the parts of one [`PooledBuf`], the [`home`] to which other threads
//! may bring it, or the list of those that are free. [`buffers`] is the owner's side, and decides how many there are; [`slab`] is the memory,
//! which lives as long as anybody holds a part of it. What enters the kernel is behind the seam.

mod buf;
pub(crate) mod buffers;
#[cfg(feature = "bytes")]
mod bytes;
mod home;
pub(crate) mod lending;
mod slab;

pub use buf::PooledBuf;
pub(crate) use buffers::{Buffers, Seat, Supply};

/// How large the buffers of a runtime's pool are, and how many there may be.
///
/// ```
/// use sakia_driver::PoolConfig;
///
/// let pool = PoolConfig::new().buffer_size(16 * 1024).max_buffers(256);
/// assert_eq!(pool.max_bytes(), 4 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct PoolConfig {
    size: usize,
    most: usize,
}

impl PoolConfig {
    /// 4096 buffers of 4 KiB: 16 MiB, none of which is there before it is needed.
    pub fn new() -> Self {
        Self {
            size: 4096,
            most: 4096,
        }
    }

    /// Sets the size of a buffer, in bytes: the most that one pooled read brings, and the longest datagram that comes whole. It is rounded up to a power
    /// of two, of 64 bytes at least and 1 MiB at most.
    pub fn buffer_size(mut self, bytes: usize) -> Self {
        self.size = bytes.clamp(64, 1 << 20).next_power_of_two();
        self
    }

    /// Sets how many buffers there may be, at least 1 and at most 32768. When all of them are in use, what arrives waits in its socket until one comes back.
    pub fn max_buffers(mut self, buffers: usize) -> Self {
        self.most = buffers.clamp(1, 1 << 15);
        self
    }

    /// The most memory, in bytes, that the pool may come to.
    pub fn max_bytes(&self) -> usize {
        self.size * self.most
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self::new()
    }
}
