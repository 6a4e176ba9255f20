//! Polls, wakes, aborts and handles on one thread.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::task::Poll;

use sakia_executor::{LocalRuntime, block_on, current_task_id, spawn, try_spawn, yield_now};

use crate::help::{OnDrop, Seen, Woken, executor, peek, settle, wake_by_value};

#[test]
fn a_task_is_polled_when_spawned_and_when_woken_and_not_otherwise() {
    let executor = executor();
    let seen = Seen::new();
    let mut handle = executor.spawn(seen.probe());
    assert_eq!(seen.counts(), (0, 0));
    assert_eq!(settle(&executor), 1);
    assert_eq!(executor.run(8, || {}), 0);
    seen.waker().wake_by_ref();
    assert_eq!(settle(&executor), 1);
    seen.open.set(true);
    seen.waker().wake();
    assert_eq!(settle(&executor), 1);
    assert_eq!(seen.counts(), (3, 1));
    assert!(matches!(peek(&mut handle), Poll::Ready(Ok(()))));
    assert_eq!(executor.task_count(), 0);
}

#[test]
fn many_wakes_before_a_poll_make_one_poll() {
    for inside in [true, false] {
        let executor = executor();
        let seen = Seen::new();
        drop(executor.spawn(seen.probe()));
        settle(&executor);
        let waker = seen.waker();
        let entered = inside.then(|| executor.enter());
        for _ in 0..5 {
            waker.wake_by_ref();
            wake_by_value(&waker);
        }
        assert_eq!(settle(&executor), 1, "inside the executor: {inside}");
        drop(entered);
    }
}

#[test]
fn a_wake_of_both_ways_at_once_makes_one_poll() {
    let executor = executor();
    let seen = Seen::new();
    drop(executor.spawn(seen.probe()));
    settle(&executor);
    let waker = seen.waker();
    waker.wake_by_ref(); // outside: the remote way
    let entered = executor.enter();
    waker.wake_by_ref(); // inside: the local way
    drop(entered);
    assert_eq!(settle(&executor), 1);
}

#[test]
fn a_wake_after_the_end_of_a_task_does_nothing() {
    let executor = executor();
    let seen = Seen::new();
    seen.open.set(true);
    drop(executor.spawn(seen.probe()));
    settle(&executor);
    let waker = seen.waker();
    waker.wake_by_ref();
    let _entered = executor.enter();
    waker.wake_by_ref();
    assert!(!executor.has_ready());
    waker.wake();
    assert_eq!(seen.counts(), (1, 1));
}

#[test]
fn tasks_are_polled_in_the_order_of_their_wakes() {
    let order = Rc::new(RefCell::new(Vec::new()));
    block_on(async {
        let mut handles = Vec::new();
        for n in 0..3 {
            let order = order.clone();
            handles.push(spawn(async move {
                for lap in 0..2 {
                    order.borrow_mut().push((lap, n));
                    yield_now().await;
                }
            }));
        }
        for handle in handles {
            handle.await.unwrap();
        }
    });
    let expected: Vec<_> = (0..2)
        .flat_map(|lap| (0..3).map(move |n| (lap, n)))
        .collect();
    assert_eq!(*order.borrow(), expected);
}

#[test]
fn a_task_that_wakes_itself_is_polled_once_a_run() {
    let executor = executor();
    drop(executor.spawn(async {
        loop {
            yield_now().await;
        }
    }));
    let quiet = executor.spawn(async {});
    assert_eq!(executor.run(1000, || {}), 2);
    assert!(quiet.is_finished());
    assert_eq!(executor.run(1000, || {}), 1);
}

#[test]
fn the_budget_bounds_the_polls_and_the_rest_stays_ready() {
    let executor = executor();
    for _ in 0..10 {
        drop(executor.spawn(async {}));
    }
    let calls = Cell::new(0);
    let run = |budget| executor.run(budget, || calls.set(calls.get() + 1));
    assert_eq!(run(3), 3);
    assert_eq!(run(0), 0);
    assert!(executor.has_ready());
    assert_eq!(run(usize::MAX), 7);
    assert_eq!(calls.get(), 10);
    assert!(!executor.has_ready());
}

#[test]
fn a_panic_of_before_poll_comes_out_and_loses_no_task() {
    let executor = executor();
    let handle = executor.spawn(async {});
    let run = || executor.run(8, || panic!("budget"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    assert!(!executor.is_running());
    settle(&executor);
    assert!(handle.is_finished());
}

#[test]
fn a_dropped_handle_detaches_and_its_output_is_dropped_by_the_loop() {
    let executor = executor();
    let drops = Rc::new(Cell::new(0));
    let on_drop = drops.clone();
    let handle = executor.spawn(async move { OnDrop(move || on_drop.set(on_drop.get() + 1)) });
    drop(handle);
    assert_eq!(drops.get(), 0);
    settle(&executor);
    assert_eq!(drops.get(), 1);
}

#[test]
fn a_detached_output_is_dropped_by_the_loop_though_a_waker_is_left() {
    for inside in [true, false] {
        let executor = executor();
        let (seen, drops) = (Seen::new(), Rc::new(Cell::new(0)));
        let (probe, on_drop) = (seen.probe(), drops.clone());
        let handle = executor.spawn(async move {
            probe.await;
            OnDrop(move || on_drop.set(on_drop.get() + 1))
        });
        settle(&executor);
        let entered = inside.then(|| executor.enter());
        drop(handle);
        drop(entered);
        let kept = seen.waker();
        seen.open.set(true);
        kept.wake_by_ref();
        settle(&executor);
        assert_eq!(drops.get(), 1);
        kept.wake();
    }
}

#[test]
fn an_output_nobody_takes_is_dropped_with_its_handle() {
    let executor = executor();
    let drops = Rc::new(Cell::new(0));
    let on_drop = drops.clone();
    let handle = executor.spawn(async move { OnDrop(move || on_drop.set(on_drop.get() + 1)) });
    settle(&executor);
    assert_eq!(drops.get(), 0);
    drop(handle);
    assert_eq!(drops.get(), 1);
}

#[test]
fn the_last_waker_of_a_handle_is_woken_and_the_ones_before_are_dropped() {
    let executor = executor();
    let seen = Seen::new();
    let mut handle = executor.spawn(seen.probe());
    let (first, first_waker) = Woken::new();
    let (second, second_waker) = Woken::new();
    for waker in [&first_waker, &first_waker, &second_waker] {
        let mut cx = std::task::Context::from_waker(waker);
        assert!(std::future::Future::poll(std::pin::Pin::new(&mut handle), &mut cx).is_pending());
    }
    drop((first_waker, second_waker));
    assert_eq!(
        std::sync::Arc::strong_count(&first),
        1,
        "the first waker is gone"
    );
    assert_eq!(std::sync::Arc::strong_count(&second), 2);
    seen.open.set(true);
    settle(&executor);
    assert_eq!((first.count(), second.count()), (0, 1));
    assert_eq!(std::sync::Arc::strong_count(&second), 1);
}

#[test]
fn a_handle_dropped_with_a_waker_set_drops_the_waker() {
    let executor = executor();
    for inside in [true, false] {
        let mut handle = executor.spawn(pending::<()>());
        let (woken, waker) = Woken::new();
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(std::future::Future::poll(std::pin::Pin::new(&mut handle), &mut cx).is_pending());
        drop(waker);
        let entered = inside.then(|| executor.enter());
        drop(handle);
        assert_eq!(std::sync::Arc::strong_count(&woken), 1);
        drop(entered);
    }
}

#[test]
fn wakers_count_and_the_last_one_may_outlive_the_executor() {
    let seen = Seen::new();
    let waker = {
        let executor = executor();
        let handle = executor.spawn(seen.probe());
        settle(&executor);
        let waker = seen.waker();
        let clones: Vec<_> = (0..100).map(|_| waker.clone()).collect();
        let entered = executor.enter();
        drop(clones);
        drop(entered);
        drop(handle);
        waker
    };
    assert_eq!(seen.counts(), (1, 1));
    waker.wake_by_ref();
    std::thread::spawn(move || wake_by_value(&waker))
        .join()
        .unwrap();
    seen.waker.take().unwrap().wake();
}

#[test]
fn abort_before_the_first_poll_drops_the_future_unpolled_and_in_the_loop() {
    let executor = executor();
    let seen = Seen::new();
    let mut handle = executor.spawn(seen.probe());
    handle.abort();
    assert_eq!(seen.counts(), (0, 0), "not inside the caller");
    assert_eq!(settle(&executor), 0);
    assert_eq!(seen.counts(), (0, 1));
    assert!(matches!(peek(&mut handle), Poll::Ready(Err(e)) if e.is_cancelled()));
    assert_eq!(executor.stats().aborted, 1);
}

#[test]
fn abort_while_suspended_drops_the_future_in_the_loop_and_wakes_the_handle() {
    for inside in [true, false] {
        let executor = executor();
        let seen = Seen::new();
        let mut handle = executor.spawn(seen.probe());
        settle(&executor);
        let (woken, waker) = Woken::new();
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(std::future::Future::poll(std::pin::Pin::new(&mut handle), &mut cx).is_pending());
        let entered = inside.then(|| executor.enter());
        handle.abort();
        handle.abort();
        assert_eq!((seen.counts(), woken.count()), ((1, 0), 0));
        settle(&executor);
        assert_eq!((seen.counts(), woken.count()), ((1, 1), 1));
        drop(entered);
        assert!(matches!(peek(&mut handle), Poll::Ready(Err(e)) if e.is_cancelled()));
    }
}

#[test]
fn abort_while_running_ends_the_task_after_its_poll() {
    let executor = executor();
    let seen = Seen::new();
    let slot = Rc::new(RefCell::new(None::<sakia_executor::AbortHandle>));
    let (probe, abort) = (seen.probe(), slot.clone());
    let mut handle = executor.spawn(async move {
        abort.borrow().as_ref().unwrap().abort();
        probe.await;
    });
    *slot.borrow_mut() = Some(handle.abort_handle());
    assert_eq!(settle(&executor), 1);
    assert_eq!(seen.counts(), (1, 1));
    assert!(matches!(peek(&mut handle), Poll::Ready(Err(e)) if e.is_cancelled()));
}

#[test]
fn abort_after_completion_keeps_the_output() {
    let executor = executor();
    let mut handle = executor.spawn(async { 7 });
    settle(&executor);
    handle.abort();
    settle(&executor);
    assert!(matches!(peek(&mut handle), Poll::Ready(Ok(7))));
    assert_eq!(executor.stats().aborted, 0);
}

#[test]
fn a_wake_in_the_destructor_of_an_ending_future_queues_nothing() {
    let executor = executor();
    let seen = Seen::new();
    let (probe, on_drop) = (seen.probe(), seen.clone());
    let handle = executor.spawn(async move {
        let _wake = OnDrop(move || on_drop.waker().wake());
        probe.await;
    });
    settle(&executor);
    handle.abort();
    executor.run(8, || {});
    assert!(!executor.has_ready());
    assert_eq!(seen.counts(), (1, 1));
}

#[test]
#[should_panic(expected = "polled after it gave its result")]
fn a_handle_polled_after_its_result_panics() {
    let executor = executor();
    let mut handle = executor.spawn(async {});
    settle(&executor);
    assert!(peek(&mut handle).is_ready());
    let _ = peek(&mut handle);
}

#[test]
#[should_panic(expected = "no runtime on this thread")]
fn spawn_outside_a_runtime_panics_and_says_so() {
    drop(spawn(async {}));
}

#[test]
fn try_spawn_outside_a_runtime_gives_the_future_back() {
    let future = try_spawn(async { 5 }).unwrap_err();
    assert_eq!(block_on(future), 5);
}

#[test]
fn executors_nest_and_each_runs_its_own_tasks() {
    let (a, b) = (executor(), executor());
    let in_a = a.enter();
    drop(spawn(async {}));
    let in_b = b.enter();
    drop(spawn(async {}));
    drop(spawn(async {}));
    assert_eq!((a.task_count(), b.task_count()), (1, 2));
    drop(in_b);
    drop(spawn(async {}));
    assert_eq!((a.task_count(), b.task_count()), (2, 2));
    drop(in_a);
    assert!(try_spawn(async {}).is_err());
}

#[test]
fn a_runtime_lives_and_ends_inside_a_task_of_another() {
    block_on(async {
        let task = spawn(async {
            let inner = LocalRuntime::new();
            let seen = Seen::new();
            drop(inner.executor().spawn(seen.probe()));
            assert_eq!(
                inner.block_on(async { spawn(async { 3 }).await.unwrap() }),
                3
            );
            drop(inner);
            assert_eq!(seen.counts(), (1, 1));
            // We are back in the outer one.
            spawn(async { 4 }).await.unwrap()
        });
        assert_eq!(task.await.unwrap(), 4);
    });
}

#[test]
fn guards_dropped_out_of_order_or_forgotten_are_sound() {
    let (a, b) = (executor(), executor());
    let in_a = a.enter();
    let in_b = b.enter();
    drop(in_a);
    drop(a);
    drop(in_b);
    drop(b);
    let c = executor();
    std::mem::forget(c.enter());
    drop(c);
    // The current executor has ended: what it is given is refused.
    let mut handle = spawn(async {});
    assert!(matches!(peek(&mut handle), Poll::Ready(Err(e)) if e.is_cancelled()));
    assert_eq!(block_on(async { spawn(async { 1 }).await.unwrap() }), 1);
}

#[test]
fn the_current_task_is_known_in_its_poll_and_its_destructor() {
    let executor = executor();
    let ids = Rc::new(RefCell::new(Vec::new()));
    let (in_poll, in_drop) = (ids.clone(), ids.clone());
    let handle = executor.spawn(async move {
        let _drop = OnDrop(move || in_drop.borrow_mut().push(current_task_id()));
        in_poll.borrow_mut().push(current_task_id());
        pending::<()>().await;
    });
    settle(&executor);
    handle.abort();
    settle(&executor);
    assert_eq!(*ids.borrow(), [Some(handle.id()), Some(handle.id())]);
    assert_eq!(current_task_id(), None);
}

#[test]
fn a_run_inside_a_poll_polls_the_others_and_not_the_running_one() {
    let executor = Rc::new(executor());
    let polled = Rc::new(Cell::new(false));
    let (inner, flag) = (executor.clone(), polled.clone());
    let mut polls = 0;
    let outer = executor.spawn(std::future::poll_fn(move |cx| {
        polls += 1;
        if polls == 1 {
            cx.waker().wake_by_ref(); // ready, and running
            inner.run(8, || {});
            assert!(flag.get());
            return Poll::Pending; // that wake must not be lost
        }
        Poll::Ready(())
    }));
    let flag = polled.clone();
    drop(executor.spawn(async move { flag.set(true) }));
    settle(&executor);
    assert!(outer.is_finished());
    assert_eq!(executor.stats().panicked, 0);
}

#[test]
fn the_root_is_polled_only_when_it_is_woken() {
    let seen = Seen::new();
    let polls = seen.clone();
    block_on(async {
        let task = spawn(async move {
            for _ in 0..100 {
                yield_now().await;
            }
            polls.open.set(true);
            polls.waker().wake();
        });
        seen.probe().await;
        drop(task);
    });
    assert_eq!(seen.counts(), (2, 1));
}

#[test]
#[should_panic(expected = "block_on inside block_on")]
fn block_on_inside_block_on_of_the_same_runtime_panics() {
    let runtime = LocalRuntime::new();
    runtime.block_on(async { runtime.block_on(async {}) });
}

#[test]
fn a_panic_of_the_root_comes_out_and_the_runtime_goes_on() {
    let runtime = LocalRuntime::new();
    let boom = || runtime.block_on(async { panic!("root") });
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(boom)).is_err());
    assert_eq!(
        runtime.block_on(async { spawn(async { 2 }).await.unwrap() }),
        2
    );
    assert!(try_spawn(async {}).is_err());
}
