//! Where a future that is a small machine stands. What its requests mean is said beside the machines.

use std::future::Future;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_buf::BufResult;
use sakia_driver::{Cancellable, Receipt};

/// With its buffer in hand, with a request that has it, or at its end.
pub(super) enum State<B, F> {
    /// Nothing is in flight.
    Rest(B),
    /// The request has the buffer.
    Run(F),
    /// The result was given.
    Done,
}

impl<B, F> State<B, F> {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Rest(_) => "rest",
            Self::Run(_) => "run",
            Self::Done => "done",
        }
    }

    /// Takes the buffer that rests here.
    pub(super) fn take(&mut self) -> B {
        match mem::replace(self, Self::Done) {
            Self::Rest(buf) => buf,
            _ => panic!("a future was polled after it had completed"),
        }
    }
}

/// What the request in flight has come to, with the buffer.
pub(super) enum Part<B> {
    /// There may be more to move.
    More(B),
    /// Nothing could be moved any more.
    Stuck(B),
    Failed(io::Error, B),
}

impl<B, F> State<B, F> {
    /// Waits for the request, if one is in flight, and adds to `moved` what it has moved; `unwrap` takes the buffer out of what it had.
    pub(super) fn poll_part<P>(
        &mut self,
        cx: &mut Context<'_>,
        moved: &mut usize,
        unwrap: impl FnOnce(P) -> B,
    ) -> Poll<Part<B>>
    where
        F: Future<Output = BufResult<usize, P>> + Unpin,
    {
        let Self::Run(op) = self else {
            return Poll::Ready(Part::More(self.take()));
        };
        let (result, part) = ready!(Pin::new(op).poll(cx));
        *self = Self::Done;
        let buf = unwrap(part);
        Poll::Ready(match result {
            Ok(0) => Part::Stuck(buf),
            Ok(n) => {
                *moved += n;
                Part::More(buf)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Part::More(buf),
            Err(error) => Part::Failed(error, buf),
        })
    }
}

impl<B, F: Cancellable> State<B, F> {
    /// Asks the request in flight to end, and waits for its last word; what rests goes back as it is. `unwrap` takes the buffer out of what the request had.
    pub(super) fn poll_stop(
        &mut self,
        cx: &mut Context<'_>,
        unwrap: impl FnOnce(F::Buf) -> B,
    ) -> Poll<Receipt<F::Value, B>> {
        let receipt = match self {
            Self::Run(op) => ready!(op.poll_cancel(cx)).map_buf(unwrap),
            Self::Rest(_) | Self::Done => Receipt::Cancelled(self.take()),
        };
        *self = Self::Done;
        Poll::Ready(receipt)
    }
}

/// A receipt with what earlier requests have moved.
pub(super) fn in_all<B>(receipt: Receipt<usize, B>, before: usize) -> Receipt<usize, B> {
    match receipt {
        Receipt::Cancelled(buf) if before > 0 => Receipt::Completed(Ok(before), buf),
        receipt => receipt.and_then(|n| Ok(before + n)),
    }
}
