//! Cancelling an op that somebody waits for: [`Cancellable`] is what a future offers, [`Receipt`] what comes of it.
//!
//! A cancel is a question to the kernel, never a promise: the op's own final completion says whether it had an effect, and only then is
//! its buffer free. So a cancel is awaited, and gives either the result that the op had after all, or the buffer as it was.
//! Dropping a future, which waits for nothing, is `future.rs` and `laned.rs`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use sakia_buf::BufResult;

/// What awaiting an op gives: a result, alone or beside the buffer that the op used.
pub trait Outcome: Sized {
    /// What the op brings.
    type Value;

    /// What comes back either way; `()` where there is no buffer.
    type Buf;

    /// Takes it apart.
    fn split(self) -> (io::Result<Self::Value>, Self::Buf);

    /// Puts it together.
    fn join(result: io::Result<Self::Value>, buf: Self::Buf) -> Self;
}

impl<T> Outcome for io::Result<T> {
    type Value = T;
    type Buf = ();

    fn split(self) -> (Self, ()) {
        (self, ())
    }

    fn join(result: Self, (): ()) -> Self {
        result
    }
}

impl<T, B> Outcome for BufResult<T, B> {
    type Value = T;
    type Buf = B;

    fn split(self) -> (io::Result<T>, B) {
        self
    }

    fn join(result: io::Result<T>, buf: B) -> Self {
        (result, buf)
    }
}

/// What came of a cancel: the op had an effect after all, or it had none.
///
/// An effect in part is an effect. A cancelled write that had sent 3 bytes is `Completed(Ok(3), buf)`; so is a cancelled `write_all` that
/// came so far, and a cancelled `read_exact` that has 3 bytes in its buffer, which are the caller's from then on.
#[derive(Debug)]
#[must_use = "the op may have had an effect"]
pub enum Receipt<T, B = ()> {
    /// The op ended by itself, or had an effect before it was stopped: its result, and the buffer.
    Completed(io::Result<T>, B),
    /// The op had no effect: the buffer.
    Cancelled(B),
}

impl<T, B> Receipt<T, B> {
    /// Reads the outcome of an op that was asked to end.
    pub fn of(outcome: impl Outcome<Value = T, Buf = B>) -> Self {
        match outcome.split() {
            (Err(error), buf) if means_cancelled(&error) => Self::Cancelled(buf),
            (result, buf) => Self::Completed(result, buf),
        }
    }

    /// Whether the op had no effect.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled(_))
    }

    /// The buffer, whatever came of the op.
    pub fn into_buf(self) -> B {
        match self {
            Self::Completed(_, buf) | Self::Cancelled(buf) => buf,
        }
    }

    /// Changes the result, if there is one.
    pub fn and_then<U>(self, f: impl FnOnce(T) -> io::Result<U>) -> Receipt<U, B> {
        match self {
            Self::Completed(result, buf) => Receipt::Completed(result.and_then(f), buf),
            Self::Cancelled(buf) => Receipt::Cancelled(buf),
        }
    }

    /// Changes the buffer.
    pub fn map_buf<C>(self, f: impl FnOnce(B) -> C) -> Receipt<T, C> {
        match self {
            Self::Completed(result, buf) => Receipt::Completed(result, f(buf)),
            Self::Cancelled(buf) => Receipt::Cancelled(f(buf)),
        }
    }

    /// The outcome of an op that was cancelled because its time was over: its own result, or `TimedOut`.
    pub fn or_timed_out<O: Outcome<Value = T, Buf = B>>(self) -> O {
        match self {
            Self::Completed(result, buf) => O::join(result, buf),
            Self::Cancelled(buf) => O::join(Err(io::ErrorKind::TimedOut.into()), buf),
        }
    }
}

/// `ECANCELED`; or `EINTR`, with which an op on a worker thread answers (a connect to a full Unix listener).
pub(crate) fn means_cancelled(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ECANCELED | libc::EINTR))
}

/// A future whose op can be asked to end early, and which then gives back what it holds.
///
/// The futures of sakia's operations are such, each with a `cancel` method of its own; so is [`Submit`](crate::Submit) of your own op. Implement it for a
/// future that wraps one of them.
pub trait Cancellable: Future<Output: Outcome<Buf = Self::Buf>> + Unpin {
    /// What the receipt tells: the op's value; of one that moves all or nothing (`write_all`, `read_exact`), how much it has moved.
    type Value;

    /// What comes back either way.
    type Buf;

    /// Asks the kernel to end the op, the first time, and waits for the op's own last word.
    ///
    /// Once asked, the future is polled no other way.
    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<Self::Value, Self::Buf>>;

    /// As [`poll_cancel`](Self::poll_cancel), for an op whose time is over: the answer has the shape of the op's own output, with `TimedOut` in place of a
    /// result that does not tell what was done.
    ///
    /// So a read that has a part only gives the part back to its stream, as if it had been dropped.
    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output>;
}

/// Asks an op to end, and awaits its receipt: the future of the `cancel` methods.
///
/// # Cancellation
/// The request goes out with the first poll. Dropping this drops the op: what it brings yet is kept with its descriptor, as ever.
#[derive(Debug)]
#[must_use = "nothing is cancelled unless it is polled"]
pub struct Cancelling<F>(F);

impl<F: Cancellable> Cancelling<F> {
    /// Makes the receipt of a future.
    pub fn new(op: F) -> Self {
        Self(op)
    }
}

impl<F: Cancellable> Future for Cancelling<F> {
    type Output = Receipt<F::Value, F::Buf>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_cancel(cx)
    }
}
