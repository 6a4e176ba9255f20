//! The driver of one thread: the kernel below, the two tables, and the turn that moves them on.
//!
//! It is a plain state machine: nothing moves but inside [`Driver::turn`] (flush, enter, dispatch, then wakes and releases) and where a
//! drop needs an inner turn. Whoever owns the thread (the facade, a test, a foreign loop) calls it. Ending it is
//! `drain.rs`; what other threads may touch is `unpark.rs`.

use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use crate::cancels::Cancels;
use crate::close::CloseTable;
use crate::fd::ledger::Ledger;
use crate::fd::{FdInfo, FdState, Kind};
use crate::fork::ForkGuard;
use crate::host::{self, Pinned};
use crate::kernel::abi::opcode;
use crate::kernel::call::Call;
use crate::kernel::choose::{Chosen, KernelChoice, Shrunk};
use crate::kernel::setup_error::SetupError;
use crate::kernel::{Below, Clock, EnterError, Entered, Kernel, KernelFd, Sqe, Wait};
use crate::mounts::Mounts;
use crate::op::Refusal;
use crate::op::dispatch::Pending;
use crate::op::spot::Spot;
use crate::op::table::{Own, Table, Tag};
use crate::ops::Peer;
use crate::pool::Pool;
use crate::pooled::{Buffers, PoolConfig};
use crate::unpark::Unparker;

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

/// How long a turn may park.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Park {
    /// Not at all.
    No,
    /// Until something completes, another thread wakes it, or the time is over.
    For(Duration),
    /// Until something completes or another thread wakes it.
    Forever,
}

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

/// The kernel and what it has in hand; borrowed for a few lines at a time, never across code of the user's.
pub(crate) struct Core {
    pub(crate) kernel: Below,
    pub(crate) table: Table,
    pub(crate) closes: CloseTable,
    /// Of these the kernel has some; they come after it, and so outlive it.
    pub(crate) buffers: Buffers,
    /// Submissions that found the queue full; a cancel or a close is never dropped for want of a slot.
    backlog: VecDeque<Sqe>,
    /// A completion is lost, and no turn has told it yet.
    pub(crate) lost: bool,
    /// Whether the read of the eventfd is in flight.
    pub(crate) eventfd_armed: bool,
}

impl Core {
    /// Whether a submission waits for room in the queue.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// What did not fit the queue, for want of memory in the kernel, must not be slept on; nor a buffer that somebody waits for, nor a loss.
    pub(crate) fn must_not_sleep(&self) -> bool {
        self.has_backlog() || self.buffers.has_awaited() || self.lost
    }

    /// Pushes a submission, entering the kernel if the queue is full.
    #[inline(always)]
    pub(crate) fn push(&mut self, sqe: &Sqe) {
        if !self.backlog.is_empty() || !self.kernel.push(sqe) {
            self.push_late(*sqe);
        }
    }

    #[cold]
    fn push_late(&mut self, sqe: Sqe) {
        if self.backlog.is_empty() && self.make_room() && self.kernel.push(&sqe) {
            return;
        }
        self.backlog.push_back(sqe);
    }

    fn make_room(&mut self) -> bool {
        matches!(self.enter_aside(), Ok(Entered::Fine))
    }

    /// An enter that nobody listens to: that a completion is lost is told once, and is kept for the next turn to tell.
    pub(crate) fn enter_aside(&mut self) -> Result<Entered, EnterError> {
        let entered = self.kernel.enter(Wait::No);
        self.lost |= matches!(entered, Ok(Entered::Dead));
        entered
    }

    /// Sets all that was pushed under way, without waiting for any of it; a loss is told first.
    #[inline]
    pub(crate) fn hand_over(&mut self) -> Result<Entered, EnterError> {
        self.flush_backlog();
        match !self.lost && self.kernel.wants_enter() {
            true => self.enter_aside(),
            false => Ok(Entered::Fine),
        }
    }

    /// Moves the backlog to the queue as far as it goes.
    #[inline]
    pub(crate) fn flush_backlog(&mut self) {
        if self.has_backlog() {
            self.flush_late();
        }
    }

    #[cold]
    fn flush_late(&mut self) {
        while let Some(sqe) = self.backlog.front().copied() {
            if !self.kernel.push(&sqe) && (!self.make_room() || !self.kernel.push(&sqe)) {
                return;
            }
            self.backlog.pop_front();
        }
    }
}

/// How deep turns are nested; gives its level back when a turn unwinds as well, or no later turn would run what waits for the outermost.
struct Depth<'a>(&'a Cell<u32>);

impl<'a> Depth<'a> {
    fn enter(depth: &'a Cell<u32>) -> Self {
        depth.set(depth.get() + 1);
        Self(depth)
    }
}

impl Drop for Depth<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
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
    /// Whether a turn has more to begin with than to enter, as most have not: a rest to end, cancels to ask for, buffers to lend. Who makes such a thing says
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
            core: RefCell::new(Core {
                kernel,
                table: Table::default(),
                closes: CloseTable::default(),
                buffers: Buffers::new(config.pool),
                backlog: VecDeque::new(),
                lost: false,
                eventfd_armed: false,
            }),
            pending: RefCell::default(),
            ledger: RefCell::default(),
            mounts: RefCell::default(),
            cancels: Cancels::default(),
            spot: Spot::new(has_ring),
            spare_peer: Cell::new(None),
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

    /// Why this driver does not run on io_uring, if [`KernelChoice::Auto`] has found it denied or not there.
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

    /// An inner turn: hands over what was pushed, reads what is done. Wakes and releases wait for the outermost turn.
    pub(crate) fn enter_now(&self) {
        let entered = {
            let mut core = self.core();
            core.flush_backlog();
            core.enter_aside()
        };
        // An error here comes again at the outermost turn, which has somebody to tell.
        if entered.is_ok() {
            self.dispatch();
        }
        if self.has_pending() {
            self.stir();
        }
    }

    /// One lap: hands over what was pushed, waits as long as `park` allows, reads what is done, then wakes and releases.
    ///
    /// `ready` is asked after the thread was announced as parked, passes a `SeqCst` fence, and says whether there is something to run after all: what
    /// other threads have queued before their [`unpark`](Unparker::unpark) is seen either there or by the wake.
    ///
    /// # Errors
    /// When the ring is dead: the kernel has lost a completion, or the thread is not the ring's.
    pub fn turn(&self, park: Park, ready: impl FnMut() -> bool) -> io::Result<()> {
        if park == Park::No && self.turns_for_nothing() {
            return Ok(());
        }
        if self.phase() == Phase::Ended {
            return Err(Refusal::Ended.into());
        }
        if self.is_forked() {
            return Err(Refusal::Forked.into());
        }
        if self.errands.get() {
            self.run_errands();
        }
        let depth = Depth::enter(&self.depth);
        let entered = self.enter_for(park, ready);
        self.dispatch();
        drop(depth);
        if self.depth.get() == 0 {
            self.run_pending();
        }
        match entered? {
            Entered::Busy => {
                // Out of memory for requests. They stay queued; the loop goes on, but not as fast as it can.
                self.clock.sleep(Duration::from_millis(1));
                Ok(())
            }
            Entered::Fine if self.phase() != Phase::Dead => Ok(()),
            Entered::Fine | Entered::Dead => {
                if self.phase() == Phase::Running {
                    self.set_phase(Phase::Dead);
                }
                Err(Refusal::Lost.into())
            }
        }
    }

    /// There is something for the next turn to begin with.
    #[inline]
    pub(crate) fn note_errand(&self) {
        self.errands.set(true);
    }

    /// Whether a turn has more to begin with than to enter.
    #[inline]
    pub(crate) fn has_errands(&self) -> bool {
        self.errands.get()
    }

    #[inline(never)]
    fn run_errands(&self) {
        self.errands.set(false);
        self.rise();
        self.sweep_cancels();
        self.refill_buffers();
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
