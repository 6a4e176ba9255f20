//! Wakes, aborts and handles on other threads than the tasks'.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;

use sakia_executor::{Executor, JoinSet, LocalRuntime, Unpark, block_on, spawn};

use crate::help::{OnDrop, Seen, Woken, executor, peek, settle, wake_by_value};

/// Counts the unparks.
#[derive(Default)]
struct Counting(AtomicUsize);

impl Unpark for Counting {
    fn unpark(&self) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Waits until `flag` is at least `n`, polled by wakes alone.
async fn reached(count: Arc<AtomicUsize>, n: usize, waker: mpsc::Sender<Waker>) {
    poll_fn(|cx| {
        let _ = waker.send(cx.waker().clone());
        if count.load(SeqCst) >= n {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[test]
fn a_remote_wake_queues_once_and_unparks_once_until_it_is_taken_out() {
    let unpark = Arc::new(Counting::default());
    let executor = Executor::new(unpark.clone());
    let seen = Seen::new();
    drop(executor.spawn(seen.probe()));
    settle(&executor);
    for round in 1..=3 {
        let waker = seen.waker();
        thread::spawn(move || (0..5).for_each(|_| waker.wake_by_ref()))
            .join()
            .unwrap();
        assert_eq!(unpark.0.load(SeqCst), round);
        assert!(executor.has_ready());
        assert_eq!(settle(&executor), 1);
    }
    // On the owner's thread inside the executor nobody is unparked.
    let _entered = executor.enter();
    seen.waker().wake();
    executor.root_waker().wake();
    assert_eq!(unpark.0.load(SeqCst), 3);
}

#[test]
fn the_remote_queue_keeps_the_order_of_wakes() {
    let executor = executor();
    let order = Rc::new(std::cell::RefCell::new(Vec::new()));
    let mut wakers = Vec::new();
    for n in 0..20 {
        let seen = Seen::new();
        let (mut probe, order) = (seen.probe(), order.clone());
        drop(executor.spawn(async move {
            poll_fn(|cx| {
                order.borrow_mut().push(n);
                Pin::new(&mut probe).poll(cx)
            })
            .await;
        }));
        settle(&executor);
        wakers.push(seen.waker());
    }
    order.borrow_mut().clear();
    wakers.reverse();
    thread::spawn(move || wakers.into_iter().for_each(Waker::wake))
        .join()
        .unwrap();
    settle(&executor);
    assert_eq!(*order.borrow(), (0..20).rev().collect::<Vec<_>>());
}

#[test]
fn no_wake_is_lost_in_a_storm_from_several_threads() {
    const THREADS: usize = 3;
    const ROUNDS: usize = 5_000;
    let runtime = LocalRuntime::new();
    runtime.block_on(async {
        let mut tasks = Vec::new();
        let mut threads = Vec::new();
        for _ in 0..THREADS {
            // Each round is a wake that must arrive: the thread waits for the task to have seen the last one.
            let (ping, pong) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (tx, rx) = mpsc::channel::<Waker>();
            let (ping2, pong2) = (ping.clone(), pong.clone());
            threads.push(thread::spawn(move || {
                let mut waker = rx.recv().unwrap();
                for round in 1..=ROUNDS {
                    ping2.store(round, SeqCst);
                    waker.wake_by_ref();
                    while pong2.load(SeqCst) < round {
                        thread::yield_now();
                    }
                    while let Ok(newer) = rx.try_recv() {
                        waker = newer;
                    }
                }
            }));
            tasks.push(spawn(async move {
                for round in 1..=ROUNDS {
                    reached(ping.clone(), round, tx.clone()).await;
                    pong.store(round, SeqCst);
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_storm_on_one_task_from_several_threads_is_sound_and_ends() {
    const THREADS: usize = 4;
    const WAKES: usize = 10_000;
    let left = Arc::new(AtomicUsize::new(THREADS));
    let polls = Rc::new(Cell::new(0_usize));
    let counted = polls.clone();
    let watched = left.clone();
    block_on(async move {
        let (tx, rx) = mpsc::channel::<Waker>();
        let task = spawn(poll_fn(move |cx| {
            counted.set(counted.get() + 1);
            if counted.get() == 1 {
                for _ in 0..THREADS {
                    tx.send(cx.waker().clone()).unwrap();
                }
            }
            if watched.load(SeqCst) == 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
        let rx = Arc::new(std::sync::Mutex::new(rx));
        let threads: Vec<_> = (0..THREADS)
            .map(|n| {
                let (rx, left) = (rx.clone(), left.clone());
                thread::spawn(move || {
                    let waker = rx.lock().unwrap().recv().unwrap();
                    for _ in 0..WAKES {
                        if n % 2 == 0 {
                            waker.wake_by_ref();
                        } else {
                            wake_by_value(&waker);
                        }
                    }
                    left.fetch_sub(1, SeqCst);
                    waker.wake();
                })
            })
            .collect();
        task.await.unwrap();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    assert!(polls.get() <= THREADS * (WAKES + 1) + 1);
}

#[test]
fn a_root_woken_from_another_thread_is_polled() {
    for _ in 0..200 {
        let flag = Arc::new(AtomicBool::new(false));
        let mut helper = None;
        block_on(poll_fn(|cx| {
            if flag.load(SeqCst) {
                return Poll::Ready(());
            }
            let (flag, waker) = (flag.clone(), cx.waker().clone());
            helper.get_or_insert_with(|| {
                thread::spawn(move || {
                    flag.store(true, SeqCst);
                    waker.wake();
                })
            });
            Poll::Pending
        }));
        helper.unwrap().join().unwrap();
    }
}

#[test]
fn an_abort_from_another_thread_drops_the_future_on_the_owners_thread() {
    let owner = thread::current().id();
    let dropped_on = Rc::new(Cell::new(None));
    let sink = dropped_on.clone();
    let executor = executor();
    let mut handle = executor.spawn(async move {
        let _tell = OnDrop(move || sink.set(Some(thread::current().id())));
        pending::<()>().await;
    });
    settle(&executor);
    let abort = handle.abort_handle();
    thread::spawn(move || abort.abort()).join().unwrap();
    assert_eq!(dropped_on.get(), None, "only marked and queued");
    assert_eq!(settle(&executor), 0);
    assert_eq!(dropped_on.get(), Some(owner));
    assert!(matches!(peek(&mut handle), Poll::Ready(Err(e)) if e.is_cancelled()));
}

#[test]
fn an_abort_and_a_wake_that_race_end_the_task() {
    for _ in 0..300 {
        let executor = executor();
        let seen = Seen::new();
        let handle = executor.spawn(seen.probe());
        settle(&executor);
        let (waker, abort) = (seen.waker(), handle.abort_handle());
        let wake = thread::spawn(move || waker.wake());
        let end = thread::spawn(move || abort.abort());
        while !handle.is_finished() {
            executor.run(8, || {});
        }
        wake.join().unwrap();
        end.join().unwrap();
        assert_eq!(seen.drops.get(), 1);
    }
}

#[test]
fn a_handle_is_awaited_on_another_thread() {
    let executor = executor();
    let (tx, rx) = mpsc::channel();
    let handle = executor.spawn(async { vec![1, 2, 3] });
    let waiter = thread::spawn(move || {
        let mut handle = handle;
        let (woken, waker) = Woken::new();
        let mut cx = Context::from_waker(&waker);
        let first = Pin::new(&mut handle).poll(&mut cx);
        tx.send(first.is_pending()).unwrap();
        let output = block_on(handle).unwrap();
        (output, woken.count())
    });
    assert!(rx.recv().unwrap());
    settle(&executor);
    assert_eq!(waiter.join().unwrap().0, [1, 2, 3]);
}

#[test]
fn handles_that_race_with_the_end_get_the_output_or_drop_it_once() {
    let drops = Arc::new(AtomicUsize::new(0));
    const ROUNDS: usize = 600;
    for round in 0..ROUNDS {
        let executor = executor();
        let count = drops.clone();
        let handle = executor.spawn(async move {
            OnDrop(move || {
                count.fetch_add(1, SeqCst);
            })
        });
        let barrier = Arc::new(Barrier::new(2));
        let start = barrier.clone();
        let other = thread::spawn(move || {
            start.wait();
            match round % 3 {
                0 => drop(handle),
                1 => drop(block_on(handle).unwrap()),
                _ => {
                    let mut handle = handle;
                    let _ = peek(&mut handle);
                    drop(handle);
                }
            }
        });
        barrier.wait();
        settle(&executor);
        other.join().unwrap();
    }
    assert_eq!(drops.load(SeqCst), ROUNDS);
}

#[test]
fn the_last_reference_may_go_on_another_thread_while_the_task_is_alive_or_dead() {
    let owner = thread::current().id();
    for end_first in [true, false] {
        let executor = executor();
        let seen = Seen::new();
        let dropped_on = Rc::new(Cell::new(None));
        let (probe, sink) = (seen.probe(), dropped_on.clone());
        drop(executor.spawn(async move {
            let _tell = OnDrop(move || sink.set(Some(thread::current().id())));
            probe.await;
        }));
        settle(&executor);
        let waker = seen.waker.take().unwrap();
        if end_first {
            drop(executor);
            thread::spawn(move || drop(waker)).join().unwrap();
        } else {
            thread::spawn(move || drop(waker)).join().unwrap();
            drop(executor);
        }
        assert_eq!(dropped_on.get(), Some(owner));
    }
}

#[test]
fn wakes_that_race_with_the_end_of_the_executor_are_no_ops() {
    const ROUNDS: usize = 1_000;
    for _ in 0..ROUNDS {
        let executor = executor();
        let seen = Seen::new();
        drop(executor.spawn(seen.probe()));
        settle(&executor);
        let waker = seen.waker.take().unwrap();
        let root = executor.root_waker();
        let barrier = Arc::new(Barrier::new(2));
        let start = barrier.clone();
        let other = thread::spawn(move || {
            start.wait();
            for _ in 0..20 {
                waker.wake_by_ref();
                root.wake_by_ref();
            }
            waker.wake();
        });
        barrier.wait();
        drop(executor);
        other.join().unwrap();
        assert_eq!(seen.counts(), (1, 1));
    }
}

#[test]
fn a_join_set_is_awaited_on_another_thread() {
    let executor = executor();
    let mut set = JoinSet::new();
    for n in 0..50 {
        set.spawn_on(async move { n }, &executor);
    }
    let done = Arc::new(AtomicBool::new(false));
    let flag = done.clone();
    let waiter = thread::spawn(move || {
        let sum = block_on(async move {
            let mut sum = 0;
            while let Some(n) = set.join_next().await {
                sum += n.unwrap();
            }
            sum
        });
        flag.store(true, SeqCst);
        sum
    });
    while !done.load(SeqCst) {
        executor.run(3, || {});
    }
    assert_eq!(waiter.join().unwrap(), (0..50).sum::<i32>());
}
