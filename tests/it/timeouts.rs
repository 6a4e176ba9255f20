//! Time limits around any future, `Unpin` or not, as users write them: in loops, in `select!`, by `&mut`, in structs.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::select_biased;
use sakia::net::UnixStream;
use sakia::prelude::*;
use sakia::time::{Timeout, now, sleep, timeout};

use crate::support::run_clean;

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

/// A future that is not `Unpin`, counts how often it is begun, and needs some naps to end.
async fn work(begun: Rc<Cell<u32>>, naps: u32) -> u32 {
    begun.set(begun.get() + 1);
    let here = begun.get();
    let borrowed = &here;
    for _ in 0..naps {
        sleep(10 * MS).await;
    }
    *borrowed
}

#[sakia::test(entries = 64, start_paused)]
async fn a_pinned_future_outlives_its_limits_in_a_loop_and_is_begun_once() {
    let begun = Rc::new(Cell::new(0));
    let mut work = pin!(work(begun.clone(), 10));
    let (start, mut late) = (now(), 0);
    let output = loop {
        match timeout(15 * MS, work.as_mut()).await {
            Ok(output) => break output,
            Err(_) => late += 1,
        }
    };
    assert_eq!((output, begun.get()), (1, 1));
    assert!((5..=7).contains(&late), "{late} limits of 15 ms in 100 ms");
    assert!(now() - start >= 100 * MS);
}

#[sakia::test(entries = 64, start_paused)]
async fn a_pinned_limit_goes_on_counting_over_the_rounds_of_a_select() {
    let begun = Rc::new(Cell::new(0));
    let mut bounded = pin!(timeout(100 * MS, work(begun.clone(), 1000)));
    let (start, mut ticks) = (now(), 0);
    let output = loop {
        tokio::select! {
            output = &mut bounded => break output,
            () = sleep(30 * MS) => ticks += 1,
        }
    };
    assert!(output.is_err());
    assert_eq!((ticks, begun.get()), (3, 1));
    let took = now() - start;
    assert!(took >= 100 * MS && took < 105 * MS, "{took:?}");
}

#[sakia::test(entries = 64, start_paused)]
async fn the_select_of_futures_takes_it_too() {
    let mut bounded = pin!(timeout(100 * MS, work(Rc::default(), 3)).fuse());
    let mut ticks = pin!(sleep(LONG).fuse());
    let output = select_biased! {
        output = bounded => output,
        () = ticks => panic!("the limit comes first"),
    };
    assert_eq!(output, Ok(1));
}

#[test]
fn a_limit_that_a_select_dropped_takes_its_future_and_its_timer_along() {
    struct Dropped(Rc<Cell<u32>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let runtime = crate::support::runtime();
    runtime.block_on(async {
        let drops = Rc::new(Cell::new(0));
        for round in 1..=100 {
            let dropped = Dropped(drops.clone());
            tokio::select! {
                biased;
                _ = timeout(LONG, async move {
                    let _dropped = dropped;
                    std::future::pending::<()>().await;
                }) => panic!("it pends"),
                () = sakia::yield_now() => {}
            }
            assert_eq!(drops.get(), round);
        }
    });
    assert_eq!(runtime.next_deadline(), None, "no timer has stayed");
}

/// One that is kept, moved about and asked for again.
struct Job {
    work: Timeout<Pin<Box<dyn Future<Output = u32>>>>,
}

#[sakia::test(entries = 64, start_paused)]
async fn a_limit_in_a_struct_is_moved_between_its_polls() {
    let work = Box::pin(work(Rc::default(), 5));
    let job = Job {
        work: Timeout::new(20 * MS, work),
    };
    let mut jobs = vec![job];
    assert!((&mut jobs[0].work).await.is_err(), "50 ms are more than 20");
    let mut job = jobs.pop().expect("it is there");
    assert!((&mut job.work).await.is_err(), "it is late still");
    let work = Box::new(job).work.into_inner();
    assert_eq!(work.await, 1, "and lost nothing");
}

#[sakia::test(entries = 64, start_paused)]
async fn a_late_future_that_is_ready_after_all_is_given() {
    let mut bounded = Timeout::new(10 * MS, sleep(30 * MS));
    assert!((&mut bounded).await.is_err());
    sleep(25 * MS).await;
    assert_eq!((&mut bounded).await, Ok(()));
}

#[test]
fn operations_under_a_limit_by_mut_in_a_select_lose_no_byte() {
    run_clean(async {
        let (a, b) = UnixStream::pair()?;
        let writer = sakia::spawn(async move {
            for byte in 0..=255_u8 {
                a.write_all(vec![byte]).await.0?;
                if byte % 8 == 0 {
                    sleep(MS).await;
                }
            }
            io::Result::Ok(())
        });
        let (mut got, mut late) = (Vec::new(), 0);
        while got.len() < 256 {
            // Of an operation, which is Unpin, no pin is needed.
            let mut read = Timeout::new(MS / 4, b.read(Vec::with_capacity(3)));
            let outcome = loop {
                tokio::select! {
                    biased;
                    outcome = &mut read => break outcome,
                    () = sakia::yield_now() => {}
                }
            };
            match outcome {
                Ok((n, buf)) => got.extend_from_slice(&buf[..n?]),
                Err(_) => late += 1,
            }
        }
        writer.await.expect("no panic")?;
        assert!(got.iter().copied().eq(0..=255));
        assert!(late > 0, "no read was ever late: nothing was tried");
        io::Result::Ok(())
    })
    .expect("a pair of sockets");
}

#[test]
fn a_limit_of_the_operation_itself_gives_the_buffer_back_in_a_loop() {
    run_clean(async {
        let (a, b) = UnixStream::pair()?;
        let mut buf = Vec::with_capacity(64);
        let pointer = buf.as_ptr();
        let mut late = 0;
        let n = loop {
            let (read, back) = b.read(buf).timeout(MS).await;
            buf = back;
            match read {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => late += 1,
                read => break read?,
            }
            if late == 5 {
                a.write_all("late").await.0?;
            }
        };
        assert_eq!((&buf[..n], late), (&b"late"[..], 5));
        assert_eq!(buf.as_ptr(), pointer, "it is the same buffer all along");
        io::Result::Ok(())
    })
    .expect("a pair of sockets");
}
