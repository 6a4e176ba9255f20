//! The one place that reads completions: it decides what follows from each, and does what must not wait.
//!
//! Adopting a descriptor, keeping a leftover, letting go of descriptors (which may close them) happen at once. Wakers and
//! destructors of the user's buffers are queued and run by the outermost turn after the last completion was read: a drop inside a
//! poll may need a turn, so turns nest, and the inner ones only dispatch. The running loop and the drain use the same code.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use super::adopt::Adopts;
use super::lane::{Next, Side};
use super::leftover::Leftover;
use super::submit::InLane;
use super::table::{Decision, Own, Settlement, Tag, Woken};
use super::{Completion, Detached, Holds, Orphan};
use crate::driver::{Core, Driver, Phase};
use crate::fd::FdRef;
use crate::kernel::{Cqe, Kernel, Sqe};

/// What waits for the end of the outermost turn.
#[derive(Default)]
pub(crate) struct Pending {
    wakes: Vec<Waker>,
    /// Of those who have written to a stream. They are woken after all others: who has read is about to answer, and what goes out first is there for its reader while
    /// the thread does the rest.
    writers: Vec<Waker>,
    releases: Vec<Box<dyn Orphan>>,
}

impl Pending {
    #[inline]
    fn is_empty(&self) -> bool {
        self.wakes.len() + self.writers.len() + self.releases.len() == 0
    }

    /// Queues whoever has waited for an op of this lane.
    #[inline(always)]
    fn wake(&mut self, waker: Waker, lane: Option<Side>) {
        let list = match lane {
            Some(Side::Out) => &mut self.writers,
            _ => &mut self.wakes,
        };
        list.push(waker);
    }
}

/// A completion from which more follows than a wake.
enum Found {
    /// The driver's own.
    Own(Own, Cqe),
    /// An op's.
    Op(Decision),
}

impl Driver {
    /// Reads every completion that is there.
    pub(crate) fn dispatch(&self) {
        while let Some(found) = self.read_completions() {
            self.follow(found);
        }
    }

    /// Out of line: what it takes of the stack and of registers is not to burden the turns in which there is nothing of this kind.
    #[inline(never)]
    fn follow(&self, found: Found) {
        match found {
            Found::Own(own, cqe) => self.own_completion(own, cqe),
            Found::Op(Decision::Nothing) => {}
            Found::Op(Decision::Unheard(done)) => self.close_adopted(done),
            Found::Op(Decision::Wake(waker, holds)) => {
                self.pending().wakes.extend(waker);
                self.let_go(holds);
            }
            Found::Op(Decision::Settle(settlement)) => self.settle(settlement),
        }
    }

    /// Reads completions up to the first from which more follows than a wake, which is queued here, under one borrow for all of them.
    fn read_completions(&self) -> Option<Found> {
        let core = &mut *self.core();
        let pending = &mut *self.pending();
        loop {
            let cqe = core.kernel.pop()?;
            let woken = match cqe.buffer() {
                None => {
                    let bare = core.table.complete_bare(cqe);
                    bare.or_else(|| core.table.complete_opened(cqe))
                }
                Some(_) => Self::filled(core, cqe),
            };
            let Woken { waker, holds, lane } = match woken {
                Some(woken) => woken,
                None => return Some(Self::find(core, cqe)),
            };
            if let Some(waker) = waker {
                pending.wake(waker, lane);
            }
            if let Some(holds) = holds.let_go_quietly() {
                return Some(Found::Op(Decision::Wake(None, holds)));
            }
        }
    }

    /// Of a receive that has brought a buffer.
    #[inline(never)]
    fn filled(core: &mut Core, cqe: Cqe) -> Option<Woken> {
        let Core { table, buffers, .. } = core;
        if !buffers.hold(cqe) {
            return None;
        }
        table.complete_filled(cqe, || buffers.adopt(cqe))
    }

    /// Finds out what a completion means that is not of the usual kind.
    #[inline(never)]
    fn find(core: &mut Core, cqe: Cqe) -> Found {
        let buf = core.buffers.adopt(cqe);
        match Tag(cqe.user_data).as_own() {
            Some(own) => Found::Own(own, cqe),
            None => Found::Op(core.table.complete(cqe, buf)),
        }
    }

    fn own_completion(&self, own: Own, cqe: Cqe) {
        match own {
            Own::Wake => {}
            Own::Cancel(index) => {
                self.cancels().count_answer();
                if cqe.res == -libc::ENOENT {
                    self.cancel_missed(index);
                }
            }
            Own::Eventfd => self.core().eventfd_armed = false,
            Own::Close(index) => {
                let waker = self.close_completed(index, cqe.res);
                self.pending().wakes.extend(waker);
            }
        }
    }

    fn settle(&self, settlement: Settlement) {
        let Settlement {
            mut orphan,
            mut done,
            holds,
            lane,
        } = settlement;
        let leftover = orphan.settle(&mut done);
        match (lane, &*holds.first) {
            (Some(side), Some(fd)) => self.orphan_ended(fd, side, leftover),
            _ => drop(leftover),
        }
        // A descriptor that nobody waits for, and that no lane kept, is closed here.
        self.close_adopted(done);
        self.let_go(holds);
        self.pending().releases.push(orphan);
    }

    /// The op's clones of its descriptors: the last of all closes, and a close that waits for that is woken.
    fn let_go(&self, holds: Holds) {
        for fd in holds.into_held() {
            if let Some(waker) = fd.take_closer() {
                self.pending().wakes.push(waker);
            }
        }
    }

    /// The same outside a dispatch.
    pub(crate) fn let_go_now(&self, holds: Holds) {
        if let Some(holds) = holds.let_go_quietly() {
            self.let_go(holds);
            if self.has_pending() {
                self.stir();
            }
        }
    }

    fn orphan_ended(&self, fd: &FdRef, side: Side, leftover: Option<Leftover>) {
        let watcher = fd.lane(side).orphan_ended(leftover);
        self.pending().wakes.extend(watcher);
        self.next_in_lane(fd, side, |waker| self.wake_later(waker));
    }

    /// Somebody has left the lane, or its orphan has ended: the next may look, or is submitted if nobody waits for it.
    pub(crate) fn next_in_lane(&self, fd: &FdRef, side: Side, wake: impl FnOnce(Waker)) {
        let waker = loop {
            match fd.lane(side).next() {
                Next::Nobody => break None,
                Next::Wake(waker) => break waker,
                Next::Submit(op) => self.submit_detached(fd, side, op),
            }
        };
        fd.side_ended(side);
        if let Some(waker) = waker {
            wake(waker);
        }
    }

    fn submit_detached(&self, fd: &FdRef, side: Side, mut op: Box<dyn Detached>) {
        if self.phase() == Phase::Ended || self.is_forked() {
            // There is no later turn that would release it.
            return self.guarded(|| drop(op));
        }
        let mut sqe = Sqe::default();
        let holds = op.prepare(fd, &mut sqe);
        let adopts = Adopts::new(op.yields(), sqe.addr);
        let hot = false;
        let lane = InLane { fd, side, hot };
        match self.push(sqe, holds, adopts, Some(lane), Waker::noop()) {
            Ok(tag) => {
                self.abandon(tag, Some(fd), || op);
                self.detach(tag);
                fd.lane(side).set_orphan(tag);
            }
            Err(_) => self.pending().releases.push(op),
        }
    }

    pub(crate) fn close_adopted(&self, mut done: Completion) {
        if let Some(fd) = done.take_fd() {
            self.close_unseen(fd);
        }
        // What a message brought is closed here, with it.
        drop(done);
    }

    pub(crate) fn wake_later(&self, waker: Waker) {
        self.pending().wakes.push(waker);
        self.stir();
    }

    /// Whether something waits for the end of the outermost turn.
    #[inline]
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending().is_empty()
    }

    /// Runs what the dispatches have queued, including what that queues in turn.
    pub(crate) fn run_pending(&self) {
        let mut pending = self.pending();
        while !pending.is_empty() {
            let mut wakes = std::mem::take(&mut pending.wakes);
            if !pending.writers.is_empty() {
                wakes.append(&mut pending.writers);
            }
            drop(pending);
            let mut queued = wakes.drain(..);
            while queued.len() > 0 {
                // One guard for all of them; behind a waker that panics it goes on with the next.
                self.guarded(|| queued.by_ref().for_each(Waker::wake));
            }
            drop(queued);
            pending = self.pending();
            if pending.wakes.is_empty() {
                // The list's memory is kept for the next turn.
                pending.wakes = wakes;
            }
            if !pending.releases.is_empty() {
                drop(pending);
                self.release();
                pending = self.pending();
            }
        }
    }

    #[inline(never)]
    fn release(&self) {
        let orphans = std::mem::take(&mut self.pending().releases);
        for orphan in orphans {
            self.guarded(|| drop(orphan));
        }
    }

    /// Runs code of the user's whose panic must not stop the loop; it is counted.
    pub(crate) fn guarded(&self, run: impl FnOnce()) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
            self.count_panic();
            // A payload's own destructor may panic; there is nobody left to tell.
            if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
                std::mem::forget(second);
            }
        }
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests;
