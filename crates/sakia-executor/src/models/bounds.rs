//! A `Bound`'s way home: dropped on another thread, its value is dropped once, at home, by the loop or by the end.

use loom::thread;

use super::{Owner, Watch, model};
use crate::Bound;

#[test]
fn a_value_whose_shell_is_dropped_elsewhere_is_dropped_by_the_loop_at_home() {
    model(Some(4), || {
        let owner = Owner::new();
        let watch = Watch::new();
        let entered = owner.executor.enter();
        let shell = Bound::new(watch.thing());
        drop(entered);
        let thread = thread::spawn(move || drop(shell));
        owner.run_until(|| watch.drops() == 1);
        watch.was_dropped_once_at_home();
        let ended = owner.end();
        thread.join().unwrap();
        ended.leaves_nothing();
    });
}

#[test]
fn a_shell_that_is_dropped_elsewhere_races_with_the_end() {
    model(Some(4), || {
        let owner = Owner::new();
        let watch = Watch::new();
        let entered = owner.executor.enter();
        let shell = Bound::new(watch.thing());
        drop(entered);
        let thread = thread::spawn(move || {
            assert!(!shell.is_home());
            drop(shell);
        });
        let ended = owner.end();
        watch.was_dropped_once_at_home();
        thread.join().unwrap();
        watch.was_dropped_once_at_home();
        ended.leaves_nothing();
    });
}

#[test]
fn two_shells_come_home_from_two_threads_while_the_runtime_ends() {
    model(Some(2), || {
        let owner = Owner::new();
        let watches = [Watch::new(), Watch::new()];
        let entered = owner.executor.enter();
        let shells = [0, 1].map(|n| Bound::new(watches[n].thing()));
        drop(entered);
        let threads = shells.map(|shell| thread::spawn(move || drop(shell)));
        owner.executor.run(usize::MAX, || {});
        let ended = owner.end();
        watches.iter().for_each(Watch::was_dropped_once_at_home);
        for thread in threads {
            thread.join().unwrap();
        }
        ended.leaves_nothing();
    });
}
