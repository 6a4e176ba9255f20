//! Operations as such: cancelling one, bounding one by time, and writing one of your own.
//!
//! An operation that sakia lacks can be written outside of it: a value that owns all that the kernel will look at, with an `unsafe impl` of
//! [`Op`], and [`submit`]. It is then as safe to drop as sakia's own. The example `own_opcode` adds extended attributes.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

pub use sakia_driver::{
    Cancel, Cancellable, Cancelling, Completion, Holds, InDoubt, Op, Outcome, Receipt, Sqe, Submit,
    Yields, opcode, submit,
};

use crate::time;

/// Adds a time limit to every operation that reaches the kernel.
///
/// Unlike [`time::timeout`], which drops what it bounds, it gives the buffer back.
pub trait OpExt: Cancellable + Sized {
    /// Ends the operation when `limit` is over, and gives its own kind of result: with `TimedOut`, and with the buffer.
    ///
    /// The time counts from the first poll. When it is over the kernel is asked to end the operation, and its last word is waited for. If it had completed after all, that is the
    /// result. What it had in part is not lost: bytes that a `read_exact` has received go back to the stream, and the stream's `in_doubt()` tells how much of a
    /// `write_all` was sent.
    ///
    /// An operation that the kernel cannot end (a read of a file whose server hangs) is waited for: its buffer is not free before. Where the
    /// answer must come in time and the buffer may stay behind, [`time::timeout`] is the one to take.
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use std::time::Duration;
    /// use sakia::prelude::*;
    ///
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let read = b.read(Vec::with_capacity(8)).timeout(Duration::from_millis(1));
    /// let (late, buf) = read.await;
    /// assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
    ///
    /// a.write_all("sakia").await.0?;
    /// let (n, buf) = b.read(buf).timeout(Duration::from_secs(5)).await;
    /// assert_eq!(&buf[..n?], b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    /// Dropping it drops the operation.
    ///
    /// # Panics
    /// The future panics if it has to wait outside a runtime.
    fn timeout(self, limit: Duration) -> OpTimeout<Self> {
        OpTimeout {
            op: time::Timeout::new(limit, self),
            late: false,
        }
    }
}

impl<F: Cancellable> OpExt for F {}

/// Bounds an operation by time: the future of [`OpExt::timeout`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct OpTimeout<F> {
    op: time::Timeout<F>,
    late: bool,
}

impl<F: Cancellable> Future for OpTimeout<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        if !this.late {
            if let Ok(output) = ready!(Pin::new(&mut this.op).poll(cx)) {
                return Poll::Ready(output);
            }
            this.late = true;
        }
        this.op.get_mut().poll_expire(cx)
    }
}
