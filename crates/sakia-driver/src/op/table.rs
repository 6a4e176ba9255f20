//! The op table: which ops are in flight, who waits for them, and what they hold open.
//!
//! | state | law | who moves it on |
//! |---|---|---|
//! | `Waiting` | in flight; the op's memory is in its future | the final completion, or the future's drop |
//! | `Orphan` | in flight; the op's memory is here | the final completion, which removes the entry |
//! | `Done` | not in flight; the result and an adopted descriptor are here | the future's next poll or its drop, or the end of the runtime |
//! | `Retired` | the slot's generations are spent | nobody |
//!
//! An entry that is missing has had its final completion: that is what makes it safe to give an op's memory back. The table
//! only records; effects (waking, closing, user destructors) are its callers'.

use std::task::Waker;

use slab::Slab;

use super::adopt::Adopts;
use super::{Completion, Holds, Orphan};
use crate::fd::Kind;
use crate::kernel::Cqe;

/// Bits of the tag that hold the index; the others hold the generation.
const INDEX_BITS: u32 = 24;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;
/// The index that no op has: tags with it are the driver's own (see [`Tag::own`]).
const OWN_INDEX: u64 = INDEX_MASK;
const LAST_GENERATION: u64 = (1 << (64 - INDEX_BITS)) - 1;

/// What travels in `user_data`: the index of an entry and the generation of its use. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(pub(crate) u64);

/// The driver's own tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// The answer to a cancel, which says nothing.
    Cancel,
    /// A wake from another thread by MSG_RING.
    Wake,
    /// The read of the eventfd that every runtime keeps.
    Eventfd,
    /// A pending close, by its index in the close table.
    Close(u32),
}

impl Tag {
    fn new(index: usize, generation: u64) -> Self {
        Self(generation << INDEX_BITS | index as u64)
    }

    fn index(self) -> usize {
        (self.0 & INDEX_MASK) as usize
    }

    fn generation(self) -> u64 {
        self.0 >> INDEX_BITS
    }

    /// A tag of the driver's own: the reserved index, above it the payload and a kind.
    pub(crate) const fn own(own: Own) -> u64 {
        let (kind, payload) = match own {
            Own::Cancel => (0, 0),
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
            0 => Own::Cancel,
            1 => Own::Wake,
            2 => Own::Eventfd,
            _ => Own::Close((high >> 8) as u32),
        })
    }
}

enum State {
    Waiting(Option<Waker>),
    Orphan(Box<dyn Orphan>),
    Done(Completion),
    Retired,
}

struct Entry {
    state: State,
    holds: Holds,
    adopts: Adopts,
    opcode: u8,
    lane: Option<super::lane::Side>,
    /// A cancel was pushed.
    cancelled: bool,
    /// Its owner let it go on purpose: the end of the handle does not cancel it, only the end of the runtime.
    detached: bool,
    /// The result, if it came before the final completion (`F_MORE`).
    early: Option<Cqe>,
}

/// What a completion asks the dispatcher to do.
pub(crate) enum Decision {
    /// A stale tag, or not the last completion: nothing.
    Nothing,
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

/// What asking for an op's result finds.
pub(crate) enum Polled {
    Pending,
    /// Still in flight, and somebody else waits now: tell who (see [`Table::set_waker`]).
    OtherWaker,
    Ready(Completion),
    /// The entry is gone: the runtime has ended after the op's final completion.
    Gone,
}

/// What giving up an op finds.
pub(crate) enum Abandoned {
    /// Still in flight; the table owns the op now. Who waited is dropped by the caller, for that may run code of the user's.
    InFlight(Option<Waker>),
    /// The final completion was there already.
    Ended(Completion),
    Gone,
}

/// Numbers that a report wants.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) submitted: u64,
    pub(crate) completed: u64,
    pub(crate) cancelled: u64,
    pub(crate) stale: u64,
}

#[derive(Default)]
pub(crate) struct Table {
    entries: Slab<Entry>,
    generations: Vec<u64>,
    in_flight: usize,
    pub(crate) counts: Counts,
}

impl Table {
    /// Enters an op that is about to be pushed. `None` if every index is taken.
    pub(crate) fn insert(
        &mut self,
        opcode: u8,
        holds: Holds,
        adopts: Adopts,
        lane: Option<super::lane::Side>,
        waker: Waker,
    ) -> Option<Tag> {
        let vacant = self.entries.vacant_entry();
        let index = vacant.key();
        if index as u64 >= OWN_INDEX {
            return None;
        }
        vacant.insert(Entry {
            state: State::Waiting(Some(waker)),
            holds,
            adopts,
            opcode,
            lane,
            cancelled: false,
            detached: false,
            early: None,
        });
        if index == self.generations.len() {
            self.generations.push(1);
        }
        self.in_flight += 1;
        self.counts.submitted += 1;
        Some(Tag::new(index, self.generations[index]))
    }

    fn get(&mut self, tag: Tag) -> Option<&mut Entry> {
        let index = tag.index();
        if self.generations.get(index) != Some(&tag.generation()) {
            return None;
        }
        self.entries.get_mut(index)
    }

    fn remove(&mut self, tag: Tag) -> Entry {
        let index = tag.index();
        let generation = &mut self.generations[index];
        *generation += 1;
        if *generation < LAST_GENERATION {
            return self.entries.remove(index);
        }
        // A generation that wrapped could be mistaken for an old one: the slot is never used again.
        let retired = Entry {
            state: State::Retired,
            holds: Holds::none(),
            adopts: Adopts::Nothing,
            opcode: 0,
            lane: None,
            cancelled: true,
            detached: false,
            early: None,
        };
        std::mem::replace(&mut self.entries[index], retired)
    }

    /// Takes note of a completion and says what follows from it.
    pub(crate) fn complete(&mut self, cqe: Cqe) -> Decision {
        let tag = Tag(cqe.user_data);
        let Some(entry) = self.get(tag) else {
            self.counts.stale += 1;
            return Decision::Nothing;
        };
        if matches!(entry.state, State::Done(_) | State::Retired) {
            self.counts.stale += 1;
            return Decision::Nothing;
        }
        if cqe.more() {
            // The result of an op that will have one more completion: only then is its memory free.
            entry.early.get_or_insert(cqe);
            return Decision::Nothing;
        }
        let result = entry.early.take().unwrap_or(cqe);
        let done = entry.adopts.adopt(result);
        let holds = std::mem::take(&mut entry.holds);
        let cancelled = done.was_cancelled();
        let decision = match std::mem::replace(&mut entry.state, State::Retired) {
            State::Waiting(waker) => {
                entry.state = State::Done(done);
                Decision::Wake(waker, holds)
            }
            State::Orphan(orphan) => {
                let lane = entry.lane;
                self.remove(tag);
                Decision::Settle(Settlement {
                    orphan,
                    done,
                    holds,
                    lane,
                })
            }
            State::Done(_) | State::Retired => unreachable!("looked at above"),
        };
        self.in_flight -= 1;
        self.counts.completed += 1;
        self.counts.cancelled += u64::from(cancelled);
        decision
    }

    /// Notes who waits now; answers who waited before. Cloning and dropping wakers may run code of the user's, so neither is done here.
    #[must_use]
    pub(crate) fn set_waker(&mut self, tag: Tag, waker: Waker) -> Option<Waker> {
        match &mut self.get(tag)?.state {
            State::Waiting(slot) => slot.replace(waker),
            _ => Some(waker),
        }
    }

    /// Takes the result, if it is there.
    pub(crate) fn poll(&mut self, tag: Tag, waker: &Waker) -> Polled {
        let Some(entry) = self.get(tag) else {
            return Polled::Gone;
        };
        match &mut entry.state {
            State::Waiting(Some(old)) if old.will_wake(waker) => Polled::Pending,
            State::Waiting(_) => Polled::OtherWaker,
            State::Done(_) => match self.remove(tag).state {
                State::Done(done) => Polled::Ready(done),
                _ => Polled::Gone,
            },
            State::Orphan(_) | State::Retired => Polled::Gone,
        }
    }

    /// Takes the op from a future that is being dropped. `op` is called, and its box kept, only if the op is still in flight.
    pub(crate) fn abandon(&mut self, tag: Tag, op: impl FnOnce() -> Box<dyn Orphan>) -> Abandoned {
        let Some(entry) = self.get(tag) else {
            return Abandoned::Gone;
        };
        if matches!(entry.state, State::Done(_)) {
            return match self.remove(tag).state {
                State::Done(done) => Abandoned::Ended(done),
                _ => Abandoned::Gone,
            };
        }
        match std::mem::replace(&mut entry.state, State::Orphan(op())) {
            State::Waiting(waker) => Abandoned::InFlight(waker),
            _ => Abandoned::InFlight(None),
        }
    }

    /// Whether a cancel should be pushed for this op; it is said at most once.
    pub(crate) fn cancel_once(&mut self, tag: Tag) -> bool {
        match self.get(tag) {
            Some(entry) if matches!(entry.state, State::Waiting(_) | State::Orphan(_)) => {
                !std::mem::replace(&mut entry.cancelled, true)
            }
            _ => false,
        }
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

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The tags of all ops in flight: their opcode, whether they were let go on purpose.
    pub(crate) fn live(&self) -> impl Iterator<Item = (Tag, u8, bool)> + '_ {
        self.entries
            .iter()
            .filter(|(_, entry)| matches!(entry.state, State::Waiting(_) | State::Orphan(_)))
            .map(|(index, entry)| {
                (
                    Tag::new(index, self.generations[index]),
                    entry.opcode,
                    entry.detached,
                )
            })
    }

    /// The descriptors that lie in results which nobody has taken yet.
    pub(crate) fn adopted(&self) -> Vec<(std::os::fd::RawFd, Kind)> {
        let mut list = Vec::new();
        for (_, entry) in &self.entries {
            let State::Done(done) = &entry.state else {
                continue;
            };
            if let (Some(fd), Adopts::Descriptor(kind)) = (&done.fd, entry.adopts) {
                list.push((fd.raw(), kind));
            }
            let arrived = done.arrived.iter().flat_map(|arrived| arrived.numbers());
            list.extend(arrived.map(|number| (number, Kind::Passed)));
        }
        list
    }

    /// Whether an op in flight could still make a descriptor.
    pub(crate) fn may_yield(&self, tag: Tag) -> bool {
        self.entries
            .get(tag.index())
            .is_some_and(|entry| !matches!(entry.adopts, Adopts::Nothing))
    }

    /// Empties the entries whose futures outlive the runtime: they will find them gone.
    pub(crate) fn take_done(&mut self) -> Vec<Completion> {
        let done: Vec<Tag> = self
            .entries
            .iter()
            .filter(|(_, entry)| matches!(entry.state, State::Done(_)))
            .map(|(index, _)| Tag::new(index, self.generations[index]))
            .collect();
        done.into_iter()
            .filter_map(|tag| match self.remove(tag).state {
                State::Done(done) => Some(done),
                _ => None,
            })
            .collect()
    }

    /// Wakers of futures that still wait, so that they look once more.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        self.entries
            .iter_mut()
            .filter_map(|(_, entry)| match &mut entry.state {
                State::Waiting(waker) => waker.take(),
                _ => None,
            })
            .collect()
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // What is in flight still belongs to the kernel: its memory and its descriptors are leaked, never freed.
        for entry in self.entries.drain() {
            if matches!(entry.state, State::Waiting(_) | State::Orphan(_)) {
                std::mem::forget(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Yields;
    use super::*;
    use crate::fd::Kind;
    use std::os::fd::{AsRawFd, IntoRawFd};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Nothing;

    impl Orphan for Nothing {
        fn settle(&mut self, _: &mut Completion) -> Option<super::super::lane::Leftover> {
            None
        }
    }

    fn insert(table: &mut Table, yields: Yields) -> Tag {
        let waker = Waker::from(Arc::new(Count::default()));
        table
            .insert(0, Holds::none(), Adopts::new(yields, 0), None, waker)
            .expect("there is room")
    }

    fn cqe(tag: Tag, res: i32, flags: u32) -> Cqe {
        Cqe {
            user_data: tag.0,
            res,
            flags,
        }
    }

    fn take(table: &mut Table, tag: Tag) -> Option<Completion> {
        match table.poll(tag, Waker::noop()) {
            Polled::Ready(done) => Some(done),
            _ => None,
        }
    }

    #[test]
    fn a_result_waits_for_its_future_and_is_taken_once() {
        let mut table = Table::default();
        let tag = insert(&mut table, Yields::Nothing);
        assert!(take(&mut table, tag).is_none());
        assert!(matches!(
            table.complete(cqe(tag, 5, 0)),
            Decision::Wake(Some(_), _)
        ));
        assert_eq!(table.in_flight(), 0);
        assert_eq!(
            take(&mut table, tag).and_then(|done| done.result().ok()),
            Some(5)
        );
        assert!(matches!(table.poll(tag, Waker::noop()), Polled::Gone));
    }

    #[test]
    fn a_completion_of_an_older_generation_is_counted_and_never_trusted() {
        let mut table = Table::default();
        let old = insert(&mut table, Yields::Nothing);
        table.complete(cqe(old, 1, 0));
        assert!(take(&mut table, old).is_some());
        let new = insert(&mut table, Yields::Nothing);
        assert_eq!(new.index(), old.index(), "the slot is used again");
        assert!(matches!(table.complete(cqe(old, 2, 0)), Decision::Nothing));
        assert!(
            !table.cancel_once(old),
            "nor does a late cancel of the old one hit the new one"
        );
        assert_eq!((table.counts.stale, table.in_flight()), (1, 1));
        table.complete(cqe(new, 3, 0));
        table.complete(cqe(new, 4, 0));
        assert_eq!(
            table.counts.stale, 2,
            "a second final completion is stale, too"
        );
        assert_eq!(
            take(&mut table, new).and_then(|done| done.result().ok()),
            Some(3)
        );
    }

    #[test]
    fn a_slot_whose_generations_are_spent_is_never_used_again() {
        let mut table = Table::default();
        let first = insert(&mut table, Yields::Nothing);
        table.complete(cqe(first, 0, 0));
        take(&mut table, first);
        table.generations[first.index()] = LAST_GENERATION - 1;
        let last = insert(&mut table, Yields::Nothing);
        assert_eq!(last.index(), first.index());
        table.complete(cqe(last, 0, 0));
        assert!(take(&mut table, last).is_some());
        let next = insert(&mut table, Yields::Nothing);
        assert_ne!(next.index(), first.index());
    }

    #[test]
    fn memory_comes_back_only_when_no_more_is_promised() {
        let mut table = Table::default();
        let tag = insert(&mut table, Yields::Nothing);
        assert!(matches!(
            table.complete(cqe(tag, -libc::EINVAL, crate::kernel::abi::CQE_F_MORE)),
            Decision::Nothing
        ));
        assert_eq!(table.in_flight(), 1, "an error with F_MORE is not the end");
        assert!(matches!(table.complete(cqe(tag, 0, 0)), Decision::Wake(..)));
        let done = take(&mut table, tag).expect("it is over");
        assert_eq!(done.errno(), libc::EINVAL, "and the first result counts");
    }

    #[test]
    fn a_descriptor_is_adopted_the_moment_its_completion_is_read() {
        let mut table = Table::default();
        let fd = std::fs::File::open("/dev/null")
            .expect("/dev/null is there")
            .into_raw_fd();
        let tag = insert(&mut table, Yields::Descriptor(Kind::File));
        assert!(matches!(
            table.abandon(tag, || Box::new(Nothing)),
            Abandoned::InFlight(_)
        ));
        match table.complete(cqe(tag, fd, 0)) {
            Decision::Settle(settlement) => assert_eq!(
                settlement.done.fd.as_ref().map(AsRawFd::as_raw_fd),
                Some(fd)
            ),
            _ => panic!("an orphan is settled"),
        }
        let other = insert(&mut table, Yields::Nothing);
        table.complete(cqe(other, 0, 0));
        assert!(
            take(&mut table, other).expect("it is over").fd.is_none(),
            "0 bytes are not descriptor 0"
        );
    }

    #[test]
    fn the_tags_of_ops_and_the_drivers_own_never_meet() {
        let mut table = Table::default();
        assert!(insert(&mut table, Yields::Nothing).as_own().is_none());
        for own in [
            Own::Cancel,
            Own::Wake,
            Own::Eventfd,
            Own::Close(0),
            Own::Close(u32::MAX),
        ] {
            assert_eq!(Tag(Tag::own(own)).as_own(), Some(own));
            assert!(matches!(
                table.complete(cqe(Tag(Tag::own(own)), 0, 0)),
                Decision::Nothing
            ));
        }
    }

    #[test]
    fn what_is_in_flight_when_the_table_goes_is_leaked_and_not_freed() {
        struct Freed(std::rc::Rc<std::cell::Cell<bool>>);
        impl Drop for Freed {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        impl Orphan for Freed {
            fn settle(&mut self, _: &mut Completion) -> Option<super::super::lane::Leftover> {
                None
            }
        }
        let freed = std::rc::Rc::new(std::cell::Cell::new(false));
        let mut table = Table::default();
        let tag = insert(&mut table, Yields::Nothing);
        let orphan = Freed(freed.clone());
        table.abandon(tag, || Box::new(orphan));
        drop(table);
        assert!(!freed.get(), "the kernel may still write there");
    }
}
