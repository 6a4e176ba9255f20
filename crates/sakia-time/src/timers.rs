//! The clock and the wheel together, with the wakers in it. Waits for nothing: that is its owner's part.
//!
//! The law of this file: the wheel is never borrowed while a waker is cloned, woken or dropped, for that is other
//! people's code, which may well come back here.
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::arena::Key;
use crate::clock::{Clock, Source, SystemClock};
use crate::context::{self, Entered};
use crate::mailbox::Mailbox;
use crate::registration::Deadline;
use crate::wheel::{Wheel, nanos_between, nanos_of, tick_of_deadline};

/// How many wakers leave the wheel at once.
const BATCH: usize = 128;

/// How many ticks after timers have fired the thread wakes for others at the earliest: a millisecond.
const APART: u64 = 2;

/// What a `Timers` shares with its clones and with the thread's context.
pub(crate) struct Inner {
    source: Source,
    /// When tick 0 was.
    origin: Instant,
    /// The last reading of the clock.
    reading: Cell<Instant>,
    /// Whether `reading` is of this turn.
    is_current: Cell<bool>,
    /// An instant and its tick: the same one is asked for again and again.
    counted: Cell<(Instant, u64)>,
    /// The tick up to which all was done when timers last fired.
    fired: Cell<Option<u64>>,
    wheel: RefCell<Wheel<Waker>>,
    /// The room for a batch of wakers, kept so that firing allocates nothing.
    batch: Cell<Vec<Waker>>,
    is_closed: Cell<bool>,
    /// The mailbox's number, at hand.
    id: u64,
    mailbox: Arc<Mailbox>,
}

/// The timers of one thread: a clock and a wheel.
///
/// A clone is another handle to the same timers. The runtime's loop owns them: it calls [`begin_turn`](Self::begin_turn) once a turn,
/// [`fire`](Self::fire)s what is due, and parks for [`park_time`](Self::park_time) at most.
///
/// # Examples
/// ```
/// use sakia_time::Timers;
///
/// let timers = Timers::new();
/// assert!(timers.is_empty());
/// assert_eq!(timers.next_deadline(), None);
/// assert_eq!(timers.fire(timers.now()), 0);
/// ```
#[derive(Clone)]
pub struct Timers {
    pub(crate) inner: Rc<Inner>,
}

impl Timers {
    /// Makes timers on the system's monotonic clock.
    ///
    /// # Examples
    /// ```
    /// let timers = sakia_time::Timers::new();
    /// assert!(timers.is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Rc::new(SystemClock))
    }

    /// Makes timers on a clock of your own.
    ///
    /// # Examples
    /// ```
    /// use sakia_time::{SystemClock, Timers};
    ///
    /// let timers = Timers::with_clock(std::rc::Rc::new(SystemClock));
    /// assert!(timers.is_empty());
    /// ```
    #[must_use]
    pub fn with_clock(clock: Rc<dyn Clock>) -> Self {
        let source = Source::new(clock);
        let origin = source.now();
        let mailbox = Mailbox::open();
        Timers {
            inner: Rc::new(Inner {
                source,
                origin,
                reading: Cell::new(origin),
                is_current: Cell::new(true),
                counted: Cell::new((origin, 0)),
                fired: Cell::new(None),
                wheel: RefCell::new(Wheel::new(origin)),
                batch: Cell::new(Vec::new()),
                is_closed: Cell::new(false),
                id: mailbox.id(),
                mailbox,
            }),
        }
    }

    /// Makes these timers the current ones of this thread, until the guard is dropped.
    ///
    /// Calls nest: the ones entered last are current, and the guards may be dropped in any order.
    ///
    /// # Examples
    /// ```
    /// let timers = sakia_time::Timers::new();
    /// let _entered = timers.enter();
    /// assert!(sakia_time::now() >= timers.now());
    /// ```
    pub fn enter(&self) -> Entered {
        context::enter(Rc::clone(&self.inner))
    }

    /// Says that a new turn begins: the next [`now`](Self::now) reads the clock again.
    ///
    /// # Examples
    /// ```
    /// let timers = sakia_time::Timers::new();
    /// let first = timers.now();
    /// assert_eq!(timers.now(), first, "one reading a turn");
    /// timers.begin_turn();
    /// assert!(timers.now() >= first);
    /// ```
    pub fn begin_turn(&self) {
        self.inner.is_current.set(false);
    }

    /// Returns the time of this turn: reads the clock at most once after each [`begin_turn`](Self::begin_turn).
    ///
    /// It is as old as the last reading. For the present instant, see [`now`](fn@crate::now).
    ///
    /// # Examples
    /// ```
    /// let timers = sakia_time::Timers::new();
    /// assert!(timers.now() <= std::time::Instant::now());
    /// ```
    #[must_use]
    pub fn now(&self) -> Instant {
        if self.inner.is_current.get() {
            self.inner.reading.get()
        } else {
            self.inner.read_clock()
        }
    }

    /// Returns when [`fire`](Self::fire) will next have something to do; `None` if no timer is pending.
    ///
    /// The instant is the deadline of the earliest timer, rounded up to a whole tick: at most half a millisecond after it, and not
    /// before it; but at least a millisecond after timers last fired, so that a row of timers costs one wake a millisecond. (When the earliest of more than 32 timers that are due close together, far from now, was dropped, the answer may
    /// still be that one's: one turn with nothing to do.) An instant in the past says that something is due already.
    ///
    /// # Examples
    /// ```
    /// let timers = sakia_time::Timers::new();
    /// assert_eq!(timers.next_deadline(), None);
    /// ```
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let inner = &*self.inner;
        if self.is_empty() {
            return None;
        }
        inner.collect_mail();
        inner.settle();
        let wheel = &mut *inner.wheel.borrow_mut();
        let tick = wheel.next_tick()?;
        wheel.instant_of(match inner.fired.get() {
            Some(fired) if fired < tick => tick.max(fired.saturating_add(APART)),
            _ => tick,
        })
    }

    /// Returns how long the thread may park: until the [next deadline](Self::next_deadline), for ever (`None`) if there is none.
    ///
    /// Reads the clock if a timer is pending. While time is paused (feature `test-util`) the answer is nothing or for
    /// ever, because waiting does not move that clock.
    ///
    /// # Examples
    /// ```
    /// let timers = sakia_time::Timers::new();
    /// assert_eq!(timers.park_time(), None);
    /// ```
    #[must_use]
    pub fn park_time(&self) -> Option<Duration> {
        if self.is_empty() {
            return None;
        }
        let now = self.inner.read_clock();
        let left = self.next_deadline()?.saturating_duration_since(now);
        if left.is_zero() || !self.inner.source.is_paused() {
            Some(left)
        } else {
            None
        }
    }

    /// Wakes the tasks of all timers that are due at `now`, earliest first, and returns how many there were.
    ///
    /// `now` is usually [`Timers::now`]; it must not be ahead of the clock. Timers that are set by the wakers themselves wait for the next
    /// call, even if they are due at once.
    ///
    /// # Examples
    /// ```
    /// let timers = sakia_time::Timers::new();
    /// timers.begin_turn();
    /// assert_eq!(timers.fire(timers.now()), 0);
    /// ```
    ///
    /// # Panics
    /// If a waker panics; all others are woken first.
    pub fn fire(&self, now: Instant) -> usize {
        let inner = &*self.inner;
        inner.collect_mail();
        inner.settle();
        let Some(tick) = inner.wheel.borrow_mut().begin_round(now) else {
            return 0;
        };
        let mut batch = inner.batch.take();
        let mut fired = 0;
        let mut panicked = None;
        loop {
            {
                let wheel = &mut *inner.wheel.borrow_mut();
                batch.extend(std::iter::from_fn(|| wheel.pop_due(tick)).take(BATCH));
            }
            if batch.is_empty() {
                break;
            }
            fired += batch.len();
            each(batch.drain(..), Waker::wake, &mut panicked);
        }
        inner.batch.set(batch);
        if fired > 0 {
            inner.fired.set(Some(tick));
        }
        resume(panicked);
        fired
    }

    /// Says whether no timer is pending.
    ///
    /// # Examples
    /// ```
    /// assert!(sakia_time::Timers::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of pending timers.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(sakia_time::Timers::new().len(), 0);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.wheel.borrow().len()
    }

    /// Ends the timers: drops all wakers, wakes nobody, gives the memory back.
    ///
    /// Afterwards every pending [`Sleep`](crate::Sleep) may be dropped anywhere, at any time; to poll one panics with a clear message,
    /// because it could only wait for ever. Closing twice is harmless. The drop of the last handle closes, too.
    ///
    /// # Examples
    /// ```
    /// let timers = sakia_time::Timers::new();
    /// timers.close();
    /// assert!(timers.is_empty());
    /// ```
    ///
    /// # Panics
    /// If the destructor of a waker panics; all others are dropped first.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers")
            .field("len", &self.len())
            .field("closed", &self.inner.is_closed.get())
            .finish_non_exhaustive()
    }
}

impl Inner {
    #[inline]
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Reads the clock, and lets the timers that wait for a reading begin.
    #[inline]
    pub(crate) fn read_clock(&self) -> Instant {
        let now = self.source.now().max(self.reading.get());
        self.reading.set(now);
        self.is_current.set(true);
        let wheel = &mut *self.wheel.borrow_mut();
        if wheel.has_fresh() || wheel.has_begun() {
            wheel.settle(now);
        }
        now
    }

    /// Says whether a deadline has passed, as far as one can tell without reading the clock.
    #[inline]
    pub(crate) fn has_surely_passed(&self, deadline: &Deadline) -> bool {
        match deadline {
            Deadline::At(instant) => *instant <= self.reading.get(),
            Deadline::After(delay) => delay.is_zero(),
        }
    }

    /// Says whether an entry with this deadline has surely fired, as far as one can tell without looking at it: what has just
    /// fired is far away in memory by the time that its task is polled.
    #[inline]
    pub(crate) fn is_surely_done(&self, deadline: &Deadline) -> bool {
        match deadline {
            Deadline::At(instant) => self.wheel.borrow().is_done(self.tick_of(*instant)),
            Deadline::After(_) => false,
        }
    }

    /// Puts a waker into the wheel.
    #[inline]
    pub(crate) fn register(&self, deadline: &Deadline, waker: Waker) -> Key {
        let mut wheel = self.wheel.borrow_mut();
        if wheel.is_full() {
            drop(wheel);
            self.collect_mail();
            wheel = self.wheel.borrow_mut();
        }
        insert(&mut wheel, deadline, waker)
    }

    /// Puts a waker into the wheel where no more than that is to be done: `None` if the deadline has surely passed, if there is no room, or if the
    /// timers are closed, for then there is no room either. Runs nobody else's code.
    #[inline]
    pub(crate) fn register_at_once(
        &self,
        deadline: &Deadline,
        waker: &mut Option<Waker>,
    ) -> Option<(u64, Key)> {
        let wheel = &mut *self.wheel.borrow_mut();
        if self.has_surely_passed(deadline) || wheel.is_full() {
            return None;
        }
        Some((self.id, insert(wheel, deadline, waker.take()?)))
    }

    /// Makes sure that an entry wakes this waker; `false` if the entry has fired.
    pub(crate) fn refresh_waker(&self, key: Key, waker: &Waker) -> bool {
        match self.wheel.borrow_mut().value_mut(key) {
            None => return false,
            Some(old) if old.will_wake(waker) => return true,
            Some(_) => {}
        }
        let mut waker = waker.clone();
        // To clone was other people's code: look again.
        match self.wheel.borrow_mut().value_mut(key) {
            None => return false,
            Some(old) => mem::swap(old, &mut waker),
        }
        drop(waker);
        true
    }

    pub(crate) fn is_waiting(&self, key: Key) -> bool {
        self.wheel.borrow_mut().value_mut(key).is_some()
    }

    /// Moves an entry; `false` if it has fired.
    pub(crate) fn reset(&self, key: Key, deadline: Instant) -> bool {
        self.wheel.borrow_mut().reset(key, deadline)
    }

    /// Takes an entry out; the caller drops its waker.
    #[inline]
    pub(crate) fn remove(&self, key: Key) -> Option<Waker> {
        self.wheel.borrow_mut().remove(key)
    }

    /// Returns when the earliest timer fires, however long it takes to find out.
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn next_instant_exact(&self) -> Option<Instant> {
        let wheel = &mut *self.wheel.borrow_mut();
        let tick = wheel.next_tick_exact()?;
        wheel.instant_of(tick)
    }

    /// Lets fresh timers begin, at the price of a reading of the clock if there are any.
    #[inline]
    pub(crate) fn settle(&self) {
        let has_fresh = self.wheel.borrow().has_fresh();
        if has_fresh {
            self.read_clock();
        }
    }

    /// Takes timers out that were dropped elsewhere.
    #[inline]
    pub(crate) fn collect_mail(&self) {
        if self.mailbox.has_mail() {
            self.open_mail();
        }
    }

    #[cold]
    fn open_mail(&self) {
        for key in self.mailbox.collect() {
            drop(self.remove(key));
        }
    }

    fn close(&self) {
        self.is_closed.set(true);
        self.mailbox.close();
        let wakers = self.wheel.borrow_mut().clear();
        let mut panicked = None;
        each(wakers, drop, &mut panicked);
        resume(panicked);
    }

    /// Returns the tick at which a deadline has passed.
    #[inline]
    fn tick_of(&self, deadline: Instant) -> u64 {
        let (counted, tick) = self.counted.get();
        if deadline == counted {
            return tick;
        }
        let nanos = nanos_between(self.origin, deadline);
        let tick = tick_of_deadline(nanos.unwrap_or(u64::MAX));
        self.counted.set((deadline, tick));
        tick
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.is_closed.get() {
            self.close();
        }
    }
}

#[inline]
fn insert(wheel: &mut Wheel<Waker>, deadline: &Deadline, waker: Waker) -> Key {
    match deadline {
        Deadline::At(instant) => wheel.insert(*instant, waker),
        Deadline::After(delay) => wheel.insert_fresh(nanos_of(*delay).unwrap_or(u64::MAX), waker),
    }
}

/// Does something with each waker, whichever of them panic; keeps the first panic.
fn each(
    mut wakers: impl Iterator<Item = Waker>,
    act: impl Fn(Waker),
    panicked: &mut Option<Box<dyn Any + Send>>,
) {
    // One guard around the whole lot, set up again after each panic: nothing is paid for where none panics.
    while let Err(payload) =
        panic::catch_unwind(AssertUnwindSafe(|| wakers.by_ref().for_each(&act)))
    {
        match panicked {
            None => *panicked = Some(payload),
            // Its destructor could panic in turn; a second payload helps nobody.
            Some(_) => mem::forget(payload),
        }
    }
}

fn resume(panicked: Option<Box<dyn Any + Send>>) {
    if let Some(payload) = panicked {
        // A destructor that runs because of one panic must not start another: the process would abort.
        if !std::thread::panicking() {
            panic::resume_unwind(payload);
        }
        mem::forget(payload);
    }
}
