//! The timer wheel: a pure data structure over ticks. Knows no clock, no waker and no thread.
//!
//! Eight levels of 64 slots. A timer hangs in the level of the highest digit (base 64) in which its tick differs from `elapsed`, the
//! tick up to which all is done, and in the slot of that digit. Hence everything in a level is due before everything in the
//! level above, the slots of a level are due in order, and only slots *after* the present digit are ever taken: a level never
//! wraps. When `elapsed` reaches the first tick of a slot above level 0, its timers move down (they cascade).
//!
//! The life of a timer: `fresh` (its delay is known, its beginning is not) → begun (not hung yet) → in a slot → out. One whose deadline is known as it comes is laid
//! `aside` instead, until somebody asks what is due: what is gone by then was never hung, nor its tick reckoned. Three by-ways: `due` (its tick was
//! past when it came), `firing` (due, and about to leave), `never` (beyond the last tick).
//!
//! The first tick of a slot is a poor answer to "when next?": above level 0 it wakes the thread for nothing but a cascade. So each slot keeps its
//! smallest tick. Inserts keep it exact; when the smallest one leaves, it is marked stale and looked up again, once, and among a
//! few entries only. A long list keeps the old answer, which is early, at the cost of one wake for nothing a slot.
use std::mem;
use std::time::{Duration, Instant};

use crate::arena::{Arena, Key, List};

/// How long a tick lasts: half a millisecond, so that an idle thread wakes within a millisecond of a deadline with room to spare.
pub(crate) const NANOS_PER_TICK: u64 = 500_000;
/// The tick that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

const LEVELS: usize = 8;
const BITS: usize = 6;
const SLOTS: usize = 1 << BITS;

const DUE: List = (LEVELS * SLOTS) as List;
const FIRING: List = DUE + 1;
/// Two lists that take turns: while the timers of one wait for a reading of the clock, those of the other have had theirs.
const FRESH: [List; 2] = [DUE + 2, DUE + 3];
const BEYOND: List = FRESH[1] + 1;
const LISTS: usize = BEYOND as usize + 1;

/// So many timers are laid aside at most.
const MOST_ASIDE: usize = 256;

/// How many entries `next_tick` looks at, at most, to freshen the smallest tick of a slot.
const LOOK_AT: usize = 32;

/// Rounds a deadline, in nanoseconds since the wheel's beginning, up to its tick.
pub(crate) fn tick_of_deadline(nanos: u64) -> u64 {
    if nanos == u64::MAX {
        NEVER
    } else {
        nanos.div_ceil(NANOS_PER_TICK)
    }
}

/// Returns the nanoseconds from one instant to another, none if that is before it; `None` if they are more than a `u64` holds (584 years).
#[inline]
pub(crate) fn nanos_between(origin: Instant, instant: Instant) -> Option<u64> {
    nanos_of(instant.saturating_duration_since(origin))
}

#[inline]
pub(crate) fn nanos_of(duration: Duration) -> Option<u64> {
    duration
        .as_secs()
        .checked_mul(1_000_000_000)?
        .checked_add(u64::from(duration.subsec_nanos()))
}

/// A timer that is laid aside.
struct Aside {
    deadline: Instant,
    /// `None` once it has gone.
    index: Option<u32>,
}

/// Timers by tick, each with a value that comes out when it fires.
pub(crate) struct Wheel<T> {
    arena: Arena<T, LISTS>,
    /// When tick 0 was.
    origin: Instant,
    /// Those that are in no slot yet, in the order in which they came.
    aside: Vec<Aside>,
    /// When the last round was that looked into the slots: a deadline after that has a tick after `elapsed`.
    looked: Instant,
    /// Before that no slot is due. As early as `origin`, it says nothing.
    quiet_until: Instant,
    /// Every tick up to here, itself included, is done.
    elapsed: u64,
    /// Which slots hold timers, a word a level.
    occupied: [u64; LEVELS],
    /// Which slots' smallest tick may have left.
    stale: [u64; LEVELS],
    /// The smallest tick of each slot above level 0.
    smallest: Box<[u64]>,
    /// Which of the `FRESH` lists takes new timers.
    fresh: usize,
    /// When those of the other one began, if there are any.
    begun: Option<Instant>,
}

impl<T> Wheel<T> {
    pub(crate) fn new(origin: Instant) -> Self {
        Wheel {
            arena: Arena::new(),
            origin,
            aside: Vec::new(),
            looked: origin,
            quiet_until: origin,
            elapsed: 0,
            occupied: [0; LEVELS],
            stale: [0; LEVELS],
            smallest: vec![NEVER; LEVELS * SLOTS].into_boxed_slice(),
            fresh: 0,
            begun: None,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.arena.len()
    }

    /// How many are laid aside, those that have gone among them.
    #[cfg(test)]
    pub(crate) fn aside(&self) -> usize {
        self.aside.len()
    }

    /// Says whether the next insert must take new memory.
    pub(crate) fn is_full(&self) -> bool {
        self.arena.is_full()
    }

    /// Says whether some timer waits to be told its beginning.
    pub(crate) fn has_fresh(&self) -> bool {
        !self.arena.is_list_empty(FRESH[self.fresh])
    }

    /// Says whether no timer of this tick is pending.
    #[inline]
    pub(crate) fn is_done(&self, tick: u64) -> bool {
        tick <= self.elapsed && self.arena.is_list_empty(DUE) && self.arena.is_list_empty(FIRING)
    }

    /// Says whether some timer has begun and is in no slot yet.
    #[inline]
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.is_some() && !self.arena.is_list_empty(FRESH[1 - self.fresh])
    }

    /// Adds a timer for a deadline.
    #[inline]
    pub(crate) fn insert(&mut self, deadline: Instant, value: T) -> Key {
        let (index, key) = self.arena.insert(value, NEVER);
        self.lay_aside(index, deadline);
        key
    }

    /// Adds a timer that starts to count at the next `settle`.
    #[inline]
    pub(crate) fn insert_fresh(&mut self, delay_nanos: u64, value: T) -> Key {
        let (index, key) = self.arena.insert(value, delay_nanos);
        self.arena.push_back(index, FRESH[self.fresh]);
        key
    }

    /// Lets the fresh timers begin now. They are hung in their slots by the next call, or when somebody asks for the next tick: a
    /// timer that is gone by then, as most limits are, was never hung.
    #[inline]
    pub(crate) fn settle(&mut self, now: Instant) {
        if self.has_begun() {
            self.hang_begun();
        }
        if self.has_fresh() {
            self.begun = Some(now);
            self.fresh = 1 - self.fresh;
        }
    }

    /// Hangs the timers that began before `now`; others cannot be due then.
    #[inline]
    fn hang_begun_before(&mut self, now: Instant) {
        if self.has_begun() && self.begun.is_some_and(|begun| begun < now) {
            self.hang_begun();
        }
    }

    /// Hangs the timers that have begun and are in no slot yet.
    fn hang_begun(&mut self) {
        let Some(begun) = self.begun.take() else {
            return;
        };
        let begun = nanos_between(self.origin, begun).unwrap_or(u64::MAX);
        while let Some(index) = self.arena.pop_front(FRESH[1 - self.fresh]) {
            let delay = self.arena.when(index);
            let tick = tick_of_deadline(begun.saturating_add(delay));
            self.arena.set_when(index, tick);
            self.place(index, tick);
        }
    }

    /// Hangs all whose tick can be known.
    fn hang_all(&mut self) {
        self.hang_begun();
        self.hang_aside();
    }

    /// Hangs the timers that were laid aside. `elapsed` moves on only behind this, so none of them is overtaken.
    #[inline]
    fn hang_aside(&mut self) {
        if self.aside.is_empty() {
            return;
        }
        let mut aside = mem::take(&mut self.aside);
        for Aside { deadline, index } in aside.drain(..) {
            if let Some(index) = index {
                self.arena.unkeep(index);
                self.place_at(index, deadline);
            }
        }
        self.aside = aside;
    }

    /// Takes a timer out; `None` if it has fired.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let index = self.arena.resolve(key)?;
        self.detach(index);
        self.arena.remove(index)
    }

    /// Moves a timer to another deadline; `false` if it has fired.
    pub(crate) fn reset(&mut self, key: Key, deadline: Instant) -> bool {
        let Some(index) = self.arena.resolve(key) else {
            return false;
        };
        self.detach(index);
        self.lay_aside(index, deadline);
        true
    }

    /// Looks at a timer's value; `None` if it has fired.
    pub(crate) fn value_mut(&mut self, key: Key) -> Option<&mut T> {
        let index = self.arena.resolve(key)?;
        self.arena.value_mut(index)
    }

    /// Begins a round of `pop_due` up to `now`, and says up to which tick that is: timers that become due by an insert during the round wait for the next one.
    /// `None`: there is nothing to be done.
    #[inline]
    pub(crate) fn begin_round(&mut self, now: Instant) -> Option<u64> {
        self.hang_begun_before(now);
        if now < self.quiet_until && self.aside.is_empty() {
            return None;
        }
        self.look(now)
    }

    /// Begins a round that has to look what is due.
    fn look(&mut self, now: Instant) -> Option<u64> {
        self.hang_aside();
        self.looked = self.looked.max(now);
        let tick = nanos_between(self.origin, now).unwrap_or(u64::MAX) / NANOS_PER_TICK;
        if !self.arena.is_list_empty(DUE) {
            self.fire_due();
        }
        if !self.arena.is_list_empty(FIRING) {
            return Some(tick);
        }
        let next = self
            .first_slot()
            .map(|(level, slot)| self.slot_start(level, slot));
        if next.is_some_and(|next| next <= tick) {
            return Some(tick);
        }
        self.elapsed = self.elapsed.max(tick);
        // Some hundred years from now it looks again.
        let next = self.instant_of(next.unwrap_or(NEVER));
        self.quiet_until = next.unwrap_or(self.origin);
        None
    }

    /// Returns when a tick is.
    pub(crate) fn instant_of(&self, tick: u64) -> Option<Instant> {
        let since = Duration::from_nanos(tick.saturating_mul(NANOS_PER_TICK));
        self.origin.checked_add(since)
    }

    /// Lets those that were due as they came fire.
    fn fire_due(&mut self) {
        while let Some(index) = self.arena.pop_front(DUE) {
            self.arena.push_back(index, FIRING);
        }
    }

    /// Takes out one timer that is due at tick `now`, earliest first. After `None`, all ticks up to `now` are done.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<T> {
        if let Some(index) = self.arena.pop_front(FIRING) {
            return self.arena.remove(index);
        }
        self.hang_aside();
        while let Some((level, slot)) = self.first_slot() {
            let start = self.slot_start(level, slot);
            if start > now {
                break;
            }
            self.elapsed = start;
            if level == 0 {
                let index = self.arena.pop_front(list_of(0, slot))?;
                self.left(0, slot, start);
                return self.arena.remove(index);
            }
            self.cascade(level, slot);
        }
        self.elapsed = self.elapsed.max(now);
        None
    }

    /// Returns the earliest tick of all timers that have begun, or a little less: see the file's head.
    pub(crate) fn next_tick(&mut self) -> Option<u64> {
        self.hang_all();
        let (level, slot) = match self.first_due() {
            Ok(tick) => return tick,
            Err(found) => found,
        };
        let list = list_of(level, slot);
        let smallest = &mut self.smallest[usize::from(list)];
        if self.stale[level] & (1 << slot) != 0 {
            // Found or given up: either way one look is enough.
            self.stale[level] &= !(1 << slot);
            let mut ticks = self.arena.list_whens(list);
            let found = ticks.by_ref().take(LOOK_AT).min();
            if let (Some(found), None) = (found, ticks.next()) {
                *smallest = found;
            }
        }
        Some(*smallest)
    }

    /// Returns the earliest tick of all timers that have begun, however long that takes.
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn next_tick_exact(&mut self) -> Option<u64> {
        self.hang_all();
        match self.first_due() {
            Ok(tick) => tick,
            Err((level, slot)) => self.arena.list_whens(list_of(level, slot)).min(),
        }
    }

    /// Takes everything out and gives the memory back.
    pub(crate) fn clear(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.occupied = [0; LEVELS];
        self.stale = [0; LEVELS];
        self.begun = None;
        self.aside = Vec::new();
        self.arena.clear()
    }

    /// Returns the earliest tick where that is plain to see; else the slot, above level 0, that it is in.
    fn first_due(&self) -> Result<Option<u64>, (usize, usize)> {
        if !self.arena.is_list_empty(DUE) || !self.arena.is_list_empty(FIRING) {
            return Ok(Some(self.elapsed));
        }
        match self.first_slot() {
            None => Ok(None),
            Some((0, slot)) => Ok(Some(self.slot_start(0, slot))),
            Some(found) => Err(found),
        }
    }

    /// Keeps an entry until somebody asks; one that may be due already is hung at once.
    #[inline]
    fn lay_aside(&mut self, index: u32, deadline: Instant) {
        if deadline <= self.looked {
            return self.place_at(index, deadline);
        }
        if self.aside.len() >= MOST_ASIDE {
            self.hang_aside();
        }
        self.arena.keep(index, self.aside.len() as u32);
        let index = Some(index);
        self.aside.push(Aside { deadline, index });
    }

    /// Strikes off the timer that was laid aside at a place.
    #[inline]
    fn leave_aside(&mut self, place: u32) {
        if place as usize + 1 == self.aside.len() {
            self.aside.pop();
        } else if let Some(aside) = self.aside.get_mut(place as usize) {
            aside.index = None;
        }
    }

    /// Hangs an entry where its deadline belongs.
    fn place_at(&mut self, index: u32, deadline: Instant) {
        let tick = tick_of_deadline(nanos_between(self.origin, deadline).unwrap_or(u64::MAX));
        self.arena.set_when(index, tick);
        self.place(index, tick);
    }

    /// Hangs an entry where its tick belongs.
    #[inline]
    fn place(&mut self, index: u32, tick: u64) {
        if tick == NEVER {
            self.arena.push_back(index, BEYOND);
        } else if tick <= self.elapsed {
            self.quiet_until = self.origin;
            self.arena.push_back(index, DUE);
        } else {
            self.hang(index, tick);
        }
    }

    /// Hangs an entry in its slot. `tick` is `elapsed` or later.
    #[inline]
    fn hang(&mut self, index: u32, tick: u64) {
        // The highest digit that differs; the `or` makes that level 0 for equal ticks.
        let differing = (self.elapsed ^ tick) | (SLOTS as u64 - 1);
        let level = (differing.ilog2() as usize) / BITS;
        let slot = (tick >> (level * BITS)) as usize % SLOTS;
        let list = list_of(level, slot);
        if level > 0 {
            let smallest = &mut self.smallest[usize::from(list)];
            if self.occupied[level] & (1 << slot) == 0 || tick <= *smallest {
                *smallest = tick;
                self.stale[level] &= !(1 << slot);
            }
        }
        self.occupied[level] |= 1 << slot;
        self.quiet_until = self.origin;
        self.arena.push_back(index, list);
    }

    /// Takes an entry off whatever list it is on.
    #[inline]
    fn detach(&mut self, index: u32) {
        match self.arena.unkeep(index) {
            Some(place) => self.leave_aside(place),
            None => self.unhang(index),
        }
    }

    /// Takes an entry off its list.
    fn unhang(&mut self, index: u32) {
        let tick = self.arena.when(index);
        let list = self.arena.unlink(index);
        if list < DUE {
            let (level, slot) = (usize::from(list) / SLOTS, usize::from(list) % SLOTS);
            self.left(level, slot, tick);
        }
    }

    /// Keeps the books of a slot that an entry has left.
    #[inline]
    fn left(&mut self, level: usize, slot: usize, tick: u64) {
        let list = list_of(level, slot);
        if self.arena.is_list_empty(list) {
            self.occupied[level] &= !(1 << slot);
            self.stale[level] &= !(1 << slot);
        } else if level > 0 && tick == self.smallest[usize::from(list)] {
            self.stale[level] |= 1 << slot;
        }
    }

    /// Moves the timers of a slot whose first tick is `elapsed` down to the levels below.
    fn cascade(&mut self, level: usize, slot: usize) {
        self.occupied[level] &= !(1 << slot);
        self.stale[level] &= !(1 << slot);
        while let Some(index) = self.arena.pop_front(list_of(level, slot)) {
            let tick = self.arena.when(index);
            self.hang(index, tick);
        }
    }

    /// Finds the slot that is due first.
    #[inline]
    fn first_slot(&self) -> Option<(usize, usize)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        Some((level, self.occupied[level].trailing_zeros() as usize))
    }

    /// Returns the first tick of a slot.
    #[inline]
    fn slot_start(&self, level: usize, slot: usize) -> u64 {
        let shift = level * BITS;
        let above = !((1_u64 << (shift + BITS)) - 1);
        (self.elapsed & above) | ((slot as u64) << shift)
    }
}

fn list_of(level: usize, slot: usize) -> List {
    (level * SLOTS + slot) as List
}
