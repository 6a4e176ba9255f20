//! What may cross threads and what may not, pinned at compile time.

use std::cell::Cell;
use std::rc::Rc;

use sakia_executor::{
    AbortHandle, Bound, BoundRef, Cleared, Entered, Executor, Handle, JoinError, JoinHandle,
    JoinSet, LocalRuntime, ShutdownRequested, Stats, TaskId, ThreadPark, YieldNow,
};

/// Has a `SEND` that is true for sendable types, found before the trait's.
struct Ask<T>(std::marker::PhantomData<T>);

trait Otherwise {
    const SEND: bool = false;
    const SYNC: bool = false;
}

impl<T> Otherwise for Ask<T> {}

mod send {
    impl<T: Send> super::Ask<T> {
        pub const SEND: bool = true;
    }
}

mod sync {
    impl<T: Sync> super::Ask<T> {
        pub const SYNC: bool = true;
    }
}

macro_rules! pin_down {
    ($($type:ty: $send:literal $sync:literal;)*) => {$(
        const _: () = assert!(Ask::<$type>::SEND == $send && Ask::<$type>::SYNC == $sync);
    )*};
}

pin_down! {
    Executor: false false;
    LocalRuntime: false false;
    Entered: false false;
    JoinHandle<i32>: true true;
    JoinHandle<Cell<i32>>: true true;
    JoinHandle<Rc<i32>>: false false;
    JoinSet<i32>: true true;
    JoinSet<Rc<i32>>: false false;
    AbortHandle: true true;
    Handle: true true;
    ShutdownRequested: true true;
    JoinError: true true;
    Bound<Rc<i32>>: true true;
    BoundRef<'static, i32>: false false;
    TaskId: true true;
    Cleared: true true;
    Stats: true true;
    ThreadPark: true true;
    YieldNow: true true;
}

#[test]
fn handles_are_unpin_whatever_the_output() {
    fn unpin<T: Unpin>() {}
    unpin::<JoinHandle<std::marker::PhantomPinned>>();
    unpin::<JoinSet<std::marker::PhantomPinned>>();
}
