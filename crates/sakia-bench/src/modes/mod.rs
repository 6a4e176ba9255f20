//! The modes of a runtime. The first word picks one; the runner's table says which words follow.

mod files;
mod memory;
mod ops;
mod tasks;
mod timers;
mod wakes;

use std::future::Future;

use crate::Rt;
use crate::measure::{Watch, cannot};
use crate::words::Words;

/// The main function of a runtime's program.
pub fn main<R: Rt>() {
    let words = Words::new();
    match words.mode() {
        "serve" => {
            let (port, buf) = (words.number(0) as u16, words.count(1));
            R::block_on(R::serve(port, buf));
        }
        "read" => files::read::<R>(&words),
        "write" => files::write::<R>(&words),
        "open-read-close" => files::open_read_close::<R>(&words),
        "open-drop" => files::open_drop::<R>(&words),
        "zero" => ops::zero::<R>(&words),
        "nop" => ops::nop::<R>(&words),
        "spawn" => tasks::spawn::<R>(&words),
        "yield" => tasks::yields::<R>(&words),
        "start-stop" => tasks::start_stop::<R>(&words),
        "wake" => wakes::within::<R>(&words),
        "cross-wake" => wakes::across::<R>(&words),
        "sleeps" => timers::sleeps::<R>(&words),
        "timeout" => timers::timeout::<R>(&words),
        "timer" => timers::insert_and_cancel::<R>(&words),
        "task-memory" => memory::of_a_task::<R>(&words),
        mode => panic!("there is no mode {mode:?}"),
    }
}

/// Shares `times` ops out to `tasks` tasks, `task(which, how often)`, waits for all of them, and says what an op took. A tenth of it goes before, as a warm-up.
pub async fn shared_out<R, F>(times: u64, tasks: usize, task: impl Fn(usize, u64) -> F)
where
    R: Rt,
    F: Future<Output = ()> + 'static,
{
    for (times, counts) in [(times / 10, false), (times, true)] {
        let each = (times / tasks as u64).max(1);
        let watch = Watch::of_process();
        let handles: Vec<_> = (0..tasks)
            .map(|which| Box::pin(R::spawn(task(which, each))))
            .collect();
        for handle in handles {
            handle.await;
        }
        if counts {
            watch.tell(each * tasks as u64);
        }
    }
}
