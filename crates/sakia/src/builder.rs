//! What a runtime can be asked to be.

use std::fmt;
use std::io;
use std::time::Duration;

use sakia_driver::{Config, KernelChoice, PoolConfig};
use sakia_executor::TaskPanic;

use crate::event::to_stderr;
use crate::{Event, Runtime, ShutdownReport};

/// What is called when a runtime has ended.
pub(crate) type OnShutdown = Box<dyn FnOnce(&ShutdownReport)>;
/// What is called when a runtime has something to tell.
pub(crate) type OnEvent = Box<dyn Fn(&Event<'_>)>;
/// What is called when a task has panicked.
pub(crate) type OnTaskPanic = Box<dyn Fn(&TaskPanic<'_>)>;

/// Sets a [`Runtime`] up.
///
/// ```
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// let runtime = sakia::Runtime::builder()
///     .entries(64)
///     .shutdown_timeout(Duration::from_secs(1))
///     .build()?;
/// assert_eq!(runtime.block_on(async { 6 * 7 }), 42);
/// # Ok(())
/// # }
/// ```
pub struct Builder {
    pub(crate) driver: Config,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) on_shutdown: Option<OnShutdown>,
    pub(crate) on_event: OnEvent,
    pub(crate) on_task_panic: Option<OnTaskPanic>,
    #[cfg(feature = "test-util")]
    pub(crate) start_paused: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            driver: Config::default(),
            shutdown_timeout: Duration::from_secs(5),
            on_shutdown: None,
            on_event: Box::new(to_stderr),
            on_task_panic: None,
            #[cfg(feature = "test-util")]
            start_paused: false,
        }
    }
}

impl Builder {
    /// Sets the size of the ring's submission queue, in entries (default 256; at least 1 and at most 32768, rounded up to a power of two). The completion queue is
    /// four times as long. Any number of ops may be in flight; a longer queue only saves system calls in bursts. Where RLIMIT_MEMLOCK leaves no room for it, the
    /// ring is smaller, and [`on_event`](Self::on_event) is told.
    pub fn entries(mut self, entries: u32) -> Self {
        self.driver.entries = entries;
        self
    }

    /// Chooses the kernel that carries the operations out (default: [`Auto`](KernelChoice::Auto)).
    pub fn kernel(mut self, kernel: KernelChoice) -> Self {
        self.driver.kernel = kernel;
        self
    }

    /// Pins the thread to these cores (sched_setaffinity(2)) when the runtime is built. It stays pinned when the runtime has ended.
    ///
    /// A runtime a core: each thread pins its own. [`build`](Self::build) fails, and leaves the thread as it was, when one of them is not among the cores that the thread may
    /// run on, or when none is named.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # fn first_core() -> usize {
    /// #     let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    /// #     let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    /// #     list.trim().split([',', '-']).next().unwrap().parse().unwrap()
    /// # }
    /// let core = first_core();
    /// let runtime = sakia::Runtime::builder().pin_to([core]).build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "sched_setaffinity")]
    pub fn pin_to(mut self, cores: impl IntoIterator<Item = usize>) -> Self {
        self.driver.pin_to = Some(cores.into_iter().collect());
        self
    }

    /// Sets how long the runtime looks for something to do before its thread sleeps (default zero: it sleeps at once).
    ///
    /// To wake a thread whose core is idle takes its time, tens of microseconds on a virtual machine, and whoever waits for its answer waits for that too. A runtime
    /// that spins answers at once what comes within this time after the last thing that it had to do. The price is the core: it is busy for this time each time that
    /// the runtime would have slept, and for ever if something comes more often than that. So it suits a thread that has its core to itself
    /// ([`pin_to`](Self::pin_to)) and few connections whose answers are urgent, with a time about as long as they take to come again (50 to 200 µs, say). A
    /// runtime with many connections is seldom idle and gains nothing, and on a machine without a core to spare the spin takes time from who could have used it.
    ///
    /// It changes nothing else. A completion, a timer and a wake of another thread each end the spin, and such a wake makes no system call meanwhile; timers are
    /// as exact as before, to some microseconds; the end of the runtime does not spin. In a foreign loop [`turn`](crate::Runtime::turn) spins
    /// where it would wait, and its limit counts the spin; with a limit of zero there is none, nor while that loop waits for [`as_fd`](crate::Runtime::as_fd). A
    /// runtime on [epoll and threads](KernelChoice::Emulated) does not spin: it has no ring to look at without a system call.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let runtime = sakia::Runtime::builder()
    ///     .spin_before_park(Duration::from_micros(100))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "busy_poll")]
    pub fn spin_before_park(mut self, time: Duration) -> Self {
        self.driver.spin_before_park = time;
        self
    }

    /// Lifts the process's soft limit of descriptors (RLIMIT_NOFILE) to the hard one when the runtime is built; it stays lifted. Programs that
    /// use select(2) must not: it knows descriptors below 1024 only.
    #[doc(alias = "RLIMIT_NOFILE")]
    pub fn raise_nofile(mut self, raise: bool) -> Self {
        self.driver.raise_nofile = raise;
        self
    }

    /// Sets how long a dropped runtime may take to end (default 5 s). What has not ended by then is set aside and reported.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    /// Sets the most threads for what has no opcode: name resolution, directory listings, `spawn_blocking` (default 16).
    pub fn max_blocking(mut self, threads: usize) -> Self {
        self.driver.max_blocking = threads;
        self
    }

    /// Sets the size of the buffers that pooled reads are lent ([`TcpStream::read_pooled`](crate::net::TcpStream::read_pooled) and its kin), and how many
    /// there may be (default: 4096 of 4 KiB, made as they are needed and kept until the runtime's end).
    ///
    /// At the bound, reads wait until a buffer is dropped, and their peers are held up as by any receiver that does not read.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// let pool = sakia::PoolConfig::new().buffer_size(16 * 1024).max_buffers(512);
    /// let runtime = sakia::Runtime::builder().pool(pool).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn pool(mut self, pool: PoolConfig) -> Self {
        self.driver.pool = pool;
        self
    }

    /// Calls `f` with the report when the runtime has ended, also when it is dropped.
    pub fn on_shutdown(mut self, f: impl FnOnce(&ShutdownReport) + 'static) -> Self {
        self.on_shutdown = Some(Box::new(f));
        self
    }

    /// Calls `f` when the runtime has something to tell that nobody asked for (default: a line on stderr); see [`Event`].
    pub fn on_event(mut self, f: impl Fn(&Event<'_>) + 'static) -> Self {
        self.on_event = Box::new(f);
        self
    }

    /// Calls `f` when a task has panicked. Its `JoinHandle` tells the panic in any case.
    pub fn on_task_panic(mut self, f: impl Fn(&TaskPanic<'_>) + 'static) -> Self {
        self.on_task_panic = Some(Box::new(f));
        self
    }

    /// Sets whether descriptors keep the place in the source that asked for them (default, with the feature `track-origin`: yes).
    ///
    /// [`fds`](crate::fds) and the [report](ShutdownReport) tell it, so that a descriptor that is still open can be found. It costs eight bytes a
    /// descriptor, an accept and an open, and next to no time; without the feature, nothing.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// sakia::Runtime::new()?.block_on(async {
    ///     let _file = sakia::fs::File::open("/dev/null").await?;
    ///     let fds = sakia::fds();
    ///     let file = fds.iter().find(|fd| fd.kind == sakia::Kind::File).unwrap();
    ///     println!("{file}"); // file 7 (open, 1.2ms, from src/main.rs:3:17)
    ///     assert!(file.origin.is_some());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[cfg(feature = "track-origin")]
    #[cfg_attr(docsrs, doc(cfg(feature = "track-origin")))]
    pub fn track_origin(mut self, track: bool) -> Self {
        self.driver.track_origin = track;
        self
    }

    /// Starts with the clock paused: time jumps to the next deadline when nothing else is left to do.
    #[cfg(feature = "test-util")]
    #[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
    pub fn start_paused(mut self, paused: bool) -> Self {
        self.start_paused = paused;
        self
    }

    /// Builds the runtime on this thread, which it belongs to for ever.
    ///
    /// # Errors
    /// When the ring cannot be made, or what was asked of thread and process is refused; the inner error is a [`SetupError`](crate::SetupError) that names cause and cure.
    pub fn build(self) -> io::Result<Runtime> {
        Runtime::build(self)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("driver", &self.driver)
            .field("shutdown_timeout", &self.shutdown_timeout)
            .finish_non_exhaustive()
    }
}
