//! Handles: spawning on a runtime from other threads, and asking it to shut down.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use sakia_executor::{Executor, Handle, LocalRuntime, ThreadPark, Unpark, block_on};

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

struct CountUnparks(AtomicUsize);

impl Unpark for CountUnparks {
    fn unpark(&self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn tasks_that_many_threads_spawn_all_run_on_the_runtimes_thread() {
    const THREADS: usize = 4;
    const TASKS: usize = 500;
    let home = thread::current().id();
    block_on(async {
        let handle = Handle::current();
        let (tx, rx) = mpsc::channel();
        let threads: Vec<_> = (0..THREADS)
            .map(|t| {
                let (handle, tx) = (handle.clone(), tx.clone());
                thread::spawn(move || {
                    for n in 0..TASKS {
                        let task = handle.spawn(async move {
                            assert_eq!(thread::current().id(), home);
                            t * TASKS + n
                        });
                        tx.send(task).unwrap();
                    }
                })
            })
            .collect();
        drop(tx);
        let mut seen = vec![false; THREADS * TASKS];
        for _ in 0..THREADS * TASKS {
            let task = loop {
                match rx.try_recv() {
                    Ok(task) => break task,
                    Err(_) => sakia_executor::yield_now().await,
                }
            };
            let n = task.await.unwrap();
            assert!(!std::mem::replace(&mut seen[n], true));
        }
        assert!(seen.iter().all(|seen| *seen));
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_parked_runtime_runs_what_another_thread_spawns_and_the_other_awaits_it() {
    let runtime = LocalRuntime::new();
    let handle = runtime.executor().handle();
    let (done, wait) = mpsc::channel();
    let other = thread::spawn(move || {
        let answer = block_on(handle.spawn_with(|| async {
            let local = Rc::new(Cell::new(40));
            sakia_executor::yield_now().await;
            local.set(local.get() + 2);
            local.get()
        }));
        done.send(answer.unwrap()).unwrap();
        handle.request_shutdown();
    });
    let handle = runtime.executor().handle();
    runtime.block_on(handle.shutdown_requested());
    assert_eq!(wait.try_recv(), Ok(42));
    other.join().unwrap();
}

#[test]
fn a_spawn_from_elsewhere_unparks_once() {
    let count = Arc::new(CountUnparks(AtomicUsize::new(0)));
    let executor = Executor::new(count.clone());
    let handle = executor.handle();
    let task = thread::spawn(move || handle.spawn(async { 1 }))
        .join()
        .unwrap();
    assert_eq!(count.0.load(SeqCst), 1);
    assert!(executor.has_ready());
    assert_eq!(executor.run(8, || {}), 1);
    assert!(task.is_finished());
    assert_eq!(
        (executor.stats().spawned, executor.stats().completed),
        (1, 1)
    );
}

#[test]
fn tasks_of_one_thread_begin_in_their_order() {
    let executor = Executor::new(Arc::new(ThreadPark::new()));
    let handle = executor.handle();
    let (tx, rx) = mpsc::channel();
    thread::spawn(move || {
        for n in 0..300 {
            let tx = tx.clone();
            drop(handle.spawn(async move { tx.send(n).unwrap() }));
        }
    })
    .join()
    .unwrap();
    while executor.has_ready() {
        executor.run(7, || {});
    }
    assert!(rx.iter().eq(0..300));
}

#[test]
fn a_task_that_was_aborted_before_it_was_adopted_never_runs() {
    let executor = Executor::new(Arc::new(ThreadPark::new()));
    let drops = Arc::new(AtomicUsize::new(0));
    let value = Counted(drops.clone());
    let handle = executor.handle();
    let task = thread::spawn(move || {
        let task = handle.spawn(async move {
            let _value = value;
            panic!("it runs");
        });
        task.abort();
        task
    })
    .join()
    .unwrap();
    assert_eq!(executor.run(8, || {}), 0);
    assert!(block_on(task).unwrap_err().is_cancelled());
    assert_eq!(drops.load(SeqCst), 1);
}

#[test]
fn after_the_end_a_spawn_drops_the_future_and_the_handle_says_cancelled() {
    let executor = Executor::new(Arc::new(ThreadPark::new()));
    let handle = executor.handle();
    drop(executor);
    assert!(handle.is_closed() && handle.is_shutdown_requested());
    let drops = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let value = Counted(drops.clone());
        let task = handle.spawn(async move { drop(value) });
        assert!(task.is_finished());
        assert!(block_on(task).unwrap_err().is_cancelled());
    }
    let value = Counted(drops.clone());
    let task = handle.spawn_with(move || {
        let _value = &value;
        async {}
    });
    drop(task);
    assert_eq!(drops.load(SeqCst), 3);
    // Asked once more it does nothing, and nobody waits for ever.
    handle.request_shutdown();
    block_on(handle.shutdown_requested());
}

#[test]
fn what_was_spawned_and_not_yet_adopted_is_dropped_by_the_end_and_counted() {
    let drops = Arc::new(AtomicUsize::new(0));
    let executor = Executor::new(Arc::new(ThreadPark::new()));
    let handle = executor.handle();
    let in_time = drops.clone();
    let tasks = thread::spawn(move || {
        let spawn = |_| {
            let value = Counted(in_time.clone());
            handle.spawn(async move {
                let _value = value;
                std::future::pending::<()>().await;
            })
        };
        (0..1000).map(spawn).collect::<Vec<_>>()
    })
    .join()
    .unwrap();
    executor.close();
    // The deadline has passed: what was there is dropped all the same, and not leaked.
    let cleared = executor.clear_while(|| false);
    assert_eq!((cleared.dropped, cleared.left), (1000, 0));
    drop(executor);
    assert_eq!(drops.load(SeqCst), 1000);
    for task in tasks {
        assert!(block_on(task).unwrap_err().is_cancelled());
    }
}

#[test]
fn a_clear_without_a_close_drops_what_other_threads_had_spawned_by_then() {
    let executor = Executor::new(Arc::new(ThreadPark::new()));
    let handle = executor.handle();
    let task = thread::spawn(move || handle.spawn(std::future::pending::<()>()))
        .join()
        .unwrap();
    let cleared = executor.clear_while(|| false);
    assert_eq!((cleared.dropped, cleared.left), (1, 0));
    assert!(task.is_finished());
    assert_eq!(executor.task_count(), 0);
}

#[test]
fn spawns_that_race_with_the_end_lose_no_future_and_no_waiter() {
    for _ in 0..200 {
        let drops = Arc::new(AtomicUsize::new(0));
        let executor = Executor::new(Arc::new(ThreadPark::new()));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (handle, drops) = (executor.handle(), drops.clone());
                thread::spawn(move || {
                    for _ in 0..20 {
                        let value = Counted(drops.clone());
                        let task = handle.spawn(async move {
                            let _value = value;
                            std::future::pending::<()>().await;
                        });
                        assert!(block_on(task).unwrap_err().is_cancelled());
                        if !handle.is_closed() {
                            thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        executor.run(usize::MAX, || {});
        drop(executor);
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(drops.load(SeqCst), 40);
    }
}

#[test]
fn a_panic_of_what_makes_the_future_is_the_tasks() {
    let executor = Executor::new(Arc::new(ThreadPark::new()));
    let handle = executor.handle();
    let task = thread::spawn(move || {
        handle.spawn_with(|| -> std::future::Ready<()> { panic!("no future comes of this") })
    })
    .join()
    .unwrap();
    executor.run(8, || {});
    assert!(block_on(task).unwrap_err().is_panic());
}

#[test]
fn a_request_to_shut_down_wakes_every_waiter_on_every_thread_and_stays_made() {
    let runtime = LocalRuntime::new();
    let handle = runtime.executor().handle();
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            let handle = handle.clone();
            thread::spawn(move || block_on(handle.shutdown_requested()))
        })
        .collect();
    let asking = {
        let handle = handle.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            handle.request_shutdown();
        })
    };
    assert!(!handle.is_shutdown_requested());
    runtime.block_on(async {
        let task = sakia_executor::spawn(Handle::current().shutdown_requested());
        // One that goes before the request is forgotten.
        let mut gone = Box::pin(Handle::current().shutdown_requested());
        std::future::poll_fn(|cx| {
            assert!(gone.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        drop(gone);
        task.await.unwrap();
        Handle::current().shutdown_requested().await;
    });
    asking.join().unwrap();
    for waiter in waiters {
        waiter.join().unwrap();
    }
}

#[test]
fn a_waiter_on_another_thread_learns_of_the_end() {
    let executor = Executor::new(Arc::new(ThreadPark::new()));
    let handle = executor.handle();
    let waiter = thread::spawn(move || block_on(handle.shutdown_requested()));
    thread::sleep(Duration::from_millis(5));
    drop(executor);
    waiter.join().unwrap();
}
