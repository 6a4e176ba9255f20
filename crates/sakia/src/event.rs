//! What a runtime tells without being asked.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::{SetupError, ShutdownReport};

/// Something that a runtime has to tell and nobody asked for.
///
/// Its `Display` is a line for a terminal. [`Builder::on_event`](crate::Builder::on_event) sets who is told; by default it is stderr, where the first two are told
/// once in a process, because they are true of all its runtimes.
///
/// ```
/// use sakia::{Event, Runtime};
/// use std::{cell::Cell, rc::Rc};
///
/// # fn main() -> std::io::Result<()> {
/// let is_slower = Rc::new(Cell::new(false));
/// let noted = is_slower.clone();
/// let runtime = Runtime::builder()
///     .on_event(move |event| match event {
///         Event::FallbackKernel { .. } => noted.set(true),
///         other => eprintln!("{other}"),
///     })
///     .build()?;
/// println!("on io_uring: {}", !is_slower.get());
/// # drop(runtime);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// io_uring is denied or not there, so the runtime that is being built runs on epoll and threads: with the same semantics, slower.
    ///
    /// It is told from [`build`](crate::Builder::build), and only where the kernel was not [chosen](crate::Builder::kernel).
    #[non_exhaustive]
    FallbackKernel {
        /// What denies it, and what would mend that.
        reason: &'a SetupError,
    },
    /// No more memory may be locked (RLIMIT_MEMLOCK), so the ring of the runtime that is being built is smaller than [asked for](crate::Builder::entries):
    /// the same semantics, more system calls in bursts.
    ///
    /// It is told from [`build`](crate::Builder::build).
    #[non_exhaustive]
    RingShrunk {
        /// The entries that were asked for, rounded up to a power of two.
        asked: u32,
        /// The entries that it has.
        got: u32,
    },
    /// A runtime was dropped, and its end was not clean.
    UncleanDrop(&'a ShutdownReport),
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FallbackKernel { reason } => write!(
                f,
                "sakia: runs on epoll and threads, which is slower: {reason}"
            ),
            Self::RingShrunk { asked, got } => write!(
                f,
                "sakia: the ring has {got} entries instead of {asked}: no more memory may be locked (RLIMIT_MEMLOCK); raise the limit (ulimit -l, LimitMEMLOCK=), or ask for fewer entries"
            ),
            Self::UncleanDrop(report) => write!(
                f,
                "sakia: a runtime was dropped and did not end clean: {}",
                report.summary()
            ),
        }
    }
}

/// The default of [`Builder::on_event`](crate::Builder::on_event).
pub(crate) fn to_stderr(event: &Event<'_>) {
    static FALLBACK: AtomicBool = AtomicBool::new(false);
    static SHRUNK: AtomicBool = AtomicBool::new(false);
    let told = match event {
        Event::FallbackKernel { .. } => FALLBACK.swap(true, Relaxed),
        Event::RingShrunk { .. } => SHRUNK.swap(true, Relaxed),
        Event::UncleanDrop(_) => false,
    };
    if !told {
        eprintln!("{event}");
    }
}
