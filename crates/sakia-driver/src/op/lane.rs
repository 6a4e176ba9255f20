//! Lanes: one consuming op a descriptor and direction, and nothing lost when its future is dropped.
//!
//! A stream, a datagram socket or a listener has a lane in and a lane out. A future that wants to consume (or to write) first
//! *holds* the lane; others queue behind it in order. If the holder is dropped with its op in flight, the op becomes the lane's *orphan*:
//! what it brings is kept here as a *leftover*, and the next holder is served from the leftovers before it
//! submits anything. It never submits beside an orphan: with two consuming ops in flight the younger gets the first byte.
//!
//! States of a lane: free, held, held and waiting for the orphan, free with an orphan. Wakers: `queue`'s front is woken when the
//! lane becomes free; `watcher` is woken when the orphan has ended. An op that was detached in the queue has no future: when its
//! turn comes the driver submits it, as an orphan from the start.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::os::fd::RawFd;
use std::task::{Context, Poll, Waker};

use super::Detached;
use super::doubt::InDoubt;
use super::leftover::{Beside, Leftover};
use super::table::Tag;
use crate::fd::Kind;
use crate::kernel::abi::CQE_F_SOCK_NONEMPTY;

/// What is not longer is a piece of a stream.
pub(crate) const PIECE: usize = 16 << 10;

/// A direction of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What arrives: bytes, messages, connections.
    In,
    /// What is sent.
    Out,
}

/// Who waits in the queue of a lane.
enum Waiter {
    /// A future, and whom to wake for it.
    Future(Option<Waker>),
    /// An op that was let go before its turn: it is submitted when that comes, and nobody waits for it.
    Detached(Box<dyn Detached>),
}

/// What comes next in a lane that has become free.
pub(crate) enum Next {
    Nobody,
    /// The future at the front of the queue is to be woken, if it was not already.
    Wake(Option<Waker>),
    /// The op at the front of the queue is to be submitted.
    Submit(Box<dyn Detached>),
}

#[derive(Default)]
struct Cold {
    queue: VecDeque<(u32, Waiter)>,
    /// Tickets are compared for equality alone, so they may wrap.
    next_ticket: u32,
    watcher: Option<Waker>,
    leftovers: VecDeque<Leftover>,
    doubt: Option<InDoubt>,
}

impl Cold {
    fn is_empty(&self) -> bool {
        self.queue.is_empty()
            && self.watcher.is_none()
            && self.leftovers.is_empty()
            && self.doubt.is_none()
    }
}

/// Where a future stands with its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// It has not asked yet.
    Fresh,
    /// It queues with this ticket.
    Queued(u32),
    /// The lane is its own.
    Holding,
    /// It has given the lane back.
    Left,
}

/// One direction of one descriptor.
#[derive(Default)]
pub struct Lane {
    held: Cell<bool>,
    /// Whether the last receive has left something in the socket.
    more: Cell<bool>,
    /// Whether it had room for little, so that much will be read in pieces.
    pieces: Cell<bool>,
    /// Its tag, which is never zero: so it takes eight bytes.
    orphan: Cell<Option<NonZeroU64>>,
    /// Boxed, because an idle connection has none of it.
    cold: RefCell<Option<Box<Cold>>>,
}

impl Lane {
    /// Makes it another descriptor's, in its place.
    #[inline]
    pub(crate) fn renew(&mut self) {
        let Self {
            held,
            more,
            pieces,
            orphan,
            cold,
        } = self;
        [held, more, pieces].iter().for_each(|flag| flag.set(false));
        orphan.set(None);
        if cold.get_mut().is_some() {
            *cold = RefCell::default();
        }
    }

    /// Whether nobody queues or watches, and nothing is kept: what a lane is like nearly always.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.cold.borrow().is_none()
    }

    /// Takes a lane that nobody holds, that has nothing and awaits nothing. `false`: [`poll`](Self::poll_hold) for it.
    #[inline]
    #[must_use]
    pub(crate) fn hold_plain(&self, pass: &mut Pass) -> bool {
        let may = *pass == Pass::Fresh
            && !self.held.get()
            && self.orphan.get().is_none()
            && self.is_plain();
        if may {
            self.held.set(true);
            *pass = Pass::Holding;
        }
        may
    }

    /// Takes the lane, or queues for it.
    #[inline]
    pub(crate) fn poll_hold(&self, pass: &mut Pass, cx: &mut Context<'_>) -> Poll<()> {
        if *pass == Pass::Holding {
            return Poll::Ready(());
        }
        if !self.held.get() && self.is_plain() {
            self.held.set(true);
            *pass = Pass::Holding;
            return Poll::Ready(());
        }
        self.poll_hold_in_turn(pass, cx)
    }

    /// The same where somebody may be before this one.
    #[cold]
    fn poll_hold_in_turn(&self, pass: &mut Pass, cx: &mut Context<'_>) -> Poll<()> {
        // Wakers are dropped last of all: that may run code of the user's.
        let waker;
        if !self.may_take(*pass) {
            // So may the clone, which may turn the driver and so free the lane: look again.
            waker = cx.waker().clone();
            if !self.may_take(*pass) {
                self.queue(pass, waker);
                return Poll::Pending;
            }
        }
        let mut cold = self.cold.borrow_mut();
        let ticket = match (*pass, cold.as_mut()) {
            (Pass::Queued(_), Some(cold)) => cold.queue.pop_front(),
            _ => None,
        };
        Self::trim(&mut cold);
        drop(cold);
        self.held.set(true);
        *pass = Pass::Holding;
        drop(ticket);
        Poll::Ready(())
    }

    /// Whether nobody holds the lane, and nobody with another pass is before this one.
    fn may_take(&self, pass: Pass) -> bool {
        let cold = self.cold.borrow();
        let front = cold.as_ref().and_then(|cold| cold.queue.front());
        let first = match (pass, front) {
            (_, None) => true,
            (Pass::Queued(mine), Some((front, _))) => mine == *front,
            (_, Some(_)) => false,
        };
        first && !self.held.get()
    }

    /// Takes a place in the queue, or says anew who waits at it.
    fn queue(&self, pass: &mut Pass, waker: Waker) {
        // Declared first, so that it is dropped after the borrow.
        let _before = self.wait(pass, Waiter::Future(Some(waker)));
    }

    /// Puts somebody into the queue: at the place that `pass` has, or at the end. Answers who stood there.
    #[must_use]
    fn wait(&self, pass: &mut Pass, waiter: Waiter) -> Option<Waiter> {
        let mut cold = self.cold.borrow_mut();
        let cold = cold.get_or_insert_default();
        if let Pass::Queued(mine) = *pass {
            let place = cold.queue.iter_mut().find(|(ticket, _)| *ticket == mine);
            return place.map(|(_, slot)| std::mem::replace(slot, waiter));
        }
        let ticket = cold.next_ticket;
        cold.next_ticket = cold.next_ticket.wrapping_add(1);
        if *pass == Pass::Holding {
            // It held the lane, and stays the next.
            cold.queue.push_front((ticket, waiter));
        } else {
            cold.queue.push_back((ticket, waiter));
        }
        *pass = Pass::Queued(ticket);
        None
    }

    /// Leaves an op in the place of the future that is letting it go. The caller then asks what comes [`next`](Self::next).
    pub(crate) fn leave_to(&self, pass: &mut Pass, op: Box<dyn Detached>) {
        let held = *pass == Pass::Holding;
        let before = self.wait(pass, Waiter::Detached(op));
        *pass = Pass::Left;
        let watcher = held.then(|| self.give_back()).flatten();
        drop((before, watcher));
    }

    /// The holder goes: answers who watched the orphan for it.
    #[must_use]
    fn give_back(&self) -> Option<Waker> {
        self.held.set(false);
        self.cold.borrow_mut().as_mut()?.watcher.take()
    }

    /// The holder of a plain lane goes: nobody comes next, and nobody's waker is left here. `false`: [`leave`](Self::leave) it.
    #[inline]
    #[must_use]
    pub(crate) fn leave_plain(&self, pass: &mut Pass) -> bool {
        let may = *pass == Pass::Holding && self.is_plain();
        if may {
            self.held.set(false);
            *pass = Pass::Left;
        }
        may
    }

    /// Gives the lane, or the place in its queue, back. The caller then asks what comes [`next`](Self::next), and drops whose waker was left
    /// here, which may run code of the user's.
    #[must_use]
    pub(crate) fn leave(&self, pass: &mut Pass) -> Option<Waker> {
        let gone = match std::mem::replace(pass, Pass::Left) {
            Pass::Fresh | Pass::Left => None,
            Pass::Holding => self.give_back(),
            Pass::Queued(mine) => self.take_place(mine),
        };
        Self::trim(&mut self.cold.borrow_mut());
        gone
    }

    #[must_use]
    fn take_place(&self, mine: u32) -> Option<Waker> {
        let mut cold = self.cold.borrow_mut();
        let queue = &mut cold.as_mut()?.queue;
        let place = queue.iter().position(|(ticket, _)| *ticket == mine)?;
        match queue.remove(place)? {
            (_, Waiter::Future(waker)) => waker,
            (_, Waiter::Detached(_)) => None,
        }
    }

    /// What comes next, if the lane is free. Asked whenever a holder, a place in the queue or an orphan has gone.
    #[must_use]
    pub(crate) fn next(&self) -> Next {
        let mut cold = self.cold.borrow_mut();
        let Some(queue) = cold.as_mut().map(|cold| &mut cold.queue) else {
            return Next::Nobody;
        };
        let next = match queue.front_mut() {
            _ if self.held.get() => return Next::Nobody,
            None => return Next::Nobody,
            Some((_, Waiter::Future(waker))) => return Next::Wake(waker.take()),
            // It would overtake the orphan, at whose end we are asked again.
            Some((_, Waiter::Detached(_))) if self.orphan.get().is_some() => return Next::Nobody,
            Some((_, Waiter::Detached(_))) => queue.pop_front(),
        };
        Self::trim(&mut cold);
        match next {
            Some((_, Waiter::Detached(op))) => Next::Submit(op),
            _ => Next::Nobody,
        }
    }

    fn trim(cold: &mut Option<Box<Cold>>) {
        if cold.as_ref().is_some_and(|cold| cold.is_empty()) {
            *cold = None;
        }
    }

    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        self.held.get()
    }

    /// Whether nobody holds the lane or waits for it, and no orphan is under way.
    pub(crate) fn is_free(&self) -> bool {
        let cold = self.cold.borrow();
        let waits = cold.as_ref().is_some_and(|cold| !cold.queue.is_empty());
        !self.held.get() && self.orphan.get().is_none() && !waits
    }

    /// Whether an op waits that will be submitted whatever happens: what comes before it must not be cut short, or the stream would have a hole.
    pub(crate) fn is_followed(&self) -> bool {
        let cold = self.cold.borrow();
        let mut queue = cold.iter().flat_map(|cold| &cold.queue);
        queue.any(|(_, waiter)| matches!(waiter, Waiter::Detached(_)))
    }

    /// Notes what the last completion has told of what is still there.
    #[inline]
    pub(crate) fn note_more(&self, flags: u32) {
        self.more.set(flags & CQE_F_SOCK_NONEMPTY != 0);
    }

    /// Notes how much room the receive has that is about to be submitted.
    #[inline]
    pub(crate) fn note_room(&self, room: usize) {
        self.pieces.set(room <= PIECE);
    }

    /// Whether what has arrived is being read in pieces, and there is another.
    #[inline]
    pub(crate) fn is_hot(&self) -> bool {
        self.more.get() && self.pieces.get()
    }

    /// Whether the next receive will probably find something at once.
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        self.more.get()
    }

    #[inline]
    pub(crate) fn orphan(&self) -> Option<Tag> {
        self.orphan.get().map(|tag| Tag(tag.get()))
    }

    pub(crate) fn set_orphan(&self, tag: Tag) {
        self.orphan.set(NonZeroU64::new(tag.0));
    }

    /// The orphan has ended: keeps what it brought, answers whom to wake.
    #[must_use]
    pub(crate) fn orphan_ended(&self, leftover: Option<Leftover>) -> Option<Waker> {
        self.orphan.set(None);
        if let Some(leftover) = leftover {
            self.keep(leftover);
        }
        let mut cold = self.cold.borrow_mut();
        let watcher = cold.as_mut().and_then(|cold| cold.watcher.take());
        Self::trim(&mut cold);
        watcher
    }

    /// Keeps something for the next holder.
    pub(crate) fn keep(&self, leftover: Leftover) {
        let mut cold = self.cold.borrow_mut();
        let cold = cold.get_or_insert_default();
        match leftover {
            Leftover::InDoubt(doubt) => cold.doubt = Some(doubt),
            leftover => cold.leftovers.push_back(leftover),
        }
    }

    /// What is known of the last write that was given up.
    pub(crate) fn doubt(&self) -> Option<InDoubt> {
        self.cold.borrow().as_ref()?.doubt.clone()
    }

    /// Notes who is to be woken when the orphan has ended. `false`: it has.
    pub(crate) fn watch_orphan(&self, waker: &Waker) -> bool {
        // The clone is code of the user's, which may turn the driver and so end the orphan: look again.
        let waker = waker.clone();
        if self.orphan.get().is_none() {
            return false;
        }
        let before = self
            .cold
            .borrow_mut()
            .get_or_insert_default()
            .watcher
            .replace(waker);
        drop(before);
        true
    }

    #[inline]
    pub(crate) fn has_leftovers(&self) -> bool {
        self.cold
            .borrow()
            .as_ref()
            .is_some_and(|cold| !cold.leftovers.is_empty())
    }

    /// Takes the oldest leftover.
    pub(crate) fn take(&self) -> Option<Leftover> {
        let mut cold = self.cold.borrow_mut();
        let leftover = cold.as_mut().and_then(|cold| cold.leftovers.pop_front());
        Self::trim(&mut cold);
        leftover
    }

    /// Puts a leftover back that was not used up.
    pub(crate) fn put_back(&self, leftover: Leftover) {
        let mut cold = self.cold.borrow_mut();
        let cold = cold.get_or_insert_default();
        match leftover {
            Leftover::InDoubt(doubt) => cold.doubt = Some(doubt),
            leftover => cold.leftovers.push_front(leftover),
        }
    }

    /// Serves bytes to `to`: how many, or the end, or the error that was kept. `None` if there is nothing to serve.
    ///
    /// With `peek` they stay. Descriptors that came with them are closed, as read(2) does.
    pub(crate) fn serve_bytes(
        &self,
        peek: bool,
        to: impl FnMut(&[u8]) -> usize,
    ) -> Option<std::io::Result<usize>> {
        let served = self.serve_stream(peek, to)?;
        Some(served.map(|(n, beside)| {
            drop(beside);
            n
        }))
    }

    /// The same with what came beside the bytes.
    pub(crate) fn serve_stream(
        &self,
        peek: bool,
        mut to: impl FnMut(&[u8]) -> usize,
    ) -> Option<std::io::Result<(usize, Beside)>> {
        match self.take()? {
            Leftover::Bytes(mut bytes) => {
                let n = to(bytes.rest());
                let beside = match peek {
                    true => Beside::default(),
                    false => bytes.advance(n),
                };
                if !bytes.rest().is_empty() {
                    self.put_back(Leftover::Bytes(bytes));
                }
                Some(Ok((n, beside)))
            }
            Leftover::End => {
                if peek {
                    self.put_back(Leftover::End);
                }
                Some(Ok((0, Beside::default())))
            }
            Leftover::Error(errno) => Some(Err(std::io::Error::from_raw_os_error(errno))),
            other => {
                self.put_back(other);
                None
            }
        }
    }

    /// The descriptors that wait here, on a socket of this kind.
    pub(crate) fn descriptors(&self, of: Kind) -> Vec<(RawFd, Kind)> {
        let accepted = match of {
            Kind::UnixListener => Kind::UnixStream,
            Kind::UnixSeqpacketListener => Kind::UnixSeqpacket,
            _ => Kind::TcpStream,
        };
        let cold = self.cold.borrow();
        let mut list = Vec::new();
        for leftover in cold.iter().flat_map(|cold| &cold.leftovers) {
            let beside = match leftover {
                Leftover::Connection(connection) => {
                    list.push((connection.fd.raw(), accepted));
                    continue;
                }
                Leftover::Datagram(datagram) => &datagram.0.beside,
                Leftover::Bytes(bytes) => &bytes.beside,
                Leftover::End | Leftover::Error(_) | Leftover::InDoubt(_) => continue,
            };
            let passed = beside.arrived.iter().flat_map(|arrived| arrived.numbers());
            list.extend(passed.map(|number| (number, Kind::Passed)));
        }
        list
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane")
            .field("held", &self.held.get())
            .field("orphan", &self.orphan.get())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
