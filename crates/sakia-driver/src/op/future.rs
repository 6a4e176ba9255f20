//! The way into the ring and out of it: [`Submit`], the future of one op, and [`Laned`], the future of one that holds a lane.
//!
//! While an op is in flight its value rests here, untouched, in a `MaybeUninit` (so that moving the future asserts nothing about the memory that
//! the kernel writes). Only a drop in flight moves it, into one box that the op table owns. In the steady state nothing is allocated.

use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use super::lane::{Lane, Leftover, Pass, Side};
use super::table::{Abandoned, Polled, Tag};
use super::{Cancel, Completion, Op, Refusal};
use crate::driver::Driver;
use crate::fd::FdRef;
use crate::kernel::abi::Sqe;

/// Where the value of an op is, and whether the kernel knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Here, and nobody else's.
    Idle,
    /// Here, and lent to the kernel under this tag.
    InFlight(Tag),
    /// Gone: completed, or given to the table.
    Gone,
}

/// The future of one op.
///
/// It is lazy: nothing happens before its first poll. Dropping it in flight is always safe; what becomes of the op
/// is said by [`Op::CANCEL`].
#[must_use = "futures do nothing unless polled"]
pub struct Submit<O: Op> {
    driver: Option<Rc<Driver>>,
    stage: Stage,
    op: MaybeUninit<O>,
}

// No field is ever pinned: what the kernel points to lies on the heap (the promise of `unsafe trait Op`).
impl<O: Op> Unpin for Submit<O> {}

impl<O: Op> Submit<O> {
    /// An op for the runtime that is current at its first poll.
    pub fn new(op: O) -> Self {
        Self::with(None, op)
    }

    /// An op on a descriptor of this driver.
    pub(crate) fn on(driver: Rc<Driver>, op: O) -> Self {
        Self::with(Some(driver), op)
    }

    fn with(driver: Option<Rc<Driver>>, op: O) -> Self {
        Self {
            driver,
            stage: Stage::Idle,
            op: MaybeUninit::new(op),
        }
    }

    fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// Takes the op out, if the kernel does not have it.
    fn take_idle(&mut self) -> Option<O> {
        self.is_idle().then(|| {
            self.stage = Stage::Gone;
            // SAFETY: at `Idle` the value is initialised, and `Gone` keeps everybody from reading it again.
            unsafe { self.op.assume_init_read() }
        })
    }

    fn idle_mut(&mut self) -> Option<&mut O> {
        // SAFETY: at `Idle` the value is initialised, and the borrow of `self` keeps it so.
        self.is_idle().then(|| unsafe { self.op.assume_init_mut() })
    }

    fn put_idle(&mut self, op: O) {
        debug_assert_eq!(self.stage, Stage::Gone);
        self.op.write(op);
        self.stage = Stage::Idle;
    }

    pub(crate) fn tag(&self) -> Option<Tag> {
        match self.stage {
            Stage::InFlight(tag) => Some(tag),
            _ => None,
        }
    }

    fn finish(&mut self, done: Completion) -> O::Output {
        self.stage = Stage::Gone;
        // SAFETY: the callers are at `Idle`, or at `InFlight` with the final completion in hand: the value is initialised and
        // nobody else's, and `Gone` keeps everybody from reading it again.
        unsafe { self.op.assume_init_read() }.complete(done)
    }

    fn start(&mut self, cx: &mut Context<'_>) -> Poll<O::Output> {
        let driver = match Driver::admit(self.driver.as_ref()) {
            Ok(driver) => driver,
            Err(refusal) => return Poll::Ready(self.finish(Completion::refused(refusal))),
        };
        let mut sqe = Sqe::default();
        // SAFETY: at `Idle` the value is initialised. If `prepare` panics the stage is still `Idle` and the value is dropped as usual.
        let holds = unsafe { self.op.assume_init_mut() }.prepare(&mut sqe);
        match driver.submit(sqe, holds, O::YIELDS, O::LANE, cx.waker()) {
            Ok(tag) => {
                self.stage = Stage::InFlight(tag);
                self.driver.get_or_insert(driver);
                Poll::Pending
            }
            Err(refusal) => Poll::Ready(self.finish(Completion::refused(refusal))),
        }
    }
}

impl<O: Op> Future for Submit<O> {
    type Output = O::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O::Output> {
        match (self.stage, &self.driver) {
            (Stage::Idle, _) => self.start(cx),
            (Stage::InFlight(tag), Some(driver)) => match driver.poll_op(tag, cx.waker()) {
                Polled::Pending | Polled::OtherWaker => Poll::Pending,
                Polled::Ready(done) => Poll::Ready(self.finish(done)),
                // The entry was removed after its final completion, as the runtime ended.
                Polled::Gone => Poll::Ready(self.finish(Completion::refused(Refusal::Ended))),
            },
            _ => panic!("an op was polled after it had completed"),
        }
    }
}

/// What is left of an op whose future is being dropped.
#[derive(Default)]
struct GivenUp {
    /// Still in flight under this tag; the table owns the op.
    in_flight: Option<(Rc<Driver>, Tag)>,
    /// What it had brought already, in order.
    leftovers: [Option<Leftover>; 2],
    /// Who waited: dropped last of all, for that may run code of the user's, which may turn the driver and end the op.
    waiter: Option<Waker>,
}

impl<O: Op> Submit<O> {
    /// Gives the op up, wherever it is.
    fn give_up(&mut self) -> GivenUp {
        let (tag, driver) = match (self.stage, self.driver.take()) {
            (Stage::Idle, _) => {
                // It may have been served from leftovers in part, and wait for the lane's orphan.
                let served = self.take_idle().and_then(|mut op| op.abandon());
                return GivenUp {
                    in_flight: None,
                    leftovers: [served, None],
                    waiter: None,
                };
            }
            (Stage::InFlight(tag), Some(driver)) => (tag, driver),
            _ => return GivenUp::default(),
        };
        self.stage = Stage::Gone;
        // SAFETY: the value is initialised (it was at `InFlight`). It stays in its `MaybeUninit` for this call, at the stage `Gone`, so
        // that a panic in it leaks the memory that the kernel may still have, and frees nothing.
        let mut leftovers = [unsafe { self.op.assume_init_mut() }.abandon(), None];
        // SAFETY: the value is initialised and is moved out exactly once: into the table's box while the
        // kernel still has its memory, which does not move with it, or to be dropped below after the final completion.
        let mut op = Some(unsafe { self.op.assume_init_read() });
        let abandoned = driver.abandon(tag, || Box::new(op.take().expect("the table asks once")));
        let mut waiter = None;
        match abandoned {
            Abandoned::InFlight(waker) => waiter = waker,
            Abandoned::Ended(mut done) => {
                leftovers[1] = op.as_mut().and_then(|op| op.settle(&mut done));
                driver.close_adopted(done);
            }
            Abandoned::Gone => {}
        }
        let in_flight = op.is_none().then_some((driver, tag));
        GivenUp {
            in_flight,
            leftovers,
            waiter,
        }
    }
}

impl<O: Op> Drop for Submit<O> {
    fn drop(&mut self) {
        let given_up = self.give_up();
        if let (Some((driver, tag)), Cancel::Eager) = (given_up.in_flight, O::CANCEL) {
            driver.cancel(tag);
        }
    }
}

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

    /// The descriptor that the next submission goes to; `Op::prepare` hands it on.
    fn aim(&mut self, fd: &FdRef);

    /// Whether it is over without the kernel: there is nothing to read to, or to write.
    fn is_empty(&self) -> bool {
        false
    }

    /// Serves the op from what the lane has kept, if that is something for it, or because it is empty.
    #[doc(hidden)]
    fn serve(self, lane: &Lane) -> Result<Step<Self>, Self>;
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
    pub fn detach(self) {
        if let Some(tag) = self.submit.tag() {
            self.fd.driver().detach(tag);
        }
    }

    /// The lane is held and nothing is in flight: what is to be done before the kernel is asked?
    fn before_kernel(&mut self, cx: &mut Context<'_>) -> BeforeKernel<O> {
        let lane = self.fd.lane(O::SIDE);
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
        if lane.orphan().is_some() {
            lane.watch_orphan(cx.waker());
            return BeforeKernel::Wait;
        }
        if let Some(op) = self.submit.idle_mut() {
            op.aim(&self.fd);
        }
        BeforeKernel::Submit
    }

    fn leave(&mut self) {
        let next = self.fd.lane(O::SIDE).leave(&mut self.pass);
        self.fd.side_ended(O::SIDE);
        if let Some(waker) = next {
            waker.wake();
        }
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
                    BeforeKernel::Submit => ready!(Pin::new(&mut this.submit).poll(cx)),
                }
            } else {
                ready!(Pin::new(&mut this.submit).poll(cx))
            };
            match step {
                Step::Done(result) => return this.finish(result),
                Step::Again(op) => this.submit.put_idle(op),
            }
        }
    }
}

impl<O: LaneOp> Drop for Laned<O> {
    fn drop(&mut self) {
        // First the op becomes the lane's orphan, then the next in the queue may look.
        let held = self.pass == Pass::Holding;
        let GivenUp {
            in_flight,
            leftovers,
            waiter,
        } = self.submit.give_up();
        let lane = self.fd.lane(O::SIDE);
        let [earlier, last] = leftovers;
        if let Some(earlier) = earlier {
            lane.put_back(earlier);
        }
        if let Some(last) = last {
            lane.keep(last);
        }
        if let Some((driver, tag)) = in_flight {
            lane.set_orphan(tag);
            match O::CANCEL {
                _ if !self.fd.has_handles() => driver.quiesce(&self.fd, &[O::SIDE]),
                Cancel::Idle => driver.cancel_if_idle(&self.fd, O::SIDE, tag),
                Cancel::Eager => driver.cancel(tag),
                Cancel::Never => {}
            }
        } else if let (true, Side::In, Some(tag)) = (held, O::SIDE, lane.orphan()) {
            // It was the one for whom the orphan was kept armed.
            self.fd.driver().cancel_if_idle(&self.fd, Side::In, tag);
        }
        self.leave();
        drop(waiter);
        // A close may wait for this future, and not only for its op.
        if let Some(closer) = self.fd.take_closer() {
            closer.wake();
        }
    }
}
