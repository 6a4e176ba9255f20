//! A ring made and dropped.

use sakia_bench::measure::Watch;
use sakia_bench::raw::build;
use sakia_bench::words::Words;

const ENTRIES: u32 = 1024;

/// `TIMES`
pub fn run(words: &Words) {
    let times = words.number(0);
    let watch = Watch::of_process();
    for _ in 0..times {
        drop(build(ENTRIES));
    }
    watch.tell(times);
}
