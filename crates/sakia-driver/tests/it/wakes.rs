//! Wakes from other threads: none is lost, none comes after the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sakia_driver::Park;

use crate::help::{driver, end};

#[test]
fn no_wake_is_lost_in_a_storm_of_parks() {
    let driver = driver();
    let published = Arc::new(AtomicU64::new(0));
    let seen = Arc::new(AtomicU64::new(0));
    const ROUNDS: u64 = 2000;
    let threads: Vec<_> = (0..2)
        .map(|who| {
            let (unparker, published, seen) = (driver.unparker(), published.clone(), seen.clone());
            std::thread::spawn(move || {
                for round in 0..ROUNDS {
                    let mine = published.fetch_add(1, Ordering::Release) + 1;
                    unparker.unpark();
                    if (round + who) % 3 == 0 {
                        // Let it park, so that the next wake finds it asleep or on its way.
                        while seen.load(Ordering::Acquire) < mine {
                            std::thread::yield_now();
                        }
                    }
                }
            })
        })
        .collect();
    let until = Instant::now() + Duration::from_secs(30);
    let mut last = 0;
    while last < 2 * ROUNDS {
        let start = Instant::now();
        driver
            .turn(Park::For(Duration::from_secs(5)), || {
                published.load(Ordering::Acquire) != last
            })
            .unwrap();
        assert!(start.elapsed() < Duration::from_secs(4), "a wake was lost");
        assert!(Instant::now() < until);
        last = published.load(Ordering::Acquire);
        seen.store(last, Ordering::Release);
    }
    for thread in threads {
        thread.join().unwrap();
    }
    end(&driver);
}

#[test]
fn wakes_that_race_with_the_end_touch_nobodys_descriptor() {
    for _ in 0..20 {
        let driver = driver();
        let stop = Arc::new(AtomicBool::new(false));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let (unparker, stop) = (driver.unparker(), stop.clone());
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        unparker.unpark();
                    }
                })
            })
            .collect();
        for _ in 0..20 {
            driver
                .turn(Park::For(Duration::from_micros(200)), || false)
                .unwrap();
        }
        end(&driver);
        drop(driver);
        // The numbers of ring and eventfd are free: these take them, and must stay empty.
        let mut pipes: Vec<_> = (0..4).map(|_| std::io::pipe().unwrap()).collect();
        std::thread::sleep(Duration::from_millis(1));
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            thread.join().unwrap();
        }
        for (reader, writer) in pipes.drain(..) {
            drop(writer);
            let mut all = Vec::new();
            std::io::Read::read_to_end(&mut { reader }, &mut all).unwrap();
            assert!(all.is_empty());
        }
    }
}

#[test]
fn a_wake_from_another_thread_ends_a_park_at_once() {
    let driver = driver();
    let unparker = driver.unparker();
    let flag = Arc::new(AtomicBool::new(false));
    let tell = flag.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        tell.store(true, Ordering::Release);
        unparker.unpark();
    });
    let start = Instant::now();
    while !flag.load(Ordering::Acquire) {
        driver
            .turn(Park::Forever, || flag.load(Ordering::Acquire))
            .unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(2));
    thread.join().unwrap();
    end(&driver);
}

#[test]
fn a_wake_after_the_look_has_turned_the_driver_and_parked_it_is_not_slept_over() {
    let driver = driver();
    let unparker = driver.unparker();
    let (looked, tell) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        tell.recv().unwrap();
        // By now it sleeps, or would.
        std::thread::sleep(Duration::from_millis(100));
        unparker.unpark();
    });
    let start = Instant::now();
    driver
        .turn(Park::For(Duration::from_secs(10)), || {
            driver
                .turn(Park::For(Duration::from_millis(1)), || false)
                .unwrap();
            looked.send(()).unwrap();
            false
        })
        .unwrap();
    thread.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "a wake was lost");
    end(&driver);
}
