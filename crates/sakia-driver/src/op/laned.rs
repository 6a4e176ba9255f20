//! The way of an op that consumes from, or writes to, one direction of a descriptor: [`Laned`] holds a lane, and loses nothing.
//!
//! It queues, is served from leftovers, waits for an orphan, and only then is handed over.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::cancel::{Cancellable, Cancelling, Outcome, Receipt};
use super::flight::{Flight, GivenUp, Look};
use super::lane::{Lane, Pass, Side};
use super::submit::InLane;
use super::{Cancel, Completion, Op};
use crate::fd::FdRef;

/// What became of an op that was to be served without the kernel.
#[doc(hidden)]
pub enum Served<O: Op> {
    /// It is over.
    Over(O::Output),
    /// It had a part, and goes on.
    Part(O),
    /// There was nothing for it.
    Nothing(O),
}

/// An op that consumes from, or writes to, one direction of a descriptor.
///
/// That descriptor is the one that its submission names, and `Op::prepare` holds none: its future keeps it open, and when that has gone the table does.
pub trait LaneOp: Op {
    /// The direction.
    const SIDE: Side;

    /// Whether it may be answered on the spot where its stream is hot.
    #[doc(hidden)]
    const HASTENS: bool = false;

    /// Takes note of a final completion if it goes on after it (a short read of `read_exact`): it keeps the lane, and is [prepared](Op::prepare) once more.
    ///
    /// Else it is over, and [completes](Op::complete) with this. It never does with one after which it goes on, which would be counted twice, or taken for what it is not.
    #[inline(always)]
    fn goes_on(&mut self, done: &Completion) -> bool {
        let _ = done;
        false
    }

    /// Its stream has run dry: its next submission only asks whether there is something, and it goes on after that. But if it was told so just
    /// now, somebody else was there before it, or plain calls are refused here: it goes by the ring, which waits.
    #[doc(hidden)]
    fn ask(&mut self) {}

    /// Looks at its descriptor, for it is about to be handed over.
    #[doc(hidden)]
    fn aim(&mut self, fd: &FdRef) {
        let _ = fd;
    }

    /// Whether it is over without the kernel: there is nothing to read to, or to write.
    fn is_empty(&self) -> bool {
        false
    }

    /// Whether it needs something before it can be submitted.
    #[doc(hidden)]
    fn needs_supply(&self) -> bool {
        false
    }

    /// Sees to what it needs before it can be submitted; tells `cx` when it is there.
    #[doc(hidden)]
    fn poll_supply(&mut self, fd: &FdRef, cx: &mut Context<'_>) -> Poll<()> {
        let _ = (fd, cx);
        Poll::Ready(())
    }

    /// Serves the op from what the lane has kept, if that is something for it, or because it is empty.
    #[doc(hidden)]
    fn serve(self, lane: &Lane) -> Served<Self>;

    /// It was asked to end and goes no further, the kernel has nothing of it: its result, a part that was moved counted in; `ECANCELED` if
    /// nothing was.
    #[doc(hidden)]
    fn stop(self) -> Self::Output {
        self.complete(Completion::cancelled())
    }

    /// As [`stop`](Self::stop), for one whose output cannot tell a part: that goes back to the lane.
    #[doc(hidden)]
    fn expire(mut self, lane: &Lane) -> Self::Output {
        if let Some(part) = self.abandon() {
            lane.put_back(part);
        }
        self.complete(Completion::cancelled())
    }
}

/// The future of an op that holds a lane of its descriptor: it queues, is served from leftovers, waits for an orphan, and only then submits.
///
/// It owns what it needs of the descriptor, but is no handle of it.
///
/// # Cancellation
/// Dropping it is always safe and loses nothing: what the op brings is kept with the descriptor, for the next call.
#[must_use = "futures do nothing unless polled"]
pub struct Laned<O: LaneOp> {
    fd: FdRef,
    pass: Pass,
    flight: Flight<O>,
}

impl<O: LaneOp> Laned<O> {
    #[inline]
    pub(crate) fn new(fd: FdRef, op: O) -> Self {
        Self {
            fd,
            pass: Pass::Fresh,
            flight: Flight::new(op),
        }
    }

    /// Lets the op finish even if this future and the handle are dropped; the end of the runtime waits for it within its deadline.
    ///
    /// One that was not submitted yet, for it queues or was not polled, keeps its place and is submitted when its turn comes.
    pub fn detach(mut self) {
        if let Some(tag) = self.flight.tag() {
            self.fd.driver().detach(tag);
        } else if let Some(op) = self.flight.take_idle() {
            let (driver, lane) = (self.fd.driver(), self.fd.lane(O::SIDE));
            lane.leave_to(&mut self.pass, Box::new(op));
            if let Some(before) = lane.orphan() {
                driver.detach(before);
            }
            driver.next_in_lane(&self.fd, O::SIDE, |waker| {
                driver.guarded(|| waker.wake());
            });
        }
    }

    /// Whether the op can be handed over, as it nearly always can: the lane was free and has nothing, and the op needs nothing. The lane is held then.
    #[inline(always)]
    fn is_ready(&mut self) -> bool {
        let own = self.fd.driver().takes_own().is_ok();
        let waits = self
            .flight
            .idle_mut()
            .is_none_or(|op| op.is_empty() || op.needs_supply());
        own && !waits && self.fd.lane(O::SIDE).hold_plain(&mut self.pass)
    }

    /// Gets there in all other cases: takes the lane, serves the op from what that has, waits for its orphan. Nothing: the op is to be handed over.
    #[inline(never)]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Option<O::Output>> {
        if let Err(refusal) = self.fd.driver().takes_own() {
            let op = self.flight.take_idle();
            return Poll::Ready(op.map(|op| op.complete(Completion::refused(refusal))));
        }
        let lane = self.fd.lane(O::SIDE);
        ready!(lane.poll_hold(&mut self.pass, cx));
        while let Some(op) = self.flight.idle_mut() {
            if op.is_empty() || lane.has_leftovers() {
                let op = self.flight.take_idle().expect("idle, as asked above");
                match op.serve(lane) {
                    Served::Over(result) => return Poll::Ready(Some(result)),
                    Served::Part(op) => {
                        self.flight.put_idle(op);
                        continue;
                    }
                    Served::Nothing(op) => self.flight.put_idle(op),
                }
            }
            if lane.orphan().is_none() {
                break;
            }
            if lane.watch_orphan(cx.waker()) {
                return Poll::Pending;
            }
        }
        match self.flight.idle_mut() {
            Some(op) => op.poll_supply(&self.fd, cx).map(|()| None),
            None => Poll::Pending,
        }
    }

    /// What follows from what is no mere number.
    #[inline(never)]
    fn poll_other(
        &mut self,
        done: Option<Completion>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<O::Output>> {
        let done = ready!(self.flight.poll_other(self.fd.driver(), done, cx));
        Poll::Ready(self.follow(done))
    }

    /// Has the lane in take note of what a completion tells of it.
    #[inline]
    fn note_more(&self, flags: u32) {
        if O::SIDE == Side::In {
            self.fd.lane(Side::In).note_more(flags);
        }
    }

    /// A receive has found nothing: its stream is not hot any more, and it asks when there is something.
    #[inline(never)]
    fn run_dry(&mut self) {
        self.note_more(0);
        if let Some(op) = self.flight.idle_mut() {
            op.ask();
        }
    }

    /// Goes on after a completion, or answers the result.
    ///
    /// The op stays where it lies while it may go on: to move it out and in again takes the usual way, too, through memory that was just written.
    #[inline(always)]
    fn follow(&mut self, done: Completion) -> Option<O::Output> {
        self.note_more(done.flags());
        if self.flight.idle_mut().is_some_and(|op| op.goes_on(&done)) {
            return None;
        }
        let result = self.flight.finish().complete(done);
        self.leave();
        Some(result)
    }

    /// Ends the op before its time: its result if it has one, or the op itself, which goes no further.
    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<Result<O::Output, O>> {
        let done = ready!(self.flight.poll_stop(Some(self.fd.driver()), cx));
        let mut op = self.flight.finish();
        Poll::Ready(if done.was_stopped() || op.goes_on(&done) {
            Err(op)
        } else {
            Ok(op.complete(done))
        })
    }

    /// Whose turn comes is woken here; if that panics it is not this future's affair, which may have a result to give.
    #[inline]
    fn leave(&mut self) {
        if self.fd.lane(O::SIDE).leave_plain(&mut self.pass) {
            self.fd.side_ended(O::SIDE);
        } else {
            self.leave_to_next();
        }
    }

    #[cold]
    fn leave_to_next(&mut self) {
        let driver = self.fd.driver();
        let gone = self.fd.lane(O::SIDE).leave(&mut self.pass);
        driver.next_in_lane(&self.fd, O::SIDE, |waker| {
            driver.guarded(|| waker.wake());
        });
        if let Some(gone) = gone {
            driver.guarded(|| drop(gone));
        }
    }

    fn release_orphan(&self) {
        release_orphan(&self.fd, O::SIDE, self.pass);
    }
}

/// Whoever goes may have been the one for whom an orphan of the lane in was kept armed.
pub(super) fn release_orphan(fd: &FdRef, side: Side, pass: Pass) {
    if let (Pass::Holding, Side::In, Some(tag)) = (pass, side, fd.lane(side).orphan()) {
        fd.driver().cancel_if_idle(fd, Side::In, tag);
    }
}

impl<O: LaneOp> Future for Laned<O> {
    type Output = O::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O::Output> {
        let this = &mut *self;
        // The usual way is kept apart from the others down to the result: where two ways meet, what they bring is put into memory.
        loop {
            let begins = this.flight.is_idle();
            if begins {
                if !this.is_ready()
                    && let Some(result) = ready!(this.poll_ready(cx))
                {
                    this.leave();
                    return Poll::Ready(result);
                }
                if let Some(op) = this.flight.idle_mut() {
                    op.aim(&this.fd);
                }
            }
            if let Some(done) = this.flight.take_filled(this.fd.driver()) {
                match this.follow(done) {
                    Some(result) => return Poll::Ready(result),
                    None => continue,
                }
            }
            let lane = InLane {
                fd: &this.fd,
                side: O::SIDE,
                hot: begins && O::HASTENS && this.fd.is_hot(),
            };
            let result = match this.flight.look(this.fd.driver(), Some(lane), cx) {
                Look::Pending => return Poll::Pending,
                Look::Dry => {
                    this.run_dry();
                    continue;
                }
                Look::Bare(bare) => this.follow(bare.into()),
                Look::Opened(fd, flags) => this.follow(Completion::opened(fd, flags)),
                other => ready!(this.poll_other(other.done(), cx)),
            };
            if let Some(result) = result {
                return Poll::Ready(result);
            }
        }
    }
}

impl<O: LaneOp> Laned<O>
where
    O::Output: Outcome,
{
    /// Asks the kernel to end the op, and waits for its last word.
    ///
    /// # Cancellation
    /// The request goes out with the first poll. Dropping the receipt drops the op: nothing is lost.
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl<O: LaneOp> Cancellable for Laned<O>
where
    O::Output: Outcome,
{
    type Value = <O::Output as Outcome>::Value;
    type Buf = <O::Output as Outcome>::Buf;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<Self::Value, Self::Buf>> {
        let result = ready!(self.poll_stop(cx)).unwrap_or_else(O::stop);
        self.release_orphan();
        self.leave();
        Poll::Ready(Receipt::of(result))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<O::Output> {
        let result = match ready!(self.poll_stop(cx)) {
            Ok(result) => result,
            Err(op) => op.expire(self.fd.lane(O::SIDE)),
        };
        self.release_orphan();
        self.leave();
        Poll::Ready(Receipt::of(result).or_timed_out())
    }
}

impl<O: LaneOp> Drop for Laned<O> {
    #[inline]
    fn drop(&mut self) {
        if self.pass != Pass::Left || !self.flight.is_gone() {
            self.let_go();
        } else if self.fd.is_watched() {
            self.tell_closer();
        }
    }
}

impl<O: LaneOp> Laned<O> {
    /// A close may wait for this future, and not only for its op.
    #[cold]
    fn tell_closer(&self) {
        if let Some(closer) = self.fd.take_closer() {
            self.fd.driver().guarded(|| closer.wake());
        }
    }

    /// It is dropped before its end.
    #[cold]
    fn let_go(&mut self) {
        // First the op becomes the lane's orphan, then the next in the queue may look.
        let GivenUp {
            in_flight,
            leftovers,
            waiter,
            op,
        } = self.flight.give_up(Some(self.fd.driver()), Some(&self.fd));
        let driver = self.fd.driver();
        let lane = self.fd.lane(O::SIDE);
        let [earlier, last] = leftovers;
        // Of one that was never polled there is nothing to tell.
        if let Some(earlier) = earlier.filter(|_| self.pass != Pass::Fresh) {
            lane.put_back(earlier);
        }
        if let Some(last) = last {
            lane.keep(last);
        }
        if let Some(tag) = in_flight {
            lane.set_orphan(tag);
            if lane.is_followed() {
                driver.detach(tag);
            }
            match O::CANCEL {
                _ if !self.fd.has_handles() => driver.quiesce(&self.fd, &[O::SIDE]),
                Cancel::Idle => driver.cancel_if_idle(&self.fd, O::SIDE, tag),
                Cancel::Eager => driver.cancel(tag),
                Cancel::Never => {}
            }
        } else {
            self.release_orphan();
        }
        self.leave();
        self.tell_closer();
        // Last, for a destructor of the user's that panics ends this drop.
        drop((waiter, op));
    }
}
