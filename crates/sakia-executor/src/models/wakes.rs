//! Wakes and aborts from other threads against the polls, the completion and the last drop of a task.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Poll, Waker};

use loom::sync::atomic::AtomicUsize;
use loom::thread;

use super::{Owner, Watch, model};
use crate::JoinHandle;

/// Spawns a task that is ready when it has seen `count` reach `n`, and gives wakers of it, made at home.
fn counting(
    owner: &Owner,
    count: &Arc<AtomicUsize>,
    n: usize,
    watch: &Watch,
) -> (JoinHandle<()>, [Waker; 2]) {
    let (count, thing) = (count.clone(), watch.thing());
    let slot = Rc::new(RefCell::new(None));
    let filled = slot.clone();
    let handle = owner.executor.spawn(poll_fn(move |cx| {
        let _lives_as_long_as_the_future = &thing;
        filled
            .borrow_mut()
            .get_or_insert_with(|| [cx.waker().clone(), cx.waker().clone()]);
        match count.load(Relaxed) {
            seen if seen < n => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }));
    owner.executor.run(1, || {});
    let wakers = slot.borrow_mut().take().unwrap();
    (handle, wakers)
}

#[derive(Clone, Copy)]
enum Way {
    ByValue,
    ByReference,
    /// By a clone that is made elsewhere and handed home with the wake.
    ByClone,
}

fn wake(waker: Waker, way: Way) {
    match way {
        Way::ByValue => waker.wake(),
        Way::ByReference => waker.wake_by_ref(),
        Way::ByClone => waker.clone().wake(),
    }
}

/// So many threads announce one thing each and wake; the task is ready when it has seen all.
fn all_wakes_arrive<const N: usize>(ways: [Way; N]) {
    let owner = Owner::new();
    let (count, watch) = (Arc::new(AtomicUsize::new(0)), Watch::new());
    let (handle, wakers) = counting(&owner, &count, N, &watch);
    let threads: Vec<_> = wakers
        .into_iter()
        .zip(ways)
        .map(|(waker, way)| {
            let count = count.clone();
            thread::spawn(move || {
                count.fetch_add(1, Relaxed);
                wake(waker, way);
            })
        })
        .collect();
    owner.run_until(|| owner.executor.task_count() == 0);
    watch.was_dropped_once_at_home();
    drop(handle);
    let ended = owner.end();
    for thread in threads {
        thread.join().unwrap();
    }
    ended.leaves_nothing();
}

#[test]
fn a_wake_elsewhere_arrives_with_all_that_came_before_it() {
    for way in [Way::ByValue, Way::ByReference, Way::ByClone] {
        model(Some(4), move || all_wakes_arrive([way]));
    }
}

#[test]
fn wakes_of_two_threads_arrive_with_all_that_came_before_each() {
    model(Some(2), || {
        all_wakes_arrive([Way::ByValue, Way::ByReference]);
    });
    model(Some(2), || all_wakes_arrive([Way::ByClone, Way::ByValue]));
}

#[test]
fn a_wake_elsewhere_races_with_completion_and_with_the_last_drop() {
    for way in [Way::ByValue, Way::ByReference, Way::ByClone] {
        model(Some(4), move || {
            let owner = Owner::new();
            let (count, watch) = (Arc::new(AtomicUsize::new(0)), Watch::new());
            let (handle, [mine, theirs]) = counting(&owner, &count, 1, &watch);
            drop(handle);
            let thread = thread::spawn(move || wake(theirs, way));
            count.store(1, Relaxed);
            let entered = owner.executor.enter();
            mine.wake();
            drop(entered);
            owner.executor.run(usize::MAX, || {});
            watch.was_dropped_once_at_home();
            assert_eq!(owner.executor.task_count(), 0);
            owner.executor.run(usize::MAX, || {});
            let ended = owner.end();
            thread.join().unwrap();
            ended.leaves_nothing();
        });
    }
}

#[test]
fn an_abort_elsewhere_is_seen_though_a_wake_came_first() {
    model(Some(2), || {
        let owner = Owner::new();
        let (count, watch) = (Arc::new(AtomicUsize::new(0)), Watch::new());
        let (handle, [waker, _]) = counting(&owner, &count, 1, &watch);
        let abort = handle.abort_handle();
        let threads = [
            thread::spawn(move || waker.wake()),
            thread::spawn(move || abort.abort()),
        ];
        owner.run_until(|| owner.executor.task_count() == 0);
        watch.was_dropped_once_at_home();
        drop(handle);
        let ended = owner.end();
        for thread in threads {
            thread.join().unwrap();
        }
        ended.leaves_nothing();
    });
}

#[test]
fn a_clone_that_is_dropped_elsewhere_races_with_the_end_of_the_task() {
    model(Some(4), || {
        let owner = Owner::new();
        let (count, watch) = (Arc::new(AtomicUsize::new(0)), Watch::new());
        let (handle, [mine, theirs]) = counting(&owner, &count, 1, &watch);
        drop(handle);
        let thread = thread::spawn(move || {
            let clone = theirs.clone();
            drop(theirs);
            drop(clone);
        });
        count.store(1, Relaxed);
        let entered = owner.executor.enter();
        mine.wake();
        drop(entered);
        owner.executor.run(usize::MAX, || {});
        watch.was_dropped_once_at_home();
        let ended = owner.end();
        thread.join().unwrap();
        ended.leaves_nothing();
    });
}

#[test]
fn a_wake_of_the_root_arrives_with_all_that_came_before_it() {
    model(Some(2), || {
        let owner = Owner::new();
        let count = Arc::new(AtomicUsize::new(0));
        let waker = owner.executor.root_waker();
        let threads = [waker.clone(), waker].map(|waker| {
            let count = count.clone();
            thread::spawn(move || {
                count.fetch_add(1, Relaxed);
                waker.wake();
            })
        });
        owner.run_until(|| owner.executor.take_root_wake() && count.load(Relaxed) == 2);
        let ended = owner.end();
        for thread in threads {
            thread.join().unwrap();
        }
        ended.leaves_nothing();
    });
}
