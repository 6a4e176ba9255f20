//! Tasks: spawning and joining them, yields, and the runtime's own start and stop.

use std::hint::black_box;

use super::shared_out;
use crate::Rt;
use crate::measure::Watch;
use crate::sync::Yield;
use crate::words::Words;

/// `TIMES WAVE`: a wave of tasks is spawned, then joined, then comes the next.
pub fn spawn<R: Rt>(words: &Words) {
    let (times, wave) = (words.number(0), words.number(1));
    R::block_on(async move {
        for (times, counts) in [(times / 10, false), (times, true)] {
            let waves = (times / wave).max(1);
            let watch = Watch::of_process();
            let (mut handles, mut sum) = (Vec::with_capacity(wave as usize), 0_u64);
            for number in 0..waves {
                for which in 0..wave {
                    handles.push(Box::pin(R::spawn(async move { number ^ which })));
                }
                for handle in handles.drain(..) {
                    sum = sum.wrapping_add(handle.await);
                }
            }
            black_box(sum);
            if counts {
                watch.tell(waves * wave);
            }
        }
    });
}

/// `TIMES TASKS`
pub fn yields<R: Rt>(words: &Words) {
    let (times, tasks) = (words.number(0), words.count(1));
    R::block_on(shared_out::<R, _>(times, tasks, |_, times| async move {
        for _ in 0..times {
            Yield::default().await;
        }
    }));
}

/// `TIMES`
pub fn start_stop<R: Rt>(words: &Words) {
    let times = words.number(0);
    R::block_on(async {});
    let watch = Watch::of_process();
    for _ in 0..times {
        R::block_on(async {});
    }
    watch.tell(times);
}
