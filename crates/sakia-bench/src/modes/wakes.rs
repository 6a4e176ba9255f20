//! Wakes: of many tasks by another one, and of a runtime that sleeps by another thread.

use std::process::exit;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::cannot;
use crate::Rt;
use crate::measure::{Watch, pin_to, spin};
use crate::sync::{Gate, Notify, XNotify};
use crate::words::Words;

/// `TIMES TASKS`: one task wakes all others, and waits until each has run.
pub fn within<R: Rt>(words: &Words) {
    let (times, tasks) = (words.number(0), words.count(1));
    R::block_on(async move {
        let notices: Rc<Vec<Notify>> = Rc::new((0..tasks).map(|_| Notify::default()).collect());
        let gate = Rc::new(Gate::new(tasks));
        for which in 0..tasks {
            let (notices, gate) = (notices.clone(), gate.clone());
            R::detach(async move {
                loop {
                    gate.arrive();
                    notices[which].wait().await;
                }
            });
        }
        gate.wait().await;
        let rounds = (times / tasks as u64).max(1);
        let watch = Watch::of_process();
        for _ in 0..rounds {
            gate.reset(tasks);
            for notice in notices.iter() {
                notice.notify();
            }
            gate.wait().await;
        }
        watch.tell(rounds * tasks as u64);
        // The tasks never end.
        exit(0);
    });
}

/// `TIMES DELAY`: a thread on core 0 wakes the runtime so many microseconds after it is asked to. The delay is taken off.
pub fn across<R: Rt>(words: &Words) {
    if !R::OTHER_THREADS {
        return cannot();
    }
    let (times, delay) = (words.number(0), Duration::from_micros(words.number(1)));
    let (asked, notice) = (Arc::new(AtomicU64::new(0)), Arc::new(XNotify::default()));
    let (theirs, notify) = (asked.clone(), notice.clone());
    std::thread::spawn(move || {
        pin_to(0);
        for number in 1..=times {
            while theirs.load(Ordering::Acquire) != number {
                std::hint::spin_loop();
            }
            spin(delay);
            notify.notify();
        }
    });
    R::block_on(async move {
        let watch = Watch::of_thread();
        for number in 1..=times {
            asked.store(number, Ordering::Release);
            notice.wait().await;
        }
        watch.tell_less(times, delay * times as u32);
        exit(0);
    });
}
