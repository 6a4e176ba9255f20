//! The way of an op that consumes from, or writes to, one direction of a descriptor: [`Laned`] holds a lane, and loses nothing.
//!
//! It queues, is served from leftovers, waits for an orphan, and only then goes the way of [`Submit`].

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::cancel::{Cancellable, Cancelling, Outcome, Receipt};
use super::future::{GivenUp, Submit};
use super::lane::{Lane, Pass, Side};
use super::{Cancel, Completion, Op, Refusal};
use crate::driver::Driver;
use crate::fd::FdRef;
use crate::kernel::abi::Sqe;

/// What follows from a completion of an op that travels in a lane.
pub enum Step<O: LaneOp> {
    /// It is over.
    Done(O::Result),
    /// It goes on (a short read of `read_exact`) and keeps the lane.
    Again(O),
}

/// An op that consumes from, or writes to, one direction of a descriptor.
pub trait LaneOp: Op<Output = Step<Self>> {
    /// What awaiting it gives.
    type Result;

    /// The direction; the same as `Op::LANE`.
    const SIDE: Side;

    /// Whether it may be answered on the spot where its stream is hot: it may be prepared twice then, and for the first time in vain.
    #[doc(hidden)]
    const HASTENS: bool = false;

    /// The descriptor that the next submission goes to; `Op::prepare` hands it on.
    fn aim(&mut self, fd: &FdRef);

    /// Whether it is over without the kernel: there is nothing to read to, or to write.
    fn is_empty(&self) -> bool {
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
    fn serve(self, lane: &Lane) -> Result<Step<Self>, Self>;

    /// It was asked to end and goes no further, the kernel has nothing of it: its result, a part that was moved counted in; `ECANCELED` if
    /// nothing was.
    #[doc(hidden)]
    fn stop(self) -> Self::Result {
        match self.complete(Completion::cancelled()) {
            Step::Done(result) => result,
            Step::Again(op) => op.stop(),
        }
    }

    /// As [`stop`](Self::stop), for one whose output cannot tell a part: that goes back to the lane.
    #[doc(hidden)]
    fn expire(mut self, lane: &Lane) -> Self::Result {
        if let Some(part) = self.abandon() {
            lane.put_back(part);
        }
        match self.complete(Completion::cancelled()) {
            Step::Done(result) => result,
            Step::Again(op) => op.expire(lane),
        }
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
    submit: Submit<O>,
}

enum BeforeKernel<O: LaneOp> {
    Step(Step<O>),
    Wait,
    Submit,
}

impl<O: LaneOp> Laned<O> {
    pub(crate) fn new(fd: FdRef, op: O) -> Self {
        let submit = Submit::on(fd.driver().clone(), op);
        Self {
            fd,
            pass: Pass::Fresh,
            submit,
        }
    }

    /// Lets the op finish even if this future and the handle are dropped; the end of the runtime waits for it within its deadline.
    ///
    /// One that was not submitted yet, for it queues or was not polled, keeps its place and is submitted when its turn comes.
    pub fn detach(mut self) {
        if let Some(tag) = self.submit.tag() {
            self.fd.driver().detach(tag);
        } else if let Some(op) = self.submit.take_idle() {
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

    /// The lane is held and nothing is in flight: what is to be done before the kernel is asked?
    fn before_kernel(&mut self, cx: &mut Context<'_>) -> BeforeKernel<O> {
        let lane = self.fd.lane(O::SIDE);
        loop {
            let Some(op) = self.submit.idle_mut() else {
                return BeforeKernel::Wait;
            };
            if op.is_empty() || lane.has_leftovers() {
                let op = self.submit.take_idle().expect("idle, as asked above");
                match op.serve(lane) {
                    Ok(step) => return BeforeKernel::Step(step),
                    Err(op) => self.submit.put_idle(op),
                }
            }
            if lane.orphan().is_none() {
                break;
            }
            if lane.watch_orphan(cx.waker()) {
                return BeforeKernel::Wait;
            }
        }
        let Some(op) = self.submit.idle_mut() else {
            return BeforeKernel::Wait;
        };
        if op.poll_supply(&self.fd, cx).is_pending() {
            return BeforeKernel::Wait;
        }
        op.aim(&self.fd);
        if O::HASTENS && self.fd.is_hot() {
            return self.hasten();
        }
        BeforeKernel::Submit
    }

    /// The stream is hot, and the op aimed: it is answered on the spot, or goes the usual way after all.
    #[inline(never)]
    fn hasten(&mut self) -> BeforeKernel<O> {
        let mut op = self.submit.take_idle().expect("it was aimed just now");
        let mut sqe = Sqe::default();
        let holds = op.prepare(&mut sqe);
        let answer = self.fd.driver().answer_hot(&sqe);
        // This future names the descriptor, too: nothing follows from that.
        drop(holds);
        if let Some(done) = answer {
            if O::SIDE == Side::In {
                self.fd.lane(Side::In).note_more(done.flags());
            }
            return BeforeKernel::Step(op.complete(done));
        }
        op.aim(&self.fd);
        self.submit.put_idle(op);
        BeforeKernel::Submit
    }

    /// Ends the op before its time: its result if it has one, or the op itself, which goes no further.
    fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<Result<O::Result, O>> {
        let (op, done) = ready!(self.submit.poll_stop(cx));
        Poll::Ready(if done.was_stopped() {
            Err(op)
        } else {
            match op.complete(done) {
                Step::Done(result) => Ok(result),
                Step::Again(op) => Err(op),
            }
        })
    }

    /// Drives what is in flight, or is to be, to the step that follows.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Step<O>> {
        let fd = &self.fd;
        self.submit.poll_then(cx, |op, done| {
            if O::SIDE == Side::In {
                fd.lane(Side::In).note_more(done.flags());
            }
            op.complete(done)
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

    fn finish(&mut self, result: O::Result) -> Poll<O::Result> {
        self.leave();
        Poll::Ready(result)
    }

    /// Gives up an op that was not submitted: the runtime is the wrong one, or has ended.
    fn refuse(&mut self, refusal: Refusal) -> Poll<O::Result> {
        match self
            .submit
            .take_idle()
            .map(|op| op.complete(Completion::refused(refusal)))
        {
            Some(Step::Done(result)) => self.finish(result),
            _ => panic!("an op was polled after it had completed"),
        }
    }
}

/// Whoever goes may have been the one for whom an orphan of the lane in was kept armed.
pub(super) fn release_orphan(fd: &FdRef, side: Side, pass: Pass) {
    if let (Pass::Holding, Side::In, Some(tag)) = (pass, side, fd.lane(side).orphan()) {
        fd.driver().cancel_if_idle(fd, Side::In, tag);
    }
}

impl<O: LaneOp> Future for Laned<O> {
    type Output = O::Result;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O::Result> {
        let this = &mut *self;
        loop {
            let step = if this.submit.is_idle() {
                if let Err(refusal) = Driver::admit(Some(this.fd.driver())) {
                    return this.refuse(refusal);
                }
                let lane = this.fd.lane(O::SIDE);
                ready!(lane.poll_hold(&mut this.pass, cx));
                match this.before_kernel(cx) {
                    BeforeKernel::Step(step) => step,
                    BeforeKernel::Wait => return Poll::Pending,
                    BeforeKernel::Submit => ready!(this.poll_step(cx)),
                }
            } else {
                ready!(this.poll_step(cx))
            };
            match step {
                Step::Done(result) => return this.finish(result),
                Step::Again(op) => this.submit.put_idle(op),
            }
        }
    }
}

impl<O: LaneOp> Laned<O>
where
    O::Result: Outcome,
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
    O::Result: Outcome,
{
    type Value = <O::Result as Outcome>::Value;
    type Buf = <O::Result as Outcome>::Buf;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<Self::Value, Self::Buf>> {
        let result = ready!(self.poll_stop(cx)).unwrap_or_else(O::stop);
        self.release_orphan();
        self.leave();
        Poll::Ready(Receipt::of(result))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<O::Result> {
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
        if self.pass == Pass::Left && self.submit.is_gone() {
            self.tell_closer();
        } else {
            self.let_go();
        }
    }
}

impl<O: LaneOp> Laned<O> {
    /// A close may wait for this future, and not only for its op.
    #[inline]
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
        } = self.submit.give_up();
        let lane = self.fd.lane(O::SIDE);
        let [earlier, last] = leftovers;
        // Of one that was never polled there is nothing to tell.
        if let Some(earlier) = earlier.filter(|_| self.pass != Pass::Fresh) {
            lane.put_back(earlier);
        }
        if let Some(last) = last {
            lane.keep(last);
        }
        if let Some((driver, tag)) = in_flight {
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
