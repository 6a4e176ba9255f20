//! The op that does nothing, and the one that waits: a private timed wait of the driver's.

use std::io;
use std::time::Duration;

use crate::kernel::abi::{Sqe, opcode};
use crate::op::future::Submit;
use crate::op::{Cancel, Completion, Holds, Op};

/// The op of [`nop`].
#[derive(Debug)]
pub struct Nop;

// SAFETY: the SQE names no memory and no descriptor.
unsafe impl Op for Nop {
    type Output = io::Result<()>;
    const CANCEL: Cancel = Cancel::Eager;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        *sqe = Sqe::rw(opcode::NOP, -1, 0, 0, 0);
        Holds::none()
    }

    fn complete(self, done: Completion) -> Self::Output {
        done.result().map(drop)
    }
}

/// Goes once through the ring and back (`IORING_OP_NOP`, Linux 5.1): what a turn costs.
pub fn nop() -> Submit<Nop> {
    Submit::new(Nop)
}

/// The op of [`nap`].
#[derive(Debug)]
pub struct Nap {
    /// `struct __kernel_timespec`.
    time: Box<[i64; 2]>,
}

// SAFETY: the address leads to the box, which is on the heap and untouched until the completion.
unsafe impl Op for Nap {
    type Output = io::Result<()>;
    const CANCEL: Cancel = Cancel::Eager;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        *sqe = Sqe::rw(opcode::TIMEOUT, -1, self.time.as_ptr() as u64, 1, 0);
        Holds::none()
    }

    fn complete(self, done: Completion) -> Self::Output {
        match done.errno() {
            libc::ETIME => Ok(()),
            _ => done.result().map(drop),
        }
    }
}

/// Waits in the kernel (`IORING_OP_TIMEOUT`, Linux 5.4). The kernel keeps such waits in a list: this is for the few that the driver itself needs
/// where no timer wheel is at hand; sakia-time is for all others.
pub fn nap(time: Duration) -> Submit<Nap> {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Submit::new(Nap {
        time: Box::new([seconds, i64::from(time.subsec_nanos())]),
    })
}
