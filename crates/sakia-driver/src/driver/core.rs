//! The kernel with its tables, and the way down to it: what finds the queue full waits in a backlog, and a loss that nobody listened to is kept until a turn tells it.

use std::collections::VecDeque;

use crate::close::CloseTable;
use crate::kernel::{Below, EnterError, Entered, Kernel, Sqe, Wait};
use crate::op::table::Table;
use crate::pooled::Buffers;

/// The kernel and what it has in hand; borrowed for a few lines at a time, never across code of the user's.
pub(crate) struct Core {
    pub(crate) kernel: Below,
    pub(crate) table: Table,
    pub(crate) closes: CloseTable,
    /// Of these the kernel has some; they come after it, and so outlive it.
    pub(crate) buffers: Buffers,
    /// Submissions that found the queue full; a cancel or a close is never dropped for want of a slot.
    pub(super) backlog: VecDeque<Sqe>,
    /// A completion is lost, and no turn has told it yet.
    pub(crate) lost: bool,
    /// Whether the read of the eventfd is in flight.
    pub(crate) eventfd_armed: bool,
}

impl Core {
    pub(super) fn new(kernel: Below, buffers: Buffers) -> Self {
        Self {
            kernel,
            table: Table::default(),
            closes: CloseTable::default(),
            buffers,
            backlog: VecDeque::new(),
            lost: false,
            eventfd_armed: false,
        }
    }

    /// Whether a submission waits for room in the queue.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// What did not fit the queue, for want of memory in the kernel, must not be slept on; nor a buffer that somebody waits for, nor a loss.
    pub(crate) fn must_not_sleep(&self) -> bool {
        self.has_backlog() || self.buffers.has_awaited() || self.lost
    }

    /// Pushes a submission, entering the kernel if the queue is full.
    #[inline(always)]
    pub(crate) fn push(&mut self, sqe: &Sqe) {
        if !self.backlog.is_empty() || !self.kernel.push(sqe) {
            self.push_late(*sqe);
        }
    }

    #[cold]
    fn push_late(&mut self, sqe: Sqe) {
        if self.backlog.is_empty() && self.make_room() && self.kernel.push(&sqe) {
            return;
        }
        self.backlog.push_back(sqe);
    }

    fn make_room(&mut self) -> bool {
        matches!(self.enter_aside(), Ok(Entered::Fine))
    }

    /// An enter that nobody listens to: that a completion is lost is told once, and is kept for the next turn to tell.
    pub(crate) fn enter_aside(&mut self) -> Result<Entered, EnterError> {
        let entered = self.kernel.enter(Wait::No);
        self.lost |= matches!(entered, Ok(Entered::Dead));
        entered
    }

    /// Sets all that was pushed under way, without waiting for any of it; a loss is told first.
    #[inline]
    pub(crate) fn hand_over(&mut self) -> Result<Entered, EnterError> {
        self.flush_backlog();
        match !self.lost && self.kernel.wants_enter() {
            true => self.enter_aside(),
            false => Ok(Entered::Fine),
        }
    }

    /// Moves the backlog to the queue as far as it goes.
    #[inline]
    pub(crate) fn flush_backlog(&mut self) {
        if self.has_backlog() {
            self.flush_late();
        }
    }

    #[cold]
    fn flush_late(&mut self) {
        while let Some(sqe) = self.backlog.front().copied() {
            if !self.kernel.push(&sqe) && (!self.make_room() || !self.kernel.push(&sqe)) {
                return;
            }
            self.backlog.pop_front();
        }
    }
}
