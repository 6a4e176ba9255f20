//! What a simulated kernel is asked to be: its seed, and how far it goes within what a kernel may do.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A chance in a million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chance(u32);

impl Chance {
    const CERTAIN: u32 = 1_000_000;

    fn of(probability: f64) -> Self {
        // A number that is none (NaN) never happens.
        Self((probability.clamp(0.0, 1.0) * f64::from(Self::CERTAIN)) as u32)
    }

    pub(super) fn in_a_million(self) -> u32 {
        self.0
    }
}

/// An error that ops of one opcode meet now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) opcode: u8,
    pub(super) errno: i32,
    pub(super) chance: Chance,
}

/// The seed of a simulated kernel, and what it may do to a program.
///
/// The same seed, configuration and program give the same run, to the nanosecond: every choice is drawn from the seed. What a simulation does is always
/// something that Linux may do: completions come late, in any order, after the cancel that was meant for them; reads and writes are short; datagrams of
/// UDP overtake each other.
///
/// ```
/// use sakia_driver::{SimConfig, opcode};
/// use std::time::Duration;
///
/// let config = SimConfig::new(7)
///     .latency(Duration::ZERO..=Duration::from_millis(3))
///     .short_io(0.2)
///     .error(opcode::WRITE, 28 /* ENOSPC */, 0.01);
/// assert_eq!(config.seed(), 7);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimConfig {
    pub(super) seed: u64,
    pub(super) latency: (Duration, Duration),
    pub(super) short: Chance,
    pub(super) faults: Vec<Fault>,
    pub(super) completions: Option<usize>,
    pub(super) busy: Chance,
    pub(super) lost: Option<Chance>,
    pub(super) spurious: Chance,
    pub(super) stuck: Chance,
    pub(super) loss: Chance,
    pub(super) descriptors: usize,
    pub(super) buffer: usize,
    pub(super) trace: bool,
}

impl SimConfig {
    /// A kernel that is late and out of order, and does nothing worse: no error that a program would not meet anyway, no short read.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            latency: (Duration::ZERO, Duration::from_micros(500)),
            short: Chance::default(),
            faults: Vec::new(),
            completions: None,
            busy: Chance::default(),
            lost: None,
            spurious: Chance::default(),
            stuck: Chance::default(),
            loss: Chance::default(),
            descriptors: 1 << 16,
            buffer: 16 << 10,
            trace: true,
        }
    }

    /// The same with short I/O, a small completion queue, waits that end early, and a kernel that is out of memory now and then; how much of each, says the seed.
    pub fn rough(seed: u64) -> Self {
        let mut dice = super::random::Random::new(seed ^ 0x0073_616b_6961);
        let mut up_to = |most: f64| most * dice.below(1000) as f64 / 1000.0;
        let config = Self::new(seed)
            .short_io(up_to(0.7))
            .busy(up_to(0.1))
            .spurious_returns(up_to(0.2));
        let slow = up_to(5000.0) as u64;
        let entries = 1 << (up_to(6.0) as u32);
        let buffer = 64 << (up_to(9.0) as u32);
        config
            .latency(Duration::ZERO..=Duration::from_micros(slow))
            .completion_queue(entries)
            .socket_buffer(buffer)
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Sets how long an op, or a packet on the wire, takes (default 0 to 500 us).
    pub fn latency(mut self, range: RangeInclusive<Duration>) -> Self {
        self.latency = (*range.start(), (*range.start()).max(*range.end()));
        self
    }

    /// Sets the probability that a read or a write moves fewer bytes than it could.
    pub fn short_io(mut self, probability: f64) -> Self {
        self.short = Chance::of(probability);
        self
    }

    /// Lets ops of an opcode (see [`opcode`](crate::opcode)) fail with `errno`, with this probability and without an effect. `ECONNRESET` resets the connection.
    pub fn error(mut self, opcode: u8, errno: i32, probability: f64) -> Self {
        self.faults.push(Fault {
            opcode,
            errno,
            chance: Chance::of(probability),
        });
        self
    }

    /// Sets the length of the completion queue; what does not fit it overflows and is fetched by a later enter.
    pub fn completion_queue(mut self, entries: usize) -> Self {
        self.completions = Some(entries.max(1));
        self
    }

    /// Sets the probability that an enter finds no memory for a request (`EAGAIN`).
    pub fn busy(mut self, probability: f64) -> Self {
        self.busy = Chance::of(probability);
        self
    }

    /// Sets the probability that a completion is lost, as when the kernel has no memory for one that overflows (`EBADR`): the ring is dead then.
    pub fn lost_completions(mut self, probability: f64) -> Self {
        self.lost = Some(Chance::of(probability));
        self
    }

    /// Sets the probability that a wait ends without a completion, as after a signal.
    pub fn spurious_returns(mut self, probability: f64) -> Self {
        self.spurious = Chance::of(probability);
        self
    }

    /// Sets the probability that an op of a file takes a minute and cannot be cancelled, as on a server that does not answer.
    pub fn stuck(mut self, probability: f64) -> Self {
        self.stuck = Chance::of(probability);
        self
    }

    /// Sets the probability that a datagram of UDP is lost.
    pub fn datagram_loss(mut self, probability: f64) -> Self {
        self.loss = Chance::of(probability);
        self
    }

    /// Sets how many descriptors there may be at a time (default 65536); one more is `EMFILE`.
    pub fn descriptor_limit(mut self, most: usize) -> Self {
        self.descriptors = most.clamp(4, 1 << 16);
        self
    }

    /// Sets how many bytes one direction of a stream holds (default 16 KiB).
    pub fn socket_buffer(mut self, bytes: usize) -> Self {
        self.buffer = bytes.max(1);
        self
    }

    /// Says whether the trace is kept as text (default) or only as its hash.
    pub fn keep_trace(mut self, keep: bool) -> Self {
        self.trace = keep;
        self
    }
}
