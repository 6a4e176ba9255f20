//! The drain on the simulated kernel.

use std::sync::Arc;
use std::task::Waker;

use super::*;
use crate::SimConfig;
use crate::graveyard::{graves, reap};
use crate::kernel::Sqe;
use crate::on_model::{Count, driver, open, poll};
use crate::op::adopt::Adopts;
use crate::op::{Holds, Yields};

/// When the kernel was asked to end an op, in milliseconds from one time to the next.
fn gaps_of_cancels(trace: &[String], op: u64) -> Vec<u64> {
    let what = format!("cancel of Some({op})");
    let times: Vec<u64> = trace
        .iter()
        .filter(|line| line.contains(&what))
        .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
        .collect();
    times
        .windows(2)
        .map(|pair| (pair[1] - pair[0] + 500_000) / 1_000_000)
        .collect()
}

#[test]
fn what_no_cancel_ends_is_asked_again_ever_more_rarely_until_the_deadline() {
    let (driver, simulation) = driver(SimConfig::new(1).stuck(1.0));
    let mut stuck = open(&driver, "/tmp/file");
    assert!(poll(&driver, &mut stuck, Waker::noop()).is_pending());
    let start = simulation.elapsed();
    let report = driver.end(driver.now() + Duration::from_secs(2));
    assert_eq!(report.ops_quarantined, 1);
    let took = simulation.elapsed() - start;
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_millis(2001),
        "{took:?}"
    );
    let trace = simulation.trace();
    let gaps = gaps_of_cancels(&trace, 1);
    let doubled = [1, 2, 4, 8, 16, 32, 64, 128];
    let (first, rest) = gaps.split_at(doubled.len().min(gaps.len()));
    assert_eq!(first, doubled, "{trace:#?}");
    // Seven times a quarter of a second is what is left.
    assert!(rest.len() >= 6 && rest[..6] == [250; 6], "{trace:#?}");
    assert!(rest.len() <= 7, "{trace:#?}");
}

#[test]
fn whoever_waits_for_what_was_set_aside_is_woken_by_the_end_and_by_the_completion() {
    let (driver, simulation) = driver(SimConfig::new(1).stuck(1.0));
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut stuck = open(&driver, "/tmp/file");
    assert!(poll(&driver, &mut stuck, &waker).is_pending());
    driver.end(driver.now());
    assert_eq!(count.wakes(), 1, "it may look");
    assert!(poll(&driver, &mut stuck, &waker).is_pending());
    simulation.advance(Duration::from_secs(61));
    reap();
    assert_eq!(count.wakes(), 2);
    assert!(poll(&driver, &mut stuck, &waker).is_ready());
    assert_eq!(simulation.open_descriptors(), [""; 0]);
}

#[test]
fn a_grave_is_reaped_until_nothing_is_left_though_the_completion_queue_holds_a_few() {
    let (driver, simulation) = driver(SimConfig::new(1).stuck(1.0).completion_queue(2));
    for i in 0..9 {
        let mut stuck = open(&driver, &format!("/tmp/{i}"));
        assert!(poll(&driver, &mut stuck, Waker::noop()).is_pending());
    }
    let report = driver.end(driver.now() + Duration::from_millis(1));
    assert_eq!((report.ops_quarantined, graves()), (9, 1));
    simulation.advance(Duration::from_secs(61));
    reap();
    assert_eq!(graves(), 0);
    assert_eq!(simulation.open_descriptors(), [""; 0]);
    assert_eq!(simulation.violations(), [""; 0]);
}

#[test]
fn the_ring_goes_with_the_end_and_not_with_the_last_handle_of_the_driver() {
    let (driver, simulation) = driver(SimConfig::new(1));
    assert_eq!(
        simulation.open_descriptors().len(),
        2,
        "the ring and its eventfd"
    );
    driver.end(driver.now() + Duration::from_secs(1));
    assert_eq!(simulation.open_descriptors(), [""; 0]);
    drop(driver);
}

#[test]
fn the_report_names_what_is_left_and_counts_what_may_yet_make_a_descriptor() {
    let (driver, _) = driver(SimConfig::new(1));
    let file = Yields::Descriptor(Kind::File);
    let left = [
        (opcode::OPENAT, file),
        (opcode::WRITE, Yields::Nothing),
        (opcode::OPENAT, file),
    ];
    for (code, yields) in left {
        let adopts = Adopts::new(yields, 0);
        let mut core = driver.core();
        let tag = core
            .table
            .insert(code, Holds::none(), adopts, None, Waker::noop().clone());
        assert!(tag.is_some());
    }
    let report = driver.report();
    assert_eq!((report.ops_quarantined, report.may_yield), (3, 2));
    let by_name: Vec<_> = report.quarantined.into_iter().collect();
    assert_eq!(by_name, [("OPENAT", 2), ("WRITE", 1)]);
}

#[test]
fn a_completion_that_nobody_knows_is_counted() {
    let (driver, _) = driver(SimConfig::new(1));
    let unknown = Tag(0x77_0000_0005);
    driver
        .core()
        .push(&Sqe::rw(opcode::NOP, -1, 0, 0, 0).tag(unknown.0));
    for _ in 0..10 {
        driver
            .turn(Park::For(Duration::from_millis(1)), || false)
            .expect("a turn");
    }
    let report = driver.end(driver.now() + Duration::from_secs(1));
    assert_eq!((report.stale, report.ops_completed), (1, 0));
}
