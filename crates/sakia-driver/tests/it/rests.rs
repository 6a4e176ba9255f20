//! Rests between the turns of somebody else's loop: poll(2) on the wake descriptor is the witness that nothing is missed.

use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sakia_driver::ops::{self, Stream};
use sakia_driver::{Driver, Park};

use crate::help::{driver, end, is_readable, pair, poll};

const SOON: Duration = Duration::from_secs(10);
const NOT_YET: Duration = Duration::from_millis(50);

fn turn(driver: &Driver) {
    driver.turn(Park::No, || false).unwrap();
}

/// Turns until the driver rests.
fn settle(driver: &Driver) {
    let until = Instant::now() + SOON;
    loop {
        turn(driver);
        if !driver.rest(|| false) {
            return;
        }
        assert!(Instant::now() < until, "the driver never comes to rest");
    }
}

#[test]
fn a_completion_between_turns_makes_the_wake_descriptor_readable() {
    let driver = driver();
    let wake = driver.wake_fd().unwrap();
    assert!(is_readable(&wake, SOON), "at first, so that somebody turns");
    let (fd, mut theirs) = pair(&driver);
    let mut read = ops::read(&fd, Vec::with_capacity(8), Stream::Socket(0));
    for round in 0..100 {
        assert!(!poll(&driver, &mut read).is_ready());
        settle(&driver);
        if round == 0 {
            assert!(!is_readable(&wake, NOT_YET), "nothing is to be done");
        }
        theirs.write_all(b"x").unwrap();
        assert!(is_readable(&wake, SOON), "round {round}");
        turn(&driver);
        assert!(poll(&driver, &mut read).is_ready());
        read = ops::read(&fd, Vec::with_capacity(8), Stream::Socket(0));
    }
    drop((read, fd));
    end(&driver);
}

#[test]
fn a_completion_before_the_rest_is_found_by_the_rest() {
    let driver = driver();
    let wake = driver.wake_fd().unwrap();
    let (fd, mut theirs) = pair(&driver);
    let mut read = ops::read(&fd, Vec::with_capacity(8), Stream::Socket(0));
    assert!(!poll(&driver, &mut read).is_ready());
    settle(&driver);
    theirs.write_all(b"x").unwrap();
    assert!(driver.rest(|| false), "there is something to fetch");
    assert!(is_readable(&wake, Duration::ZERO), "and it says so");
    turn(&driver);
    assert!(poll(&driver, &mut read).is_ready());
    drop((read, fd));
    end(&driver);
}

#[test]
fn no_wake_of_another_thread_is_lost_between_turns() {
    let driver = driver();
    let wake = driver.wake_fd().unwrap();
    let published = Arc::new(AtomicU64::new(0));
    let seen = Arc::new(AtomicU64::new(0));
    const ROUNDS: u64 = 2000;
    let other = {
        let (unparker, published, seen) = (driver.unparker(), published.clone(), seen.clone());
        std::thread::spawn(move || {
            for round in 0..ROUNDS {
                let mine = published.fetch_add(1, Ordering::Release) + 1;
                unparker.unpark();
                if round % 3 == 0 {
                    while seen.load(Ordering::Acquire) < mine {
                        std::thread::yield_now();
                    }
                }
            }
        })
    };
    let mut last = 0;
    while last < ROUNDS {
        if !driver.rest(|| published.load(Ordering::Acquire) != last) {
            assert!(is_readable(&wake, SOON), "a wake was lost at {last}");
        }
        turn(&driver);
        last = published.load(Ordering::Acquire);
        seen.store(last, Ordering::Release);
    }
    other.join().unwrap();
    end(&driver);
}

#[test]
fn what_the_own_thread_drops_between_turns_makes_the_wake_descriptor_readable() {
    let driver = driver();
    let wake = driver.wake_fd().unwrap();
    let (fd, mut theirs) = pair(&driver);
    let mut read = ops::read(&fd, Vec::with_capacity(8), Stream::Socket(0));
    assert!(!poll(&driver, &mut read).is_ready());
    settle(&driver);
    // The abandoned read is to be cancelled at the next turn, or the byte that comes then would be taken by nobody's op.
    drop(read);
    assert!(is_readable(&wake, Duration::ZERO));
    settle(&driver);
    assert_eq!(driver.in_flight(), 0);
    assert!(!is_readable(&wake, NOT_YET));
    theirs.write_all(b"x").unwrap();
    drop(fd);
    end(&driver);
}

#[test]
fn a_driver_that_nobody_embeds_has_no_descriptor_for_it_and_one_that_ends_takes_its_own_with_it() {
    let driver = driver();
    let plain = driver.fds().len();
    let wake = driver.wake_fd().unwrap();
    let again = driver.wake_fd().unwrap();
    assert!(Rc::ptr_eq(&wake, &again) && is_readable(&wake, Duration::ZERO));
    assert_eq!(driver.fds().len(), plain + 1, "the ledger knows it");
    end(&driver);
    assert!(driver.wake_fd().is_err(), "after the end there is none");
    assert!(!driver.rest(|| true));
}

#[test]
fn a_rest_whose_look_has_turned_the_driver_is_none() {
    let driver = driver();
    let wake = driver.wake_fd().unwrap();
    settle(&driver);
    let look = || {
        turn(&driver);
        false
    };
    if !driver.rest(look) {
        driver.unparker().unpark();
    }
    assert!(is_readable(&wake, SOON), "nobody would hear a wake");
    end(&driver);
}
