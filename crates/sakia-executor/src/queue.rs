//! The ready queue: first in, first out, on the owner's thread alone.
//!
//! Not intrusive, so that an idle task pays no link for it; it grows with the number of ready tasks, and gives memory
//! back when it has been much too large for a while.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::task::raw::TaskRef;

/// Capacity below which nothing is given back.
const KEEP: usize = 1024;
/// Laps between two looks at the capacity.
const LAPS: u32 = 256;

/// The tasks that wait to be polled.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    tasks: RefCell<VecDeque<TaskRef>>,
    laps: Cell<u32>,
    /// The most that was seen since the last look.
    peak: Cell<usize>,
}

impl Ready {
    /// Appends a task.
    #[inline]
    pub(crate) fn push(&self, task: TaskRef) {
        self.tasks.borrow_mut().push_back(task);
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

    /// Begins a lap: tells how many tasks wait, and shrinks now and then.
    pub(crate) fn begin_lap(&self) -> usize {
        let len = self.len();
        self.peak.set(self.peak.get().max(len));
        self.laps.set(self.laps.get() + 1);
        if self.laps.get() == LAPS {
            self.laps.set(0);
            let peak = self.peak.replace(0);
            let mut tasks = self.tasks.borrow_mut();
            if tasks.capacity() > KEEP && tasks.capacity() / 8 > peak {
                tasks.shrink_to((peak * 2).max(KEEP));
            }
        }
        len
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
        for _ in 0..KEEP * 64 {
            drop(executor.spawn(async {}));
        }
        let capacity = |executor: &Executor| executor.ready().tasks.borrow().capacity();
        assert!(capacity(&executor) >= KEEP * 64);
        executor.run(usize::MAX, || {});
        for _ in 0..2 * LAPS {
            executor.run(usize::MAX, || {});
        }
        assert!(capacity(&executor) <= 2 * KEEP);
    }
}
