//! A hierarchical wheel of timers: six levels of 64 slots, a tick a millisecond, entries in a slab and doubly linked.

use std::task::{Poll, Waker};
use std::time::Instant;

/// The end of a list.
const NIL: u32 = u32::MAX;
const LEVELS: usize = 6;
const SLOTS: usize = 64;

/// The place of a timer in the slab.
#[derive(Clone, Copy)]
pub struct Id(u32);

struct Entry {
    next: u32,
    prev: u32,
    slot: u32,
    when: u64,
    fired: bool,
    waker: Option<Waker>,
}

pub struct Wheel {
    entries: Vec<Entry>,
    /// The head of the list of free entries.
    free: u32,
    heads: [u32; LEVELS * SLOTS],
    /// A bit for each slot with an entry, a word for each level.
    occupied: [u64; LEVELS],
    tick: u64,
    start: Instant,
}

impl Wheel {
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: NIL,
            heads: [NIL; LEVELS * SLOTS],
            occupied: [0; LEVELS],
            tick: 0,
            start: Instant::now(),
        }
    }

    /// When its tick was 0.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// The tick up to which it has fired.
    pub fn now(&self) -> u64 {
        self.tick
    }

    #[inline]
    pub fn insert(&mut self, when: u64, waker: Waker) -> Id {
        let entry = Entry {
            next: NIL,
            prev: NIL,
            slot: 0,
            when,
            fired: false,
            waker: Some(waker),
        };
        let at = self.free;
        if at == NIL {
            self.entries.push(entry);
            let at = self.entries.len() as u32 - 1;
            self.link(at);
            return Id(at);
        }
        self.free = self.entries[at as usize].next;
        self.entries[at as usize] = entry;
        self.link(at);
        Id(at)
    }

    /// Frees a timer's entry.
    #[inline]
    pub fn remove(&mut self, Id(at): Id) -> Option<Waker> {
        if !self.entries[at as usize].fired {
            self.unlink(at);
        }
        let entry = &mut self.entries[at as usize];
        entry.next = self.free;
        self.free = at;
        entry.waker.take()
    }

    /// Has it fired? If not, this waker is woken.
    #[inline]
    pub fn poll(&mut self, Id(at): Id, waker: &Waker) -> Poll<()> {
        let entry = &mut self.entries[at as usize];
        if entry.fired {
            return Poll::Ready(());
        }
        if !entry.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            entry.waker = Some(waker.clone());
        }
        Poll::Pending
    }

    #[inline]
    fn link(&mut self, at: u32) {
        let when = self.entries[at as usize].when.max(self.tick + 1);
        let differs = (self.tick ^ when) | (SLOTS as u64 - 1);
        let level = ((63 - differs.leading_zeros()) / 6).min(LEVELS as u32 - 1) as usize;
        let slot = (when >> (6 * level)) as usize % SLOTS;
        let list = level * SLOTS + slot;
        let head = self.heads[list];
        let entry = &mut self.entries[at as usize];
        (entry.next, entry.prev, entry.slot) = (head, NIL, list as u32);
        if head != NIL {
            self.entries[head as usize].prev = at;
        }
        self.heads[list] = at;
        self.occupied[level] |= 1 << slot;
    }

    #[inline]
    fn unlink(&mut self, at: u32) {
        let Entry {
            next, prev, slot, ..
        } = self.entries[at as usize];
        let list = slot as usize;
        if next != NIL {
            self.entries[next as usize].prev = prev;
        }
        if prev != NIL {
            self.entries[prev as usize].next = next;
            return;
        }
        self.heads[list] = next;
        if next == NIL {
            self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
        }
    }

    /// The next tick at which there is something to look at.
    #[inline]
    pub fn next(&self) -> Option<u64> {
        let level = self.occupied.iter().position(|slots| *slots != 0)?;
        let turns = self.tick >> (6 * level);
        let ahead = self.occupied[level].rotate_right(((turns + 1) % SLOTS as u64) as u32);
        Some((turns + 1 + u64::from(ahead.trailing_zeros())) << (6 * level))
    }

    /// Wakes all that is due at this tick, and moves what has come near to lower levels.
    pub fn advance(&mut self, to: u64) {
        while let Some(tick) = self.next().filter(|tick| *tick <= to) {
            self.tick = tick;
            for level in (0..LEVELS).rev() {
                let turns_here = tick.is_multiple_of(1 << (6 * level));
                if turns_here {
                    self.empty(level);
                }
            }
        }
        self.tick = self.tick.max(to);
    }

    /// Empties the level's slot of this tick.
    fn empty(&mut self, level: usize) {
        let slot = (self.tick >> (6 * level)) as usize % SLOTS;
        let list = level * SLOTS + slot;
        let mut at = std::mem::replace(&mut self.heads[list], NIL);
        if at == NIL {
            return;
        }
        self.occupied[level] &= !(1 << slot);
        while at != NIL {
            let entry = &mut self.entries[at as usize];
            let next = entry.next;
            if entry.when > self.tick {
                self.link(at);
            } else {
                entry.fired = true;
                if let Some(waker) = entry.waker.take() {
                    waker.wake();
                }
            }
            at = next;
        }
    }
}
