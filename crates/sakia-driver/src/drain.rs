//! Draining: how a driver comes to have nothing in flight. The mechanism; the policy (order, deadline, report) is the facade's.
//!
//! Each turn flushes, enters with GETEVENTS, dispatches. Every op is cancelled once, by its own tag (cancelling "all" is quadratic and could hit
//! closes), and again, with back-off, only after a wait that reaped nothing. "Its completion was reaped" is the only event that
//! means that an op is done: closing a ring is no barrier, so what is in flight at the deadline is quarantined: it
//! goes to the thread's graveyard with its ring, and its memory is not freed before a completion says so.

mod pause;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::cancels::push_cancel;
use crate::driver::{Driver, Park, Phase};
use crate::fd::{FdInfo, FdState, Kind};
use crate::graveyard;
use crate::kernel::abi::opcode;
use crate::kernel::{Entered, Kernel, Wait};
use crate::op::Refusal;
use crate::op::table::{Own, Tag};
use pause::Pause;

/// The longest single wait of a drain: how late a lost wake could make it.
const STEP: Duration = Duration::from_millis(20);

/// What a drain did and what it had to leave behind.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Drained {
    /// Ops that completed over the driver's life, cancelled ones included.
    pub ops_completed: u64,
    /// Ops that ended because they were cancelled.
    pub ops_cancelled: u64,
    /// Ops that would not complete by the deadline: their memory is set aside.
    pub ops_quarantined: u64,
    /// Quarantined ops by opcode.
    pub quarantined: BTreeMap<&'static str, u64>,
    /// Quarantined ops that may yet make a descriptor.
    pub may_yield: u64,
    /// Closes that went through the close table over the driver's life.
    pub closes_drained: u64,
    /// Closes that the kernel took and never answered.
    pub closes_in_doubt: Vec<FdInfo>,
    /// Descriptors closed over the driver's life, by kind.
    pub closed: Vec<(Kind, u64)>,
    /// Descriptors that are still open because the caller still holds their handles.
    pub still_held: Vec<FdInfo>,
    /// Destructors and wakers that panicked.
    pub panics: u64,
    /// Threads that did not end in time: of the pool, and of the emulated kernel.
    pub threads_left: usize,
    /// Completions whose tag nobody knew. Always 0, or there is a bug in sakia or in the kernel.
    pub stale: u64,
}

impl Driver {
    /// Whether new ops are taken, and if not, why.
    #[inline]
    pub(crate) fn takes_ops(&self) -> Result<(), Refusal> {
        match self.phase() {
            _ if self.is_forked() => Err(Refusal::Forked),
            Phase::Running => Ok(()),
            Phase::Dead => Err(Refusal::Lost),
            Phase::Draining | Phase::Ended => Err(Refusal::Ended),
        }
    }

    /// Refuses new ops from here on; what is in flight goes on. The first step of the end.
    pub fn refuse(&self) {
        if self.phase() == Phase::Running {
            self.set_phase(Phase::Draining);
        }
    }

    /// Ends the driver: cancels and reaps every op, awaits every pending close, closes the ring. What is left at the deadline is quarantined.
    ///
    /// Ops that were detached on purpose (a bridge's last write) are given until the deadline before they are cancelled.
    pub fn end(self: &Rc<Self>, deadline: Instant) -> Drained {
        if self.phase() == Phase::Ended {
            return Drained::default();
        }
        if self.is_forked() {
            // The ring, its ops and the peers belong to the parent. Nothing here may touch them.
            self.set_phase(Phase::Ended);
            std::mem::forget(self.clone());
            return Drained::default();
        }
        self.refuse();
        if let Some(pool) = self.pool_if_used() {
            // What is dropped is code of the user's: its panics must not stop the end.
            for job in pool.close() {
                self.guarded(|| drop(job));
            }
        }
        self.reap_all(deadline);
        if self.phase() == Phase::Ended {
            return Drained::default();
        }
        let threads_left = self
            .pool_if_used()
            .map_or(0, |pool| pool.join(deadline, self.clock()));
        self.unparker().close();
        let mut report = self.report();
        report.threads_left = threads_left + self.core().kernel.threads();
        self.set_phase(Phase::Ended);
        self.empty_results();
        if !self.core().eventfd_armed {
            // A read of it may not have reached the kernel yet, which would look the number up when the ring is reaped: then it goes with the ring.
            drop(self.take_eventfd());
        }
        if self.is_quiet() {
            self.close_ring();
        } else {
            graveyard::bury(self.clone());
        }
        report
    }

    /// Whether nothing is in flight and no close is pending.
    pub(crate) fn is_quiet(&self) -> bool {
        let core = self.core();
        core.table.in_flight() == 0 && core.closes.pending() == 0 && !core.eventfd_armed
    }

    fn reap_all(&self, deadline: Instant) {
        let mut pause = Pause::new(self.now());
        let mut cancelled = CancelRound::default();
        loop {
            let now = self.now();
            let late = now >= deadline;
            self.cancel_round(&mut cancelled, late);
            if self.is_quiet() {
                return;
            }
            if self.phase() == Phase::Ended {
                // A waker or a destructor has ended the driver in a turn of ours.
                return;
            }
            let before = self.progress();
            let wait = pause
                .end()
                .min(deadline)
                .saturating_duration_since(now)
                .min(STEP);
            let turned = self.turn(Park::For(wait), || false);
            if self.progress() != before {
                pause = Pause::new(self.now());
            } else if late {
                return;
            } else if pause.is_over(self.now()) {
                // Nothing came: the next round asks again. The clock decides and not the turn, which also returns for the answers to
                // cancels that found nothing to end.
                cancelled.again = true;
            } else if turned.is_err() {
                // The ring is dead and did not wait: what it holds will not end, and the loop must not spin.
                self.clock().sleep(wait);
            }
        }
    }

    /// Something that changes whenever the drain gets on.
    fn progress(&self) -> (u64, usize, bool) {
        let core = self.core();
        (
            core.table.counts.completed,
            core.closes.pending(),
            core.eventfd_armed,
        )
    }

    /// Cancels each live op once, and again in a round that asks again; never a close. A drain takes no new op, so that a turn between two
    /// rounds has nothing to look for: looking at every op in every turn would be quadratic.
    fn cancel_round(&self, round: &mut CancelRound, late: bool) {
        if round.asked == Some(late) && !round.again {
            return;
        }
        let mut core = self.core();
        let live: Vec<(Tag, bool)> = core
            .table
            .live()
            .map(|(tag, _, detached)| (tag, detached))
            .collect();
        for (tag, detached) in live {
            if detached && !late {
                continue;
            }
            let first = core.table.cancel_once(tag);
            if first || round.again {
                push_cancel(&mut core, tag.0);
            }
        }
        if core.eventfd_armed {
            push_cancel(&mut core, Tag::own(Own::Eventfd));
        }
        round.asked = Some(late);
        round.again = false;
    }

    fn report(&self) -> Drained {
        // The driver's own go with the ring; what is closing or in nobody's hand is told elsewhere.
        let of_the_caller = |fd: &FdInfo| {
            !matches!(fd.kind, Kind::Ring | Kind::Eventfd | Kind::Timer)
                && !matches!(fd.state, FdState::Closing | FdState::Arrived)
        };
        let still_held = self.fds().into_iter().filter(of_the_caller).collect();
        let in_doubt = self.closes_in_doubt();
        let core = self.core();
        let mut report = Drained {
            ops_completed: core.table.counts.completed,
            ops_cancelled: core.table.counts.cancelled,
            stale: core.table.counts.stale,
            closes_drained: self.drained_closes(),
            closes_in_doubt: in_doubt,
            closed: self.ledger().closed(),
            still_held,
            panics: self.panics(),
            ..Drained::default()
        };
        for (tag, code, _) in core.table.live() {
            report.ops_quarantined += 1;
            *report.quarantined.entry(opcode::name(code)).or_default() += 1;
            report.may_yield += u64::from(core.table.may_yield(tag));
        }
        report
    }

    /// A ring of the graveyard: reads what has completed since, and closes what that lets go of.
    pub(crate) fn reap_grave(&self) {
        // The answers of the last cancels may fill the completion queue, and what matters be behind them.
        let got_on = || (self.progress(), self.cancels().answers());
        loop {
            let before = got_on();
            let entered = self.core().kernel.enter(Wait::No);
            if entered.is_err() {
                return;
            }
            self.dispatch();
            self.empty_results();
            // What did not fit the completion queue is fetched by another enter; a kernel without memory is left for another time.
            // That an enter might bring something is no reason: with a thread that is stuck, it always might.
            if !matches!(entered, Ok(Entered::Fine)) || got_on() == before {
                return;
            }
        }
    }

    /// Closes the ring. What is in flight on it must be leaked from here on.
    pub(crate) fn close_ring(&self) {
        let kernel = self.core().kernel.end();
        drop(kernel);
        drop(self.take_eventfd());
    }

    /// Results that nobody has taken: their descriptors are closed, their futures will find them gone.
    fn empty_results(&self) {
        let done = self.core().table.take_done();
        for done in done {
            self.close_adopted(done);
        }
        let mut core = self.core();
        let mut wakers = core.table.take_wakers();
        wakers.extend(core.buffers.take_wakers());
        drop(core);
        for waker in wakers {
            self.wake_later(waker);
        }
        self.run_pending();
    }
}

/// What the cancels of a drain have asked for.
#[derive(Default)]
struct CancelRound {
    /// Whether the ops that were let go on purpose are among it; `None` before the first round.
    asked: Option<bool>,
    /// Whether the next round asks for everything once more.
    again: bool,
}

#[cfg(all(test, feature = "sim"))]
mod tests;
