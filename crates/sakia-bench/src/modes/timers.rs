//! Timers: sleeps that fire, and limits that do not.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn, ready};
use std::pin::pin;
use std::process::exit;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::cannot;
use crate::Rt;
use crate::data::ZERO;
use crate::measure::{Rng, Watch};
use crate::sync::{Gate, Yield};
use crate::words::{Words, variant};

/// Far enough away that it does not fire.
const LIMIT: Duration = Duration::from_secs(30);

/// `TIMES TASKS MOST`: sleeps of up to so many milliseconds, in so many tasks at a time. It also tells how late they were.
pub fn sleeps<R: Rt>(words: &Words) {
    if !R::TIMERS {
        return cannot();
    }
    let (times, most) = (words.number(0), words.number(2) * 1000);
    let tasks = words.number(1).min(times);
    let each = times / tasks;
    R::block_on(async move {
        let watch = Watch::of_process();
        let gate = Rc::new(Gate::new(tasks as usize));
        let late = Rc::new(Cell::new(Duration::ZERO));
        for which in 0..tasks {
            let (gate, late) = (gate.clone(), late.clone());
            R::detach(async move {
                let mut rng = Rng::new(which);
                for _ in 0..each {
                    let time = Duration::from_micros(rng.below(most) + 1);
                    let start = Instant::now();
                    R::sleep(time).await;
                    let slept = start.elapsed();
                    assert!(slept >= time, "woken early: {slept:?} for {time:?}");
                    late.set(late.get() + (slept - time));
                }
                gate.arrive();
            });
        }
        gate.wait().await;
        watch.tell(tasks * each);
        println!(
            "late_us={:.1}",
            late.get().as_micros() as f64 / (tasks * each) as f64
        );
        exit(0);
    });
}

/// `TIMES KIND PENDING`: a limit around something that is ready, that yields, or that is an op; so many other limits are pending.
pub fn timeout<R: Rt>(words: &Words) {
    if !R::TIMERS {
        return cannot();
    }
    let (times, kind, others) = (words.number(0), words.word(1).to_owned(), words.number(2));
    R::block_on(async move {
        pend::<R>(others).await;
        match kind.as_str() {
            "ready" => around::<R, _>(times, || ready(())).await,
            "yield" => around::<R, _>(times, Yield::default).await,
            "zero" => {
                let file = R::open(ZERO.into(), false).await;
                let buf = Cell::new(vec![7; 1]);
                around::<R, _>(times, async || {
                    let (n, back) = R::read_at(&file, buf.take(), 0).await;
                    assert_eq!(n, 1);
                    buf.set(back);
                })
                .await;
            }
            kind => panic!("there is no limit around {kind:?}"),
        }
        exit(0);
    });
}

/// Puts a limit around what `inner` makes, a tenth of the times as a warm-up. The variant `bare` does the same without the limit.
async fn around<R: Rt, F: Future>(times: u64, inner: impl Fn() -> F) {
    let bare = variant() == "bare";
    for (times, counts) in [(times / 10, false), (times, true)] {
        let watch = Watch::of_process();
        for _ in 0..times {
            if bare {
                inner().await;
            } else {
                assert!(R::timeout(LIMIT, inner()).await.is_ok());
            }
        }
        if counts {
            watch.tell(times);
        }
    }
}

/// `TIMES PENDING`: a sleep is polled once and dropped; so many other timers are pending, a thousand in the variant `few`.
pub fn insert_and_cancel<R: Rt>(words: &Words) {
    if !R::TIMERS {
        return cannot();
    }
    let few = variant() == "few";
    let (times, others) = (words.number(0), if few { 1000 } else { words.number(1) });
    R::block_on(async move {
        pend::<R>(others).await;
        let mut rng = Rng::new(0);
        for (times, counts) in [(times / 10, false), (times, true)] {
            let watch = Watch::of_process();
            for _ in 0..times {
                let mut sleep = pin!(R::sleep(LIMIT + Duration::from_micros(rng.below(1 << 20))));
                poll_fn(|cx| {
                    assert!(sleep.as_mut().poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
            }
            if counts {
                watch.tell(times);
            }
        }
        exit(0);
    });
}

/// Leaves so many timers pending, each in its own task.
async fn pend<R: Rt>(others: u64) {
    for which in 0..others {
        R::detach(async move {
            let time = Duration::from_secs(100) + Duration::from_millis(which % 1000);
            drop(R::timeout(time, pending::<()>()).await);
        });
    }
    // Each is polled once.
    Yield::default().await;
    Yield::default().await;
}
