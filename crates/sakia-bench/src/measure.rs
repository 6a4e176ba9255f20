//! Clocks, memory, random numbers, and the line in which a program says what it found.

use std::time::{Duration, Instant};

use rustix::thread::CpuSet;
use rustix::time::{ClockId, clock_gettime};

/// Wall time and CPU time since a start.
pub struct Watch {
    start: Instant,
    cpu: Duration,
    clock: ClockId,
}

impl Watch {
    /// Counts the CPU time of all threads of the process, those of the ring's workers too.
    pub fn of_process() -> Self {
        Self::start(ClockId::ProcessCPUTime)
    }

    /// Counts the CPU time of this thread alone.
    pub fn of_thread() -> Self {
        Self::start(ClockId::ThreadCPUTime)
    }

    fn start(clock: ClockId) -> Self {
        Self {
            cpu: cpu(clock),
            start: Instant::now(),
            clock,
        }
    }

    /// Says what each of so many ops took.
    pub fn tell(&self, times: u64) {
        self.tell_less(times, Duration::ZERO);
    }

    /// The same, less a time that was none of the ops'.
    pub fn tell_less(&self, times: u64, idle: Duration) {
        let wall = self.start.elapsed().saturating_sub(idle);
        let each = |time: Duration| time.as_nanos() as f64 / times as f64;
        println!(
            // Of three nanoseconds a tenth more or less would be three percent.
            "wall_ns={:.3} cpu_ns={:.3}",
            each(wall),
            each(cpu(self.clock).saturating_sub(self.cpu))
        );
    }
}

/// Says that a system cannot do what the mode asks.
pub fn cannot() {
    println!("na");
}

/// The CPU time of this process.
pub fn process_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The resident memory of a process, in bytes, page by page: what `status` tells of it is a sum that each core adds to now and then, and may be wrong by 128 KiB
/// a core.
pub fn resident(process: &str) -> u64 {
    let pages = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup"))
        .expect("the process lives");
    let kib = pages
        .lines()
        .find_map(|line| line.strip_prefix("Rss:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("the kernel tells the resident memory") * 1024
}

/// How many descriptors this process has open.
pub fn open_fds() -> i64 {
    // One is the folder's own.
    std::fs::read_dir("/proc/self/fd").map_or(0, |list| list.count() as i64 - 1)
}

/// Puts this thread on one core.
pub fn pin_to(core: usize) {
    let mut set = CpuSet::new();
    set.set(core);
    // On a machine with fewer cores it stays where it is.
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

/// Turns a while without giving up the core.
pub fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// Xorshift: random enough for offsets, and the same for all systems.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(0x9E37_79B9_7F4A_7C15 ^ (seed + 1).wrapping_mul(0xD134_2543_DE82_EF95))
    }

    /// A number below `bound`.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}
