//! The way out of the table: a future takes its result, or gives its op up. With that the use of the slot ends.

use std::task::Waker;

use super::super::{Bare, Completion, Done, Holds, Orphan};
use super::{State, Table, Tag};
use crate::fd::FdRef;
use crate::kernel::KernelFd;
use crate::pooled::PooledBuf;

/// What asking for an op's result finds.
pub(crate) enum Polled {
    Pending,
    /// Still in flight, and somebody else waits now: tell who (see [`Table::set_waker`]).
    OtherWaker,
    /// Completions that are not the last: tell the op, and ask again.
    More(Vec<Completion>),
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

impl Table {
    /// Takes the result, if it is there and only numbers, and if there is nothing to tell before it.
    #[inline]
    pub(crate) fn take_bare(&mut self, tag: Tag) -> Option<Bare> {
        let entry = self.get(tag)?;
        let State::Done(Done::Bare(bare)) = entry.state else {
            return None;
        };
        if entry.more.is_some() {
            return None;
        }
        // Numbers need no drop.
        std::mem::forget(self.remove(tag));
        Some(bare)
    }

    /// The same of a receive that has brought a buffer.
    #[inline]
    pub(crate) fn take_filled(&mut self, tag: Tag) -> Option<(Bare, PooledBuf)> {
        let entry = self.get(tag)?;
        if entry.more.is_some() || !matches!(entry.state, State::Done(Done::Filled(..))) {
            return None;
        }
        match self.remove(tag) {
            State::Done(Done::Filled(buf, flags)) => Some((Bare::of(&buf, flags), buf)),
            _ => unreachable!("looked at just now"),
        }
    }

    /// The same of an op that has brought a descriptor; with it come the CQE's flags.
    #[inline]
    pub(crate) fn take_opened(&mut self, tag: Tag) -> Option<(KernelFd, u32)> {
        let entry = self.get(tag)?;
        if entry.more.is_some() || !matches!(entry.state, State::Done(Done::Opened(..))) {
            return None;
        }
        match self.remove(tag) {
            State::Done(Done::Opened(fd, flags)) => Some((fd, flags)),
            _ => unreachable!("looked at just now"),
        }
    }

    /// Takes the result of an op that has ended and was told of all that came before it, whatever it carries.
    #[inline]
    pub(crate) fn take_ended(&mut self, tag: Tag) -> Option<Completion> {
        let entry = self.get(tag)?;
        if entry.more.is_some() || !matches!(entry.state, State::Done(_)) {
            return None;
        }
        match self.remove(tag) {
            State::Done(done) => Some(done.into()),
            _ => unreachable!("looked at just now"),
        }
    }

    /// Takes the result, if it is there.
    pub(crate) fn poll(&mut self, tag: Tag, waker: &Waker) -> Polled {
        let Some(entry) = self.get(tag) else {
            return Polled::Gone;
        };
        if let Some(more) = entry.more.take() {
            return Polled::More(*more);
        }
        match &mut entry.state {
            State::Waiting(Some(old)) if old.will_wake(waker) => Polled::Pending,
            State::Waiting(_) => Polled::OtherWaker,
            State::Done(_) => {
                let State::Done(done) = self.remove(tag) else {
                    unreachable!("looked at just now")
                };
                Polled::Ready(done.into())
            }
            State::Vacant(_) | State::Orphan(_) | State::Retired => Polled::Gone,
        }
    }

    /// Takes what an op was not told of yet.
    #[must_use]
    pub(crate) fn take_more(&mut self, tag: Tag) -> Vec<Completion> {
        self.get(tag)
            .and_then(|entry| entry.more.take())
            .map_or_else(Vec::new, |more| *more)
    }

    /// Takes the op from a future that is being dropped, and holds what that has kept open. `op` is called, and its box kept, only if the op is still in flight.
    pub(crate) fn abandon(
        &mut self,
        tag: Tag,
        kept: Option<&FdRef>,
        op: impl FnOnce() -> Box<dyn Orphan>,
    ) -> Abandoned {
        let Some(entry) = self.get(tag) else {
            return Abandoned::Gone;
        };
        if matches!(entry.state, State::Done(_)) {
            return match self.remove(tag) {
                State::Done(done) => Abandoned::Ended(done.into()),
                _ => Abandoned::Gone,
            };
        }
        if let Some(fd) = kept {
            entry.holds = Holds::one(fd.clone());
        }
        match std::mem::replace(&mut entry.state, State::Orphan(op())) {
            State::Waiting(waker) => Abandoned::InFlight(waker),
            _ => Abandoned::InFlight(None),
        }
    }

    /// Empties the entries whose futures outlive the runtime: they will find them gone.
    pub(crate) fn take_done(&mut self) -> Vec<Completion> {
        let done: Vec<Tag> = self
            .tagged()
            .filter(|(_, entry)| matches!(entry.state, State::Done(_)))
            .map(|(tag, _)| tag)
            .collect();
        let mut all = Vec::with_capacity(done.len());
        for tag in done {
            all.append(&mut self.take_more(tag));
            if let State::Done(done) = self.remove(tag) {
                all.push(done.into());
            }
        }
        all
    }
}
