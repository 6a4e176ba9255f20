//! The spin before a park. The witness is the kernel's count of how often this thread has gone to sleep.

use std::future::Future;
use std::io::Write;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sakia_driver::ops::{self, Stream};
use sakia_driver::{Config, Driver, KernelChoice, Park, PoolConfig};

use crate::help::{alone, block_on, end, pair, poll};

/// So long it spins where the spin is not to end by itself.
const LONG: Duration = Duration::from_secs(60);

/// A driver that spins so long, on io_uring whatever else these tests run on.
fn spinning(time: Duration) -> Rc<Driver> {
    let mut config = Config::default();
    config.entries = 64;
    config.kernel = KernelChoice::Uring;
    config.pool = PoolConfig::new().buffer_size(64).max_buffers(1);
    config.spin_before_park = time;
    Driver::new(&config).expect("a ring")
}

/// Other tests may be told to run on another kernel, and `KernelChoice` gives way to that. Each runs alone: a thread may sleep in a page fault while others change the
/// memory of their process.
fn on_a_ring(test: impl FnOnce()) {
    if std::env::var("SAKIA_KERNEL").map_or(true, |kernel| kernel == "uring") {
        alone(test);
    }
}

/// How often this thread has slept, by the kernel's own count.
fn sleeps() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("/proc is mounted");
    let mut lines = status.lines();
    let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.expect("the kernel counts").trim().parse().unwrap()
}

/// The time that this thread has had a core for.
fn on_core() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("/proc is mounted");
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// Does something on another thread, a while after this.
fn later(action: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_millis(30));
        action();
    })
}

/// Runs a future to its end by turns that park for ever: the spin alone sees what comes.
fn parked<F: Future + Unpin>(driver: &Rc<Driver>, mut work: F) -> F::Output {
    loop {
        if let Poll::Ready(output) = poll(driver, &mut work) {
            return output;
        }
        driver.turn(Park::Forever, || false).unwrap();
    }
}

#[test]
fn a_wake_of_another_thread_ends_the_spin() {
    on_a_ring(|| {
        let driver = spinning(LONG);
        let flag = Arc::new(AtomicBool::new(false));
        let (unparker, set) = (driver.unparker(), flag.clone());
        let thread = later(move || {
            set.store(true, Ordering::Release);
            unparker.unpark();
        });
        let (start, slept) = (Instant::now(), sleeps());
        while !flag.load(Ordering::Acquire) {
            let turned = driver.turn(Park::Forever, || flag.load(Ordering::Acquire));
            turned.unwrap();
        }
        assert_eq!(sleeps(), slept, "it spins all the time");
        assert!(start.elapsed() < LONG / 2, "it sees the wake at once");
        thread.join().unwrap();
        end(&driver);
    });
}

#[test]
fn a_completion_ends_the_spin_and_what_was_pushed_is_under_way_meanwhile() {
    on_a_ring(|| {
        let driver = spinning(LONG);
        let (fd, mut theirs) = pair(&driver);
        for round in 0..3 {
            let mut peer = theirs.try_clone().unwrap();
            let thread = later(move || peer.write_all(&[round]).unwrap());
            let read = ops::read(&fd, Vec::with_capacity(8), Stream::Socket(0));
            let (start, slept) = (Instant::now(), sleeps());
            let (n, bytes) = parked(&driver, read);
            assert_eq!((n.unwrap(), &bytes[..]), (1, &[round][..]));
            assert_eq!(sleeps(), slept, "it spins all the time");
            assert!(start.elapsed() < LONG / 2);
            thread.join().unwrap();
        }
        theirs.flush().unwrap();
        drop(fd);
        end(&driver);
    });
}

#[test]
fn a_buffer_that_comes_back_ends_the_spin() {
    on_a_ring(|| {
        let driver = spinning(LONG);
        let (ours, mut peer) = pair(&driver);
        peer.write_all(&[1; 64]).unwrap();
        peer.write_all(&[2; 64]).unwrap();
        let held = block_on(&driver, ops::recv_pooled(&ours)).unwrap();
        let mut next = ops::recv_pooled(&ours);
        for _ in 0..4 {
            assert!(poll(&driver, &mut next).is_pending(), "there is one buffer");
            driver.turn(Park::No, || false).unwrap();
        }
        let thread = later(move || drop(held));
        let (start, slept) = (Instant::now(), sleeps());
        let got = parked(&driver, next).unwrap().expect("not the end");
        assert_eq!(got, [2; 64]);
        assert_eq!(sleeps(), slept, "it spins all the time");
        assert!(start.elapsed() < LONG / 2, "it is seen at once");
        thread.join().unwrap();
        drop((got, ours));
        end(&driver);
    });
}

#[test]
fn the_time_of_a_park_is_kept_by_the_spin_and_by_what_is_left_after_it() {
    on_a_ring(|| {
        let time = Duration::from_millis(40);
        for (spin, sleeps_too) in [(LONG, false), (time / 2, true)] {
            let driver = spinning(spin);
            let (fd, _theirs) = pair(&driver);
            // A machine that is busy may be late, also for the sleep that was to come, but not always.
            let punctual = (0..50).any(|_| {
                // There is something to hand over, so that a turn which only did that would be told from one that waits.
                let mut read = ops::read(&fd, Vec::with_capacity(8), Stream::Socket(0));
                assert!(poll(&driver, &mut read).is_pending());
                let (start, slept) = (Instant::now(), sleeps());
                driver.turn(Park::For(time), || false).unwrap();
                let took = start.elapsed();
                assert!(took >= time, "{took:?}");
                let has_slept = sleeps() > slept;
                assert!(sleeps_too || !has_slept, "spin {spin:?}");
                drop(read);
                driver.turn(Park::No, || false).unwrap();
                took < time + time / 4 && has_slept == sleeps_too
            });
            assert!(punctual, "the spin counts as waiting");
            drop(fd);
            end(&driver);
        }
    });
}

#[test]
fn a_spin_that_finds_nothing_ends_and_the_thread_sleeps() {
    on_a_ring(|| {
        let spin = Duration::from_millis(20);
        let driver = spinning(spin);
        let flag = Arc::new(AtomicBool::new(false));
        let (unparker, set) = (driver.unparker(), flag.clone());
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(600));
            set.store(true, Ordering::Release);
            unparker.unpark();
        });
        let (start, busy, slept) = (Instant::now(), on_core(), sleeps());
        while !flag.load(Ordering::Acquire) {
            let turned = driver.turn(Park::Forever, || flag.load(Ordering::Acquire));
            turned.unwrap();
        }
        let (took, busy) = (start.elapsed(), on_core() - busy);
        assert!(took >= Duration::from_millis(550), "{took:?}");
        assert!(
            busy < spin + Duration::from_millis(80),
            "on a core for {busy:?}"
        );
        assert!(sleeps() > slept);
        thread.join().unwrap();
        end(&driver);
    });
}

#[test]
fn a_turn_without_a_park_and_the_end_do_not_spin() {
    on_a_ring(|| {
        let driver = spinning(LONG);
        let (fd, _theirs) = pair(&driver);
        let mut read = ops::read(&fd, Vec::with_capacity(8), Stream::Socket(0));
        assert!(poll(&driver, &mut read).is_pending());
        let start = Instant::now();
        driver.turn(Park::No, || false).unwrap();
        driver.turn(Park::For(Duration::ZERO), || false).unwrap();
        drop((read, fd));
        end(&driver);
        assert!(start.elapsed() < LONG / 2);
    });
}
