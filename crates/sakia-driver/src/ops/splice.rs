//! splice(2): from one descriptor to another, one of them a pipe, without a copy through us.

use std::io;

use super::{Aim, aimed, clamp};
use crate::fd::Fd;
use crate::kernel::abi::{Sqe, opcode};
use crate::op::future::Submit;
use crate::op::{Cancel, Completion, Holds, Op};

/// The op of [`splice`].
#[derive(Debug)]
pub struct Splice {
    from: Aim,
    to: Aim,
    from_offset: Option<u64>,
    to_offset: Option<u64>,
    len: usize,
}

// SAFETY: the SQE names no memory, and both descriptors are held.
unsafe impl Op for Splice {
    type Output = io::Result<usize>;
    const CANCEL: Cancel = Cancel::Eager;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let (from, to) = (aimed(&mut self.from), aimed(&mut self.to));
        let to_offset = self.to_offset.unwrap_or(u64::MAX);
        let from_offset = self.from_offset.unwrap_or(u64::MAX);
        *sqe = Sqe::rw(
            opcode::SPLICE,
            to.raw(),
            from_offset,
            clamp(self.len),
            to_offset,
        )
        .splice_fd_in(from.raw());
        Holds::two(Some(from), Some(to))
    }

    fn complete(self, done: Completion) -> Self::Output {
        done.result().map(|n| n as usize)
    }
}

/// Moves up to `len` bytes (`IORING_OP_SPLICE`, Linux 5.7; splice(2)), by a worker thread of the kernel's. No offset means where the descriptor stands.
///
/// # Cancellation
/// Bytes that were moved are moved. It looks at no leftovers: use it on a stream that nobody has read from.
pub fn splice(from: (&Fd, Option<u64>), to: (&Fd, Option<u64>), len: usize) -> Submit<Splice> {
    let driver = from.0.inner().driver().clone();
    let op = Splice {
        from: Some(from.0.inner().clone()),
        to: Some(to.0.inner().clone()),
        from_offset: from.1,
        to_offset: to.1,
        len,
    };
    Submit::on(driver, op)
}
