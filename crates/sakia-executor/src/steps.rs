//! The steps of the loop with one task: into the ready queue, its poll, and what its end means.
//!
//! Policy only, as in `executor.rs`, which says when a step is made.

use std::cell::Cell;

use crate::error::TaskPanic;
use crate::local::{Local, add};
use crate::remote::Home;
use crate::task::cell::{Fallout, Polled};
use crate::task::guard::guarded;
use crate::task::raw::TaskRef;
use crate::task::state::own;

/// Moves what other threads woke to the ready queue, at most `budget` tasks.
pub(crate) fn take_remote(home: &Home, budget: usize) {
    // Each task is in the remote queue at most once; more than there are tasks are repeats by busy threads.
    for _ in 0..budget.min(home.list.len().saturating_add(64)) {
        let Some(task) = home.pop_remote() else { break };
        let aborted = task.take_remote();
        let own = task.own(home);
        if task.adopt(home) {
            add(&home.counters.spawned, 1);
            home.ids.rise_above(task.id());
            home.list.push(task.clone(), home);
            if aborted || home.closed.get() {
                own.set(own::ABORT);
            }
            home.ready.push(task);
            continue;
        }
        if aborted {
            own.set(own::ABORT);
        }
        if own.queue() {
            home.ready.push(task);
        }
    }
}

/// Polls or drops one task from the ready queue; true if it was polled.
#[inline]
pub(crate) fn step(home: &Home, task: TaskRef) -> bool {
    let own = task.own(home);
    if own.has(own::ENDING | own::KEPT | own::ABORT) {
        drop_one(home, task);
        return false;
    }
    let outer = home.task.replace(Some(task.id()));
    let polled = task.poll(home);
    home.task.set(outer);
    match polled {
        // It was woken meanwhile: our reference goes back to the queue.
        Polled::Pending if task.own(home).has(own::QUEUED) => home.ready.push(task),
        Polled::Pending => task.give_back(home),
        Polled::Ended(fallout) => ended(home, task, fallout),
    }
    true
}

/// Drops the future of a task from the ready queue that is not to be polled, unless it has ended already.
#[cold]
fn drop_one(home: &Home, task: TaskRef) {
    let own = task.own(home);
    if own.has(own::ENDING) {
        return;
    }
    if own.has(own::KEPT) {
        // A Bound that was dropped elsewhere: no borrow is left, though a guard may have been forgotten.
        task.end_use(home);
    }
    own.clear(own::QUEUED);
    drop(home.list.remove(&task, home));
    cancel(home, task, &home.counters.aborted);
}

/// Carries out the end of a task whose output is in its slot, or whose poll has panicked.
#[inline]
fn ended(home: &Home, task: TaskRef, fallout: Option<Box<Fallout>>) {
    // Out of the list before any user code: a `clear` in the hook must not meet it.
    let listed = home.list.remove(&task, home);
    let mut panics = match fallout {
        None => 0,
        Some(fallout) => panicked(home, &task, *fallout),
    };
    if !task.own(home).has(own::PANIC) {
        add(&home.counters.completed, 1);
    }
    panics += task.finish(listed, home);
    if panics > 0 {
        add(&home.counters.destructor_panics, panics.into());
    }
}

/// Keeps a poll's panic for the handle and tells the hook of it; tells how many destructors and hooks panicked.
#[cold]
fn panicked(home: &Home, task: &TaskRef, fallout: Fallout) -> u32 {
    let mut panics = fallout.panics;
    let Some(payload) = fallout.payload else {
        return panics;
    };
    add(&home.counters.panicked, 1);
    task.keep_payload(payload, home);
    let hook = home.hook.borrow().clone();
    if let (Some(hook), Some(payload)) = (hook, task.payload(home)) {
        let panic = TaskPanic {
            id: task.id(),
            payload,
            #[cfg(feature = "track-origin")]
            origin: task.origin(),
        };
        panics += guarded(|| hook(&panic));
        panics += guarded(|| drop(hook));
    }
    panics
}

/// Drops the future of a task that is out of the list, and counts it in `counter`; tells how many panics there were.
pub(crate) fn cancel(local: &Local, task: TaskRef, counter: &Cell<u64>) -> u32 {
    uncount(local, &task, counter);
    let outer = local.task.replace(Some(task.id()));
    let mut panics = task.drop_future(local);
    local.task.set(outer);
    panics += task.finish(None, local);
    add(&local.counters.destructor_panics, panics.into());
    panics
}

/// Leaks the future of a task that is out of the list; tells how many panics the handle's waker threw.
pub(crate) fn leak(local: &Local, task: TaskRef) -> u32 {
    add(&local.counters.leaked, 1);
    uncount(local, &task, &Cell::new(0));
    task.leak_future(local);
    let panics = task.finish(None, local);
    add(&local.counters.destructor_panics, panics.into());
    panics
}

/// Counts the end of a task in `counter`, or that of a `Bound`'s value where its beginning was.
fn uncount(local: &Local, task: &TaskRef, counter: &Cell<u64>) {
    if task.own(local).has(own::KEPT) {
        local.kept.set(local.kept.get() - 1);
    } else {
        add(counter, 1);
    }
}
