//! The waker of the root, the future that `block_on` waits for: a flag in the core, and a reference to that in a `RawWaker`.

use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::{AcqRel, SeqCst};
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::remote::{Core, CoreRef, Home};
use crate::sync::fence;

impl Home {
    /// A waker of the root.
    pub(crate) fn root_waker(&self) -> Waker {
        // SAFETY: `root_raw` takes over the reference, and the functions of its table keep the contract of RawWaker.
        unsafe { Waker::from_raw(root_raw(self.anchor().into_ptr())) }
    }
}

impl CoreRef {
    /// Wakes the future that `block_on` waits for.
    pub(crate) fn wake_root(&self) {
        if let Some(local) = self.here() {
            local.root_woken.set(true);
            return;
        }
        let core = self.core();
        // An RMW even if the flag is up: `take_root_wake` must see what every caller wrote before its wake.
        if !core.root_woken.swap(true, AcqRel) {
            fence(SeqCst);
            if !core.ended.load(SeqCst) {
                core.unpark.unpark();
            }
        }
    }
}

/// The root waker is one counted reference to the core in a `RawWaker`.
static ROOT: RawWakerVTable =
    RawWakerVTable::new(root_clone, root_wake, root_wake_by_ref, root_drop);

/// Whether `waker` is a root's, of whatever executor.
pub(crate) fn is_root(waker: &Waker) -> bool {
    ptr::eq(waker.vtable(), &raw const ROOT)
}

/// The core whose root `waker` wakes, if it is a root's: one reference more.
pub(crate) fn root_of(waker: &Waker) -> Option<CoreRef> {
    // SAFETY: the table is that of `root_raw` alone, and the waker lives through the call.
    is_root(waker).then(|| CoreRef::clone(&*unsafe { borrow(waker.data()) }))
}

fn root_raw(core: NonNull<Core>) -> RawWaker {
    RawWaker::new(core.as_ptr().cast_const().cast(), &ROOT)
}

/// # Safety
/// `data` came from [`root_raw`] and stands for a live reference.
unsafe fn borrow(data: *const ()) -> ManuallyDrop<CoreRef> {
    // SAFETY: the data is the pointer that `root_raw` was given, so not null; ManuallyDrop makes it a borrow.
    ManuallyDrop::new(unsafe { CoreRef::from_ptr(NonNull::new_unchecked(data.cast_mut()).cast()) })
}

unsafe fn root_clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned stands for a live reference.
    let core = unsafe { borrow(data) };
    root_raw(CoreRef::clone(&core).into_ptr())
}

unsafe fn root_wake(data: *const ()) {
    // SAFETY: the waker is consumed, so its reference may be.
    ManuallyDrop::into_inner(unsafe { borrow(data) }).wake_root();
}

unsafe fn root_wake_by_ref(data: *const ()) {
    // SAFETY: the waker lives through the call, and so does its reference.
    unsafe { borrow(data) }.wake_root();
}

unsafe fn root_drop(data: *const ()) {
    // SAFETY: the waker is consumed, so its reference may be.
    drop(ManuallyDrop::into_inner(unsafe { borrow(data) }));
}
