//! What a turn must not pass over: a completion that the kernel has lost, though another enter was told it; and whatever makes a turn more than a look.

use std::os::unix::net::UnixStream;
use std::task::Waker;

use super::*;
use crate::kernel::Wait;
use crate::on_model::{Count, open, poll};
use crate::{Fd, KernelChoice, SimConfig, Simulation, ops};

/// A driver whose queue has so many entries, on this kernel.
fn driver_of(entries: u32, sim: SimConfig) -> (Rc<Driver>, Simulation) {
    let config = Config {
        kernel: KernelChoice::Sim(sim),
        entries,
        ..Config::default()
    };
    let driver = Driver::new(&config).expect("a model");
    let simulation = driver.simulation().expect("it was chosen");
    (driver, simulation)
}

/// The same, on a kernel that loses every completion.
fn loser(entries: u32) -> (Rc<Driver>, Simulation) {
    driver_of(entries, SimConfig::new(1).lost_completions(1.0))
}

/// How many completions the kernel has lost.
fn losses(simulation: &Simulation) -> usize {
    let trace = simulation.trace();
    trace
        .iter()
        .filter(|line| line.ends_with("is lost"))
        .count()
}

/// Enters aside until the kernel has said that a completion is lost.
fn lose(driver: &Driver, simulation: &Simulation) {
    while losses(simulation) == 0 {
        driver.enter_now();
        simulation.advance(Duration::from_micros(100));
    }
    driver.enter_now();
}

#[track_caller]
fn tells(turned: io::Result<()>) {
    let error = turned.expect_err("it is lost");
    assert_eq!(error.raw_os_error(), None);
    assert!(error.to_string().contains("EBADR"), "{error}");
}

#[test]
fn a_loss_that_an_inner_turn_was_told_is_told_by_the_next_turn_and_by_all_after_it() {
    for park in [Park::No, Park::For(Duration::from_secs(1)), Park::Forever] {
        let (driver, simulation) = loser(64);
        let mut open = open(&driver, "/tmp/file");
        assert!(poll(&driver, &mut open, Waker::noop()).is_pending());
        lose(&driver, &simulation);
        assert_eq!(driver.phase(), Phase::Running, "nobody has told it");
        for _ in 0..3 {
            tells(driver.turn(park, || false));
        }
        assert_eq!(driver.phase(), Phase::Dead);
    }
}

#[test]
fn a_loss_that_was_told_as_room_was_made_in_the_queue_is_told_by_the_next_turn() {
    let (driver, simulation) = loser(16);
    let mut opens: Vec<_> = (0..17).map(|_| open(&driver, "/tmp/file")).collect();
    for open in &mut opens {
        assert!(poll(&driver, open, Waker::noop()).is_pending());
    }
    let lost = losses(&simulation);
    assert!(lost > 0, "these are one too many");
    tells(driver.turn(Park::No, || false));
    assert_eq!(losses(&simulation), lost, "the turn has lost none");
}

#[test]
fn a_loss_that_the_look_before_the_park_was_told_keeps_the_turn_from_sleeping() {
    let (driver, simulation) = loser(64);
    let mut open = open(&driver, "/tmp/file");
    assert!(poll(&driver, &mut open, Waker::noop()).is_pending());
    let look = || {
        lose(&driver, &simulation);
        false
    };
    tells(driver.turn(Park::Forever, look));
}

/// A driver with an idle ring, if there are rings here.
fn idle() -> Option<Rc<Driver>> {
    let config = Config {
        kernel: KernelChoice::Uring,
        ..Config::default()
    };
    let driver = match Driver::new(&config) {
        Ok(driver) => driver,
        Err(error) => {
            println!("no io_uring here: {error}");
            return None;
        }
    };
    turn(&driver);
    assert!(
        driver.turns_for_nothing(),
        "the eventfd's read is handed over"
    );
    Some(driver)
}

fn turn(driver: &Driver) {
    driver.turn(Park::No, || false).expect("a turn");
}

fn stream(driver: &Rc<Driver>) -> (Fd, UnixStream) {
    let (ours, peer) = UnixStream::pair().expect("a pair");
    let ours = driver.within(|| Fd::new(ours.into(), Kind::UnixStream));
    (ours.expect("it runs"), peer)
}

#[test]
fn a_turn_that_has_nothing_to_do_is_a_look_and_one_that_has_something_is_not() {
    let Some(driver) = idle() else { return };
    let (ours, _peer) = stream(&driver);
    let mut read = ops::recv(&ours, vec![0; 8]);
    assert!(poll(&driver, &mut read, Waker::noop()).is_pending());
    assert!(!driver.turns_for_nothing(), "a submission");
    turn(&driver);
    assert!(driver.turns_for_nothing(), "it is the kernel's");
    drop(read);
    assert!(
        !driver.turns_for_nothing(),
        "a cancel that nobody has come before"
    );
    turn(&driver);
    turn(&driver);
    assert!(driver.turns_for_nothing(), "the read has ended");

    let mut nop = ops::nop();
    assert!(poll(&driver, &mut nop, Waker::noop()).is_pending());
    driver.core().kernel.enter(Wait::No).expect("a ring");
    assert!(!driver.turns_for_nothing(), "a completion");
    driver.dispatch();
    assert!(!driver.turns_for_nothing(), "a wake");
    turn(&driver);
    assert!(driver.turns_for_nothing());

    driver.core().backlog.push_back(Sqe::default());
    assert!(!driver.turns_for_nothing(), "what did not fit the queue");
    driver.core().backlog.clear();
    driver.refuse();
    assert!(!driver.turns_for_nothing(), "the end");
}

#[test]
fn a_turn_after_a_rest_or_with_buffers_in_use_is_more_than_a_look() {
    let Some(driver) = idle() else { return };
    let _fd = driver.wake_fd().expect("a descriptor is free");
    driver.rest(|| false);
    assert!(!driver.turns_for_nothing(), "other threads find it parked");
    turn(&driver);
    assert!(driver.turns_for_nothing());
    let (ours, _peer) = stream(&driver);
    let mut read = ops::recv_pooled(&ours);
    assert!(poll(&driver, &mut read, Waker::noop()).is_pending());
    turn(&driver);
    assert!(!driver.turns_for_nothing(), "buffers may come home");
}

#[test]
fn a_wake_that_is_queued_between_two_turns_is_run_by_one_that_does_not_park() {
    let Some(driver) = idle() else { return };
    let count = Arc::new(Count::default());
    driver.wake_later(count.clone().into());
    turn(&driver);
    assert_eq!(count.wakes(), 1);
}

#[test]
fn a_rest_finds_what_is_to_be_done_each_thing_alone() {
    let Some(driver) = idle() else { return };
    let _fd = driver.wake_fd().expect("a descriptor is free");
    assert!(!driver.rest(|| false), "nothing is to be done");
    turn(&driver);
    assert!(driver.rest(|| true), "the caller has something");
    turn(&driver);
    driver.wake_later(Waker::noop().clone());
    assert!(driver.rest(|| false), "a wake");
    turn(&driver);
    let (ours, _peer) = stream(&driver);
    let mut read = ops::recv(&ours, vec![0; 8]);
    assert!(poll(&driver, &mut read, Waker::noop()).is_pending());
    turn(&driver);
    drop(read);
    assert!(
        driver.rest(|| false),
        "a cancel that nobody has come before"
    );
    turn(&driver);
    turn(&driver);
    assert!(!driver.rest(|| false), "the read has ended");
    driver.core().backlog.push_back(Sqe::default());
    assert!(driver.rest(|| false), "what did not fit the queue");
    driver.core().backlog.clear();
}

#[test]
fn what_does_not_fit_the_queue_of_a_kernel_without_memory_is_handed_over_by_later_turns() {
    let (driver, _) = driver_of(4, SimConfig::new(1).busy(0.9));
    let mut opens: Vec<_> = (0..40).map(|_| open(&driver, "/tmp/file")).collect();
    opens.retain_mut(|open| poll(&driver, open, Waker::noop()).is_pending());
    assert!(driver.core().has_backlog(), "the queue holds four");
    for _ in 0..10_000 {
        let turned = driver.turn(Park::For(Duration::from_millis(1)), || false);
        turned.expect("a turn");
        opens.retain_mut(|open| poll(&driver, open, Waker::noop()).is_pending());
    }
    assert_eq!(opens.len(), 0);
}

#[test]
fn a_turn_that_may_park_and_has_nothing_to_do_parks() {
    let Some(driver) = idle() else { return };
    let start = std::time::Instant::now();
    let time = Duration::from_millis(5);
    driver.turn(Park::For(time), || false).expect("a turn");
    assert!(start.elapsed() >= time);
}
