//! The op that does nothing: what the ring itself costs.

use io_uring::opcode;
use sakia_bench::measure::Watch;
use sakia_bench::raw::{Queues, build};
use sakia_bench::words::Words;

/// `TIMES DEPTH`
pub fn run(words: &Words) {
    let (times, depth) = (words.number(0), words.count(1));
    let mut ring = build(256);
    let mut queues = Queues::of(&mut ring);
    for (times, counts) in [(times / 10, false), (times, true)] {
        let watch = Watch::of_process();
        let mut done = 0;
        while done < times {
            for _ in 0..depth {
                // SAFETY: the entry names no memory.
                unsafe { queues.push(&opcode::Nop::new().build()) };
            }
            queues.turn(depth);
            while queues.next_completion().is_some() {
                done += 1;
            }
        }
        if counts {
            watch.tell(done);
        }
    }
}
