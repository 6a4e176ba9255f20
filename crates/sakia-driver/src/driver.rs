//! The driver of one thread: the kernel below and the two tables (`core.rs`), and the turn that moves them on (`turn.rs`).
//!
//! It is a plain state machine: nothing moves but inside [`Driver::turn`] (flush, enter, dispatch, then wakes and releases) and where a
//! drop needs an inner turn. Whoever owns the thread (the facade, a test, a foreign loop) calls it. Ending it is
//! `drain.rs`; what other threads may touch is `unpark.rs`.

mod config;
mod core;
mod turn;

use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use crate::cancels::Cancels;
use crate::fd::ledger::Ledger;
use crate::fd::{FdInfo, FdRef, FdState, Kind};
use crate::fork::ForkGuard;
use crate::host::{self, Pinned};
use crate::kernel::abi::opcode;
use crate::kernel::call::Call;
use crate::kernel::choose::{Chosen, Shrunk};
use crate::kernel::setup_error::SetupError;
use crate::kernel::{Below, Clock, Kernel, KernelFd, Sqe};
use crate::mounts::Mounts;
use crate::op::Refusal;
use crate::op::dispatch::Pending;
use crate::op::spot::Spot;
use crate::op::table::{Own, Tag};
use crate::ops::Peer;
use crate::pool::Pool;
use crate::pooled::Buffers;
use crate::unpark::Unparker;

pub use self::config::Config;
pub(crate) use self::core::Core;
pub use self::turn::Park;

/// Where a driver stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Ops are taken.
    Running,
    /// The kernel has lost a completion: no new op is taken, and nobody may wait for the one that was lost.
    Dead,
    /// It is being drained: no new op is taken.
    Draining,
    /// The ring is closed, or has gone to the graveyard.
    Ended,
}

/// An io_uring driver for one thread. See the [crate's page](crate) for its life.
pub struct Driver {
    core: RefCell<Core>,
    pending: RefCell<Pending>,
    ledger: RefCell<Ledger>,
    mounts: RefCell<Mounts>,
    cancels: Cancels,
    spot: Spot,
    /// Where the kernel writes the address of whoever an accept brings, while no accept uses it.
    spare_peer: Cell<Option<Box<Peer>>>,
    /// The record of a descriptor that has ended: the next one's.
    spare_descriptor: Cell<Option<FdRef>>,
    this: Weak<Self>,
    unparker: Arc<Unparker>,
    eventfd: Cell<Option<KernelFd>>,
    /// Where the kernel writes the eventfd's counter. Leaked with the ring if the read never ends.
    counter: Box<Cell<u64>>,
    pub(crate) clock: Clock,
    /// Why the kernel is not io_uring, though that would have been better.
    fallback: Option<SetupError>,
    /// How much smaller than asked for the ring is.
    shrunk: Option<Shrunk>,
    fork: ForkGuard,
    phase: Cell<Phase>,
    depth: Cell<u32>,
    panics: Cell<u64>,
    drained_closes: Cell<u64>,
    pool: OnceCell<Pool>,
    max_blocking: usize,
    /// Whether somebody else's loop waits for the wake descriptor.
    resting: Cell<bool>,
    /// Whether a turn has more to begin with than to enter, as most have not: a rest to end, cancels to ask for, buffers to lend, answers to push. Who makes such a thing says
    /// so, and a turn looks here alone.
    errands: Cell<bool>,
    /// Whether descriptors keep the place in the source that asked for them.
    track_origin: bool,
    pub(crate) spin_time: Duration,
}

impl Driver {
    /// Sets a driver up on this thread, which it belongs to for ever.
    ///
    /// # Errors
    /// When the ring or its eventfd cannot be made; the inner error is a [`SetupError`](crate::SetupError) that names cause and
    /// cure. The ring shrinks before RLIMIT_MEMLOCK is reported.
    pub fn new(config: &Config) -> io::Result<Rc<Self>> {
        crate::graveyard::reap();
        if config.raise_nofile {
            host::raise_nofile()?;
        }
        let pinned = config.pin_to.as_deref().map(Pinned::to).transpose()?;
        let Chosen {
            kernel,
            fallback,
            shrunk,
        } = Below::choose(config)?;
        let clock = kernel.clock();
        let has_ring = kernel.has_ring();
        let spin_time = match has_ring {
            true => config.spin_before_park,
            false => Duration::ZERO,
        };
        let has_threads = kernel.sleeper().is_none();
        let eventfd = kernel
            .call(Call::Eventfd)
            .map_err(|error| SetupError::of_part("the eventfd that wakes the runtime", error))?;
        let eventfd = KernelFd::adopt(eventfd as RawFd);
        let ring = kernel.takes_messages().then(|| kernel.ring_fd());
        let unparker = Arc::new(Unparker::new(ring, eventfd.as_raw_fd(), kernel.sleeper()));
        let fork = ForkGuard::new()
            .map_err(|error| SetupError::of_part("the page that tells a forked child", error))?;
        let driver = Rc::new_cyclic(|this| Self {
            core: RefCell::new(Core::new(kernel, Buffers::new(config.pool))),
            pending: RefCell::default(),
            ledger: RefCell::default(),
            mounts: RefCell::default(),
            cancels: Cancels::default(),
            spot: Spot::new(has_ring),
            spare_peer: Cell::new(None),
            spare_descriptor: Cell::new(None),
            this: this.clone(),
            unparker,
            eventfd: Cell::new(Some(eventfd)),
            counter: Box::new(Cell::new(0)),
            clock,
            fallback,
            shrunk,
            fork,
            phase: Cell::new(Phase::Running),
            depth: Cell::new(0),
            panics: Cell::new(0),
            drained_closes: Cell::new(0),
            pool: OnceCell::new(),
            max_blocking: if has_threads {
                config.max_blocking.max(1)
            } else {
                0
            },
            resting: Cell::new(false),
            errands: Cell::new(false),
            track_origin: config.track_origin,
            spin_time,
        });
        if let Some(pinned) = pinned {
            pinned.keep();
        }
        Ok(driver)
    }

    #[inline]
    pub(crate) fn core(&self) -> RefMut<'_, Core> {
        self.core.borrow_mut()
    }

    /// Why this driver does not run on io_uring, if [`KernelChoice::Auto`](crate::KernelChoice::Auto) has found it denied or not there.
    pub fn fallback_reason(&self) -> Option<&SetupError> {
        self.fallback.as_ref()
    }

    /// How much smaller than asked for the ring is, if RLIMIT_MEMLOCK left no room for more.
    pub fn shrunk(&self) -> Option<Shrunk> {
        self.shrunk
    }

    #[inline]
    pub(crate) fn pending(&self) -> RefMut<'_, Pending> {
        self.pending.borrow_mut()
    }

    pub(crate) fn ledger(&self) -> RefMut<'_, Ledger> {
        self.ledger.borrow_mut()
    }

    pub(crate) fn mounts(&self) -> RefMut<'_, Mounts> {
        self.mounts.borrow_mut()
    }

    pub(crate) fn cancels(&self) -> &Cancels {
        &self.cancels
    }

    pub(crate) fn spare_peer(&self) -> &Cell<Option<Box<Peer>>> {
        &self.spare_peer
    }

    #[inline]
    pub(crate) fn spare_descriptor(&self) -> &Cell<Option<FdRef>> {
        &self.spare_descriptor
    }

    #[inline]
    pub(crate) fn spot(&self) -> &Spot {
        &self.spot
    }

    pub(crate) fn downgrade(&self) -> Weak<Self> {
        self.this.clone()
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.set(phase);
    }

    /// Whether this process is the one that made the ring, and not a forked child.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.fork.is_child()
    }

    pub(crate) fn count_panic(&self) {
        self.panics.set(self.panics.get() + 1);
    }

    pub(crate) fn panics(&self) -> u64 {
        self.panics.get()
    }

    pub(crate) fn count_drained_close(&self) {
        self.drained_closes.set(self.drained_closes.get() + 1);
    }

    pub(crate) fn drained_closes(&self) -> u64 {
        self.drained_closes.get()
    }

    pub(crate) fn take_eventfd(&self) -> Option<KernelFd> {
        self.eventfd.take()
    }

    /// The pool of threads for what has no opcode; it starts none before it is used.
    pub(crate) fn pool(&self) -> &Pool {
        self.pool
            .get_or_init(|| Pool::new("sakia-blocking", self.max_blocking, || {}))
    }

    pub(crate) fn pool_if_used(&self) -> Option<&Pool> {
        self.pool.get()
    }

    /// What other threads wake this driver by.
    pub fn unparker(&self) -> Arc<Unparker> {
        self.unparker.clone()
    }

    pub(crate) fn unparker_ref(&self) -> &Arc<Unparker> {
        &self.unparker
    }

    pub(crate) fn tracks_origin(&self) -> bool {
        self.track_origin
    }

    pub(crate) fn resting(&self) -> &Cell<bool> {
        &self.resting
    }

    /// How many ops are in flight, the driver's own not counted.
    pub fn in_flight(&self) -> usize {
        self.core().table.in_flight()
    }

    /// The driver that an op without a descriptor goes to: the current one.
    pub(crate) fn admit() -> Result<Rc<Self>, Refusal> {
        let driver = Self::current().ok_or(Refusal::Foreign)?;
        driver.takes_ops()?;
        Ok(driver)
    }

    /// Whether it takes an op of its own descriptors: it must be the current one.
    #[inline]
    pub(crate) fn takes_own(&self) -> Result<(), Refusal> {
        if self.phase() == Phase::Running && !self.is_current() {
            return Err(Refusal::Foreign);
        }
        self.takes_ops()
    }

    fn eventfd_number(&self) -> Option<RawFd> {
        let eventfd = self.eventfd.take();
        let number = eventfd.as_ref().map(AsRawFd::as_raw_fd);
        self.eventfd.set(eventfd);
        number
    }

    /// Whoever parks must hear of a wake that comes by the eventfd: its read is armed by the first park, and by the next one after a wake has ended it.
    #[inline]
    pub(crate) fn arm_eventfd(&self, core: &mut Core) {
        if !core.eventfd_armed && self.phase() == Phase::Running {
            self.read_eventfd(core);
        }
    }

    #[cold]
    fn read_eventfd(&self, core: &mut Core) {
        let counter = self.counter.as_ptr() as u64;
        let size = size_of::<u64>() as u32;
        if let Some(raw) = self.eventfd_number() {
            core.push(&Sqe::rw(opcode::READ, raw, counter, size, 0).tag(Tag::own(Own::Eventfd)));
            core.eventfd_armed = true;
        }
    }

    /// The kernel's, which are listed as long as it is there, and the eventfd.
    pub(crate) fn own_fds(&self) -> Vec<FdInfo> {
        let below = if self.phase() == Phase::Ended {
            Vec::new()
        } else {
            self.core().kernel.own_fds()
        };
        let eventfd = self.eventfd_number();
        let eventfd = eventfd.map(|number| (Kind::Eventfd, number));
        let info = |(kind, number)| FdInfo {
            kind,
            number,
            state: FdState::Open,
            age: Duration::ZERO,
            origin: None,
        };
        below.into_iter().chain(eventfd).map(info).collect()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // After an `end` there is nothing to do here. Without one: other threads may still hold the unparker, and the kernel the counter.
        if self.is_forked() {
            // The mappings are not here (MADV_DONTFORK): something else may lie at their addresses by now.
            let core = self.core.get_mut();
            std::mem::forget(std::mem::replace(&mut core.kernel, Below::Gone));
            return;
        }
        self.unparker.close();
        let core = self.core.get_mut();
        if core.table.in_flight() > 0 {
            core.buffers.leak();
        }
        if core.eventfd_armed {
            std::mem::forget(std::mem::take(&mut self.counter));
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("phase", &self.phase.get())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests;
