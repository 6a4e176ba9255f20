//! The list of all tasks of an executor, suspended ones too: it owns a reference to each until its end.
//!
//! Each task has a place in one vector, and its header the number of that place, which is four bytes where neighbours in a linked list would be sixteen.
//! Places are used again, the one that was left last first; so their order says nothing, and whoever wants the tasks by age sorts them first.
//! The vector does not shrink while there are tasks: it takes eight bytes of each that there were at a time.
//!
//! Only an executor's [`Local`](crate::local::Local) holds one, so it stays on the owner's thread.

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use super::TaskId;
use super::raw::{Header, TaskRef};
use crate::local::Local;

/// The place of a task that is in no list: there are never so many.
pub(super) const NOWHERE: u32 = i32::MAX.cast_unsigned();

/// So many places there are to begin with, a KiB: the small steps to it would leave their pieces to the allocator, which keeps them for others of just their size.
const FIRST: usize = 128;
/// So many places are kept when the last task leaves.
const KEEP: usize = 16 << 10;

/// Tasks by place.
pub(crate) struct List {
    /// Only this file refers to it, on one thread and within one method at a time: none of them calls another that does, or anybody else's code, meanwhile.
    /// (A `RefCell` would say so by two stores a look, which the step that publishes a task's end has to wait for.)
    places: UnsafeCell<Vec<Place>>,
    /// The first empty place; each leads to the next.
    free: Cell<u32>,
    len: Cell<usize>,
}

/// A pointer to a task, which stands for a reference, or, by its lowest bit, the number of the next empty place.
#[derive(Clone, Copy)]
struct Place(*mut Header);

impl Place {
    #[inline]
    fn of(task: TaskRef) -> Self {
        Self(task.into_ptr().as_ptr())
    }

    #[inline]
    fn empty(next: u32) -> Self {
        Self(ptr::without_provenance_mut(2 * next as usize + 1))
    }

    fn next_empty(self) -> u32 {
        (self.0.addr() / 2) as u32
    }

    /// The task, borrowed for as long as it is in the list.
    fn task(self) -> Option<ManuallyDrop<TaskRef>> {
        let task = (self.0.addr() & 1 == 0).then_some(NonNull::new(self.0)?)?;
        // SAFETY: without the bit, which an aligned address does not have, it came from `of`; ManuallyDrop makes it a borrow.
        Some(ManuallyDrop::new(unsafe { TaskRef::from_ptr(task) }))
    }
}

impl Default for List {
    fn default() -> Self {
        Self {
            places: UnsafeCell::new(Vec::with_capacity(FIRST)),
            free: Cell::new(NOWHERE),
            len: Cell::new(0),
        }
    }
}

impl List {
    /// How many tasks there are.
    pub(crate) fn len(&self) -> usize {
        self.len.get()
    }

    /// Takes `task` in. It must be in no list.
    #[inline]
    pub(crate) fn push(&self, task: TaskRef, local: &Local) {
        self.check(local);
        let own = task.own(local);
        assert!(own.place.get() == NOWHERE);
        // SAFETY: see `places`.
        let places = unsafe { &mut *self.places.get() };
        let free = self.free.get();
        if let Some(place) = places.get_mut(free as usize) {
            own.place.set(free);
            self.free.set(place.next_empty());
            *place = Place::of(task);
        } else {
            own.place.set(number_of(places.len()));
            places.push(Place::of(task));
        }
        self.len.set(self.len.get() + 1);
    }

    /// Takes `task` out, if it is in.
    #[inline]
    pub(crate) fn remove(&self, task: &TaskRef, local: &Local) -> Option<TaskRef> {
        self.check(local);
        let number = task.own(local).place.replace(NOWHERE);
        // SAFETY: see `places`.
        let places = unsafe { &mut *self.places.get() };
        let place = places.get_mut(number as usize)?;
        debug_assert!(ptr::eq(place.0, task.as_ptr().as_ptr()));
        *place = Place::empty(self.free.replace(number));
        self.len.set(self.len.get() - 1);
        self.forget(places, KEEP);
        // SAFETY: the task has the place, so `push` left a reference there, which is there no more. (What was there is not looked at: who goes on
        // with it would wait for that load, two nanoseconds a task.)
        Some(unsafe { TaskRef::from_ptr(task.as_ptr()) })
    }

    /// Gives the tasks the first places, by age, oldest first; tells the youngest.
    pub(crate) fn sort(&self, local: &Local) -> Option<TaskId> {
        self.check(local);
        // SAFETY: see `places`.
        let places = unsafe { &mut *self.places.get() };
        self.free.set(NOWHERE);
        places.retain(|place| place.task().is_some());
        let id = |place: &Place| place.task().map(|task| task.id());
        places.sort_by_cached_key(id);
        for (number, place) in (0..).zip(places.iter()) {
            if let Some(task) = place.task() {
                task.own(local).place.set(number);
            }
        }
        places.last().and_then(id)
    }

    /// Takes out the task that has this place, if it is the one that is meant.
    pub(crate) fn remove_at(
        &self,
        place: usize,
        local: &Local,
        is_meant: impl FnOnce(&TaskRef) -> bool,
    ) -> Option<TaskRef> {
        // SAFETY: see `places`; what is taken out is a copy.
        let place = *unsafe { &*self.places.get() }.get(place)?;
        let task = place.task()?;
        is_meant(&task).then(|| self.remove(&task, local))?
    }

    /// Gives the places back if no task has one.
    pub(crate) fn rest(&self) {
        // SAFETY: see `places`.
        self.forget(unsafe { &mut *self.places.get() }, 0);
    }

    /// Gives the places back if no task has one, and there are more than `keep`.
    #[inline]
    fn forget(&self, places: &mut Vec<Place>, keep: usize) {
        if self.len.get() == 0 && places.len() > keep {
            *places = Vec::new();
            self.free.set(NOWHERE);
        }
    }

    fn check(&self, local: &Local) {
        assert!(ptr::eq(self, &raw const local.list));
    }
}

/// The number of the place behind so many.
fn number_of(places: usize) -> u32 {
    match u32::try_from(places) {
        Ok(number) if number < NOWHERE => number,
        _ => panic!("there are more than two thousand million tasks"),
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "List({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Executor, ThreadPark};

    #[test]
    fn places_are_used_again_and_given_back_when_there_were_many() {
        let executor = Executor::new(Arc::new(ThreadPark::new()));
        let _entered = executor.enter();
        let places = |tasks: usize| {
            for _ in 0..tasks {
                drop(executor.spawn(async {}));
            }
            executor.run(usize::MAX, || {});
            let list = &executor.home().list;
            assert_eq!(list.len(), 0);
            // SAFETY: see `places`.
            unsafe { &*list.places.get() }.capacity()
        };
        let few = places(10);
        assert!(few >= 10);
        for _ in 0..10 {
            assert_eq!(places(10), few);
        }
        assert!(places(KEEP) >= KEEP);
        assert_eq!(places(KEEP + 1), 0);
        places(10);
        executor.clear(None);
        assert_eq!(places(0), 0);
    }

    #[test]
    fn the_last_number_is_nobodys_place() {
        assert_eq!(number_of(NOWHERE as usize - 1), NOWHERE - 1);
        assert!(std::panic::catch_unwind(|| number_of(NOWHERE as usize)).is_err());
    }

    #[test]
    #[should_panic(expected = "ptr::eq")]
    fn a_list_is_not_used_for_tasks_of_another_executor() {
        let executor = Executor::new(Arc::new(ThreadPark::new()));
        List::default().sort(executor.home());
    }
}
