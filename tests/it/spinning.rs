//! A runtime that spins before it parks. The witness is the kernel's count of how often its thread has gone to sleep.

use std::time::{Duration, Instant};

use sakia::Runtime;
use sakia_tests::{cpu_time, in_child, is_emulated};

/// So long it spins where the spin is not to end by itself.
const LONG: Duration = Duration::from_secs(60);
const WHILE: Duration = Duration::from_millis(30);

fn spinning(time: Duration) -> Runtime {
    let builder = Runtime::builder().entries(64).spin_before_park(time);
    builder.build().unwrap()
}

fn sleeps() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("/proc is mounted");
    let mut lines = status.lines();
    let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.expect("the kernel counts").trim().parse().unwrap()
}

#[test]
fn a_timer_a_task_of_another_thread_and_a_turn_with_a_limit_end_the_spin_in_which_the_thread_has_not_slept()
 {
    // Alone, for a thread may sleep in a page fault while others change the memory of their process.
    in_child(|| {
        let runtime = spinning(LONG);
        let handle = runtime.handle();
        let (start, slept) = (Instant::now(), sleeps());
        runtime.block_on(async {
            sakia::time::sleep(WHILE).await;
            assert!(start.elapsed() >= WHILE);
        });
        let thread = std::thread::spawn(move || {
            std::thread::sleep(WHILE);
            handle.spawn_with(|| async { handle_me() });
        });
        let until = Instant::now() + WHILE;
        while !HANDLED.get() {
            assert!(
                start.elapsed() < LONG / 2,
                "what another thread spawns is seen at once"
            );
            runtime.turn(None).unwrap();
        }
        assert!(Instant::now() >= until);
        let limited = Instant::now();
        runtime.turn(Some(WHILE)).unwrap();
        assert!(limited.elapsed() >= WHILE);
        runtime.turn(Some(Duration::ZERO)).unwrap();
        assert!(start.elapsed() < LONG / 2);
        if !is_emulated() {
            // It has waited three times. A page fault may wait, too, for a lock of the process that its other thread holds.
            assert!(sleeps() - slept < 3, "it spins all the time");
        }
        thread.join().unwrap();
        assert!(runtime.shutdown(Duration::from_secs(5)).is_clean());
        assert!(
            start.elapsed() < LONG / 2,
            "the end does not wait for a spin"
        );
    });
}

thread_local! {
    static HANDLED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

fn handle_me() {
    HANDLED.set(true);
}

#[test]
fn a_runtime_that_has_nothing_to_do_sleeps_when_its_spin_is_over_and_by_default_at_once() {
    for spin in [Duration::ZERO, WHILE] {
        let runtime = spinning(spin);
        let (busy, slept) = (cpu_time(), sleeps());
        runtime.block_on(sakia::time::sleep(Duration::from_millis(600)));
        let busy = cpu_time() - busy;
        assert!(
            busy < spin + Duration::from_millis(80),
            "{busy:?} of {spin:?}"
        );
        assert!(sleeps() > slept);
        assert!(runtime.shutdown(Duration::from_secs(5)).is_clean());
    }
}
