//! Tasks that are made on another thread, against the loop, an abort and the end.

use loom::thread;

use super::{Owner, Watch, block_on, model};

#[test]
fn a_task_that_is_spawned_elsewhere_is_adopted_run_and_joined() {
    model(Some(3), || {
        let owner = Owner::new();
        let watch = Watch::new();
        let (handle, thing) = (owner.executor.handle(), watch.thing());
        let thread = thread::spawn(move || drop(block_on(handle.spawn(async { thing })).unwrap()));
        owner.run_until(|| owner.executor.stats().completed == 1);
        let ended = owner.end();
        thread.join().unwrap();
        watch.was_dropped_once();
        ended.leaves_nothing();
    });
}

#[test]
fn a_spawn_elsewhere_that_races_with_the_end_is_run_by_nobody_and_told() {
    model(Some(3), || {
        let owner = Owner::new();
        let watch = Watch::new();
        let (handle, thing) = (owner.executor.handle(), watch.thing());
        let thread = thread::spawn(move || {
            let task = handle.spawn(async move {
                let _lives_as_long_as_the_future = &thing;
                std::future::pending::<()>().await;
            });
            assert!(block_on(task).unwrap_err().is_cancelled());
        });
        let ended = owner.end();
        thread.join().unwrap();
        watch.was_dropped_once();
        ended.leaves_nothing();
    });
}

#[test]
fn an_abort_of_a_newborn_races_with_its_adoption_and_the_end() {
    model(Some(3), || {
        let owner = Owner::new();
        let watch = Watch::new();
        let (handle, thing) = (owner.executor.handle(), watch.thing());
        let thread = thread::spawn(move || {
            let task = handle.spawn(async move {
                let _lives_as_long_as_the_future = &thing;
                std::future::pending::<()>().await;
            });
            task.abort();
        });
        owner.executor.run(usize::MAX, || {});
        let ended = owner.end();
        thread.join().unwrap();
        watch.was_dropped_once();
        ended.leaves_nothing();
    });
}

#[test]
fn a_handle_that_comes_home_while_its_newborn_is_refused_elsewhere_leaks_nothing() {
    model(Some(3), || {
        let owner = Owner::new();
        let watch = Watch::new();
        let (handle, thing) = (owner.executor.handle(), watch.thing());
        let (sender, tasks) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let _ = sender.send(handle.spawn(async move { drop(thing) }));
        });
        // The executor has ended and is still the thread's current one.
        let entered = owner.executor.enter();
        let ended = owner.end();
        drop(tasks.try_recv());
        drop(entered);
        thread.join().unwrap();
        drop(tasks);
        watch.was_dropped_once();
        ended.leaves_nothing();
    });
}
