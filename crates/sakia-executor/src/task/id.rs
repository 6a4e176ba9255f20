//! The identity of a task: a number that no other task of the process has.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Names a task; no two tasks of a process share an id.
///
/// ```
/// let (a, b) = sakia_executor::block_on(async {
///     (sakia_executor::spawn(async {}).id(), sakia_executor::spawn(async {}).id())
/// });
/// assert_ne!(a, b);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(NonZeroU64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({})", self.0)
    }
}

/// How many ids an executor takes from the process at a time, so that a spawn touches no shared memory.
const BLOCK: u64 = 1 << 10;

/// The next block's first id; 0 is no task.
static NEXT_BLOCK: AtomicU64 = AtomicU64::new(1);

impl TaskId {
    /// An id for a task that is made on another thread than its owner's.
    pub(super) fn of_newborn() -> Self {
        Self::of(NEXT_BLOCK.fetch_add(1, Relaxed))
    }

    #[inline]
    fn of(number: u64) -> Self {
        Self(NonZeroU64::new(number).expect("numbers are never used up"))
    }
}

/// The ids that one executor has in hand. They rise: of two tasks that it made the younger has the higher id, and so has what it makes after it
/// has adopted one that was made elsewhere.
#[derive(Debug, Default)]
pub(crate) struct TaskIds {
    next: Cell<u64>,
    end: Cell<u64>,
}

impl TaskIds {
    /// Sees to it that all ids from here on are higher than this one, which the executor has not made.
    pub(crate) fn rise_above(&self, id: TaskId) {
        if self.next.get() <= id.0.get() {
            // The next block was not handed out before that id.
            self.end.set(self.next.get());
        }
    }

    /// Takes an id that no task has had.
    #[inline]
    pub(crate) fn take(&self) -> TaskId {
        if self.next.get() == self.end.get() {
            let first = NEXT_BLOCK.fetch_add(BLOCK, Relaxed);
            self.next.set(first);
            self.end.set(first + BLOCK);
        }
        let id = self.next.get();
        self.next.set(id + 1);
        TaskId::of(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_two_executors_never_meet_and_those_of_one_rise() {
        let (a, b) = (TaskIds::default(), TaskIds::default());
        let mut seen = std::collections::HashSet::new();
        let mut last = 0;
        for _ in 0..BLOCK + 10 {
            let id = a.take();
            assert!(id.0.get() > last);
            last = id.0.get();
            assert!(seen.insert(id));
            assert!(seen.insert(b.take()));
        }
    }

    #[test]
    fn ids_rise_above_one_that_was_made_elsewhere() {
        let ids = TaskIds::default();
        let before = ids.take();
        let newborn = TaskId::of_newborn();
        assert!(before < newborn);
        ids.rise_above(newborn);
        let after = ids.take();
        assert!(newborn < after);
        ids.rise_above(before);
        assert_eq!(
            ids.take().0.get(),
            after.0.get() + 1,
            "a block is not left in vain"
        );
    }
}
