//! What the client counts: messages, latencies, its own CPU time and the server's.

use std::process::exit;
use std::time::{Duration, Instant};

use sakia_bench::measure::process_cpu;

use crate::Job;

/// Counts from when the warm-up is over until the measured time is.
pub struct Tally {
    server: u32,
    warm: Duration,
    measured: Duration,
    connections: usize,
    begin: Instant,
    counted: Option<Counted>,
}

struct Counted {
    start: Instant,
    server_cpu: Duration,
    client_cpu: Duration,
    messages: u64,
    /// How many connections have had a message back.
    served: usize,
    /// Nanoseconds.
    latencies: Vec<u32>,
}

impl Tally {
    pub fn new(job: &Job) -> Self {
        Self {
            server: job.server,
            warm: job.warm,
            measured: job.measured,
            connections: job.connections,
            begin: Instant::now(),
            counted: None,
        }
    }

    /// The time since the beginning. Begins to count when it is time; tells and ends the program when all is measured.
    pub fn now(&mut self) -> Duration {
        let now = self.begin.elapsed();
        match &self.counted {
            None if now >= self.warm => {
                self.counted = Some(Counted {
                    start: Instant::now(),
                    server_cpu: run_time(self.server),
                    client_cpu: process_cpu(),
                    messages: 0,
                    served: 0,
                    latencies: Vec::with_capacity(1 << 22),
                });
            }
            Some(counted) if counted.start.elapsed() >= self.measured => {
                self.tell();
                exit(0);
            }
            _ => {}
        }
        now
    }

    /// So many messages are back.
    #[inline]
    pub fn count(&mut self, messages: u64) {
        if let Some(counted) = &mut self.counted {
            counted.messages += messages;
        }
    }

    /// A connection has its first message back. Does that count already?
    pub fn serves_one(&mut self) -> bool {
        let counted = self.counted.as_mut();
        counted.map(|counted| counted.served += 1).is_some()
    }

    /// One message took so long.
    #[inline]
    pub fn latency(&mut self, time: Duration) {
        if let Some(counted) = &mut self.counted {
            counted.latencies.push(time.as_nanos() as u32);
        }
    }

    fn tell(&mut self) {
        let Some(counted) = &mut self.counted else {
            return;
        };
        let server = run_time(self.server).saturating_sub(counted.server_cpu);
        let client = process_cpu().saturating_sub(counted.client_cpu);
        let wall = counted.start.elapsed().as_secs_f64();
        let messages = counted.messages.max(1) as f64;
        println!(
            "rate={:.0} server_cpu_ns={:.0} server_load={:.3} client_load={:.3}",
            messages / wall,
            server.as_nanos() as f64 / messages,
            server.as_secs_f64() / wall,
            client.as_secs_f64() / wall,
        );
        // Of one that gets no answer there is no latency either: whoever leaves out many looks fast.
        if counted.served > 0 {
            println!("unserved={}", self.connections - counted.served);
        }
        counted.latencies.sort_unstable();
        let most = counted.latencies.len().saturating_sub(1) as f64;
        for (name, part) in [("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999)] {
            if let Some(latency) = counted.latencies.get((most * part) as usize) {
                println!("{name}={:.1}", f64::from(*latency) / 1e3);
            }
        }
    }
}

/// How long all threads of a process have run; the ring's workers are among them.
fn run_time(process: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task"));
    let of_thread = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    let threads = threads.into_iter().flatten().flatten();
    Duration::from_nanos(threads.filter_map(of_thread).sum())
}

/// Nothing has come for two seconds: the server is stuck.
pub fn stalled() -> ! {
    println!("stalled");
    exit(1);
}
