//! The end: close, clear, drop; destructors that spawn; what is left of a runtime that is gone.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending};
use std::pin::Pin;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use sakia_executor::{Bound, Executor, JoinHandle, spawn};

use crate::help::{OnDrop, Seen, Woken, executor, peek, settle};

/// A future that spawns itself again when it is dropped, for ever.
fn hydra(count: Rc<Cell<usize>>) -> impl Future<Output = ()> + 'static {
    let head = OnDrop(move || {
        count.set(count.get() + 1);
        drop(spawn(hydra(count.clone())));
    });
    async move {
        let _head = head;
        pending::<()>().await;
    }
}

#[test]
fn clear_drops_suspended_ready_and_unpolled_tasks_oldest_first() {
    let executor = executor();
    let order = Rc::new(RefCell::new(Vec::new()));
    let task = |n: usize| {
        let order = order.clone();
        let on_drop = OnDrop(move || order.borrow_mut().push(n));
        async move {
            let _on_drop = on_drop;
            pending::<()>().await;
        }
    };
    drop(executor.spawn(task(0)));
    drop(executor.spawn(task(1)));
    settle(&executor);
    drop(executor.spawn(task(2)));
    let cleared = executor.clear(None);
    assert_eq!((cleared.dropped, cleared.left, cleared.running), (3, 0, 0));
    assert_eq!(*order.borrow(), [0, 1, 2]);
    assert!(!executor.has_ready());
    assert_eq!((executor.task_count(), executor.stats().cleared), (0, 3));
}

#[test]
fn clear_goes_by_age_also_where_a_place_was_used_twice_and_a_task_came_from_elsewhere() {
    let executor = executor();
    let order = Arc::new(Mutex::new(Vec::new()));
    let task = |n: usize| {
        let order = order.clone();
        let on_drop = OnDrop(move || order.lock().unwrap().push(n));
        async move {
            let _on_drop = on_drop;
            pending::<()>().await;
        }
    };
    let first = executor.spawn(task(0));
    drop(executor.spawn(task(1)));
    first.abort();
    settle(&executor);
    let (handle, newborn) = (executor.handle(), task(2));
    let spawned = thread::spawn(move || drop(handle.spawn(newborn)));
    spawned.join().unwrap();
    settle(&executor);
    drop(executor.spawn(task(3)));
    executor.clear(None);
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
}

#[test]
fn what_a_destructor_spawns_into_the_place_of_an_older_one_counts_as_spawned_by_a_destructor() {
    let executor = executor();
    let place = Rc::new(RefCell::new(None));
    let taken = place.clone();
    drop(executor.spawn(async move {
        let _on_drop = OnDrop(move || {
            drop(taken.take());
            drop(spawn(pending::<()>()));
        });
        pending::<()>().await;
    }));
    let entered = executor.enter();
    *place.borrow_mut() = Some(Bound::new(7));
    drop(entered);
    settle(&executor);
    executor.close();
    let cleared = executor.clear(Some(Instant::now()));
    assert_eq!((cleared.dropped, cleared.left), (1, 1));
}

#[test]
fn handles_of_cleared_tasks_are_woken_and_resolve_to_cancelled() {
    let executor = executor();
    let mut handle = executor.spawn(pending::<()>());
    let (woken, waker) = Woken::new();
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(Future::poll(std::pin::Pin::new(&mut handle), &mut cx).is_pending());
    executor.clear(None);
    assert_eq!(woken.count(), 1);
    assert!(matches!(peek(&mut handle), Poll::Ready(Err(e)) if e.is_cancelled()));
}

#[test]
fn an_executor_that_was_cleared_and_not_closed_goes_on() {
    let executor = executor();
    drop(executor.spawn(pending::<()>()));
    executor.clear(None);
    let handle = executor.spawn(async {});
    settle(&executor);
    assert!(handle.is_finished());
}

#[test]
fn a_spawn_after_the_close_is_dropped_by_the_loop_and_its_handle_cancelled() {
    let executor = executor();
    let seen = Seen::new();
    executor.close();
    let mut handle = executor.spawn(seen.probe());
    assert_eq!(seen.counts(), (0, 0), "not inside the spawn");
    settle(&executor);
    assert_eq!(seen.counts(), (0, 1));
    assert!(matches!(peek(&mut handle), Poll::Ready(Err(e)) if e.is_cancelled()));
}

#[test]
fn what_destructors_spawn_is_dropped_by_the_same_clear() {
    let executor = executor();
    let seen = Seen::new();
    let inner = seen.clone();
    drop(executor.spawn(async move {
        let _spawn = OnDrop(move || drop(spawn(inner.probe())));
        pending::<()>().await;
    }));
    settle(&executor);
    executor.close();
    assert_eq!(executor.clear(None).dropped, 2);
    assert_eq!(seen.counts(), (0, 1));
}

#[test]
fn a_long_chain_of_destructors_that_spawn_does_not_eat_the_stack() {
    fn chain(left: usize) -> impl Future<Output = ()> + 'static {
        let link = OnDrop(move || {
            if left > 0 {
                drop(spawn(chain(left - 1)));
            }
        });
        async move {
            let _link = link;
            pending::<()>().await;
        }
    }
    let executor = executor();
    drop(executor.spawn(chain(100_000)));
    executor.close();
    assert_eq!(executor.clear(None).dropped, 100_001);
}

#[test]
fn a_destructor_that_spawns_itself_for_ever_ends_at_the_deadline_and_one_is_left() {
    let executor = executor();
    let count = Rc::new(Cell::new(0));
    drop(executor.spawn(hydra(count.clone())));
    executor.close();
    let begin = Instant::now();
    let cleared = executor.clear(Some(begin + Duration::from_millis(20)));
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert_eq!(cleared.left, 1);
    assert_eq!(cleared.dropped, count.get());
    assert_eq!((executor.task_count(), executor.stats().leaked), (0, 1));
}

#[test]
fn a_deadline_in_the_past_still_drops_the_tasks_that_were_there() {
    let executor = executor();
    let count = Rc::new(Cell::new(0));
    let seen = Seen::new();
    drop(executor.spawn(hydra(count.clone())));
    drop(executor.spawn(seen.probe()));
    let cleared = executor.clear(Some(Instant::now()));
    assert_eq!((cleared.dropped, cleared.left), (2, 1));
    assert_eq!(seen.counts(), (0, 1));
}

#[test]
fn the_handle_of_a_task_that_was_left_resolves_to_cancelled() {
    let executor = executor();
    let slot = Rc::new(RefCell::new(None));
    let late = slot.clone();
    drop(executor.spawn(async move {
        let _spawn = OnDrop(move || *late.borrow_mut() = Some(spawn(pending::<()>())));
        pending::<()>().await;
    }));
    settle(&executor);
    assert_eq!(executor.clear(Some(Instant::now())).left, 1);
    let mut handle = slot.take().unwrap();
    assert!(matches!(peek(&mut handle), Poll::Ready(Err(e)) if e.is_cancelled()));
}

/// Spawns a task whenever it is woken, and waits for that task with itself.
struct Breeder(Mutex<Vec<JoinHandle<()>>>, AtomicUsize);

impl Breeder {
    fn breed(self: &Arc<Self>) {
        let mut handle = spawn(pending::<()>());
        let waker = Waker::from(self.clone());
        let pends = Future::poll(Pin::new(&mut handle), &mut Context::from_waker(&waker));
        if pends.is_pending() {
            self.0.lock().unwrap().push(handle);
        }
    }
}

impl Wake for Breeder {
    fn wake(self: Arc<Self>) {
        // A bound for the case that this test fails.
        if self.1.fetch_add(1, SeqCst) < 1_000 {
            self.breed();
        }
    }
}

#[test]
fn a_waker_that_spawns_whenever_a_task_is_left_ends_at_the_deadline() {
    let executor = executor();
    let breeder = Arc::new(Breeder(Mutex::default(), AtomicUsize::new(0)));
    let late = breeder.clone();
    let on_drop = OnDrop(move || late.breed());
    drop(executor.spawn(async move {
        let _on_drop = on_drop;
        pending::<()>().await;
    }));
    let cleared = executor.clear(Some(Instant::now()));
    assert_eq!((cleared.dropped, cleared.left), (1, 2));
    assert_eq!(breeder.1.load(SeqCst), 1);
    breeder.0.lock().unwrap().clear();
}

#[test]
fn a_clear_inside_a_poll_passes_over_the_running_task() {
    let executor = Rc::new(executor());
    let seen = Seen::new();
    drop(executor.spawn(seen.probe()));
    settle(&executor);
    let inner = executor.clone();
    let mut handle = executor.spawn(async move {
        let cleared = inner.clear(None);
        (cleared.dropped, cleared.running)
    });
    drop(executor.spawn(pending::<()>()));
    settle(&executor);
    assert!(matches!(peek(&mut handle), Poll::Ready(Ok((2, 1)))));
    assert_eq!(seen.counts(), (1, 1));
}

#[test]
fn a_clear_inside_a_destructor_inside_a_clear_drops_each_task_once() {
    let executor = Rc::new(executor());
    let seen = Seen::new();
    let inner = executor.clone();
    drop(executor.spawn(async move {
        let _clear = OnDrop(move || {
            inner.clear(None);
        });
        pending::<()>().await;
    }));
    drop(executor.spawn(seen.probe()));
    settle(&executor);
    assert_eq!(executor.clear(None).dropped, 1);
    assert_eq!(seen.counts(), (1, 1));
}

#[test]
fn tasks_that_hold_each_others_handles_end_without_a_leak() {
    let executor = executor();
    let (seen, other) = (Seen::new(), Seen::new());
    let slot = Rc::new(RefCell::new(None));
    let (kept, probe) = (slot.clone(), seen.probe());
    let first = executor.spawn(async move {
        let _handle: Option<sakia_executor::JoinHandle<()>> = kept.take();
        probe.await;
    });
    let probe = other.probe();
    *slot.borrow_mut() = Some(executor.spawn(async move {
        let _ = first.await;
        drop(probe);
    }));
    settle(&executor);
    executor.clear(None);
    assert_eq!((seen.drops.get(), other.drops.get()), (1, 1));
}

#[test]
fn a_dropped_executor_drops_its_tasks_inside_its_own_context() {
    let executor = executor();
    let spawned = Rc::new(Cell::new(false));
    let flag = spawned.clone();
    let handle = executor.spawn(async move {
        let _spawn = OnDrop(move || flag.set(sakia_executor::try_spawn(async {}).is_ok()));
        pending::<()>().await;
    });
    settle(&executor);
    drop(executor);
    assert!(spawned.get());
    assert!(handle.is_finished());
    handle.abort();
}

#[test]
fn an_executor_in_a_thread_local_ends_with_its_thread() {
    thread_local! {
        static EXECUTOR: Executor = executor();
    }
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        EXECUTOR.with(|executor| {
            drop(executor.spawn(async move {
                let _tell = OnDrop(move || tx.send(()).unwrap());
                pending::<()>().await;
            }));
            settle(executor);
        });
    })
    .join()
    .unwrap();
    assert_eq!(rx.recv(), Ok(()));
}

/// Runs in a process of its own: `process::exit` drops the thread-local executor under its own poll.
#[test]
fn an_executor_dropped_under_its_own_poll_leaks_and_touches_nothing() {
    const NAME: &str = "end::an_executor_dropped_under_its_own_poll_leaks_and_touches_nothing";
    const FLAG: &str = "SAKIA_TEST_EXIT_IN_POLL";
    thread_local! {
        static EXECUTOR: Executor = executor();
    }
    if std::env::var_os(FLAG).is_some() {
        EXECUTOR.with(|executor| {
            // Were a task dropped, this would end the process otherwise than with 7.
            let fatal = || OnDrop(|| std::process::abort());
            let (running, waiting) = (fatal(), fatal());
            drop(executor.spawn(async move {
                let _fatal = running;
                std::process::exit(7);
            }));
            drop(executor.spawn(async move {
                let _fatal = waiting;
                pending::<()>().await;
            }));
            executor.run(1, || {});
        });
        unreachable!("the poll has exited");
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(FLAG, "1")
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(7));
}
