//! What the models replace: atomics, threads and cells are std's, or loom's under `--cfg loom`.
//!
//! Every word that two threads may touch goes through here. What is not part of a protocol (the numbers of tasks, the
//! thread of `ThreadPark`) stays with std.

#[cfg(not(all(test, loom)))]
pub(crate) use self::real::{
    AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Thread, UnsafeCell, fence, thread, thread_key,
};

#[cfg(all(test, loom))]
pub(crate) use self::modelled::{
    AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Thread, UnsafeCell, fence, thread, thread_key,
};

#[cfg(not(all(test, loom)))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, fence};
    pub(crate) use std::thread::{self, Thread};
    pub(crate) use std::thread_local as thread_key;

    /// `std::cell::UnsafeCell` whose pointer says what it is asked for.
    ///
    /// As an `UnsafeCell<()>` it stands for memory beside it that has no cell of one type: nothing in a real build, and
    /// in the models what finds two accesses that nothing orders.
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// The pointer, for reads at once.
        #[inline(always)]
        pub(crate) const fn to_read(&self) -> *const T {
            self.0.get().cast_const()
        }

        /// The pointer, for writes at once.
        #[inline(always)]
        pub(crate) const fn to_write(&self) -> *mut T {
            self.0.get()
        }
    }
}

#[cfg(all(test, loom))]
mod modelled {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, fence};
    pub(crate) use loom::thread::{self, Thread};

    /// Loom's macro comes from an edition that does not know const blocks.
    macro_rules! thread_key {
        ($(#[$attr:meta])* static $name:ident: $type:ty = const $init:block;) => {
            loom::thread_local! { $(#[$attr])* static $name: $type = $init; }
        };
    }
    pub(crate) use thread_key;

    pub(crate) struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        #[track_caller]
        pub(crate) fn new(value: T) -> Self {
            Self(loom::cell::UnsafeCell::new(value))
        }

        #[track_caller]
        pub(crate) fn to_read(&self) -> *const T {
            self.0.with(|at| at)
        }

        #[track_caller]
        pub(crate) fn to_write(&self) -> *mut T {
            self.0.with_mut(|at| at)
        }
    }
}
