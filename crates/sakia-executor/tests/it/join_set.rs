//! `JoinSet`: order, aborts, reuse of places, drop.

use std::future::pending;
use std::task::Context;

use sakia_executor::{JoinSet, block_on, yield_now};

use crate::help::{Seen, Woken, executor, settle};

#[test]
fn outcomes_come_in_the_order_in_which_the_tasks_end() {
    let order = block_on(async {
        let mut set = JoinSet::new();
        for n in [3_usize, 1, 2] {
            set.spawn(async move {
                for _ in 0..n * 3 {
                    yield_now().await;
                }
                n
            });
        }
        let mut order = Vec::new();
        while let Some(n) = set.join_next().await {
            order.push(n.unwrap());
        }
        order
    });
    assert_eq!(order, [1, 2, 3]);
}

#[test]
fn an_empty_set_gives_none_at_once() {
    let mut set = JoinSet::<()>::new();
    assert!(block_on(set.join_next()).is_none());
    assert!(set.try_join_next().is_none());
}

#[test]
fn panics_and_aborts_are_outcomes_and_do_not_hide_the_others() {
    block_on(async {
        let mut set = JoinSet::new();
        set.spawn(async { panic!("one") });
        set.spawn(pending::<()>()).abort();
        set.spawn(async {});
        let (mut ok, mut cancelled, mut panicked) = (0, 0, 0);
        while let Some(outcome) = set.join_next().await {
            match outcome {
                Ok(()) => ok += 1,
                Err(error) if error.is_panic() => panicked += 1,
                Err(_) => cancelled += 1,
            }
        }
        assert_eq!((ok, cancelled, panicked), (1, 1, 1));
        assert_eq!(set.len(), 0);
    });
}

#[test]
fn places_are_used_again_and_no_outcome_goes_to_the_wrong_task() {
    block_on(async {
        let mut set = JoinSet::new();
        for round in 0..100 {
            let ids = [0, 1].map(|n| set.spawn(async move { round * 2 + n }).id());
            for _ in ids {
                let (id, value) = set.join_next_with_id().await.unwrap().unwrap();
                let at = ids.iter().position(|&other| other == id).unwrap();
                assert_eq!(value, round * 2 + at);
            }
        }
        assert!(set.is_empty());
    });
}

#[test]
fn a_dropped_set_aborts_its_tasks_and_a_detached_one_does_not() {
    let executor = executor();
    let (aborted, detached) = (Seen::new(), Seen::new());
    let mut set = JoinSet::new();
    set.spawn_on(aborted.probe(), &executor);
    let mut other = JoinSet::new();
    other.spawn_on(detached.probe(), &executor);
    settle(&executor);
    drop(set);
    other.detach_all();
    assert!(other.is_empty());
    drop(other);
    settle(&executor);
    assert_eq!((aborted.counts(), detached.counts()), ((1, 1), (1, 0)));
}

#[test]
fn shutdown_returns_when_all_futures_are_dropped() {
    let seen = [(); 3].map(|()| Seen::new());
    block_on(async {
        let mut set = JoinSet::new();
        for seen in &seen {
            set.spawn(seen.probe());
        }
        yield_now().await;
        set.shutdown().await;
        assert!(seen.iter().all(|seen| seen.counts() == (1, 1)));
        assert!(set.is_empty());
    });
}

#[test]
fn a_join_next_that_is_dropped_loses_nothing() {
    let executor = executor();
    let mut set = JoinSet::new();
    set.spawn_on(async { 9 }, &executor);
    let (woken, waker) = Woken::new();
    {
        let mut next = std::pin::pin!(set.join_next());
        assert!(
            next.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    settle(&executor);
    assert_eq!(woken.count(), 1);
    assert_eq!(set.try_join_next().unwrap().unwrap(), 9);
}

#[test]
fn a_task_spawned_while_a_set_is_waited_for_wakes_the_waiter() {
    let executor = executor();
    let mut set = JoinSet::new();
    set.spawn_on(pending::<()>(), &executor);
    let (woken, waker) = Woken::new();
    assert!(
        set.poll_join_next(&mut Context::from_waker(&waker))
            .is_pending()
    );
    set.spawn_on(async {}, &executor);
    assert_eq!(woken.count(), 1);
}
