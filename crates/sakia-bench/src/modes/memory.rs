//! Memory: what an idle task takes.

use std::process::exit;
use std::time::Duration;

use crate::Rt;
use crate::measure::resident;
use crate::sync::Yield;
use crate::words::Words;

/// `TASKS`: the resident bytes that each of so many tasks takes which wait for nothing.
pub fn of_a_task<R: Rt>(words: &Words) {
    let tasks = words.number(0);
    R::block_on(async move {
        // One task and one sleep before: what is read of the program's own code by its first use of them is not a task's.
        R::detach(Yield::default());
        R::sleep(Duration::from_millis(1)).await;
        let before = resident("self");
        for _ in 0..tasks {
            R::detach(std::future::pending());
        }
        // Each is polled once.
        R::sleep(Duration::from_millis(300)).await;
        let more = resident("self").saturating_sub(before);
        println!("bytes={:.1}", more as f64 / tasks as f64);
        exit(0);
    });
}
