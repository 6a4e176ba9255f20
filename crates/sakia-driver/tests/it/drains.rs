//! The drain: thousands of ops, rings of one entry, results that nobody took.

use std::cell::Cell;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use sakia_driver::{Kind, ops};

use crate::help::{
    adopt, alone, block_on, bomb, driver, driver_of, end, open_fds, pair, poll, tracked, turns,
};

#[test]
fn thousands_of_ops_are_drained_in_a_blink_and_their_buffers_freed() {
    let driver = driver();
    let drops = Rc::new(Cell::new(0));
    let mut fds = Vec::new();
    let mut futures = Vec::new();
    const ALL: usize = 3000;
    for i in 0..ALL {
        let (ours, peer) = pair(&driver);
        let buf = tracked(Vec::with_capacity(16), &drops);
        let mut read = ops::recv(&ours, buf);
        assert!(poll(&driver, &mut read).is_pending());
        if i % 2 == 0 {
            futures.push(read);
        }
        fds.push((ours, peer));
    }
    turns(&driver, 1);
    let start = Instant::now();
    let report = end(&driver);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(report.ops_completed, ALL as u64);
    assert_eq!(report.still_held.len(), ALL);
    assert_eq!(drops.get() as usize, ALL / 2, "the orphans' buffers");
    let mut first = futures.swap_remove(0);
    let (result, buf) = match poll(&driver, &mut first) {
        std::task::Poll::Ready(done) => done,
        std::task::Poll::Pending => panic!("it has ended"),
    };
    assert!(result.is_err());
    drop((first, buf, futures));
    assert_eq!(drops.get() as usize, ALL);
    let (_, mut peer) = fds.pop().unwrap();
    assert_eq!(
        peer.read(&mut [0]).unwrap(),
        0,
        "a handle closes after the end as well"
    );
}

#[test]
fn a_ring_of_one_entry_carries_thousands() {
    let driver = driver_of(1);
    let pairs: Vec<_> = (0..500).map(|_| pair(&driver)).collect();
    let mut reads: Vec<_> = pairs
        .iter()
        .map(|(ours, _)| ops::recv(ours, Vec::with_capacity(4)))
        .collect();
    let mut nops: Vec<_> = (0..3000).map(|_| ops::nop()).collect();
    for read in &mut reads {
        assert!(poll(&driver, read).is_pending());
    }
    for nop in &mut nops {
        assert!(poll(&driver, nop).is_pending());
    }
    for nop in nops.drain(..) {
        block_on(&driver, nop).unwrap();
    }
    for (_, peer) in &pairs {
        std::io::Write::write_all(&mut &*peer, b"ping").unwrap();
    }
    for read in reads.drain(..250) {
        assert_eq!(block_on(&driver, read).1, b"ping");
    }
    drop(reads);
    drop(pairs);
    end(&driver);
}

#[test]
fn results_that_nobody_took_are_closed_at_the_end() {
    alone(|| {
        let before = open_fds();
        let driver = driver();
        let mut opens = Vec::new();
        for i in 0..100 {
            let mut open = driver
                .within(|| ops::open(None, Path::new("/dev/null"), ops::OpenHow::default()))
                .unwrap();
            assert!(poll(&driver, &mut open).is_pending());
            if i % 3 == 0 {
                drop(open);
            } else {
                opens.push(open);
            }
        }
        turns(&driver, if opens.len() % 2 == 0 { 3 } else { 0 });
        opens.truncate(50);
        end(&driver);
        for mut open in opens {
            assert!(matches!(
                poll(&driver, &mut open),
                std::task::Poll::Ready(Err(_))
            ));
        }
        drop(driver);
        assert_eq!(open_fds(), before);
    });
}

#[test]
fn sockets_and_opens_dropped_in_flight_leave_no_descriptor() {
    alone(|| {
        let before = open_fds();
        let dir = tempfile::tempdir().unwrap();
        let driver = driver();
        let how = ops::OpenHow {
            flags: (libc::O_CREAT | libc::O_RDWR) as u64,
            mode: 0o600,
            resolve: 0,
        };
        for i in 0..200 {
            let path = dir.path().join(format!("{i}"));
            let mut open = ops::open(None, &path, how).unwrap();
            let mut socket = ops::socket(libc::AF_INET, libc::SOCK_STREAM, 0);
            assert!(
                poll(&driver, &mut open).is_pending() && poll(&driver, &mut socket).is_pending()
            );
            turns(&driver, i % 3);
        }
        end(&driver);
        drop(driver);
        assert_eq!(open_fds(), before);
    });
}

#[test]
fn what_ends_when_it_is_asked_to_is_reaped_though_the_deadline_has_passed() {
    let driver = driver_of(1);
    let pairs: Vec<_> = (0..300).map(|_| pair(&driver)).collect();
    let mut reads: Vec<_> = pairs
        .iter()
        .map(|(ours, _)| ops::recv(ours, Vec::with_capacity(4)))
        .collect();
    for read in &mut reads {
        assert!(poll(&driver, read).is_pending());
    }
    let report = driver.end(Instant::now());
    assert_eq!(
        (report.ops_quarantined, report.ops_cancelled),
        (0, 300),
        "{report:?}"
    );
}

#[test]
fn a_forgotten_future_is_drained_like_any_other() {
    let driver = driver();
    let (ours, _peer) = pair(&driver);
    let mut read = ops::recv(&ours, Vec::with_capacity(8));
    assert!(poll(&driver, &mut read).is_pending());
    std::mem::forget(read);
    let report = end(&driver);
    assert_eq!(report.ops_cancelled, 1);
}

#[test]
fn a_destructor_that_panics_in_the_drain_is_counted_and_stops_nothing() {
    let driver = driver();
    let (ours, _peer) = pair(&driver);
    let (other, _there) = pair(&driver);
    for fd in [&ours, &other] {
        let mut read = ops::recv(fd, bomb(8));
        assert!(poll(&driver, &mut read).is_pending());
    }
    let job = driver.within(|| {
        struct Loud;
        impl Drop for Loud {
            fn drop(&mut self) {
                std::panic::resume_unwind(Box::new("on purpose"));
            }
        }
        // All three threads are busy, so that the last job never begins.
        let busy: Vec<_> = (0..3)
            .map(|_| {
                sakia_driver::spawn_blocking(|| std::thread::sleep(Duration::from_millis(200)))
            })
            .collect();
        let loud = Loud;
        (busy, sakia_driver::spawn_blocking(move || drop(loud)))
    });
    let report = driver.end(Instant::now() + Duration::from_secs(5));
    assert_eq!(
        (
            report.ops_cancelled,
            report.ops_quarantined,
            report.threads_left
        ),
        (2, 0, 0),
        "{report:?}"
    );
    assert_eq!(report.panics, 3, "{report:?}");
    drop(job);
}

#[test]
fn the_ledger_is_empty_but_for_what_is_held() {
    let driver = driver();
    let file = std::fs::File::open("/dev/null").unwrap();
    let raw = file.as_raw_fd();
    let held = adopt(&driver, file, Kind::File);
    let (gone, _peer) = pair(&driver);
    drop(gone);
    let report = end(&driver);
    assert_eq!(
        report
            .still_held
            .iter()
            .map(|fd| fd.number)
            .collect::<Vec<_>>(),
        [raw]
    );
    drop(held);
    assert!(driver.fds().is_empty(), "{:?}", driver.fds());
}

#[cfg(feature = "sim")]
#[test]
fn an_end_before_the_kernel_has_taken_its_submissions_leaves_none_that_names_a_closed_number() {
    use sakia_driver::{Config, Driver, KernelChoice, Park, SimConfig, graves};
    let driver_of = |config| {
        let mut asked = Config::default();
        asked.kernel = KernelChoice::Sim(config);
        Driver::new(&asked).unwrap()
    };
    let mut buried = 0;
    for seed in 0..50 {
        let driver = driver_of(SimConfig::new(seed).busy(0.9));
        let simulation = driver.simulation().unwrap();
        // It parks: the read of its eventfd is pushed, and seldom taken.
        let moment = Duration::from_micros(1);
        driver.turn(Park::For(moment), || false).unwrap();
        driver.end(driver.clock().now());
        drop(driver);
        buried += graves();
        while graves() > 0 {
            // The next driver of a thread looks at its graves.
            end(&driver_of(SimConfig::new(seed)));
        }
        assert!(simulation.violations().is_empty(), "{simulation}");
        assert!(simulation.open_descriptors().is_empty(), "{simulation}");
    }
    assert!(buried > 10, "or nothing was tried");
}
