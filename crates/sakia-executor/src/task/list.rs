//! The list of all tasks of an executor, suspended ones too: it owns a reference to each until its end.
//!
//! Only an executor's [`Local`](crate::local::Local) holds one, so it stays on the owner's thread.

use std::cell::Cell;
use std::fmt;
use std::ptr::NonNull;

use super::raw::{Header, Own, TaskRef};
use crate::local::Local;

/// A doubly linked list through the tasks' headers, oldest first.
#[derive(Default)]
pub(crate) struct List {
    first: Cell<Option<NonNull<Header>>>,
    last: Cell<Option<NonNull<Header>>>,
    len: Cell<usize>,
}

impl List {
    /// How many tasks there are.
    pub(crate) fn len(&self) -> usize {
        self.len.get()
    }

    /// Takes `task` in as the youngest. It must be in no list.
    pub(crate) fn push_back(&self, task: TaskRef, local: &Local) {
        self.check(local);
        let own = task.own(local);
        assert!(!self.holds(&task, own));
        own.prev.set(self.last.get());
        own.next.set(None);
        let task = task.into_ptr();
        match self.last.replace(Some(task)) {
            // SAFETY: `last` was in the list until just now, whose reference keeps it valid.
            Some(last) => unsafe { own_of(last) }.next.set(Some(task)),
            None => self.first.set(Some(task)),
        }
        self.len.set(self.len.get() + 1);
    }

    /// Takes the oldest task out.
    pub(crate) fn pop_front(&self) -> Option<TaskRef> {
        let first = self.first.get()?;
        // SAFETY: `first` is in the list.
        Some(unsafe { self.unlink(first) })
    }

    /// Takes `task` out, if it is in.
    pub(crate) fn remove(&self, task: &TaskRef, local: &Local) -> Option<TaskRef> {
        self.check(local);
        // SAFETY: a task of this executor that `holds` finds is in this list, its executor's only one.
        self.holds(task, task.own(local))
            .then(|| unsafe { self.unlink(task.as_ptr()) })
    }

    /// Whether `task`, of this list's executor, is in: it has an older neighbour or is the oldest.
    fn holds(&self, task: &TaskRef, own: &Own) -> bool {
        own.prev.get().is_some() || self.first.get() == Some(task.as_ptr())
    }

    fn check(&self, local: &Local) {
        assert!(std::ptr::eq(self, &raw const local.list));
    }

    /// # Safety
    /// `task` is in this list.
    unsafe fn unlink(&self, task: NonNull<Header>) -> TaskRef {
        // SAFETY: the list holds a reference to the task, and this thread is the owner's, the list being !Sync.
        let own = unsafe { own_of(task) };
        let (prev, next) = (own.prev.take(), own.next.take());
        match prev {
            // SAFETY: a neighbour is in the list too.
            Some(prev) => unsafe { own_of(prev) }.next.set(next),
            None => self.first.set(next),
        }
        match next {
            // SAFETY: a neighbour is in the list too.
            Some(next) => unsafe { own_of(next) }.prev.set(prev),
            None => self.last.set(prev),
        }
        self.len.set(self.len.get() - 1);
        // SAFETY: `push_back` turned a reference into this pointer, and the pointer has left the list just now.
        unsafe { TaskRef::from_ptr(task) }
    }
}

/// # Safety
/// `task` is valid for `'a`, and this is its owner's thread.
unsafe fn own_of<'a>(task: NonNull<Header>) -> &'a Own {
    // SAFETY: the caller promises both; only a shared reference to this one field is made.
    unsafe { &(*task.as_ptr()).own }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "List({})", self.len())
    }
}
