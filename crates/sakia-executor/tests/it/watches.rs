//! Looking on at tasks: what a watch does wrong costs its task, and no future is dropped twice or never.

use std::cell::Cell;

use sakia_executor::{Executor, Watch};

use crate::help::{Seen, executor, settle};

/// Panics at the call of this number, before or after it has let the code run.
struct Clumsy {
    calls: Cell<u32>,
    panics_at: u32,
    before: bool,
}

impl Watch for Clumsy {
    fn around(&self, code: &mut dyn FnMut()) {
        self.calls.set(self.calls.get() + 1);
        let panics = self.calls.get() == self.panics_at;
        assert!(!(panics && self.before), "before");
        code();
        assert!(!panics, "after");
    }
}

fn watched_by(panics_at: u32, before: bool) -> Executor {
    let executor = executor();
    executor.set_watcher(Box::new(move |_, _| {
        let calls = Cell::new(0);
        Some(Box::new(Clumsy {
            calls,
            panics_at,
            before,
        }))
    }));
    executor
}

#[test]
fn a_watch_that_panics_around_a_poll_is_a_panic_of_the_task() {
    for before in [true, false] {
        let executor = watched_by(1, before);
        let seen = Seen::new();
        let task = executor.spawn(seen.probe());
        settle(&executor);
        assert!(task.is_finished());
        assert_eq!(seen.drops.get(), 1);
        assert_eq!(executor.stats().panicked, 1);
    }
}

#[test]
fn a_watch_that_panics_around_the_drop_keeps_no_future_from_it() {
    for before in [true, false] {
        let executor = watched_by(2, before);
        let seen = Seen::new();
        let task = executor.spawn(seen.probe());
        settle(&executor);
        task.abort();
        settle(&executor);
        assert!(task.is_finished());
        assert_eq!(seen.drops.get(), 1);
        assert_eq!(executor.stats().destructor_panics, 1);
    }
}

#[test]
fn a_task_that_was_polled_before_has_nobody_who_looks_on() {
    let executor = executor();
    let task = executor.spawn(std::future::pending::<()>());
    settle(&executor);
    executor.set_watcher(Box::new(|_, _| panic!("it is asked at a first poll alone")));
    task.abort();
    settle(&executor);
    assert_eq!(executor.stats().destructor_panics, 0);
}
