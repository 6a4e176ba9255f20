//! Handing an op over, and asking what came of it: the doors of the op table.

use std::task::Waker;

use super::adopt::Adopts;
use super::lane::Side;
use super::spot::hot::Miss;
use super::spot::refused_place;
use super::table::{Abandoned, Polled, Tag};
use super::{Bare, Completion, Holds, Orphan, Refusal, Yields};
use crate::driver::{Driver, Phase};
use crate::fd::FdRef;
use crate::kernel::abi::IOSQE_ASYNC;
use crate::kernel::{Answer, Kernel, KernelFd, Sqe};
use crate::pooled::PooledBuf;

/// What becomes of an op that is handed over.
pub(crate) enum Sent {
    /// It is in flight under this tag.
    InFlight(Tag),
    /// It is over, and has brought numbers.
    Answered(Bare),
    /// It is over, and has brought a descriptor.
    Opened(KernelFd),
    /// Nothing: it is a receive of a hot stream that has run dry.
    Dry,
}

/// The lane in which an op goes, and of what: the op's future keeps that open, and the table does when the future has gone.
#[derive(Clone, Copy)]
pub(crate) struct InLane<'a> {
    pub(crate) fd: &'a FdRef,
    pub(crate) side: Side,
    /// It is a receive or a send of a stream that has something, or room, now.
    pub(crate) hot: bool,
}

impl Sent {
    /// What becomes of an op that was answered so on the spot, with the descriptor in its hands if it is one.
    #[inline]
    fn by(answer: Answer, yields: Yields) -> Option<Self> {
        match (answer, yields) {
            (Answer::Hasty(fd), Yields::Descriptor(_)) => {
                Some(Self::Opened(KernelFd::adopt_hasty(fd)))
            }
            (Answer::Done(fd), Yields::Descriptor(_)) if fd >= 0 => {
                Some(Self::Opened(KernelFd::adopt(fd)))
            }
            (Answer::Done(res) | Answer::Hasty(res), _) => {
                Some(Self::Answered(Bare { res, flags: 0 }))
            }
            (Answer::Later | Answer::Never, _) => None,
        }
    }
}

impl Driver {
    /// Hands an op over: it is answered on the spot, or goes the way of the ring.
    ///
    /// It is inlined into each op's future, with all that it calls on the usual way down to the ring's slot: so a submission is written where the
    /// kernel reads it, out of registers, and what an op has not (descriptors, an answer on the spot) is not asked.
    #[inline(always)]
    pub(crate) fn submit(
        &self,
        mut sqe: Sqe,
        holds: Holds,
        (yields, placed): (Yields, bool),
        lane: Option<InLane<'_>>,
        waker: &Waker,
    ) -> Result<Sent, Refusal> {
        let first = lane.map(|lane| lane.fd).or(holds.first.as_ref());
        if first.is_some_and(|fd| fd.has_server()) {
            // The kernel would try on this thread first, and FUSE's direct reads wait for the server even then.
            sqe.flags |= IOSQE_ASYNC;
        }
        let answer = if let Some(lane) = lane.filter(|lane| lane.hot) {
            // A copy is shown to the call, as in the kernel's push.
            let copy = sqe;
            match self.answer_hot(&copy, lane.fd) {
                Ok(bare) => Some(Sent::Answered(bare)),
                Err(Miss::Dry) => Some(Sent::Dry),
                Err(Miss::Passed) => None,
            }
        } else {
            // It has an owner before anything else is done.
            Sent::by(self.answer(&sqe, first), yields)
        };
        let names_place = placed && sqe.off != u64::MAX;
        let refused = || {
            let refused = names_place.then(|| refused_place(first)).flatten();
            refused.map(Sent::Answered)
        };
        if let Some(sent) = answer.or_else(refused) {
            self.let_go_now(holds);
            return Ok(sent);
        }
        let adopts = Adopts::new(yields, sqe.addr);
        if names_place {
            self.spot().pass();
        }
        if let Some(fd) = first {
            sqe = fd.name_by_slot(sqe);
        }
        self.push(sqe, holds, adopts, lane, waker)
            .map(Sent::InFlight)
    }

    /// Enters an op in the table and pushes it.
    #[inline(always)]
    pub(crate) fn push(
        &self,
        mut sqe: Sqe,
        holds: Holds,
        adopts: Adopts,
        lane: Option<InLane<'_>>,
        waker: &Waker,
    ) -> Result<Tag, Refusal> {
        // The one door to the ring.
        let named = [
            lane.map(|lane| lane.fd),
            holds.first.as_ref(),
            holds.second.as_ref(),
        ];
        named.into_iter().flatten().for_each(|fd| fd.calm());
        // A clone may run code of the user's: not under the borrow. It may even have ended the driver.
        let waker = waker.clone();
        if self.phase() == Phase::Ended {
            return Err(Refusal::Ended);
        }
        let core = &mut *self.core();
        if !core.kernel.supports(sqe.opcode) {
            return Err(Refusal::Unsupported(sqe.opcode));
        }
        let lane = lane.map(|lane| lane.side);
        let tag = core
            .table
            .insert(sqe.opcode, holds, adopts, lane, waker)
            .ok_or(Refusal::Full)?;
        sqe.user_data = tag.0;
        core.push(&sqe);
        Ok(tag)
    }

    /// Takes the result of an op, if it is there and only numbers.
    #[inline]
    pub(crate) fn take_bare(&self, tag: Tag) -> Option<Bare> {
        self.core().table.take_bare(tag)
    }

    /// Takes the result of a receive, if it is there and a buffer.
    #[inline]
    pub(crate) fn take_filled(&self, tag: Tag) -> Option<(Bare, PooledBuf)> {
        self.core().table.take_filled(tag)
    }

    /// Takes the result of an op, if it is there and a descriptor.
    #[inline]
    pub(crate) fn take_opened(&self, tag: Tag) -> Option<(KernelFd, u32)> {
        self.core().table.take_opened(tag)
    }

    /// Takes the result of an op that has ended, whatever it carries.
    #[inline]
    pub(crate) fn take_ended(&self, tag: Tag) -> Option<Completion> {
        self.core().table.take_ended(tag)
    }

    /// Asks what came of an op.
    pub(crate) fn poll_op(&self, tag: Tag, waker: &Waker) -> Polled {
        let polled = self.core().table.poll(tag, waker);
        match polled {
            Polled::OtherWaker => self.change_waker(tag, waker),
            polled => polled,
        }
    }

    fn change_waker(&self, tag: Tag, waker: &Waker) -> Polled {
        // The clone is code of the user's, which may turn the driver and so end the op: look again.
        let waker = waker.clone();
        let mut core = self.core();
        match core.table.poll(tag, &waker) {
            Polled::OtherWaker => {
                let before = core.table.set_waker(tag, waker);
                drop(core);
                drop(before);
                Polled::Pending
            }
            polled => polled,
        }
    }

    /// The future of an op goes, which has `kept` its descriptor open so far: see [`Table::abandon`](super::table::Table::abandon).
    pub(crate) fn abandon(
        &self,
        tag: Tag,
        kept: Option<&FdRef>,
        op: impl FnOnce() -> Box<dyn Orphan>,
    ) -> Abandoned {
        let unheard = self.core().table.take_more(tag);
        for done in unheard {
            self.close_adopted(done);
        }
        self.core().table.abandon(tag, kept, op)
    }

    pub(crate) fn detach(&self, tag: Tag) {
        self.core().table.detach(tag);
    }
}
