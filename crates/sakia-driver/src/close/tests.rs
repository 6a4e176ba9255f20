//! The close table, with answers written by hand and with those of the simulated kernel.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::SimConfig;
use crate::addr::SockAddr;
use crate::graveyard::{graves, reap};
use crate::on_model::{Count, driver, file, open, poll, turn};
use crate::op::lane::Side;
use crate::op::leftover::{Accepted, Leftover};

/// A close of a descriptor that the kernel has, as far as the table knows.
fn pretend(driver: &Driver, raw: RawFd, file: Option<Device>, kind: Kind, awaited: bool) -> usize {
    let mut core = driver.core();
    core.closes.unanswered += 1;
    core.closes.entries.insert(PendingClose {
        raw,
        what: kind.into(),
        file,
        since: driver.now(),
        result: None,
        awaited,
        waker: None,
    })
}

fn socket(driver: &Driver, lingers: bool) -> KernelFd {
    let raw = driver
        .call(Call::Socket(libc::AF_INET, libc::SOCK_STREAM, 0))
        .expect("a socket") as RawFd;
    let linger: Vec<u8> = [i32::from(lingers), 1]
        .into_iter()
        .flat_map(i32::to_ne_bytes)
        .collect();
    driver
        .call(Call::SetOption(
            raw,
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            &linger,
        ))
        .expect("an option");
    KernelFd::adopt(raw)
}

fn pending_of(driver: &Driver) -> Vec<Kind> {
    let core = driver.core();
    core.closes
        .infos(driver.now())
        .map(|info| info.kind)
        .collect()
}

/// Ends the driver; how many closes have gone through the table, and what is still open in the kernel.
fn drained(driver: &Rc<Driver>) -> u64 {
    let report = driver.end(driver.now() + Duration::from_secs(5));
    assert_eq!(report.closes_in_doubt.len(), 0);
    let simulation = driver.simulation();
    if let Some(simulation) = simulation {
        assert_eq!(simulation.open_descriptors(), [""; 0]);
        assert_eq!(simulation.violations(), [""; 0]);
    }
    report.closes_drained
}

#[test]
fn after_ecanceled_a_number_is_closed_only_while_it_leads_to_the_same_file() {
    let (driver, simulation) = driver(SimConfig::new(1));
    let other = file(&driver, "/tmp/other");
    let stranger = driver.device(other.inner().raw());
    assert!(stranger.is_some());
    let before = simulation.open_descriptors();
    let closes = |res: i32, of: Option<Option<Device>>| {
        let open = file(&driver, "/tmp/file");
        let raw = open.inner().raw();
        let led_to = of.unwrap_or(driver.device(raw));
        let owned = open.take().expect("nobody else has it");
        drop(open);
        let index = pretend(&driver, raw, led_to, Kind::File, false);
        assert!(driver.close_completed(index as u32, res).is_none());
        let closed = simulation.open_descriptors() == before;
        if closed {
            let _ = owned.into_raw();
        }
        closed
    };
    assert!(closes(-libc::ECANCELED, None), "it was not tried");
    assert!(
        !closes(-libc::ECANCELED, Some(stranger)),
        "somebody else has the number"
    );
    assert!(!closes(-libc::ECANCELED, Some(None)), "nobody knows");
    assert!(
        !closes(0, None),
        "somebody has opened the same file at the number"
    );
    assert!(!closes(-libc::EIO, None));
    drop(other);
    drained(&driver);
}

#[test]
fn an_awaited_close_tells_the_errno_but_not_that_it_was_not_tried() {
    let (driver, _) = driver(SimConfig::new(1));
    for (res, told) in [
        (0, None),
        (-libc::EIO, Some(libc::EIO)),
        (-libc::ECANCELED, None),
    ] {
        let index = pretend(&driver, -1, None, Kind::File, true);
        assert!(driver.close_completed(index as u32, res).is_none());
        let mut close = Close {
            stage: Stage::Pending(driver.clone(), index),
        };
        let Poll::Ready(result) = poll(&driver, &mut close, Waker::noop()) else {
            panic!("it was answered");
        };
        assert_eq!(result.err().and_then(|error| error.raw_os_error()), told);
    }
    assert!(driver.core().closes.entries.is_empty());
    assert_eq!(drained(&driver), 3);
}

#[test]
fn a_close_that_was_answered_before_the_end_tells_its_errno_after_it() {
    let (driver, _) = driver(SimConfig::new(1).error(opcode::CLOSE, libc::EIO, 1.0));
    let mut close = close(file(&driver, "/remote/file"));
    assert!(poll(&driver, &mut close, Waker::noop()).is_pending());
    assert_eq!(drained(&driver), 1);
    let Poll::Ready(Err(error)) = poll(&driver, &mut close, Waker::noop()) else {
        panic!("it was answered with an error");
    };
    assert_eq!(error.raw_os_error(), Some(libc::EIO));
}

#[test]
fn an_answered_close_is_not_pending_though_nobody_has_asked_for_its_result() {
    let (driver, _) = driver(SimConfig::new(1));
    let any = |is: fn(Kind) -> bool| driver.core().closes.any_pending(is);
    assert!(!any(|_| true));
    let of_socket = pretend(&driver, -1, None, Kind::TcpStream, true);
    assert!(any(Kind::is_socket) && !any(|kind| kind == Kind::File));
    driver.close_completed(of_socket as u32, 0);
    assert!(!any(Kind::is_socket));
    assert!(driver.close_completed(of_socket as u32, 0).is_none());
    assert_eq!(driver.core().closes.pending(), 0, "a second answer is none");
}

#[test]
fn whoever_waits_for_any_close_is_woken_by_an_answer() {
    let (driver, _) = driver(SimConfig::new(1));
    drop(file(&driver, "/remote/file"));
    let count = Arc::new(Count::default());
    driver.core().closes.watch(Waker::from(count.clone()));
    while driver.core().closes.pending() > 0 {
        assert_eq!(count.wakes(), 0);
        turn(&driver);
    }
    assert_eq!(count.wakes(), 1);
    drained(&driver);
}

#[test]
fn a_file_with_a_server_is_closed_by_the_ring_and_any_other_at_once() {
    let (driver, simulation) = driver(SimConfig::new(1));
    let before = simulation.open_descriptors();
    drop(file(&driver, "/tmp/file"));
    assert_eq!(simulation.open_descriptors(), before);
    drop(file(&driver, "/remote/file"));
    assert_eq!(pending_of(&driver), [Kind::File]);
    assert_eq!(drained(&driver), 1);
}

#[test]
fn what_an_open_brings_that_nobody_waits_for_is_closed_as_its_file_has_to_be() {
    for (path, by_ring) in [("/tmp/file", 0), ("/remote/file", 1)] {
        for completed in [false, true] {
            let (driver, _) = driver(SimConfig::new(2));
            let count = Arc::new(Count::default());
            let mut open = open(&driver, path);
            assert!(poll(&driver, &mut open, &Waker::from(count.clone())).is_pending());
            while completed && count.wakes() == 0 {
                turn(&driver);
            }
            drop(open);
            // A cancel that comes in time leaves nothing to be closed.
            let cancelled = !completed && driver.in_flight() > 0 && {
                while driver.in_flight() > 0 {
                    turn(&driver);
                }
                driver.core().table.counts.cancelled > 0
            };
            assert!(!cancelled, "another seed: the open is to come through");
            assert_eq!(drained(&driver), by_ring, "{path}, completed: {completed}");
        }
    }
}

#[test]
fn a_socket_that_may_linger_is_closed_by_a_worker_whoever_has_set_that() {
    let (driver, simulation) = driver(SimConfig::new(1));
    let before = simulation.open_descriptors();
    for lingers in [false, true] {
        // One that nobody has seen.
        driver.close_unseen(socket(&driver, lingers));
        // One whose options we do not know.
        let fd = Fd::on(&driver, socket(&driver, lingers), Kind::TcpStream);
        fd.came_from_outside();
        drop(fd);
        if lingers {
            assert_eq!(pending_of(&driver), [Kind::Socket, Kind::TcpStream]);
        } else {
            assert_eq!(simulation.open_descriptors(), before);
        }
    }
    assert_eq!(drained(&driver), 2);
}

#[test]
fn a_connection_that_nobody_has_taken_is_closed_with_its_listener_as_it_has_to_be() {
    let (driver, simulation) = driver(SimConfig::new(1));
    let before = simulation.open_descriptors();
    for lingers in [false, true] {
        let listener = Fd::on(&driver, socket(&driver, false), Kind::TcpListener);
        let arrived = Leftover::Connection(Accepted {
            fd: socket(&driver, lingers),
            peer: SockAddr::none(),
        });
        listener.inner().lane(Side::In).put_back(arrived);
        drop(listener);
        if lingers {
            assert_eq!(pending_of(&driver), [Kind::Socket]);
        } else {
            assert_eq!(simulation.open_descriptors(), before);
        }
    }
    assert_eq!(drained(&driver), 1);
}

#[test]
fn what_a_message_brought_and_nobody_took_is_counted_among_the_closed() {
    let (driver, _) = driver(SimConfig::new(1));
    driver.end_stranger(socket(&driver, false));
    let report = driver.end(driver.now());
    assert!(report.closed.contains(&(Kind::Passed, 1)), "{report:?}");
}

#[test]
fn a_close_without_an_answer_at_the_deadline_is_in_doubt_and_never_repeated() {
    let (driver, simulation) = driver(SimConfig::new(1).stuck(1.0));
    let fd = Fd::on(&driver, socket(&driver, true), Kind::TcpStream);
    let number = fd.inner().raw();
    fd.note_linger(true);
    drop(fd);
    let report = driver.end(driver.now() + Duration::from_millis(50));
    let [doubt] = &report.closes_in_doubt[..] else {
        panic!("{report:?}");
    };
    assert_eq!((doubt.number, doubt.state), (number, FdState::InDoubt));
    assert!(report.still_held.is_empty(), "{report:?}");
    assert_eq!(graves(), 1);
    simulation.advance(Duration::from_secs(61));
    reap();
    assert_eq!(graves(), 0);
    assert_eq!(simulation.open_descriptors(), [""; 0]);
    assert_eq!(simulation.violations(), [""; 0]);
}
