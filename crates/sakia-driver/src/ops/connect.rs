//! connect(2).

use std::io;

use super::{Aim, aimed};
use crate::addr::SockAddr;
use crate::fd::Fd;
use crate::kernel::abi::{Sqe, opcode};
use crate::op::future::Submit;
use crate::op::{Cancel, Completion, Holds, Op};

/// The op of [`connect`].
#[derive(Debug)]
pub struct Connect {
    fd: Aim,
    addr: Box<SockAddr>,
}

// SAFETY: the address leads into the box; the descriptor is held.
unsafe impl Op for Connect {
    type Output = io::Result<()>;
    const CANCEL: Cancel = Cancel::Eager;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let fd = aimed(&mut self.fd);
        *sqe = Sqe::rw(
            opcode::CONNECT,
            fd.raw(),
            self.addr.as_ptr() as u64,
            0,
            u64::from(self.addr.len()),
        );
        Holds::one(fd)
    }

    fn complete(self, done: Completion) -> Self::Output {
        done.result().map(drop)
    }
}

/// Connects a socket (`IORING_OP_CONNECT`, Linux 5.5; connect(2)).
///
/// # Cancellation
/// The state of the socket is not known afterwards: close it.
pub fn connect(fd: &Fd, addr: SockAddr) -> Submit<Connect> {
    let op = Connect {
        fd: Some(fd.inner().clone()),
        addr: Box::new(addr),
    };
    Submit::on(fd.inner().driver().clone(), op)
}
