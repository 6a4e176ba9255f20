//! Programs on a simulated kernel: files, sockets and time are a model in memory, and a seed decides what happens when.
//!
//! A test of a network program usually sees one order of events, the friendly one. Here each seed is another: completions come late and in any order, reads
//! and writes are short, a cancel comes too late, a disk is full. Whatever a seed does, Linux may do; and the same seed does it again, to the nanosecond, in
//! virtual time, so that an hour of timeouts takes milliseconds.
//!
//! ```
//! use sakia::net::{TcpListener, TcpStream};
//! use sakia::sim::{self, SimConfig};
//! use std::time::Duration;
//!
//! sim::explore(0..20, SimConfig::rough, |_| async {
//!     let listener = TcpListener::bind("10.0.0.1:80").await.unwrap();
//!     let echo = sakia::spawn(async move {
//!         let (stream, _) = listener.accept().await.unwrap();
//!         let (result, bytes) = stream.read_exact(vec![0; 5]).await;
//!         result.unwrap();
//!         stream.write_all(bytes).await.0.unwrap();
//!     });
//!     let stream = TcpStream::connect("10.0.0.1:80").await.unwrap();
//!     sakia::time::sleep(Duration::from_secs(3600)).await;
//!     stream.write_all(b"wheel".to_vec()).await.0.unwrap();
//!     let (result, answer) = stream.read_exact(vec![0; 5]).await;
//!     result.unwrap();
//!     assert_eq!(answer, b"wheel");
//!     echo.await.unwrap();
//! });
//! ```
//!
//! # What is simulated
//! Files, directories and links (a tree of its own, see [`Simulation`]), TCP, UDP and Unix sockets, pipes, timers. A descriptor is nothing outside: `as_fd` panics,
//! `into_std` and `from_std` are errors, and so are name lookups, `read_dir` and signals. Descriptors do not travel in messages. `spawn_blocking` runs its
//! job on the spot, for there is one thread. Iteration over a `HashMap`, other threads and other clocks are the program's own to avoid: they are not the seed's.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use sakia_driver::KernelChoice;

pub use sakia_driver::{SimConfig, Simulation, opcode};

use crate::{Runtime, ShutdownReport};

/// How long, in virtual time, a simulated runtime may take to end.
const END: Duration = Duration::from_secs(5);

/// What became of a program.
#[derive(Debug)]
#[non_exhaustive]
pub struct Run<T> {
    /// What the program gave.
    pub output: T,
    /// The report of its runtime's end.
    pub report: ShutdownReport,
    /// The simulated kernel, as it was left.
    pub simulation: Simulation,
}

impl<T> Run<T> {
    /// What is wrong with the end of the run, beside what the report says: violations, descriptors that are still open.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = self.simulation.violations();
        if !self.report.is_clean() {
            complaints.push(self.report.to_string());
        } else if self.report.still_held().is_empty() {
            let open = self.simulation.open_descriptors();
            complaints.extend(open.into_iter().map(|fd| format!("still open: {fd}")));
        }
        complaints
    }
}

/// Shows the end of the trace when a program panics.
struct Witness(Simulation);

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// Runs a program on a simulated kernel, ends the runtime, and gives back everything there is to know about it.
///
/// # Panics
/// When the program does, and when it waits for something that will never happen; the end of the trace is written to stderr.
pub fn attempt<F: Future>(
    config: SimConfig,
    program: impl FnOnce(Simulation) -> F,
) -> Run<F::Output> {
    let mut builder = Runtime::builder().shutdown_timeout(END);
    builder.driver.kernel = KernelChoice::Sim(config);
    let runtime = builder
        .build()
        .expect("a simulated runtime needs nothing of the machine");
    let simulation = runtime
        .simulation()
        .expect("the kernel was chosen to be simulated");
    let witness = Witness(simulation.clone());
    let output = runtime.block_on(program(simulation.clone()));
    let report = runtime.shutdown(END);
    drop(witness);
    Run {
        output,
        report,
        simulation,
    }
}

/// Runs a program on a simulated kernel, and checks that it left nothing behind.
///
/// # Panics
/// As [`attempt`]; and if the runtime's end was not clean, a descriptor is open that nobody holds, or the kernel saw what no correct program makes it see.
#[track_caller]
pub fn run<F: Future>(config: SimConfig, program: impl FnOnce(Simulation) -> F) -> F::Output {
    let run = attempt(config, program);
    let complaints = run.complaints();
    assert!(
        complaints.is_empty(),
        "{}\n{}",
        complaints.join("\n"),
        run.simulation
    );
    run.output
}

/// Runs a program once for each seed, as [`run`] does.
///
/// # Panics
/// As [`run`]; the seed is named in the trace, and `explore` of that seed alone does it again.
#[track_caller]
pub fn explore<F: Future>(
    seeds: impl IntoIterator<Item = u64>,
    config: impl Fn(u64) -> SimConfig,
    program: impl Fn(Simulation) -> F,
) {
    for seed in seeds {
        run(config(seed), &program);
    }
}

impl<T> fmt::Display for Run<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.report, self.simulation)
    }
}
