//! What the ring is told of a registered file and a registered buffer: their numbers, where it has them, and else what it is told of any.

use std::os::fd::OwnedFd;

use sakia_buf::{IoBuf, IoBufMut};

use super::*;
use crate::fd::{Fd, Kind};
use crate::kernel::abi::{IOSQE_FIXED_FILE, Sqe, opcode};
use crate::kernel::choose::KernelChoice;
use crate::op::{Op, future::Submit};
use crate::{Config, ops};

fn driver(kernel: KernelChoice) -> Option<Rc<Driver>> {
    let config = Config {
        kernel,
        entries: 8,
        ..Config::default()
    };
    let driver = Driver::new(&config);
    if driver.is_err() {
        eprintln!("skipped: io_uring is denied here");
    }
    driver.ok()
}

fn file(driver: &Rc<Driver>) -> Fd {
    let fd = OwnedFd::from(std::fs::File::open("/dev/zero").expect("a file"));
    driver.within(|| Fd::new(fd, Kind::File)).expect("a handle")
}

/// Opcode, whether the file is named by a slot, which memory.
fn told<O: Op>(mut op: Submit<O>) -> (u8, bool, u16) {
    let mut sqe = Sqe::default();
    let op = op.flight.idle_mut().expect("it was not polled");
    let holds = op.prepare(&mut sqe);
    let fd = holds.first.as_ref().expect("a descriptor");
    let sqe = fd.name_by_slot(sqe);
    (sqe.opcode, sqe.flags == IOSQE_FIXED_FILE, sqe.buf_index)
}

fn filled(set: &RegisteredBufs) -> RegisteredBuf {
    let mut buf = set.try_take().expect("one is free");
    buf.fill_from(b"wheel");
    buf
}

#[test]
fn the_ring_is_told_the_numbers_of_what_it_knows() {
    let Some(ours) = driver(KernelChoice::Uring) else {
        return;
    };
    let fd = file(&ours);
    let sets = ours
        .within(|| [0, 1].map(|_| RegisteredBufs::new(4, 8)))
        .map(|set| set.expect("a set"));
    assert_eq!(
        told(ops::read_at(&fd, filled(&sets[1]), 0)),
        (opcode::READ_FIXED, false, 1)
    );
    if !fd.register().expect("there is room") {
        eprintln!("skipped in part: this kernel's slots let go of a file late");
        return;
    }
    let reads = [
        told(ops::read_at(&fd, filled(&sets[0]), 0)),
        told(ops::read_at(&fd, filled(&sets[1]).slice(2..4), 0)),
        told(ops::read_at(&fd, vec![0; 8], 0)),
    ];
    let known = opcode::READ_FIXED;
    assert_eq!(
        reads,
        [(known, true, 0), (known, true, 1), (opcode::READ, true, 0)]
    );
    let writes = [
        told(ops::write_at(&fd, filled(&sets[1]), 1, 0)),
        told(ops::write_at(&fd, "wheel", 0, 0)),
    ];
    let known = opcode::WRITE_FIXED;
    assert_eq!(writes, [(known, true, 1), (opcode::WRITE, true, 0)]);
    assert_eq!(
        told(ops::allocate(&fd, 0, 0, 8)),
        (opcode::FALLOCATE, false, 0)
    );
    let other = driver(KernelChoice::Uring).expect("another");
    let fd = file(&other);
    assert_eq!(
        told(ops::read_at(&fd, filled(&sets[1]), 0)),
        (opcode::READ, false, 0),
        "the other ring does not know the memory"
    );
}

#[test]
fn a_kernel_without_slots_is_told_what_it_is_told_of_any() {
    let ours = driver(KernelChoice::Emulated).expect("it needs no ring");
    let fd = file(&ours);
    assert!(!fd.register().expect("it is not refused"));
    let set = ours.within(|| RegisteredBufs::new(1, 8)).expect("a set");
    assert!(!set.is_registered());
    assert_eq!(
        told(ops::read_at(&fd, filled(&set), 0)),
        (opcode::READ, false, 0)
    );
    assert_eq!(
        told(ops::write_at(&fd, filled(&set), 0, 0)),
        (opcode::WRITE, false, 0)
    );
}
