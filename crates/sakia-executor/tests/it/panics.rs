//! Panics in polls, in destructors of futures, outputs and payloads, in hooks and wakers: each stays where it is.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};

use sakia_executor::{JoinHandle, block_on};

use crate::help::{OnDrop, executor, peek, settle};

/// Panics when dropped; as a payload, too.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("bomb");
    }
}

#[test]
fn a_panic_in_a_poll_ends_that_task_alone_and_its_handle_tells() {
    let executor = executor();
    let mut bad = executor.spawn(async { panic_any(42_i32) });
    let good = executor.spawn(async {});
    assert_eq!(settle(&executor), 2);
    assert!(good.is_finished());
    let Poll::Ready(Err(error)) = peek::<()>(&mut bad) else {
        panic!("the panic is the outcome")
    };
    assert!(error.is_panic() && !error.is_cancelled());
    assert_eq!(error.into_panic().downcast_ref(), Some(&42_i32));
    let stats = executor.stats();
    assert_eq!(
        (stats.panicked, stats.completed, stats.destructor_panics),
        (1, 1, 0)
    );
}

#[test]
fn a_panicking_task_drops_what_it_owns() {
    let executor = executor();
    let dropped = Rc::new(Cell::new(false));
    let flag = dropped.clone();
    drop(executor.spawn(async move {
        let _own = OnDrop(move || flag.set(true));
        panic!("boom");
    }));
    settle(&executor);
    assert!(dropped.get());
}

#[test]
fn the_hook_hears_of_each_panic_before_the_handle() {
    let executor = Rc::new(executor());
    let heard = Rc::new(RefCell::new(Vec::new()));
    let handle = executor.spawn(async { panic!("number {}", 1) });
    let handle: Rc<sakia_executor::JoinHandle<()>> = Rc::new(handle);
    let (sink, watched, inner) = (heard.clone(), handle.clone(), executor.clone());
    executor.set_panic_hook(Box::new(move |panic| {
        assert!(!watched.is_finished());
        sink.borrow_mut()
            .push((panic.id(), panic.message().unwrap().to_string()));
        // User code may do anything here, also this.
        inner.clear(None);
        inner.set_panic_hook(Box::new(|_| panic!("the hook")));
    }));
    settle(&executor);
    assert!(handle.is_finished());
    assert_eq!(*heard.borrow(), [(handle.id(), "number 1".to_string())]);
    drop(executor.spawn(async { panic!("two") }));
    settle(&executor);
    assert_eq!(
        executor.stats().destructor_panics,
        1,
        "that of the second hook"
    );
    executor.set_panic_hook(Box::new(|_| {}));
}

#[test]
fn a_panic_in_the_futures_drop_is_counted_and_the_output_stays() {
    let executor = executor();
    struct ReadyBomb(#[allow(dead_code)] Bomb);
    impl std::future::Future for ReadyBomb {
        type Output = i32;
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<i32> {
            Poll::Ready(5)
        }
    }
    let mut handle = executor.spawn(ReadyBomb(Bomb));
    settle(&executor);
    assert!(matches!(peek(&mut handle), Poll::Ready(Ok(5))));
    assert_eq!(executor.stats().destructor_panics, 1);
}

#[test]
fn a_panic_in_the_drop_of_an_aborted_future_leaves_it_cancelled() {
    let executor = executor();
    let mut handle = executor.spawn(async {
        let _bomb = Bomb;
        pending::<()>().await;
    });
    settle(&executor);
    handle.abort();
    settle(&executor);
    assert!(matches!(peek(&mut handle), Poll::Ready(Err(e)) if e.is_cancelled()));
    assert_eq!(executor.stats().destructor_panics, 1);
}

#[test]
fn a_panic_in_the_drop_of_a_detached_output_is_caught_and_counted() {
    let executor = executor();
    drop(executor.spawn(async { Bomb }));
    let good = executor.spawn(async {});
    settle(&executor);
    assert!(good.is_finished());
    assert_eq!(executor.stats().destructor_panics, 1);
}

#[test]
fn a_panic_in_the_drop_of_an_output_with_its_handle_is_caught_and_counted() {
    let executor = executor();
    let handle = executor.spawn(async { Bomb });
    settle(&executor);
    drop(handle);
    assert_eq!(executor.stats().destructor_panics, 1);
}

#[test]
fn a_panic_in_the_drop_of_a_payload_is_caught_and_counted() {
    let executor = executor();
    // Detached: the loop drops the payload. Kept: the handle does.
    drop(executor.spawn(async { panic_any(Bomb) }));
    let kept = executor.spawn(async { panic_any(Bomb) });
    settle(&executor);
    assert_eq!(executor.stats().destructor_panics, 1);
    drop(kept);
    assert_eq!(executor.stats().destructor_panics, 2);
}

#[test]
fn a_panic_whose_unwinding_meets_a_handle_with_a_bomb_does_not_abort() {
    let executor = executor();
    let handle = executor.spawn(async { Bomb });
    settle(&executor);
    let caught = catch_unwind(AssertUnwindSafe(move || {
        let _handle = handle;
        panic!("first");
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"first"));
    assert_eq!(executor.stats().destructor_panics, 1);
}

#[test]
fn bombs_do_not_stop_a_clear() {
    let executor = executor();
    let dropped = Rc::new(Cell::new(0));
    for n in 0..10 {
        let count = dropped.clone();
        drop(executor.spawn(async move {
            let _count = OnDrop(move || count.set(count.get() + 1));
            let _bomb = (n % 2 == 0).then(|| Bomb);
            pending::<()>().await;
        }));
    }
    settle(&executor);
    let cleared = executor.clear(None);
    assert_eq!((cleared.dropped, cleared.panics, cleared.left), (10, 5, 0));
    assert_eq!(dropped.get(), 10);
    assert_eq!(executor.task_count(), 0);
}

/// Awaits a task by a waker that panics.
fn await_loudly<T>(handle: &mut JoinHandle<T>) {
    struct Loud;
    impl Wake for Loud {
        fn wake(self: Arc<Self>) {
            panic!("waker");
        }
    }
    let waker = Waker::from(Arc::new(Loud));
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(std::future::Future::poll(std::pin::Pin::new(handle), &mut cx).is_pending());
}

#[test]
fn a_join_waker_that_panics_does_not_stop_the_loop() {
    let executor = executor();
    let mut handle = executor.spawn(async {});
    await_loudly(&mut handle);
    let good = executor.spawn(async {});
    settle(&executor);
    assert!(handle.is_finished() && good.is_finished());
    assert_eq!(executor.stats().destructor_panics, 1);
}

#[test]
fn a_join_waker_that_panics_as_its_task_is_aborted_or_cleared_is_counted() {
    let executor = executor();
    let mut aborted = executor.spawn(pending::<()>());
    let mut cleared = executor.spawn(pending::<()>());
    await_loudly(&mut aborted);
    await_loudly(&mut cleared);
    settle(&executor);
    aborted.abort();
    settle(&executor);
    assert!(aborted.is_finished());
    assert_eq!(executor.stats().destructor_panics, 1);
    assert_eq!(executor.clear(None).panics, 1);
    assert!(cleared.is_finished());
    assert_eq!(executor.stats().destructor_panics, 2);
}

#[test]
fn the_errors_texts_name_the_task_and_the_message() {
    let (cancelled, panicked, odd) = block_on(async {
        let handle = sakia_executor::spawn(pending::<()>());
        handle.abort();
        (
            handle.await.unwrap_err(),
            sakia_executor::spawn(async { panic!("boom {}", 1) })
                .await
                .unwrap_err(),
            sakia_executor::spawn(async { panic_any(1) })
                .await
                .unwrap_err(),
        )
    });
    assert_eq!(
        cancelled.to_string(),
        format!("task {} was cancelled", cancelled.id())
    );
    assert_eq!(
        panicked.to_string(),
        format!("task {} panicked: boom 1", panicked.id())
    );
    assert_eq!(odd.to_string(), format!("task {} panicked", odd.id()));
    assert!(cancelled.try_into_panic().is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| panicked.into_panic())).is_ok());
}

#[test]
#[cfg(feature = "track-origin")]
fn the_hook_is_told_where_the_task_was_spawned() {
    let executor = executor();
    let lines = Rc::new(RefCell::new(Vec::new()));
    let sink = lines.clone();
    executor.set_panic_hook(Box::new(move |panic| {
        assert!(panic.origin().file().ends_with("panics.rs"));
        sink.borrow_mut().push(panic.origin().line());
    }));
    let first = line!() + 1;
    drop(executor.spawn(async { panic!("method") }));
    let entered = executor.enter();
    drop(sakia_executor::spawn(async { panic!("function") }));
    drop(entered);
    settle(&executor);
    assert_eq!(*lines.borrow(), [first, first + 2]);
}
