//! Readiness: poll(2) for those who read and write by themselves.

use std::io;
use std::os::fd::RawFd;

use crate::fd::Fd;
use crate::kernel::abi::{Sqe, opcode};
use crate::op::lane::{Lane, Side};
use crate::op::laned::{LaneOp, Laned, Served};
use crate::op::{Cancel, Completion, Holds, Op};

/// The op of [`readable`].
#[derive(Debug)]
pub struct Readable {
    fd: RawFd,
}

/// The op of [`writable`].
#[derive(Debug)]
pub struct Writable {
    fd: RawFd,
}

fn asking(fd: RawFd, mask: i16) -> Sqe {
    Sqe::rw(opcode::POLL_ADD, fd, 0, 0, 0).op_flags(mask as u32)
}

/// Asks whether there is something to read: bytes, the end, an error.
pub(super) fn asks_for_something(fd: RawFd) -> Sqe {
    asking(fd, libc::POLLIN | libc::POLLRDHUP)
}

// SAFETY: the SQE names no memory; the descriptor is held by its future (`LaneOp`).
unsafe impl Op for Readable {
    type Output = io::Result<()>;
    const CANCEL: Cancel = Cancel::Eager;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        *sqe = asks_for_something(self.fd);
        Holds::none()
    }

    fn complete(self, done: Completion) -> Self::Output {
        done.result().map(drop)
    }
}

impl LaneOp for Readable {
    const SIDE: Side = Side::In;

    fn serve(self, _: &Lane) -> Served<Self> {
        Served::Over(Ok(()))
    }
}

// SAFETY: the SQE names no memory; the descriptor is held by its future (`LaneOp`).
unsafe impl Op for Writable {
    type Output = io::Result<()>;
    const CANCEL: Cancel = Cancel::Eager;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        *sqe = asking(self.fd, libc::POLLOUT);
        Holds::none()
    }

    fn complete(self, done: Completion) -> Self::Output {
        done.result().map(drop)
    }
}

impl LaneOp for Writable {
    const SIDE: Side = Side::Out;

    fn serve(self, _: &Lane) -> Served<Self> {
        Served::Nothing(self)
    }
}

/// Waits until a read would not block: leftovers count (`IORING_OP_POLL_ADD`, Linux 5.1; poll(2) POLLIN).
pub fn readable(fd: &Fd) -> Laned<Readable> {
    let op = Readable {
        fd: fd.inner().raw(),
    };
    Laned::new(fd.inner().clone(), op)
}

/// Waits until a write would not block, and no earlier write is under way (poll(2) POLLOUT).
pub fn writable(fd: &Fd) -> Laned<Writable> {
    let op = Writable {
        fd: fd.inner().raw(),
    };
    Laned::new(fd.inner().clone(), op)
}
