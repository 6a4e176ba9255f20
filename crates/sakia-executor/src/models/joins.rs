//! `JoinHandle`s on other threads against completion, abort and their own drop.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use loom::thread;

use super::{Owner, Thing, Watch, block_on, model, sleeper};
use crate::JoinHandle;

/// Spawns a task whose output is a thing.
fn ready(owner: &Owner, watch: &Watch) -> JoinHandle<Thing> {
    let thing = watch.thing();
    owner.executor.spawn(async move { thing })
}

/// Polls once, with a waker that nobody else has.
fn poll_once<T>(handle: &mut JoinHandle<T>) -> bool {
    let waker = sleeper();
    Pin::new(handle)
        .poll(&mut Context::from_waker(&waker))
        .is_ready()
}

/// Runs the task to its end while `elsewhere` has its handle.
fn complete_against(elsewhere: impl FnOnce(JoinHandle<Thing>) + 'static) {
    let owner = Owner::new();
    let watch = Watch::new();
    let handle = ready(&owner, &watch);
    let thread = thread::spawn(move || elsewhere(handle));
    owner.executor.run(usize::MAX, || {});
    let ended = owner.end();
    thread.join().unwrap();
    watch.was_dropped_once();
    ended.leaves_nothing();
}

#[test]
fn a_handle_that_is_awaited_elsewhere_gets_the_output_whole() {
    model(None, || {
        complete_against(|handle| drop(block_on(handle).unwrap()))
    });
}

#[test]
fn of_many_wakers_of_a_handle_the_last_one_is_woken() {
    model(None, || {
        complete_against(|mut handle| {
            if !poll_once(&mut handle) {
                drop(block_on(handle).unwrap());
            }
        });
    });
}

#[test]
fn a_handle_that_is_dropped_elsewhere_leaves_the_output_to_one_of_both() {
    model(None, || complete_against(drop));
}

#[test]
fn the_memory_of_a_task_whose_handle_went_elsewhere_serves_the_next_one() {
    model(None, || {
        let owner = Owner::new();
        owner.executor.home().shelf.make_room(1 << 10);
        let watch = Watch::new();
        let handle = ready(&owner, &watch);
        let thread = thread::spawn(move || drop(handle));
        owner.executor.run(usize::MAX, || {});
        drop(ready(&owner, &watch));
        owner.executor.run(usize::MAX, || {});
        let ended = owner.end();
        thread.join().unwrap();
        assert_eq!(watch.drops(), 2);
        ended.leaves_nothing();
    });
}

#[test]
fn a_handle_that_is_dropped_with_a_waker_in_it_leaves_that_to_one_of_both() {
    model(None, || {
        complete_against(|mut handle| {
            poll_once(&mut handle);
            drop(handle);
        });
    });
}

#[test]
fn an_abort_elsewhere_races_with_completion_and_one_of_both_is_told() {
    model(Some(4), || {
        complete_against(|handle| {
            handle.abort();
            match block_on(handle) {
                Ok(thing) => drop(thing),
                Err(error) => assert!(error.is_cancelled()),
            }
        });
    });
}

#[test]
fn an_abort_on_one_thread_ends_the_wait_on_another() {
    model(Some(2), || {
        let owner = Owner::new();
        let watch = Watch::new();
        let thing = watch.thing();
        let handle = owner.executor.spawn(async move {
            let _lives_as_long_as_the_future = &thing;
            pending::<()>().await;
        });
        owner.executor.run(1, || {});
        let abort = handle.abort_handle();
        let threads = [
            thread::spawn(move || abort.abort()),
            thread::spawn(move || assert!(block_on(handle).unwrap_err().is_cancelled())),
        ];
        owner.run_until(|| owner.executor.task_count() == 0);
        watch.was_dropped_once_at_home();
        let ended = owner.end();
        for thread in threads {
            thread.join().unwrap();
        }
        ended.leaves_nothing();
    });
}

#[test]
fn a_handle_awaited_elsewhere_against_a_task_that_pends_first() {
    model(None, || {
        let owner = Owner::new();
        let watch = Watch::new();
        let mut thing = Some(watch.thing());
        let mut first = true;
        let handle = owner.executor.spawn(poll_fn(move |cx| {
            if std::mem::take(&mut first) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(thing.take().unwrap())
        }));
        let thread = thread::spawn(move || drop(block_on(handle).unwrap()));
        while owner.executor.task_count() > 0 {
            owner.executor.run(usize::MAX, || {});
        }
        let ended = owner.end();
        thread.join().unwrap();
        watch.was_dropped_once();
        ended.leaves_nothing();
    });
}

/// The waker of a task that never ends.
fn waker_of_a_task(owner: &Owner) -> Waker {
    let slot = Rc::new(RefCell::new(None));
    let filled = slot.clone();
    drop(owner.executor.spawn(poll_fn(move |cx| {
        *filled.borrow_mut() = Some(cx.waker().clone());
        Poll::<()>::Pending
    })));
    owner.executor.run(1, || {});
    slot.take().unwrap()
}

/// The same as `complete_against`, but the handle was polled at home before it left, with a waker that `make` makes.
fn complete_against_after_a_poll_at_home(
    make: impl FnOnce(&Owner) -> Waker,
    elsewhere: impl FnOnce(JoinHandle<Thing>) + 'static,
) {
    let owner = Owner::new();
    let watch = Watch::new();
    let waker = make(&owner);
    let mut handle = ready(&owner, &watch);
    let entered = owner.executor.enter();
    let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    drop(waker);
    drop(entered);
    let thread = thread::spawn(move || elsewhere(handle));
    owner.executor.run(usize::MAX, || {});
    let ended = owner.end();
    thread.join().unwrap();
    watch.was_dropped_once();
    ended.leaves_nothing();
}

const MAKERS: [fn(&Owner) -> Waker; 3] = [
    waker_of_a_task,
    |owner| owner.executor.root_waker(),
    |_| sleeper(),
];

#[test]
fn a_handle_that_was_polled_at_home_is_awaited_elsewhere() {
    for make in MAKERS {
        model(Some(3), move || {
            complete_against_after_a_poll_at_home(make, |handle| drop(block_on(handle).unwrap()));
        });
    }
}

#[test]
fn a_handle_that_was_polled_at_home_is_polled_again_and_again_elsewhere_with_the_same_waker() {
    model(Some(3), || {
        complete_against_after_a_poll_at_home(waker_of_a_task, |mut handle| {
            let waker = sleeper();
            for _ in 0..3 {
                let polled = Pin::new(&mut handle).poll(&mut Context::from_waker(&waker));
                if polled.is_ready() {
                    return;
                }
            }
            drop(handle);
        });
    });
}

#[test]
fn a_handle_that_was_polled_at_home_is_dropped_elsewhere() {
    for make in MAKERS {
        model(None, move || {
            complete_against_after_a_poll_at_home(make, drop);
        });
    }
}

#[test]
fn a_handle_is_polled_at_home_while_a_waker_of_its_task_is_elsewhere() {
    model(Some(3), || {
        let owner = Owner::new();
        let watch = Watch::new();
        let slot = Rc::new(RefCell::new(None));
        let (filled, mut thing) = (slot.clone(), Some(watch.thing()));
        let mut handle = owner.executor.spawn(poll_fn(move |cx| {
            if filled.borrow().is_none() {
                *filled.borrow_mut() = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(thing.take().unwrap())
        }));
        owner.executor.run(1, || {});
        let waker: Waker = slot.borrow().clone().unwrap();
        let thread = thread::spawn(move || waker.wake());
        {
            let _entered = owner.executor.enter();
            assert!(!poll_once(&mut handle));
        }
        owner.run_until(|| owner.executor.task_count() == 0);
        drop(handle);
        watch.was_dropped_once();
        slot.take();
        let ended = owner.end();
        thread.join().unwrap();
        ended.leaves_nothing();
    });
}
