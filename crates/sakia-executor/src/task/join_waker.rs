//! Who is woken at a task's end, in one word: a task or a root of this crate's by its own reference, anybody else in a box.
//!
//! The word says which by its two lowest bits. That it is one word keeps a task's header small, and lets the loop look at it while a handle
//! on another thread may be writing: what it saw counts only if the state word has not changed meanwhile.

use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;

use super::guard::guarded;
use super::raw::TaskRef;
use super::waker;
use crate::remote::CoreRef;
use crate::root;
use crate::sync::AtomicPtr;

/// The kinds: what the two lowest bits of the word say.
const TASK: usize = 0;
const ROOT: usize = 1;
const FOREIGN: usize = 2;
const KIND: usize = 3;

/// A waker as one word. It owns what it points to, and has no destructor: whoever holds it calls `wake` or `discard`, once.
#[derive(Clone, Copy)]
pub(super) struct JoinWaker(*mut u8);

impl JoinWaker {
    /// A clone of `waker`, which may be code of the user's.
    pub(super) fn of(waker: &Waker) -> Self {
        if let Some(task) = waker::task_of(waker) {
            return Self(task.into_ptr().as_ptr().cast());
        }
        let (at, kind): (*mut u8, usize) = match root::root_of(waker) {
            Some(core) => (core.into_ptr().as_ptr().cast(), ROOT),
            None => (Box::into_raw(Box::new(waker.clone())).cast(), FOREIGN),
        };
        // All three are aligned to four bytes at least, so that the lowest bits are free.
        Self(at.wrapping_byte_add(kind))
    }

    fn kind(self) -> usize {
        self.0.addr() & KIND
    }

    fn at(self) -> *mut u8 {
        self.0.wrapping_byte_sub(self.kind())
    }

    /// Whether it wakes what `waker` wakes; a foreign one is not looked into, and the answer is no.
    pub(super) fn is_surely(self, waker: &Waker) -> bool {
        ptr::eq(self.at().cast_const().cast(), waker.data())
            && match self.kind() {
                TASK => waker::is_task(waker),
                ROOT => root::is_root(waker),
                _ => false,
            }
    }

    /// The same, also for a foreign one.
    ///
    /// # Safety
    /// Nobody else wakes or discards it meanwhile.
    pub(super) unsafe fn is(self, waker: &Waker) -> bool {
        // SAFETY: a foreign one is the address of a boxed Waker, which lives as the caller promises.
        self.is_surely(waker)
            || self.kind() == FOREIGN && unsafe { &*self.at().cast::<Waker>() }.will_wake(waker)
    }

    /// Wakes; tells how many panics came out of it.
    ///
    /// # Safety
    /// The caller owns it, and does not use it again.
    pub(super) unsafe fn wake(self) -> u32 {
        // SAFETY: by the kind it is what `of` made of it, not null, and the caller's.
        unsafe {
            match self.kind() {
                TASK => TaskRef::from_ptr(NonNull::new_unchecked(self.at()).cast()).wake(),
                ROOT => CoreRef::from_ptr(NonNull::new_unchecked(self.at()).cast()).wake_root(),
                _ => return guarded(|| Box::from_raw(self.at().cast::<Waker>()).wake()),
            }
        }
        0
    }

    /// Drops it unused; tells how many panics came out of it.
    ///
    /// # Safety
    /// As for [`wake`](Self::wake).
    pub(super) unsafe fn discard(self) -> u32 {
        // SAFETY: as in `wake`.
        unsafe {
            match self.kind() {
                TASK => drop(TaskRef::from_ptr(NonNull::new_unchecked(self.at()).cast())),
                ROOT => drop(CoreRef::from_ptr(NonNull::new_unchecked(self.at()).cast())),
                _ => return guarded(|| drop(Box::from_raw(self.at().cast::<Waker>()))),
            }
        }
        0
    }
}

/// The place of a join waker in the header: the state word's `JOIN_WAKER` tells whose it is, and orders it.
pub(super) struct JoinPlace(AtomicPtr<u8>);

impl JoinPlace {
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// What is there, to be owned by whom the state word says.
    pub(super) fn get(&self) -> JoinWaker {
        JoinWaker(self.0.load(Relaxed))
    }

    pub(super) fn put(&self, waker: JoinWaker) {
        self.0.store(waker.0, Relaxed);
    }
}
