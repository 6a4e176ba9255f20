//! What a driver is asked to be when it is made.

use std::time::Duration;

use crate::kernel::choose::KernelChoice;
use crate::pooled::PoolConfig;

/// What a driver is asked to be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Which kernel carries the operations out.
    pub kernel: KernelChoice,
    /// Entries of the submission queue, at least 1 and at most 32768, rounded up to a power of two; the completion queue has four times as many.
    pub entries: u32,
    /// The most threads for what has no opcode (getaddrinfo, directory listings, `spawn_blocking`).
    pub max_blocking: usize,
    /// The buffers that pooled reads are lent.
    pub pool: PoolConfig,
    /// The cores to pin the thread to; `None` leaves it free.
    pub pin_to: Option<Vec<usize>>,
    /// Whether the process's soft limit of descriptors is lifted to the hard one.
    pub raise_nofile: bool,
    /// Whether descriptors keep the place in the source that asked for them; it takes the feature `track-origin`.
    pub track_origin: bool,
    /// How long a turn that finds nothing to do looks on before it parks. A kernel that has no ring to look at parks at once.
    pub spin_before_park: Duration,
    /// The most kernel worker threads for ops of bounded time (files), 0 for the kernel's default.
    pub bounded_workers: u32,
    /// The most kernel worker threads for ops of unbounded time (sockets, pipes that were forced to a worker), 0 for the kernel's default.
    pub unbounded_workers: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kernel: KernelChoice::Auto,
            entries: 256,
            max_blocking: 16,
            pool: PoolConfig::new(),
            pin_to: None,
            raise_nofile: false,
            track_origin: cfg!(feature = "track-origin"),
            spin_before_park: Duration::ZERO,
            bounded_workers: 0,
            unbounded_workers: 64,
        }
    }
}
