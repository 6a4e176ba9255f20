//! The way into the ring and out of it: [`Submit`], the future of one op.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::cancel::{Cancellable, Cancelling, Outcome, Receipt};
use super::flight::{Flight, Look};
use super::{Cancel, Completion, Op, Refusal};
use crate::driver::Driver;
use crate::kernel::KernelFd;

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
    pub(crate) flight: Flight<O>,
}

/// How an op has ended that brings a descriptor.
///
/// That it has brought one is told by itself, so that it need not be packed into a completion and out again; and of the op, which has gone, only what was asked of it.
pub(crate) enum Opened<'a, O, T> {
    With(T, KernelFd, &'a Rc<Driver>),
    Ended(O, Completion),
}

impl<O, T> From<(O, Completion)> for Opened<'_, O, T> {
    #[inline]
    fn from((op, done): (O, Completion)) -> Self {
        Self::Ended(op, done)
    }
}

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
        let flight = Flight::new(op);
        Self { driver, flight }
    }

    /// The driver that has the op, or that takes it: its descriptor's, which must be the current one, or the current one.
    #[inline]
    fn driver<'a>(
        flight: &Flight<O>,
        driver: &'a mut Option<Rc<Driver>>,
    ) -> Result<&'a Rc<Driver>, Refusal> {
        match driver {
            Some(driver) => {
                if flight.is_idle() {
                    driver.takes_own()?;
                }
                Ok(driver)
            }
            none => Ok(none.insert(Driver::admit()?)),
        }
    }

    #[cold]
    fn refuse(flight: &mut Flight<O>, refusal: Refusal) -> (O, Completion) {
        match flight.take_idle() {
            Some(op) => (op, Completion::refused(refusal)),
            None => panic!("an op was polled after it had completed"),
        }
    }

    /// Drives an op that brings a descriptor to its end: tells what is asked of it, or gives it back, and how it ended.
    #[inline(always)]
    pub(crate) fn poll_opened<T>(
        &mut self,
        cx: &mut Context<'_>,
        ask: impl FnOnce(&O) -> T,
    ) -> Poll<Opened<'_, O, T>> {
        let driver = match Self::driver(&self.flight, &mut self.driver) {
            Ok(driver) => driver,
            Err(refusal) => return Poll::Ready(Self::refuse(&mut self.flight, refusal).into()),
        };
        let done = match self.flight.look(driver, None, cx) {
            Look::Pending => return Poll::Pending,
            Look::Bare(bare) => bare.into(),
            Look::Opened(fd, _) => {
                return Poll::Ready(Opened::With(self.flight.end_here(ask), fd, driver));
            }
            other => ready!(self.flight.poll_other(driver, other.done(), cx)),
        };
        Poll::Ready((self.flight.finish(), done).into())
    }
}

impl<O: Op> Future for Submit<O> {
    type Output = O::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O::Output> {
        let Self { driver, flight } = &mut *self;
        let driver = match Self::driver(flight, driver) {
            Ok(driver) => driver,
            Err(refusal) => {
                let (op, done) = Self::refuse(flight, refusal);
                return Poll::Ready(rarely(op, done));
            }
        };
        match flight.look(driver, None, cx) {
            Look::Pending => Poll::Pending,
            // Here the compiler sees that there is nothing else to look for in the completion, or to drop.
            Look::Bare(bare) => Poll::Ready(flight.finish().complete(bare.into())),
            other => {
                let done = ready!(flight.poll_other(driver, other.done(), cx));
                Poll::Ready(rarely(flight.finish(), done))
            }
        }
    }
}

/// The rare way to an op's end, out of the usual one's.
#[inline(never)]
fn rarely<O: Op>(op: O, done: Completion) -> O::Output {
    op.complete(done)
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
        let done = ready!(self.flight.poll_stop(self.driver.as_deref(), cx));
        Poll::Ready(Receipt::of(self.flight.finish().complete(done)))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<O::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}

impl<O: Op> Submit<O> {
    /// It is dropped before its end.
    #[inline(never)]
    fn drop_early(&mut self) {
        let driver = self.driver.as_deref();
        let given_up = self.flight.give_up(driver, None);
        if let (Some(tag), Some(driver), Cancel::Eager) = (given_up.in_flight, driver, O::CANCEL) {
            driver.cancel(tag);
        }
    }
}

impl<O: Op> Drop for Submit<O> {
    #[inline]
    fn drop(&mut self) {
        if !self.flight.is_gone() {
            self.drop_early();
        }
    }
}

impl<O: Op> fmt::Debug for Submit<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Submit").field(&self.flight).finish()
    }
}
