//! What an executor tells of itself: what its end did, and what has happened so far.

/// Tells what [`Executor::clear`](crate::Executor::clear) did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cleared {
    /// Tasks whose future was dropped.
    pub dropped: usize,
    /// Panics that came out of destructors meanwhile.
    pub panics: usize,
    /// Tasks whose future was leaked, since it was spawned by a destructor and the deadline had passed.
    pub left: usize,
    /// Values of a [`Bound`](crate::Bound) that were dropped.
    pub bound: usize,
    /// Tasks that were passed over since their poll is on the stack, and borrowed values of a [`Bound`](crate::Bound):
    /// they go on.
    pub running: usize,
}

/// Counts what an executor has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Tasks spawned.
    pub spawned: u64,
    /// Tasks that gave their output.
    pub completed: u64,
    /// Tasks that panicked.
    pub panicked: u64,
    /// Tasks dropped by the loop: aborted, or spawned after the close.
    pub aborted: u64,
    /// Tasks dropped by [`Executor::clear`](crate::Executor::clear).
    pub cleared: u64,
    /// Tasks whose future was leaked at a deadline.
    pub leaked: u64,
    /// Panics of destructors of futures, outputs and payloads, and of the wakers of handles.
    pub destructor_panics: u64,
}
