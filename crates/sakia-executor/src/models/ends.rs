//! The end of an executor against wakes, aborts and handles that other threads have in hand.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use loom::thread;

use super::{Owner, Watch, block_on, model};

/// Spawns a task that pends for ever, and gives two wakers of it.
fn pending(owner: &Owner, watch: &Watch) -> [Waker; 2] {
    let thing = watch.thing();
    let (sender, wakers) = std::sync::mpsc::channel();
    drop(owner.executor.spawn(poll_fn(move |cx| {
        let _lives_as_long_as_the_future = &thing;
        let _ = sender.send([cx.waker().clone(), cx.waker().clone()]);
        Poll::<()>::Pending
    })));
    owner.executor.run(1, || {});
    wakers.recv().unwrap()
}

#[test]
fn a_wake_that_races_with_the_end_leaks_neither_task_nor_executor() {
    model(Some(4), || {
        let owner = Owner::new();
        let watch = Watch::new();
        let [waker, _] = pending(&owner, &watch);
        let thread = thread::spawn(move || waker.wake());
        let ended = owner.end();
        watch.was_dropped_once_at_home();
        thread.join().unwrap();
        ended.leaves_nothing();
    });
}

#[test]
fn two_late_wakes_of_two_tasks_take_each_other_out_of_the_queue() {
    model(Some(2), || {
        let owner = Owner::new();
        let watches = [Watch::new(), Watch::new()];
        let threads = watches.clone().map(|watch| {
            let [waker, _] = pending(&owner, &watch);
            thread::spawn(move || waker.wake_by_ref())
        });
        let ended = owner.end();
        for thread in threads {
            thread.join().unwrap();
        }
        watches.iter().for_each(Watch::was_dropped_once_at_home);
        ended.leaves_nothing();
    });
}

#[test]
fn a_wake_of_the_root_races_with_the_end() {
    model(None, || {
        let owner = Owner::new();
        let waker = owner.executor.root_waker();
        let thread = thread::spawn(move || {
            waker.wake_by_ref();
            drop(waker.clone());
        });
        let ended = owner.end();
        thread.join().unwrap();
        ended.leaves_nothing();
    });
}

#[test]
fn a_handle_that_is_awaited_elsewhere_learns_of_the_end() {
    model(Some(4), || {
        let owner = Owner::new();
        let watch = Watch::new();
        let thing = watch.thing();
        let handle = owner.executor.spawn(async move {
            let _lives_as_long_as_the_future = &thing;
            std::future::pending::<()>().await;
        });
        let thread = thread::spawn(move || assert!(block_on(handle).unwrap_err().is_cancelled()));
        let ended = owner.end();
        watch.was_dropped_once_at_home();
        thread.join().unwrap();
        ended.leaves_nothing();
    });
}
