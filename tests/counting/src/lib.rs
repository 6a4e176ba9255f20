//! An allocator that counts, for the test binaries that make it theirs by `#[global_allocator]`: what a piece of code allocates, and what the process holds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

thread_local! {
    /// Of this thread: the test harness has threads of its own.
    static COUNT: Cell<Count> = const { Cell::new(Count { allocations: 0, bytes: 0 }) };
}

static LIVE: AtomicIsize = AtomicIsize::new(0);

/// What one thread has allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// How often it has asked for memory, also for more of what it had.
    pub allocations: usize,
    /// The bytes of it, minus those that the thread has given back.
    pub bytes: isize,
}

/// What `code` allocates on this thread.
pub fn allocated<T>(code: impl FnOnce() -> T) -> (Count, T) {
    let before = COUNT.get();
    let value = code();
    let after = COUNT.get();
    let count = Count {
        allocations: after.allocations - before.allocations,
        bytes: after.bytes - before.bytes,
    };
    (count, value)
}

/// How often this thread has asked for memory so far.
pub fn allocations() -> usize {
    COUNT.get().allocations
}

/// How many bytes the process holds.
pub fn live() -> isize {
    LIVE.load(Relaxed)
}

/// Counts, and leaves the work to the system.
#[derive(Debug)]
pub struct Counting;

fn count(allocations: usize, bytes: isize) {
    LIVE.fetch_add(bytes, Relaxed);
    let count = COUNT.get();
    COUNT.set(Count {
        allocations: count.allocations + allocations,
        bytes: count.bytes + bytes,
    });
}

// SAFETY: every call goes to `System` as it came, and what `System` promises is returned as it is. The counts are an atomic and a plain thread-local
// without a destructor: to change them neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size().cast_signed());
        // SAFETY: the caller's promises are what `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, -layout.size().cast_signed());
        // SAFETY: as above; `at` came from `System`, for all of ours do.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size.cast_signed() - layout.size().cast_signed());
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    #[test]
    fn what_is_held_is_counted_and_what_is_given_back_is_not() {
        let before = live();
        let (made, mut bytes) = allocated(|| Vec::<u8>::with_capacity(1000));
        let of = |allocations, bytes| Count { allocations, bytes };
        assert_eq!(made, of(1, 1000));
        let (grown, ()) = allocated(|| bytes.reserve_exact(3000));
        assert_eq!(grown, of(1, 2000));
        assert!(live() - before >= 3000);
        let (gone, ()) = allocated(|| drop(bytes));
        assert_eq!(gone, of(0, -3000));
    }
}
