//! Readiness: poll(2) for those who read and write by themselves.

use std::io;

use super::{Aim, aimed};
use crate::fd::{Fd, FdRef};
use crate::kernel::abi::{Sqe, opcode};
use crate::op::lane::{Lane, Side};
use crate::op::laned::{LaneOp, Laned, Step};
use crate::op::{Cancel, Completion, Holds, Op};

/// The op of [`readable`].
#[derive(Debug)]
pub struct Readable {
    fd: Aim,
}

/// The op of [`writable`].
#[derive(Debug)]
pub struct Writable {
    fd: Aim,
}

fn prepare(fd: &mut Aim, mask: i16, sqe: &mut Sqe) -> Holds {
    let fd = aimed(fd);
    *sqe = asking(&fd, mask);
    Holds::one(fd)
}

fn asking(fd: &FdRef, mask: i16) -> Sqe {
    Sqe::rw(opcode::POLL_ADD, fd.raw(), 0, 0, 0).op_flags(mask as u32)
}

/// Asks whether there is something to read: bytes, the end, an error.
pub(super) fn asks_for_something(fd: &FdRef) -> Sqe {
    asking(fd, libc::POLLIN | libc::POLLRDHUP)
}

// SAFETY: the SQE names no memory; the descriptor is held.
unsafe impl Op for Readable {
    type Output = Step<Self>;
    const CANCEL: Cancel = Cancel::Eager;
    const LANE: Option<Side> = Some(Side::In);

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        prepare(&mut self.fd, libc::POLLIN | libc::POLLRDHUP, sqe)
    }

    fn complete(self, done: Completion) -> Self::Output {
        Step::Done(done.result().map(drop))
    }
}

impl LaneOp for Readable {
    type Result = io::Result<()>;
    const SIDE: Side = Side::In;

    fn aim(&mut self, fd: &FdRef) {
        self.fd = Some(fd.clone());
    }

    fn serve(self, _: &Lane) -> Result<Step<Self>, Self> {
        Ok(Step::Done(Ok(())))
    }
}

// SAFETY: the SQE names no memory; the descriptor is held.
unsafe impl Op for Writable {
    type Output = Step<Self>;
    const CANCEL: Cancel = Cancel::Eager;
    const LANE: Option<Side> = Some(Side::Out);

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        prepare(&mut self.fd, libc::POLLOUT, sqe)
    }

    fn complete(self, done: Completion) -> Self::Output {
        Step::Done(done.result().map(drop))
    }
}

impl LaneOp for Writable {
    type Result = io::Result<()>;
    const SIDE: Side = Side::Out;

    fn aim(&mut self, fd: &FdRef) {
        self.fd = Some(fd.clone());
    }

    fn serve(self, _: &Lane) -> Result<Step<Self>, Self> {
        Err(self)
    }
}

/// Waits until a read would not block: leftovers count (`IORING_OP_POLL_ADD`, Linux 5.1; poll(2) POLLIN).
pub fn readable(fd: &Fd) -> Laned<Readable> {
    Laned::new(fd.inner().clone(), Readable { fd: None })
}

/// Waits until a write would not block, and no earlier write is under way (poll(2) POLLOUT).
pub fn writable(fd: &Fd) -> Laned<Writable> {
    Laned::new(fd.inner().clone(), Writable { fd: None })
}
