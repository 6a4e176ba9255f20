//! The two ways of counting the references to a task.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering, fence};

/// A count of references, which begins at one.
pub trait Refs: 'static {
    fn new() -> Self;
    /// One more.
    fn take(&self);
    /// One less. Was it the last?
    fn give_back(&self) -> bool;
    /// Is this the thread on which the task was spawned?
    fn is_here(&self) -> bool;
}

/// A number. It belongs to one thread, and does not check that.
pub struct Plain(Cell<u32>);

impl Refs for Plain {
    fn new() -> Self {
        Self(Cell::new(1))
    }

    #[inline]
    fn take(&self) {
        self.0.set(self.0.get() + 1);
    }

    #[inline]
    fn give_back(&self) -> bool {
        self.0.set(self.0.get() - 1);
        self.0.get() == 0
    }

    #[inline]
    fn is_here(&self) -> bool {
        true
    }
}

/// An atomic number, and whose the task is.
pub struct Atomic {
    count: AtomicU32,
    owner: usize,
}

thread_local! {
    /// Its address is the thread's name.
    static HERE: u8 = const { 0 };
}

#[inline]
fn here() -> usize {
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

impl Refs for Atomic {
    fn new() -> Self {
        Self {
            count: AtomicU32::new(1),
            owner: here(),
        }
    }

    #[inline]
    fn take(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    fn give_back(&self) -> bool {
        let last = self.count.fetch_sub(1, Ordering::Release) == 1;
        if last {
            fence(Ordering::Acquire);
        }
        last
    }

    #[inline]
    fn is_here(&self) -> bool {
        self.owner == here()
    }
}
