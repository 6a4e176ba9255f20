//! Where a future that is a small machine stands. What its requests mean is said beside the machines.

use std::mem;

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
