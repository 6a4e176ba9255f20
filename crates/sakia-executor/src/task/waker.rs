//! The waker of a task: its `RawWaker`.

use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::raw::{Header, TaskRef};

/// The waker of a task is one counted reference in a `RawWaker`.
static WAKER: RawWakerVTable =
    RawWakerVTable::new(waker_clone, waker_wake, waker_wake_by_ref, waker_drop);

/// Whether `waker` is a task's, of whatever executor.
#[inline]
pub(super) fn is_task(waker: &Waker) -> bool {
    ptr::eq(waker.vtable(), &raw const WAKER)
}

/// The task that `waker` wakes, if it is a task's: one reference more.
#[inline]
pub(super) fn task_of(waker: &Waker) -> Option<TaskRef> {
    // SAFETY: the table is that of `raw_waker` alone, and the waker lives through the call.
    is_task(waker).then(|| TaskRef::clone(&*unsafe { borrow(waker.data()) }))
}

#[inline]
pub(super) fn raw_waker(task: NonNull<Header>) -> RawWaker {
    RawWaker::new(task.as_ptr().cast_const().cast(), &WAKER)
}

/// # Safety
/// `data` came from [`raw_waker`] and stands for a live reference.
#[inline]
unsafe fn borrow(data: *const ()) -> ManuallyDrop<TaskRef> {
    // SAFETY: the data is the pointer that `raw_waker` was given, so not null; ManuallyDrop makes it a borrow.
    ManuallyDrop::new(unsafe { TaskRef::from_ptr(NonNull::new_unchecked(data.cast_mut()).cast()) })
}

unsafe fn waker_clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned stands for a live reference.
    let task = unsafe { borrow(data) };
    raw_waker(TaskRef::clone(&task).into_ptr())
}

unsafe fn waker_wake(data: *const ()) {
    // SAFETY: the waker is consumed, so its reference may be.
    ManuallyDrop::into_inner(unsafe { borrow(data) }).wake();
}

unsafe fn waker_wake_by_ref(data: *const ()) {
    // SAFETY: the waker lives through the call, and so does its reference.
    unsafe { borrow(data) }.wake_by_ref();
}

unsafe fn waker_drop(data: *const ()) {
    // SAFETY: the waker is consumed, so its reference may be.
    drop(ManuallyDrop::into_inner(unsafe { borrow(data) }));
}
