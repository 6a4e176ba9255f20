//! `Bound`: used at home only, dropped at home always.

use std::cell::Cell;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::thread::{self, ThreadId};

use sakia_executor::{Bound, Executor, block_on, bound, spawn};

use crate::help::{OnDrop, Seen, executor, settle};

/// A value that notes the thread on which it is dropped.
fn tell(sink: &Rc<Cell<Option<ThreadId>>>) -> OnDrop<impl FnMut() + 'static> {
    let sink = sink.clone();
    OnDrop(move || sink.set(Some(thread::current().id())))
}

/// Binds `value` to `executor`.
fn bind<T: 'static>(executor: &Executor, value: T) -> Bound<T> {
    let _entered = executor.enter();
    Bound::new(value)
}

fn message(code: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(code)).unwrap_err();
    payload
        .downcast_ref::<String>()
        .cloned()
        .unwrap_or_else(|| (*payload.downcast_ref::<&str>().expect("a text")).to_string())
}

#[test]
fn a_bound_dropped_at_home_drops_its_value_at_once() {
    for inside in [true, false] {
        let executor = executor();
        let dropped = Rc::default();
        let value = bind(&executor, tell(&dropped));
        let entered = inside.then(|| executor.enter());
        drop(value);
        assert_eq!(dropped.get(), Some(thread::current().id()));
        drop(entered);
        assert_eq!(settle(&executor), 0);
    }
}

#[test]
fn a_bound_dropped_elsewhere_is_mailed_home() {
    let executor = executor();
    let dropped = Rc::default();
    let value = bind(&executor, tell(&dropped));
    thread::spawn(move || drop(value)).join().unwrap();
    assert_eq!(dropped.get(), None);
    assert!(executor.has_ready());
    settle(&executor);
    assert_eq!(dropped.get(), Some(thread::current().id()));
}

#[test]
fn a_bound_is_no_task_and_the_end_drops_its_value() {
    let executor = executor();
    let dropped = Rc::default();
    let value = bind(&executor, tell(&dropped));
    drop(executor.spawn(pending::<()>()));
    assert_eq!((executor.task_count(), executor.stats().spawned), (1, 1));
    let cleared = executor.clear(None);
    assert_eq!((cleared.dropped, cleared.bound), (1, 1));
    assert_eq!((executor.task_count(), executor.stats().cleared), (0, 1));
    assert!(dropped.get().is_some());
    assert!(message(|| drop(value.get())).contains("after the end of its runtime"));
    drop(executor);
    assert!(message(|| drop(value.get())).contains("after the end of its runtime"));
    thread::spawn(move || drop(value)).join().unwrap();
}

#[test]
fn use_elsewhere_panics_and_names_both_threads() {
    let executor = executor();
    let value = bind(&executor, 1);
    let home = format!("{:?}", thread::current().id());
    let (text, here) = thread::Builder::new()
        .name("stranger".into())
        .spawn(move || {
            let here = format!("{:?}", thread::current().id());
            (message(|| drop(value.get())), here)
        })
        .unwrap()
        .join()
        .unwrap();
    assert!(
        text.contains(&home) && text.contains("stranger") && text.contains(&here),
        "{text}"
    );
}

#[test]
fn a_bound_future_polled_elsewhere_panics_and_its_future_goes_home() {
    let executor = executor();
    let seen = Seen::new();
    let mut future = bind(&executor, seen.probe());
    thread::spawn(move || {
        let mut cx = Context::from_waker(Waker::noop());
        let poll = || Pin::new(&mut future).poll(&mut cx).is_ready();
        assert!(catch_unwind(AssertUnwindSafe(poll)).is_err());
    })
    .join()
    .unwrap();
    assert_eq!(seen.counts(), (0, 0));
    settle(&executor);
    assert_eq!(seen.counts(), (0, 1));
}

#[test]
fn a_bound_future_is_polled_in_place_and_may_be_dropped_half_way() {
    let seen = Seen::new();
    block_on(async {
        let task = spawn(bound(seen.probe()));
        sakia_executor::yield_now().await;
        assert_eq!(seen.counts(), (1, 0));
        task.abort();
        assert!(task.await.is_err());
        assert_eq!(seen.counts(), (1, 1));
    });
}

#[test]
fn a_borrowed_value_is_passed_over_by_a_clear() {
    let executor = executor();
    let dropped = Rc::default();
    let value = bind(&executor, tell(&dropped));
    let (one, two) = (value.get(), value.get());
    assert_eq!(executor.clear(None).running, 1);
    drop(one);
    assert_eq!(executor.clear(None).running, 1);
    assert_eq!(dropped.get(), None);
    drop(two);
    assert_eq!(executor.clear(None).bound, 1);
    assert!(dropped.get().is_some());
}

#[test]
fn a_clear_inside_the_poll_of_a_bound_future_passes_it_over() {
    let executor = Rc::new(executor());
    let inner = executor.clone();
    let mut future = bind(&executor, async move { inner.clear(None).running });
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(
        Pin::new(&mut future).poll(&mut cx),
        std::task::Poll::Ready(1)
    );
}

#[test]
fn a_forgotten_borrow_keeps_nobody_from_dropping_the_value() {
    for elsewhere in [true, false] {
        let executor = executor();
        let dropped = Rc::default();
        let value = bind(&executor, tell(&dropped));
        std::mem::forget(value.get());
        if elsewhere {
            thread::spawn(move || drop(value)).join().unwrap();
            executor.run(8, || {});
        } else {
            drop(value);
        }
        assert!(dropped.get().is_some());
        assert!(!executor.has_ready());
        assert_eq!(executor.clear(None).running, 0);
    }
}

#[test]
fn an_executor_dropped_while_a_value_is_borrowed_leaves_the_value_alone() {
    let executor = executor();
    let dropped = Rc::default();
    let value = bind(&executor, tell(&dropped));
    let borrowed = value.get();
    drop(executor);
    assert_eq!(dropped.get(), None);
    drop(borrowed);
    drop(value);
    assert!(dropped.get().is_some());
}
