//! The ready queue: first in, first out, on the owner's thread alone.
//!
//! Not intrusive, so that an idle task pays no link for it; it grows with the number of ready tasks, and gives memory
//! back when it has become much too large: each lap the peak that it remembers sinks a little, and an idle one keeps room for a few only.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::task::raw::TaskRef;

/// Capacity below which nothing is given back: less than 128 KiB an allocator would keep to itself anyway.
const KEEP: usize = 16 << 10;
/// Capacity above which all is given back before the thread parks.
const REST: usize = 1 << 10;
/// Capacity to begin with, and to go on with after that: what a lap of the facade's polls. (From less it would grow by small steps, and leave their pieces to the
/// allocator, which keeps them for others of just their size.)
const FIRST: usize = 128;
/// The part of the peak that is forgotten each lap: one of so many.
const SINKS: usize = 64;

/// The tasks that wait to be polled.
#[derive(Debug)]
pub(crate) struct Ready {
    tasks: RefCell<VecDeque<TaskRef>>,
    /// The most that was seen lately.
    peak: Cell<usize>,
}

impl Default for Ready {
    fn default() -> Self {
        Self {
            tasks: RefCell::new(VecDeque::with_capacity(FIRST)),
            peak: Cell::new(0),
        }
    }
}

impl Ready {
    /// Appends a task.
    #[inline(always)]
    pub(crate) fn push(&self, task: TaskRef) {
        self.tasks.borrow_mut().push_back(task);
    }

    /// Puts a task back that was first.
    pub(crate) fn push_front(&self, task: TaskRef) {
        self.tasks.borrow_mut().push_front(task);
    }

    /// Takes the first task out.
    #[inline]
    pub(crate) fn pop(&self) -> Option<TaskRef> {
        self.tasks.borrow_mut().pop_front()
    }

    /// How many tasks wait.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.tasks.borrow().len()
    }

    /// Begins a lap: tells how many tasks wait, and shrinks if that is long since much less than there is room for.
    #[inline]
    pub(crate) fn begin_lap(&self) -> usize {
        let mut tasks = self.tasks.borrow_mut();
        if tasks.capacity() > KEEP {
            self.sink(&mut tasks);
        }
        tasks.len()
    }

    #[cold]
    fn sink(&self, tasks: &mut VecDeque<TaskRef>) {
        let peak = self.peak.get();
        let peak = tasks.len().max(peak - peak.div_ceil(SINKS));
        self.peak.set(peak);
        if tasks.capacity() / 8 > peak {
            tasks.shrink_to((peak * 2).max(KEEP));
        }
    }

    /// Gives memory back if nothing is ready, for the thread is about to park: who comes back to many tasks grows again beside their wakes.
    #[inline]
    pub(crate) fn rest(&self) {
        let mut tasks = self.tasks.borrow_mut();
        if tasks.capacity() > REST && tasks.is_empty() {
            // Not shrunk in its place: what the allocator has mapped for it alone stays so, whole pages.
            *tasks = VecDeque::with_capacity(FIRST);
        }
    }

    /// Takes everything out and gives the memory back.
    pub(crate) fn take_all(&self) -> VecDeque<TaskRef> {
        self.tasks.take()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Executor, ThreadPark};

    #[test]
    fn a_queue_that_was_large_once_gives_its_memory_back() {
        let executor = Executor::new(Arc::new(ThreadPark::new()));
        for _ in 0..KEEP * 8 {
            drop(executor.spawn(async {}));
        }
        let capacity = |executor: &Executor| executor.ready().tasks.borrow().capacity();
        assert!(capacity(&executor) >= KEEP * 8);
        executor.run(usize::MAX, || {});
        assert!(capacity(&executor) >= KEEP * 8, "the next wave finds room");
        for _ in 0..4 * SINKS {
            executor.run(usize::MAX, || {});
        }
        assert!(capacity(&executor) <= 2 * KEEP);
        assert!(!executor.has_ready(), "it may park");
        assert_eq!(capacity(&executor), FIRST);
    }
}
