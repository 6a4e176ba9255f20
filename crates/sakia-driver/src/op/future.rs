//! The way into the ring and out of it: [`Submit`], the future of one op.
//!
//! While an op is in flight its value rests here, untouched, in a `MaybeUninit` (so that moving the future asserts nothing about the memory that
//! the kernel writes). Only a drop in flight moves it, into one box that the op table owns. In the steady state nothing is allocated.

use std::fmt;
use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use super::cancel::{Cancellable, Cancelling, Outcome, Receipt};
use super::lane::Leftover;
use super::submit::Sent;
use super::table::{Abandoned, Polled, Tag};
use super::{Cancel, Completion, Done, Op, Orphan, Refusal};
use crate::driver::Driver;
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

/// Hands an op to the current runtime: the way in for an [`Op`] of your own.
///
/// ```no_run
/// use sakia_driver::{Cancel, Completion, Holds, Op, Sqe, submit};
///
/// /// Goes once through the ring and back.
/// struct Nop;
///
/// // SAFETY: the submission names no memory and no descriptor, and its result is a number.
/// unsafe impl Op for Nop {
///     type Output = std::io::Result<u32>;
///     const CANCEL: Cancel = Cancel::Eager;
///
///     fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
///         *sqe = Sqe::rw(sakia_driver::opcode::NOP, -1, 0, 0, 0);
///         Holds::none()
///     }
///
///     fn complete(self, done: Completion) -> Self::Output {
///         done.result()
///     }
/// }
///
/// # async fn run() -> std::io::Result<()> {
/// assert_eq!(submit(Nop).await?, 0);
/// # Ok(()) }
/// ```
pub fn submit<O: Op>(op: O) -> Submit<O> {
    Submit::new(op)
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

    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// Whether the op is over, or somebody else has it.
    #[inline]
    pub(super) fn is_gone(&self) -> bool {
        self.stage == Stage::Gone
    }

    /// Takes the op out, if the kernel does not have it.
    #[inline]
    pub(crate) fn take_idle(&mut self) -> Option<O> {
        self.is_idle().then(|| {
            self.stage = Stage::Gone;
            // SAFETY: at `Idle` the value is initialised, and `Gone` keeps everybody from reading it again.
            unsafe { self.op.assume_init_read() }
        })
    }

    #[inline]
    pub(crate) fn idle_mut(&mut self) -> Option<&mut O> {
        // SAFETY: at `Idle` the value is initialised, and the borrow of `self` keeps it so.
        self.is_idle().then(|| unsafe { self.op.assume_init_mut() })
    }

    pub(super) fn put_idle(&mut self, op: O) {
        debug_assert_eq!(self.stage, Stage::Gone);
        self.op.write(op);
        self.stage = Stage::Idle;
    }

    pub(super) fn tag(&self) -> Option<Tag> {
        match self.stage {
            Stage::InFlight(tag) => Some(tag),
            _ => None,
        }
    }

    /// Takes the op out at its end. The caller has its last completion, or knows that there will be none.
    #[inline]
    fn finish(&mut self) -> O {
        self.stage = Stage::Gone;
        // SAFETY: the callers are at `Idle`, or at `InFlight` with the final completion in hand: the value is initialised and
        // nobody else's, and `Gone` keeps everybody from reading it again.
        unsafe { self.op.assume_init_read() }
    }

    /// Hands an op that is at `Idle` to its driver, or to the current one.
    #[inline(always)]
    fn start(&mut self, waker: &Waker) -> Result<Sent, Refusal> {
        let driver = match &mut self.driver {
            Some(driver) => {
                driver.takes_own()?;
                driver
            }
            none => none.insert(Driver::admit(None)?),
        };
        let mut sqe = Sqe::default();
        // SAFETY: at `Idle` the value is initialised. If `prepare` panics the stage is still `Idle` and the value is dropped as usual.
        let holds = unsafe { self.op.assume_init_mut() }.prepare(&mut sqe);
        driver.submit(sqe, holds, O::YIELDS, (O::LANE, O::PLACED), waker)
    }

    /// Drives the op to its end: gives it back, and how it ended.
    #[inline]
    pub(crate) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<(O, Completion)> {
        self.poll_then(cx, |op, done| (op, done))
    }

    /// Drives the op to its end, and gives it, and how it ended, to `then`.
    ///
    /// Two calls of `then` stand here: where the completion is only numbers, as it mostly is, the compiler sees that it has nothing else to look for or to drop.
    #[inline]
    pub(crate) fn poll_then<R>(
        &mut self,
        cx: &mut Context<'_>,
        then: impl FnOnce(O, Completion) -> R,
    ) -> Poll<R> {
        let bare = match (self.stage, &self.driver) {
            (Stage::InFlight(tag), Some(driver)) => driver.take_bare(tag),
            (Stage::Idle, _) => match self.start(cx.waker()) {
                Ok(Sent::InFlight(tag)) => {
                    self.stage = Stage::InFlight(tag);
                    return Poll::Pending;
                }
                Ok(Sent::Answered(Done::Bare(bare))) => Some(bare),
                Ok(Sent::Answered(Done::Laden(done))) => {
                    return Poll::Ready(rarely(self.finish(), done, then));
                }
                Err(refusal) => {
                    let done = Completion::refused(refusal);
                    return Poll::Ready(rarely(self.finish(), done, then));
                }
            },
            _ => None,
        };
        if let Some(bare) = bare {
            return Poll::Ready(then(self.finish(), bare.into()));
        }
        let (op, done) = ready!(self.poll_other(cx));
        Poll::Ready(rarely(op, done, then))
    }

    /// Looks what became of an op that has brought no mere number.
    #[inline(never)]
    fn poll_other(&mut self, cx: &mut Context<'_>) -> Poll<(O, Completion)> {
        match (self.stage, &self.driver) {
            (Stage::InFlight(tag), Some(driver)) => loop {
                match driver.poll_op(tag, cx.waker()) {
                    Polled::Pending | Polled::OtherWaker => return Poll::Pending,
                    Polled::More(list) => {
                        for done in list {
                            // SAFETY: at `InFlight` the value is initialised and stays so. What `more` may do while the kernel has the op's
                            // memory is a part of the promise of `unsafe trait Op`.
                            unsafe { self.op.assume_init_mut() }.more(done);
                        }
                    }
                    Polled::Ready(done) => return Poll::Ready((self.finish(), done)),
                    // The entry was removed after its final completion, as the runtime ended.
                    Polled::Gone => {
                        let ended = Completion::refused(Refusal::Ended);
                        return Poll::Ready((self.finish(), ended));
                    }
                }
            },
            _ => panic!("an op was polled after it had completed"),
        }
    }

    /// Ends the op before its time: the kernel is asked, and only the op's own final completion says what came of it.
    pub(super) fn poll_stop(&mut self, cx: &mut Context<'_>) -> Poll<(O, Completion)> {
        if self.is_idle() {
            return Poll::Ready((self.finish(), Completion::cancelled()));
        }
        if let (Stage::InFlight(tag), Some(driver)) = (self.stage, &self.driver) {
            driver.cancel(tag);
        }
        self.poll_end(cx)
    }
}

impl<O: Op> Future for Submit<O> {
    type Output = O::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O::Output> {
        self.poll_then(cx, O::complete)
    }
}

/// The rare way to an op's end, out of the usual one's.
#[inline(never)]
fn rarely<O, R>(op: O, done: Completion, then: impl FnOnce(O, Completion) -> R) -> R {
    then(op, done)
}

/// Where the op has an outcome of the usual shape: a result, alone or beside its buffer.
impl<O: Op> Submit<O>
where
    O::Output: Outcome,
{
    /// Asks the kernel to end the op, and waits for its last word.
    ///
    /// # Cancellation
    /// The request goes out with the first poll. Dropping the receipt drops the op.
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl<O: Op> Cancellable for Submit<O>
where
    O::Output: Outcome,
{
    type Value = <O::Output as Outcome>::Value;
    type Buf = <O::Output as Outcome>::Buf;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<Self::Value, Self::Buf>> {
        let (op, done) = ready!(self.poll_stop(cx));
        Poll::Ready(Receipt::of(op.complete(done)))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<O::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}

/// An op that is being given up: its value, which the table drops after the final completion.
///
/// It stays in a `MaybeUninit` on the way into its box and there, for the same reason as in its future: a typed move would claim the
/// memory of a `Box` that the kernel still writes.
pub(super) struct Resting<O>(MaybeUninit<O>);

impl<O: Op> Orphan for Resting<O> {
    fn settle(&mut self, done: &mut Completion) -> Option<Leftover> {
        // SAFETY: `give_up`, which alone makes a `Resting`, puts an initialised value in, and only the drop takes it out. It is
        // settled with its final completion: the kernel has let go of its memory.
        Op::settle(unsafe { self.0.assume_init_mut() }, done)
    }
}

impl<O> Drop for Resting<O> {
    fn drop(&mut self) {
        // SAFETY: as in `settle`; the table drops it after the final completion, or never, and whoever else has it does so when the
        // kernel has not.
        unsafe { self.0.assume_init_drop() }
    }
}

/// What is left of an op whose future is being dropped.
///
/// The last two are dropped last of all, for that is code of the user's, which may turn the driver and so end the op, or panic.
pub(super) struct GivenUp<O> {
    /// Still in flight under this tag; the table owns the op.
    pub(super) in_flight: Option<(Rc<Driver>, Tag)>,
    /// What it had brought already, in order.
    pub(super) leftovers: [Option<Leftover>; 2],
    /// Who waited.
    pub(super) waiter: Option<Waker>,
    /// The op, if the kernel does not have it.
    pub(super) op: Option<Resting<O>>,
}

impl<O> GivenUp<O> {
    fn here(op: Option<Resting<O>>, leftovers: [Option<Leftover>; 2]) -> Self {
        Self {
            in_flight: None,
            leftovers,
            waiter: None,
            op,
        }
    }
}

impl<O: Op> Submit<O> {
    /// It is dropped before its end.
    #[inline(never)]
    fn drop_early(&mut self) {
        let given_up = self.give_up();
        if let (Some((driver, tag)), Cancel::Eager) = (given_up.in_flight, O::CANCEL) {
            driver.cancel(tag);
        }
    }

    /// Gives the op up, wherever it is.
    pub(super) fn give_up(&mut self) -> GivenUp<O> {
        let (tag, driver) = match (self.stage, self.driver.take()) {
            (Stage::Idle, _) => {
                // It may have been served from leftovers in part, and wait for the lane's orphan.
                let served = self.idle_mut().and_then(Op::abandon);
                let op = self.take_idle().map(|op| Resting(MaybeUninit::new(op)));
                return GivenUp::here(op, [served, None]);
            }
            (Stage::InFlight(tag), Some(driver)) => (tag, driver),
            _ => return GivenUp::here(None, [None, None]),
        };
        self.stage = Stage::Gone;
        // SAFETY: the value is initialised (it was at `InFlight`). It stays in its `MaybeUninit` for this call, at the stage `Gone`, so
        // that a panic in it leaks the memory that the kernel may still have, and frees nothing.
        let mut leftovers = [unsafe { self.op.assume_init_mut() }.abandon(), None];
        // SAFETY: the value is initialised and is moved out exactly once, as bytes: into the table's box while the
        // kernel still has its memory, which does not move with it, or to be dropped below after the final completion.
        let mut op = Some(Resting(unsafe { std::ptr::read(&raw const self.op) }));
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
            op,
        }
    }
}

impl<O: Op> Drop for Submit<O> {
    #[inline]
    fn drop(&mut self) {
        if self.stage != Stage::Gone {
            self.drop_early();
        }
    }
}

impl<O: Op> fmt::Debug for Submit<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Submit").field(&self.stage).finish()
    }
}
