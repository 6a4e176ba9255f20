//! The op table: which ops are in flight, who waits for them, and what they hold open.
//!
//! | state | law | who moves it on |
//! |---|---|---|
//! | `Waiting` | in flight; the op's memory is in its future | the final completion, or the future's drop |
//! | `Orphan` | in flight; the op's memory is here | the final completion, which removes the entry |
//! | `Done` | not in flight; the result, and what it carries, are here | the future's next poll or its drop, or the end of the runtime |
//! | `Retired` | the slot's generations are spent | nobody |
//! | `Vacant` | nobody's | the next op |
//!
//! An entry that is missing has had its final completion: that is what makes it safe to give an op's memory back. The table
//! only records; effects (waking, closing, user destructors) are its callers'. Here ops come in and end; who asks what came of one, or
//! gives it up, finds it in [`results`].

use std::task::Waker;

use super::adopt::Adopts;
use super::{Bare, Completion, Done, Holds, Orphan};
use crate::fd::Kind;
use crate::kernel::Cqe;
use crate::pooled::PooledBuf;

pub(crate) use results::{Abandoned, Polled};

/// Bits of the tag that hold the index; the others hold the generation.
const INDEX_BITS: u32 = 24;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
/// The index that no op has: tags with it are the driver's own (see [`Tag::own`]).
const OWN_INDEX: u64 = INDEX_MASK;
/// A slot has four bytes for it, of the five that a tag has.
const LAST_GENERATION: u32 = u32::MAX;

/// What travels in `user_data`: the index of an entry and the generation of its use. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(pub(crate) u64);

/// The driver's own tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// The answer to a cancel of the op with this index, which says nothing of the op's fate.
    Cancel(u32),
    /// A wake from another thread by MSG_RING.
    Wake,
    /// The read of the eventfd that every runtime keeps.
    Eventfd,
    /// A pending close, by its index in the close table.
    Close(u32),
}

impl Tag {
    fn new(index: usize, generation: u32) -> Self {
        Self(u64::from(generation) << INDEX_BITS | index as u64)
    }

    fn index(self) -> usize {
        (self.0 & INDEX_MASK) as usize
    }

    /// The index, as a cancel's own tag carries it.
    pub(crate) fn index32(self) -> u32 {
        (self.0 & INDEX_MASK) as u32
    }

    fn generation(self) -> u64 {
        self.0 >> INDEX_BITS
    }

    /// A tag of the driver's own: the reserved index, above it the payload and a kind.
    pub(crate) const fn own(own: Own) -> u64 {
        let (kind, payload) = match own {
            Own::Cancel(index) => (0, index as u64),
            Own::Wake => (1, 0),
            Own::Eventfd => (2, 0),
            Own::Close(index) => (3, index as u64),
        };
        (payload << 8 | kind) << INDEX_BITS | OWN_INDEX
    }

    /// What a tag of the reserved range means.
    pub(crate) fn as_own(self) -> Option<Own> {
        if self.0 & INDEX_MASK != OWN_INDEX {
            return None;
        }
        let high = self.generation();
        Some(match high & 0xff {
            0 => Own::Cancel((high >> 8) as u32),
            1 => Own::Wake,
            2 => Own::Eventfd,
            _ => Own::Close((high >> 8) as u32),
        })
    }
}

enum State {
    /// Nobody's; the index of the next such slot, or [`NO_SLOT`].
    Vacant(u32),
    Waiting(Option<Waker>),
    Orphan(Box<dyn Orphan>),
    Done(Done),
    Retired,
}

impl State {
    /// Puts the next state in the place of one with nothing in it that needs a drop.
    #[inline]
    fn begin(&mut self, next: Self) {
        std::mem::forget(std::mem::replace(self, next));
    }
}

/// The end of the list of vacant slots.
const NO_SLOT: u32 = u32::MAX;

/// A line of the caches, and no more: what the kernel copies for many connections drives the table out, and each op waits for its entry.
#[allow(
    clippy::box_collection,
    reason = "eight bytes for what is rare, and there are as many entries as idle connections"
)]
#[repr(align(64))]
struct Entry {
    /// Of the slot's present use, or of its next.
    generation: u32,
    state: State,
    holds: Holds,
    adopts: Adopts,
    opcode: u8,
    lane: Option<super::lane::Side>,
    /// How many cancels were pushed.
    asked: u8,
    /// Its owner let it go on purpose: the end of the handle does not cancel it, only the end of the runtime.
    detached: bool,
    /// Completions that came before the final one (`F_MORE`) and that the op was not told of yet.
    more: Option<Box<Vec<Completion>>>,
}

/// What follows from the end of an op of the usual kind.
pub(crate) struct Woken {
    pub(crate) waker: Option<Waker>,
    /// The descriptors to let go of.
    pub(crate) holds: Holds,
    /// The lane in which the op went.
    pub(crate) lane: Option<super::lane::Side>,
}

/// What a completion asks the dispatcher to do.
pub(crate) enum Decision {
    /// A stale tag: nothing.
    Nothing,
    /// One of several completions of an op whose future has gone: what it carries is closed.
    Unheard(Completion),
    /// Somebody waits: wake them, and let go of the descriptors.
    Wake(Option<Waker>, Holds),
    /// Nobody waits: settle, let go of the descriptors, release the memory.
    Settle(Settlement),
}

/// An orphan with its final completion.
pub(crate) struct Settlement {
    pub(crate) orphan: Box<dyn Orphan>,
    pub(crate) done: Completion,
    pub(crate) holds: Holds,
    pub(crate) lane: Option<super::lane::Side>,
}

/// Numbers that a report wants.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) completed: u64,
    pub(crate) cancelled: u64,
    pub(crate) stale: u64,
}

/// A slab whose slots know their generation: one look finds an entry and tells whether the tag is still its own.
pub(crate) struct Table {
    slots: Vec<Entry>,
    /// The first vacant slot, or [`NO_SLOT`].
    vacant: u32,
    in_flight: usize,
    pub(crate) counts: Counts,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            vacant: NO_SLOT,
            in_flight: 0,
            counts: Counts::default(),
        }
    }
}

impl Table {
    /// Enters an op that is about to be pushed. `None` if every index is taken.
    #[inline(always)]
    pub(crate) fn insert(
        &mut self,
        opcode: u8,
        holds: Holds,
        adopts: Adopts,
        lane: Option<super::lane::Side>,
        waker: Waker,
    ) -> Option<Tag> {
        if self.vacant == NO_SLOT {
            self.grow()?;
        }
        let index = self.vacant as usize;
        let entry = &mut self.slots[index];
        let State::Vacant(next) = entry.state else {
            unreachable!("the list leads to vacant slots alone")
        };
        self.vacant = next;
        entry.state.begin(State::Waiting(Some(waker)));
        // There is nothing in it: its last op's were taken out as that ended.
        std::mem::forget(std::mem::replace(&mut entry.holds, holds));
        entry.adopts = adopts;
        entry.opcode = opcode;
        entry.lane = lane;
        entry.asked = 0;
        entry.detached = false;
        self.in_flight += 1;
        Some(Tag::new(index, entry.generation))
    }

    /// Makes one more vacant slot.
    #[cold]
    fn grow(&mut self) -> Option<()> {
        let index = self.slots.len();
        if index as u64 >= OWN_INDEX {
            return None;
        }
        self.slots.push(Entry {
            generation: 1,
            state: State::Vacant(NO_SLOT),
            holds: Holds::none(),
            adopts: Adopts::NOTHING,
            opcode: 0,
            lane: None,
            asked: 0,
            detached: false,
            more: None,
        });
        self.vacant = index as u32;
        Some(())
    }

    /// An op was over as it was submitted.
    pub(crate) fn count_answered(&mut self) {
        self.counts.completed += 1;
    }

    #[inline]
    fn get(&mut self, tag: Tag) -> Option<&mut Entry> {
        // A vacant slot has a generation that no tag has had yet, a retired one the last of all.
        self.slots
            .get_mut(tag.index())
            .filter(|entry| u64::from(entry.generation) == tag.generation())
    }

    /// Ends the use of a slot: answers its state.
    #[inline]
    fn remove(&mut self, tag: Tag) -> State {
        let index = tag.index();
        let entry = &mut self.slots[index];
        debug_assert!(entry.more.is_none(), "the op was told of all of them");
        entry.generation += 1;
        if entry.generation == LAST_GENERATION {
            // A generation that wrapped could be mistaken for an old one: the slot is never used again.
            return std::mem::replace(&mut entry.state, State::Retired);
        }
        let next = std::mem::replace(&mut self.vacant, index as u32);
        std::mem::replace(&mut entry.state, State::Vacant(next))
    }

    /// Takes note of a completion of the usual kind, the last of an op that somebody waits for and with nothing but numbers: answers who waits, and the
    /// descriptors to let go of. Others are left to [`complete`](Self::complete), and so are the driver's own, whose index no slot has.
    #[inline]
    pub(crate) fn complete_bare(&mut self, cqe: Cqe) -> Option<Woken> {
        self.complete_usual(cqe, |adopts| adopts.bare(cqe).map(Done::Bare))
    }

    /// The same of an op that has brought a descriptor, which has its owner here at once. Not inlined: it is not to burden the other way.
    #[inline(never)]
    pub(crate) fn complete_opened(&mut self, cqe: Cqe) -> Option<Woken> {
        self.complete_usual(cqe, |adopts| {
            let fd = adopts.opened(cqe)?;
            Some(Done::Opened(fd, cqe.flags))
        })
    }

    /// The same of a receive that has brought a buffer, which `buf` gives and which holds all that was received.
    #[inline]
    pub(crate) fn complete_filled(
        &mut self,
        cqe: Cqe,
        buf: impl FnOnce() -> Option<PooledBuf>,
    ) -> Option<Woken> {
        self.complete_usual(cqe, |adopts| {
            let bare = adopts.bare(cqe)?;
            Some(match buf() {
                Some(buf) => {
                    debug_assert_eq!(Bare::of(&buf, bare.flags).res, bare.res);
                    Done::Filled(buf, bare.flags)
                }
                None => Done::Bare(bare),
            })
        })
    }

    #[inline(always)]
    fn complete_usual(
        &mut self,
        cqe: Cqe,
        done: impl FnOnce(Adopts) -> Option<Done>,
    ) -> Option<Woken> {
        let entry = self.get(Tag(cqe.user_data))?;
        let State::Waiting(waker) = &mut entry.state else {
            return None;
        };
        if cqe.more() {
            return None;
        }
        let done = done(entry.adopts)?;
        let waker = waker.take();
        entry.state.begin(State::Done(done));
        let woken = Woken {
            waker,
            holds: std::mem::take(&mut entry.holds),
            lane: entry.lane,
        };
        let Cqe { res, flags, .. } = cqe;
        self.count_end(Bare { res, flags });
        Some(woken)
    }

    /// An op has had its final completion.
    #[inline]
    fn count_end(&mut self, bare: Bare) {
        self.in_flight -= 1;
        self.counts.completed += 1;
        self.counts.cancelled += u64::from(bare.was_cancelled());
    }

    /// Takes note of a completion of any kind and says what follows from it.
    ///
    /// `buf` is the buffer that it names. With nobody to take it, it goes back to the pool.
    pub(crate) fn complete(&mut self, cqe: Cqe, buf: Option<PooledBuf>) -> Decision {
        let tag = Tag(cqe.user_data);
        let live = |entry: &&mut Entry| matches!(entry.state, State::Waiting(_) | State::Orphan(_));
        let Some(entry) = self.get(tag).filter(live) else {
            self.counts.stale += 1;
            return Decision::Nothing;
        };
        let mut done = entry.adopts.adopt(cqe);
        if buf.is_some() {
            done.load().buf = buf;
        }
        if cqe.more() {
            // One of several: the op's memory is the kernel's until the last.
            return match &mut entry.state {
                State::Waiting(waker) => {
                    let waker = waker.take();
                    entry.more.get_or_insert_default().push(done);
                    Decision::Wake(waker, Holds::none())
                }
                _ => Decision::Unheard(done),
            };
        }
        let holds = std::mem::take(&mut entry.holds);
        let decision = match &mut entry.state {
            State::Waiting(waker) => {
                let waker = waker.take();
                entry.state.begin(State::Done(done.into()));
                Decision::Wake(waker, holds)
            }
            _ => self.settle(tag, done, holds),
        };
        let Cqe { res, flags, .. } = cqe;
        self.count_end(Bare { res, flags });
        decision
    }

    /// The final completion of an op whose future has gone.
    fn settle(&mut self, tag: Tag, done: Completion, holds: Holds) -> Decision {
        let lane = self.slots[tag.index()].lane;
        let State::Orphan(orphan) = self.remove(tag) else {
            unreachable!("the caller has looked")
        };
        Decision::Settle(Settlement {
            orphan,
            done,
            holds,
            lane,
        })
    }

    /// Notes who waits now; answers who waited before. Cloning and dropping wakers may run code of the user's, so neither is done here.
    #[must_use]
    pub(crate) fn set_waker(&mut self, tag: Tag, waker: Waker) -> Option<Waker> {
        match &mut self.get(tag)?.state {
            State::Waiting(slot) => slot.replace(waker),
            _ => Some(waker),
        }
    }

    /// Whether a cancel should be pushed for this op; it is said at most once.
    pub(crate) fn cancel_once(&mut self, tag: Tag) -> bool {
        self.times_asked(tag) == Some(0) && self.count_asked(tag)
    }

    /// How many cancels were pushed for an op in flight.
    pub(crate) fn times_asked(&mut self, tag: Tag) -> Option<u8> {
        let entry = self.get(tag)?;
        matches!(entry.state, State::Waiting(_) | State::Orphan(_)).then_some(entry.asked)
    }

    /// Notes that one more is pushed; `false` if the op has ended.
    pub(crate) fn count_asked(&mut self, tag: Tag) -> bool {
        let live = self.times_asked(tag).is_some();
        if let (true, Some(entry)) = (live, self.get(tag)) {
            entry.asked = entry.asked.saturating_add(1);
        }
        live
    }

    /// The op at this index, if it is in flight and a cancel was pushed for it.
    pub(crate) fn asked_of(&mut self, index: u32) -> Option<Tag> {
        let index = index as usize;
        let tag = Tag::new(index, self.slots.get(index)?.generation);
        self.times_asked(tag).filter(|n| *n > 0).map(|_| tag)
    }

    /// Lets the op finish even when the handle of its descriptor is dropped.
    pub(crate) fn detach(&mut self, tag: Tag) {
        if let Some(entry) = self.get(tag) {
            entry.detached = true;
        }
    }

    pub(crate) fn is_detached(&mut self, tag: Tag) -> bool {
        self.get(tag).is_some_and(|entry| entry.detached)
    }

    fn tagged(&self) -> impl Iterator<Item = (Tag, &Entry)> {
        let slots = self.slots.iter().enumerate();
        slots.map(|(index, entry)| (Tag::new(index, entry.generation), entry))
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The tags of all ops in flight: their opcode, whether they were let go on purpose.
    pub(crate) fn live(&self) -> impl Iterator<Item = (Tag, u8, bool)> + '_ {
        self.tagged()
            .filter(|(_, entry)| matches!(entry.state, State::Waiting(_) | State::Orphan(_)))
            .map(|(tag, entry)| (tag, entry.opcode, entry.detached))
    }

    /// The descriptors that lie in results which nobody has taken yet.
    pub(crate) fn adopted(&self) -> Vec<(std::os::fd::RawFd, Kind)> {
        let mut list = Vec::new();
        for entry in &self.slots {
            let load = match (&entry.state, entry.adopts.kind()) {
                (State::Done(Done::Opened(fd, _)), Some(kind)) => {
                    list.push((fd.raw(), kind));
                    continue;
                }
                (State::Done(Done::Laden(_, load)), _) => load,
                _ => continue,
            };
            let arrived = load.arrived.iter().flat_map(|arrived| arrived.numbers());
            list.extend(arrived.map(|number| (number, Kind::Passed)));
        }
        list
    }

    /// Whether an op in flight could still make a descriptor.
    pub(crate) fn may_yield(&self, tag: Tag) -> bool {
        self.slots
            .get(tag.index())
            .is_some_and(|entry| entry.adopts != Adopts::NOTHING)
    }

    /// Wakers of futures that still wait, so that they look once more.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        self.slots
            .iter_mut()
            .filter_map(|entry| match &mut entry.state {
                State::Waiting(waker) => waker.take(),
                _ => None,
            })
            .collect()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // What is in flight still belongs to the kernel: its memory and its descriptors are leaked, never freed.
        for entry in self.slots.drain(..) {
            if matches!(entry.state, State::Waiting(_) | State::Orphan(_)) {
                std::mem::forget(entry);
            }
        }
    }
}

mod results;
#[cfg(test)]
mod tests;
