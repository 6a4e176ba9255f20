//! The memory of tasks: from the allocator, and on the owner's thread by way of a shelf, where ended tasks leave theirs to the next ones.
//!
//! A short task costs the allocator a third of its life, more than half where many live at a time. The shelf has a bound, and is emptied by a
//! `clear` and by the end. Memory on it is free to whoever looks for mistakes, and yet not seen to be freed: so a build with debug assertions, which is what
//! sanitizers are given, has no room on it. Knows sizes, not tasks.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::NonNull;

/// How many bytes are kept: what the C library would not give back to the system either.
const ROOM: usize = if cfg!(debug_assertions) { 0 } else { 128 << 10 };
/// How many classes of sizes there are; what is larger, or aligned to more than a word, goes to the allocator.
const CLASSES: usize = 32;

/// The size and alignment of a kind of task, and its class.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    layout: Layout,
    class: usize,
}

impl Kind {
    /// The kind of a task that is laid out as a `T`.
    ///
    /// The sizes of classes are eight more than multiples of 16, as those of the C library's pieces are: no task takes more for being of one.
    pub(crate) const fn of<T>() -> Self {
        let exact = Layout::new::<T>();
        let class = (exact.size() + 7) / 16;
        if class < CLASSES
            && exact.align() <= align_of::<Free>()
            && exact.size() >= size_of::<Free>()
            && let Ok(layout) = Layout::from_size_align(16 * class + 8, align_of::<Free>())
        {
            return Self { layout, class };
        }
        Self {
            layout: exact,
            class: CLASSES,
        }
    }

    /// Fresh memory.
    pub(crate) fn allocate(self) -> NonNull<u8> {
        assert!(self.layout.size() > 0);
        // SAFETY: the size is not zero.
        NonNull::new(unsafe { alloc(self.layout) })
            .unwrap_or_else(|| handle_alloc_error(self.layout))
    }

    /// # Safety
    /// `at` is memory of this kind, of [`allocate`](Self::allocate) or off a shelf, and is not used any more.
    pub(crate) unsafe fn deallocate(self, at: NonNull<u8>) {
        // SAFETY: all memory of a kind is allocated with its layout.
        unsafe { dealloc(at.as_ptr(), self.layout) }
    }
}

/// What lies in memory that is on the shelf.
struct Free {
    next: Option<NonNull<Free>>,
}

/// Memory that is kept.
pub(crate) struct Shelf {
    first: [Cell<Option<NonNull<Free>>>; CLASSES],
    /// How many bytes there are.
    kept: Cell<usize>,
    /// How many there may be.
    room: Cell<usize>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self {
            first: [const { Cell::new(None) }; CLASSES],
            kept: Cell::new(0),
            room: Cell::new(ROOM),
        }
    }
}

impl Shelf {
    /// Memory of a kind.
    #[inline]
    pub(crate) fn take(&self, kind: Kind) -> NonNull<u8> {
        if let Some(first) = self.first.get(kind.class)
            && let Some(at) = first.get()
        {
            // SAFETY: what is on the shelf is memory of its class that nobody else uses, and begins with a `Free`.
            first.set(unsafe { at.as_ref() }.next);
            self.kept.set(self.kept.get() - kind.layout.size());
            return at.cast();
        }
        self.take_fresh(kind)
    }

    #[inline(never)]
    fn take_fresh(&self, kind: Kind) -> NonNull<u8> {
        if kind.class < CLASSES && self.kept.get() > self.room.get() / 2 {
            // Tasks are of other sizes than they were: what is kept serves nobody. As many puts as this frees have gone before.
            self.clear();
        }
        kind.allocate()
    }

    /// # Safety
    /// As for [`Kind::deallocate`].
    #[inline]
    pub(crate) unsafe fn put(&self, at: NonNull<u8>, kind: Kind) {
        let kept = self.kept.get() + kind.layout.size();
        if let Some(first) = self.first.get(kind.class)
            && kept <= self.room.get()
        {
            let at = at.cast::<Free>();
            // SAFETY: it is unused memory of a class, so large and aligned enough.
            unsafe { at.write(Free { next: first.get() }) };
            first.set(Some(at));
            self.kept.set(kept);
        } else {
            // SAFETY: handed on.
            unsafe { kind.deallocate(at) }
        }
    }

    /// Gives everything back.
    pub(crate) fn clear(&self) {
        for (class, first) in self.first.iter().enumerate() {
            let Ok(layout) = Layout::from_size_align(16 * class + 8, align_of::<Free>()) else {
                continue;
            };
            while let Some(at) = first.get() {
                // SAFETY: as in `take`.
                first.set(unsafe { at.as_ref() }.next);
                // SAFETY: memory of a class; it is off the shelf.
                unsafe { Kind { layout, class }.deallocate(at.cast()) };
            }
        }
        self.kept.set(0);
    }

    /// Gives everything back, and keeps nothing any more.
    pub(crate) fn close(&self) {
        self.room.set(0);
        self.clear();
    }

    /// Makes so much room, whatever the build.
    #[cfg(test)]
    pub(crate) fn make_room(&self, bytes: usize) {
        self.room.set(bytes);
    }

    /// How many bytes are kept.
    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.kept.get()
    }
}

impl Drop for Shelf {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Executor, ThreadPark};

    fn shelf(room: usize) -> Shelf {
        let shelf = Shelf::default();
        shelf.make_room(room);
        shelf
    }

    #[test]
    fn a_class_is_as_large_as_what_the_allocator_would_hand_out() {
        for (size, class) in [
            (Kind::of::<[u64; 9]>(), 72),
            (Kind::of::<[u64; 10]>(), 88),
            (Kind::of::<[u64; 11]>(), 88),
            (Kind::of::<[u64; 63]>(), 504),
        ] {
            assert_eq!(size.layout.size(), class);
            assert!(size.class < CLASSES);
        }
        assert_eq!(Kind::of::<[u64; 64]>().class, CLASSES);
        assert_eq!(Kind::of::<[u128; 8]>().class, CLASSES, "its alignment");
    }

    #[test]
    fn what_is_put_is_taken_by_its_own_class_alone() {
        let shelf = shelf(1000);
        let (small, large) = (Kind::of::<[u64; 9]>(), Kind::of::<[u64; 12]>());
        let first = shelf.take(small);
        // SAFETY: taken just now, and not used any more.
        unsafe { shelf.put(first, small) };
        assert_eq!(shelf.kept(), 72);
        let other = shelf.take(large);
        assert_ne!(other, first);
        assert_eq!(shelf.take(small), first);
        assert_eq!(shelf.kept(), 0);
        // SAFETY: as above.
        unsafe { (shelf.put(first, small), shelf.put(other, large)) };
        assert_eq!(shelf.kept(), 72 + 104);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for_and_a_new_mix_of_sizes_ends_the_old_one() {
        let shelf = shelf(150);
        let (small, large) = (Kind::of::<[u64; 9]>(), Kind::of::<[u64; 12]>());
        let taken = [(); 3].map(|()| shelf.take(small));
        for at in taken {
            // SAFETY: taken just now, and not used any more.
            unsafe { shelf.put(at, small) };
        }
        assert_eq!(shelf.kept(), 144);
        let at = shelf.take(large);
        assert_eq!(shelf.kept(), 0);
        // SAFETY: as above.
        unsafe { shelf.put(at, large) };
        assert_eq!(shelf.kept(), 104);
        shelf.close();
        assert_eq!(shelf.kept(), 0);
    }

    #[test]
    fn tasks_are_made_of_those_before_them_and_a_clear_gives_all_back() {
        let executor = Executor::new(Arc::new(ThreadPark::new()));
        let shelf = &executor.home().shelf;
        shelf.make_room(4096);
        let _entered = executor.enter();
        let wave = || {
            let spawn = |n: u32| executor.spawn(async move { n.to_string() });
            let handles: Vec<_> = (0..10).map(spawn).collect();
            assert_eq!(shelf.kept(), 0, "all of it serves again");
            executor.run(usize::MAX, || {});
            assert_eq!(shelf.kept(), 0, "the handles have it");
            drop(handles);
            shelf.kept()
        };
        let kept = wave();
        assert!(kept >= 10 * 72);
        assert_eq!(wave(), kept);
        executor.clear(None);
        assert_eq!(shelf.kept(), 0);
    }

    #[test]
    fn what_is_freed_elsewhere_or_after_the_end_is_not_kept() {
        let executor = Executor::new(Arc::new(ThreadPark::new()));
        let shelf = &executor.home().shelf;
        shelf.make_room(4096);
        let (here, there) = (executor.spawn(async { 1 }), executor.spawn(async { 2 }));
        executor.run(usize::MAX, || {});
        std::thread::spawn(move || drop(there)).join().unwrap();
        assert_eq!(shelf.kept(), 0);
        executor.home().end();
        let entered = executor.enter();
        drop(here);
        drop(entered);
        assert_eq!(shelf.kept(), 0);
    }
}
