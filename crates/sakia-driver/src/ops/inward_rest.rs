//! All that comes in a stream until it ends, appended to a vector that grows.
//!
//! It holds the descriptor's lane in from the first byte to the end of the stream; dropped before, it gives back what it has read.

use std::io;
use std::os::fd::RawFd;

use sakia_buf::BufResult;

use super::{cancelled, clamp};
use crate::fd::{Fd, Kind};
use crate::kernel::abi::{Sqe, opcode};
use crate::op::lane::{Lane, Side};
use crate::op::laned::{LaneOp, Laned, Served};
use crate::op::leftover::{Bytes, Leftover};
use crate::op::{Cancel, Completion, Holds, Op};

/// The least room that a read is given.
const ROOM: usize = 8 * 1024;

/// The op of [`recv_to_end`].
#[derive(Debug)]
pub struct RecvToEnd {
    fd: RawFd,
    buf: Vec<u8>,
    /// The caller's bytes, which come before ours.
    had: usize,
    pipe: bool,
    /// Where the kernel writes, and how much: the spare room of `buf`, asked for once when it is lent.
    spare: (*mut u8, usize),
}

impl RecvToEnd {
    fn over(self, result: io::Result<()>) -> BufResult<usize, Vec<u8>> {
        let read = self.buf.len() - self.had;
        (result.map(|()| read), self.buf)
    }
}

// SAFETY: the address is the spare room of the vector, on the heap, which nobody touches until the completion; the descriptor is held by its future (`LaneOp`).
unsafe impl Op for RecvToEnd {
    type Output = BufResult<usize, Vec<u8>>;
    const CANCEL: Cancel = Cancel::Idle;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        if self.buf.capacity() - self.buf.len() < ROOM / 4 {
            self.buf.reserve(ROOM);
        }
        let spare = self.buf.spare_capacity_mut();
        self.spare = (spare.as_mut_ptr().cast(), spare.len());
        let (addr, len) = (self.spare.0 as u64, clamp(self.spare.1));
        *sqe = if self.pipe {
            Sqe::rw(opcode::READ, self.fd, addr, len, u64::MAX)
        } else {
            Sqe::rw(opcode::RECV, self.fd, addr, len, 0)
        };
        Holds::none()
    }

    fn complete(self, done: Completion) -> Self::Output {
        self.over(done.result().map(drop))
    }

    fn abandon(&mut self) -> Option<Leftover> {
        let read = &self.buf[self.had..];
        (!read.is_empty()).then(|| Leftover::Bytes(Bytes::new(read.to_vec())))
    }

    fn settle(&mut self, done: &mut Completion) -> Option<Leftover> {
        match done.result() {
            Ok(0) => Some(Leftover::End),
            Ok(n) => {
                // SAFETY: `spare` is the vector's own memory, as it was lent; the kernel has written n bytes of it and has let go.
                let bytes = unsafe { std::slice::from_raw_parts(self.spare.0, n as usize) };
                Some(Leftover::Bytes(Bytes::new(bytes.to_vec())))
            }
            Err(_) => Leftover::of_error(done),
        }
    }
}

impl LaneOp for RecvToEnd {
    const SIDE: Side = Side::In;

    fn goes_on(&mut self, done: &Completion) -> bool {
        let Ok(n @ 1..) = done.result() else {
            return false;
        };
        // SAFETY: the kernel has written the first n bytes of the spare room, and n is at most its length.
        unsafe { self.buf.set_len(self.buf.len() + n as usize) };
        true
    }

    fn serve(mut self, lane: &Lane) -> Served<Self> {
        let buf = &mut self.buf;
        let served = lane.serve_bytes(false, |bytes| {
            buf.extend_from_slice(bytes);
            bytes.len()
        });
        match served {
            Some(Ok(0)) => Served::Over(self.over(Ok(()))),
            Some(Ok(_)) => Served::Part(self),
            Some(Err(error)) => Served::Over(self.over(Err(error))),
            None => Served::Nothing(self),
        }
    }

    fn stop(self) -> Self::Output {
        match self.buf.len() - self.had {
            0 => (Err(cancelled()), self.buf),
            read => (Ok(read), self.buf),
        }
    }

    fn expire(mut self, lane: &Lane) -> Self::Output {
        if let Some(part) = self.abandon() {
            lane.put_back(part);
        }
        self.buf.truncate(self.had);
        (Err(cancelled()), self.buf)
    }
}

/// Receives until the stream ends, and appends it to `buf` (`IORING_OP_RECV`, Linux 5.6; recv(2); `IORING_OP_READ` on a pipe).
///
/// # Cancellation
/// What it has read goes back to the stream, and the next read begins with it.
pub fn recv_to_end(fd: &Fd, buf: Vec<u8>) -> Laned<RecvToEnd> {
    let op = RecvToEnd {
        fd: fd.inner().raw(),
        had: buf.len(),
        pipe: fd.kind() == Kind::Pipe,
        buf,
        spare: (std::ptr::null_mut(), 0),
    };
    Laned::new(fd.inner().clone(), op)
}
