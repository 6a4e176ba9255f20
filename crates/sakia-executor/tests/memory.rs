//! What a task costs in memory, counted by an allocator of this binary's own: size, number, and that all comes back.

use std::cell::Cell;
use std::future::pending;
use std::sync::Arc;
use std::task::{Poll, Waker};

use counting::{Count, Counting, allocated};
use sakia_executor::{Executor, ThreadPark};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// An executor whose ready queue has room already.
fn warm() -> Executor {
    let executor = Executor::new(Arc::new(ThreadPark::new()));
    for _ in 0..64 {
        drop(executor.spawn(async {}));
    }
    executor.run(usize::MAX, || {});
    executor
}

#[test]
#[cfg(not(any(feature = "track-origin", feature = "watch")))]
fn a_task_is_one_allocation_of_at_most_72_bytes_beyond_its_future() {
    let executor = warm();
    let future = |words: [u64; 4]| async move {
        pending::<()>().await;
        std::hint::black_box(words);
    };
    let size = size_of_val(&future([0; 4])).cast_signed();
    let (task, _) = allocated(|| drop(executor.spawn(future([0; 4]))));
    assert_eq!(task.allocations, 1);
    assert!(task.bytes - size <= 72, "{task:?} for a future of {size}");
    // A suspended one has no more than that.
    let (more, _) = allocated(|| executor.run(8, || {}));
    assert_eq!(
        more,
        Count {
            allocations: 0,
            bytes: 0
        }
    );
}

#[test]
fn a_finished_task_gives_everything_back_however_it_ends() {
    let executor = warm();
    let waker: Cell<Option<Waker>> = Cell::new(None);
    let (Count { bytes, .. }, ()) = allocated(|| {
        drop(executor.spawn(async { [0_u8; 100] }));
        let kept = executor.spawn(async { String::from("output") });
        let aborted = executor.spawn(pending::<()>());
        aborted.abort();
        executor.run(usize::MAX, || {});
        drop((kept, aborted));
        drop(executor.spawn(pending::<()>()));
        executor.run(usize::MAX, || {});
        executor.clear(None);
        waker.take();
    });
    // The ready queue is made anew by a clear; nothing else may stay.
    let (Count { bytes: queue, .. }, ()) = allocated(|| {
        let _ = executor.clear(None);
    });
    assert!(bytes <= 0 && queue <= 0, "{bytes} and {queue} bytes stayed");
}

#[test]
fn a_runtime_that_ends_gives_all_of_its_memory_back() {
    let (Count { bytes, .. }, waker) = allocated(|| {
        let executor = warm();
        let slot = std::rc::Rc::new(Cell::new(None));
        let sink = slot.clone();
        drop(executor.spawn(std::future::poll_fn(move |cx| {
            sink.set(Some(cx.waker().clone()));
            Poll::<()>::Pending
        })));
        executor.run(8, || {});
        // Left in the remote queue: woken from outside the executor.
        let waker = slot.take().unwrap();
        waker.wake_by_ref();
        waker
    });
    assert!(bytes > 0, "the waker keeps its task's memory");
    let (Count { bytes: freed, .. }, ()) = allocated(|| drop(waker));
    // The thread's own handle was made once, by the first `thread::current`.
    assert!((bytes + freed) <= 128, "{} bytes stayed", bytes + freed);
}

#[test]
fn a_task_with_more_wakers_than_its_header_counts_is_freed_with_the_last_of_them() {
    const WAKERS: usize = 100_000;
    let executor = warm();
    let (Count { bytes, .. }, ()) = allocated(|| {
        let entered = executor.enter();
        let slot = std::rc::Rc::new(Cell::new(None));
        let (sink, large) = (slot.clone(), [7_u8; 50_000]);
        let handle = executor.spawn(std::future::poll_fn(move |cx| {
            std::hint::black_box(&large);
            sink.set(Some(cx.waker().clone()));
            Poll::<()>::Pending
        }));
        executor.run(8, || {});
        let mut here = vec![slot.take().unwrap(); WAKERS];
        // Made here and dropped elsewhere, and the other way round: both halves of the count run far off. (All vectors are this thread's.)
        let mut there: Vec<Waker> = here[1..].to_vec();
        let mut more = Vec::with_capacity(2 * WAKERS);
        let elsewhere = std::thread::spawn(move || {
            more.resize(2 * WAKERS, there[0].clone());
            there.clear();
            (there, more)
        });
        let (there, more) = elsewhere.join().unwrap();
        drop(more);
        handle.abort();
        executor.run(8, || {});
        assert!(handle.is_finished());
        here.truncate(1);
        drop((here, there, handle, slot, entered));
    });
    assert!(bytes.abs() < 10_000, "{bytes} bytes stayed");
}

#[test]
fn a_future_that_is_left_undropped_keeps_its_place_for_ever() {
    struct Spawns;
    impl Drop for Spawns {
        fn drop(&mut self) {
            let pinned = [7_u8; 5000];
            drop(sakia_executor::spawn(async move {
                pending::<()>().await;
                std::hint::black_box(pinned);
            }));
        }
    }
    let (Count { bytes, .. }, ()) = allocated(|| {
        let executor = warm();
        let spawns = Spawns;
        drop(executor.spawn(async move {
            let _spawns = spawns;
            pending::<()>().await;
        }));
        assert_eq!(executor.clear(Some(std::time::Instant::now())).left, 1);
    });
    assert!(bytes >= 5000, "only {bytes} bytes are left");
}

#[test]
fn neither_a_local_nor_a_remote_wake_allocates() {
    let executor = warm();
    let slot = std::rc::Rc::new(Cell::new(None));
    let sink = slot.clone();
    drop(executor.spawn(std::future::poll_fn(move |cx| {
        sink.set(Some(cx.waker().clone()));
        Poll::<()>::Pending
    })));
    executor.run(8, || {});
    let waker: Waker = slot.take().unwrap();
    let entered = executor.enter();
    let (local, ()) = allocated(|| waker.wake_by_ref());
    drop(entered);
    executor.run(8, || {});
    let remote = std::thread::spawn(move || allocated(|| waker.wake()).0.allocations);
    assert_eq!((local.allocations, remote.join().unwrap()), (0, 0));
}
