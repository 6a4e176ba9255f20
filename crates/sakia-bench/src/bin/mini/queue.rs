//! The queue of tasks to be polled, and the waker of the main future. A thread has one of each.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem::ManuallyDrop;
use std::ptr::{NonNull, null};
use std::task::{RawWaker, RawWakerVTable, Waker};

thread_local! {
    /// Tasks, without the type of their count: a thread-local cannot be generic. Never dropped, so it may be asked at any time.
    static TASKS: ManuallyDrop<RefCell<VecDeque<NonNull<()>>>> = const { ManuallyDrop::new(RefCell::new(VecDeque::new())) };
    static MAIN: Cell<bool> = const { Cell::new(false) };
}

#[inline]
pub fn push(task: NonNull<()>) {
    TASKS.with(|tasks| tasks.borrow_mut().push_back(task));
}

#[inline]
pub fn pop() -> Option<NonNull<()>> {
    TASKS.with(|tasks| tasks.borrow_mut().pop_front())
}

#[inline]
pub fn len() -> usize {
    TASKS.with(|tasks| tasks.borrow().len())
}

/// Is nothing to be polled?
#[inline]
pub fn is_idle() -> bool {
    !MAIN.get() && len() == 0
}

pub fn wake_main() {
    MAIN.set(true);
}

/// Is the main future to be polled?
#[inline]
pub fn take_main() -> bool {
    MAIN.replace(false)
}

static MAIN_VTABLE: RawWakerVTable = RawWakerVTable::new(
    |_| RawWaker::new(null(), &MAIN_VTABLE),
    |_| wake_main(),
    |_| wake_main(),
    |_| {},
);

pub fn main_waker() -> Waker {
    // SAFETY: its functions touch a thread-local and not the pointer; on another thread it wakes nobody, which is no unsoundness.
    unsafe { Waker::from_raw(RawWaker::new(null(), &MAIN_VTABLE)) }
}
