//! The pool of threads: bounded, joined at the end, and no panic of a job or a waker takes it along.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, Instant};

use sakia_driver::spawn_blocking;

use crate::help::{block_on, driver, end, poll, poll_by};

#[test]
fn a_job_that_panics_is_told_and_its_thread_works_on() {
    let driver = driver();
    for _ in 0..5 {
        let error = block_on(&driver, async {
            spawn_blocking(|| std::panic::resume_unwind(Box::new("on purpose"))).await
        });
        let error: sakia_driver::BlockingError = Result::<(), _>::unwrap_err(error);
        assert!(error.is_panic() && !error.is_cancelled());
        assert_eq!(
            error.into_panic().unwrap().downcast_ref(),
            Some(&"on purpose")
        );
    }
    assert_eq!(
        block_on(&driver, async { spawn_blocking(|| 7).await }).unwrap(),
        7
    );
    end(&driver);
}

#[test]
fn no_more_threads_than_asked_for_run_at_a_time() {
    let driver = driver();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let jobs: Vec<_> = driver.within(|| {
        (0..30)
            .map(|_| {
                let (now, most) = (now.clone(), most.clone());
                spawn_blocking(move || {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(2));
                    now.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect()
    });
    for job in jobs {
        block_on(&driver, job).unwrap();
    }
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    end(&driver);
}

#[test]
fn a_job_dropped_before_it_began_never_runs_and_one_at_the_end_is_cancelled() {
    let driver = driver();
    let ran = Arc::new(AtomicUsize::new(0));
    let (begun, begins) = std::sync::mpsc::channel();
    let (busy, dropped, waiting) = driver.within(|| {
        let busy: Vec<_> = (0..3)
            .map(|_| {
                let begun = begun.clone();
                spawn_blocking(move || {
                    begun.send(()).unwrap();
                    std::thread::sleep(Duration::from_millis(100));
                })
            })
            .collect();
        let (one, two) = (ran.clone(), ran.clone());
        let dropped = spawn_blocking(move || one.fetch_add(1, Ordering::SeqCst));
        (
            busy,
            dropped,
            spawn_blocking(move || two.fetch_add(1, Ordering::SeqCst)),
        )
    });
    drop(dropped);
    for _ in 0..3 {
        begins.recv().unwrap();
    }
    end(&driver);
    let mut waiting = waiting;
    let Poll::Ready(Err(error)) = poll(&driver, &mut waiting) else {
        panic!("it never began")
    };
    assert!(error.is_cancelled());
    for mut job in busy {
        assert!(
            matches!(poll(&driver, &mut job), Poll::Ready(Ok(()))),
            "what ran is joined"
        );
    }
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[test]
fn a_waker_that_panics_on_a_thread_of_the_pool_does_not_take_it_along() {
    struct Loud;
    impl Wake for Loud {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new("on purpose"));
        }
    }
    let driver = driver();
    let waker = Waker::from(Arc::new(Loud));
    let mut jobs: Vec<_> = driver.within(|| {
        (0..6)
            .map(|_| spawn_blocking(|| std::thread::sleep(Duration::from_millis(20))))
            .collect()
    });
    for job in &mut jobs {
        assert!(poll_by(&driver, job, &waker).is_pending());
    }
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    end(&driver);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "threads that were gone were waited for"
    );
}

#[test]
fn after_the_end_a_job_is_refused_and_starts_no_thread() {
    let driver = driver();
    end(&driver);
    let ran = Arc::new(AtomicUsize::new(0));
    let tell = ran.clone();
    let mut job = driver.within(|| spawn_blocking(move || tell.fetch_add(1, Ordering::SeqCst)));
    std::thread::sleep(Duration::from_millis(30));
    let Poll::Ready(Err(error)) = poll(&driver, &mut job) else {
        panic!("the runtime has ended")
    };
    assert!(error.is_cancelled());
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[test]
fn a_job_that_is_stuck_is_counted_and_not_waited_for() {
    let driver = driver();
    let (send, receive) = std::sync::mpsc::channel::<()>();
    let job = driver.within(|| spawn_blocking(move || receive.recv()));
    std::thread::sleep(Duration::from_millis(20));
    let start = Instant::now();
    let report = driver.end(start + Duration::from_millis(200));
    assert_eq!(report.threads_left, 1);
    assert!(start.elapsed() < Duration::from_secs(2));
    send.send(()).unwrap();
    drop(job);
}
