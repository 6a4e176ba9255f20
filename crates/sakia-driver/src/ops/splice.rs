//! splice(2): from one descriptor to another, one of them a pipe, without a copy through us.
//!
//! A stream that it takes from, or gives to, has a lane there, which the op holds by itself until its final completion: what arrived for a
//! read that was dropped comes first, written from memory, and no read or write gets between.
//!
//! The kernel keeps the pipe locked while it waits for the other end (measured, Linux 6.18), and whoever reads, writes or closes the pipe then waits
//! with it, our thread too. So the splice is not submitted before the other end is ready.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{Aim, aimed, clamp};
use crate::fd::{Fd, FdRef, Kind};
use crate::kernel::abi::{Sqe, opcode};
use crate::op::cancel::{Cancellable, Cancelling, Receipt};
use crate::op::future::Submit;
use crate::op::held::Held;
use crate::op::lane::Side;
use crate::op::leftover::{Bytes, Leftover};
use crate::op::{Cancel, Completion, Holds, Op};

/// The most that is copied of what had arrived.
const PART: usize = 64 * 1024;

/// The op of [`splice`].
#[derive(Debug)]
pub(crate) struct Moving {
    from: Aim,
    to: Aim,
    from_offset: Option<u64>,
    to_offset: Option<u64>,
    len: usize,
    /// What had arrived for a read that was dropped, taken out of the lane to be written.
    left: Vec<u8>,
    /// The lanes that it holds: in, then out, in this order everywhere. Nobody waits for a lane in with a lane out in hand.
    lane_in: Option<Held>,
    lane_out: Option<Held>,
}

impl Moving {
    /// Takes the lanes, and out of the one what is to go first; answers what ends it without the kernel.
    fn poll_lanes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<usize>>> {
        let from = self.from.as_ref();
        if from.is_some_and(|fd| fd.driver().takes_own().is_err()) {
            // The submission will say so.
            return Poll::Ready(None);
        }
        for held in [&mut self.lane_in, &mut self.lane_out]
            .into_iter()
            .flatten()
        {
            ready!(held.poll(cx));
        }
        let (left, most) = (&mut self.left, self.len.min(PART));
        let served = self.lane_in.as_ref().and_then(|held| {
            held.lane().serve_bytes(false, |bytes| {
                let n = bytes.len().min(most);
                left.extend_from_slice(&bytes[..n]);
                n
            })
        });
        Poll::Ready(served.filter(|_| left.is_empty()))
    }

    /// So many bytes of what had arrived were written: the others are to be read next.
    fn give_back(&mut self, written: usize) {
        let rest = self.left.split_off(written.min(self.left.len()));
        if let Some(held) = self.lane_in.as_ref().filter(|_| !rest.is_empty()) {
            held.lane().put_back(Leftover::Bytes(Bytes::new(rest)));
        }
    }

    fn prepare_left(&self, to: &FdRef, sqe: &mut Sqe) {
        let (addr, len) = (self.left.as_ptr() as u64, clamp(self.left.len()));
        *sqe = if to.kind().is_socket() {
            let flags = libc::MSG_NOSIGNAL as u32;
            Sqe::rw(opcode::SEND, to.raw(), addr, len, 0).op_flags(flags)
        } else {
            let offset = self.to_offset.unwrap_or(u64::MAX);
            Sqe::rw(opcode::WRITE, to.raw(), addr, len, offset)
        };
    }
}

// SAFETY: the SQE names no memory, or that of a vector of the op's own, which is not touched before the completion; both descriptors are
// held.
unsafe impl Op for Moving {
    type Output = io::Result<usize>;
    const CANCEL: Cancel = Cancel::Eager;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let (from, to) = (aimed(&mut self.from), aimed(&mut self.to));
        if !self.left.is_empty() {
            self.prepare_left(&to, sqe);
            return Holds::one(to);
        }
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

    fn complete(mut self, done: Completion) -> Self::Output {
        let result = done.result().map(|n| n as usize);
        self.give_back(*result.as_ref().unwrap_or(&0));
        result
    }

    fn settle(&mut self, done: &mut Completion) -> Option<Leftover> {
        self.give_back(done.result().map_or(0, |n| n as usize));
        let held = [self.lane_in.take(), self.lane_out.take()];
        held.into_iter().flatten().for_each(Held::leave_in_dispatch);
        None
    }
}

/// A wait until the other end is ready.
#[derive(Debug)]
pub(crate) struct Ready {
    fd: Aim,
    events: i16,
}

// SAFETY: the SQE names no memory; the descriptor is held.
unsafe impl Op for Ready {
    type Output = io::Result<()>;
    const CANCEL: Cancel = Cancel::Eager;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let fd = aimed(&mut self.fd);
        *sqe = Sqe::rw(opcode::POLL_ADD, fd.raw(), 0, 0, 0).op_flags(self.events as u32);
        Holds::one(fd)
    }

    fn complete(self, done: Completion) -> Self::Output {
        done.result().map(drop)
    }
}

/// Of a pipe, and of a file, nothing is awaited: the lock is a pipe's own, and a file is ready.
fn ready(fd: &FdRef, events: i16) -> Option<Submit<Ready>> {
    let op = Ready {
        fd: Some(fd.clone()),
        events,
    };
    let waits = !matches!(fd.kind(), Kind::Pipe | Kind::File | Kind::Directory);
    waits.then(|| Submit::on(fd.driver().clone(), op))
}

/// The future of [`splice`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Splice {
    op: Submit<Moving>,
    /// What is to be awaited before it is submitted.
    waits: [Option<Submit<Ready>>; 2],
}

impl Splice {
    /// Asks the kernel to end it, and waits for its last word: how much was moved, if anything was.
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl Future for Splice {
    type Output = io::Result<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(op) = this.op.flight.idle_mut() {
            let mut ended = ready!(op.poll_lanes(cx));
            for wait in &mut this.waits {
                if let (None, true, Some(ready)) = (&ended, op.left.is_empty(), &mut *wait) {
                    ended = ready!(Pin::new(ready).poll(cx)).err().map(Err);
                    *wait = None;
                }
            }
            if let Some(result) = ended {
                drop(this.op.flight.take_idle());
                return Poll::Ready(result);
            }
        }
        Pin::new(&mut this.op).poll(cx)
    }
}

impl Cancellable for Splice {
    type Value = usize;
    type Buf = ();

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<usize>> {
        self.waits = [None, None];
        self.op.poll_cancel(cx)
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.waits = [None, None];
        self.op.poll_expire(cx)
    }
}

/// Moves up to `len` bytes (`IORING_OP_SPLICE`, Linux 5.7; splice(2)), by a worker thread of the kernel's. No offset means where the descriptor stands.
///
/// Of a stream, what had arrived for a read that was dropped goes first, by a plain write, and it is all that this call moves then. 0 is the end.
/// A socket is awaited before anything is moved. One that then takes less than it is given keeps the pipe locked, and whoever touches the
/// pipe waits: give it no more than it takes.
///
/// # Cancellation
/// Bytes that were moved are moved; no other is lost, and those that follow come after them.
pub fn splice(from: (&Fd, Option<u64>), to: (&Fd, Option<u64>), len: usize) -> Splice {
    let (source, target) = (from.0.inner(), to.0.inner());
    let lane = |fd: &FdRef, offset: Option<u64>, side| match offset {
        None => Some(Held::new(fd.clone(), side)),
        Some(_) => None,
    };
    let op = Moving {
        from: Some(source.clone()),
        to: Some(target.clone()),
        from_offset: from.1,
        to_offset: to.1,
        len,
        left: Vec::new(),
        lane_in: lane(source, from.1, Side::In),
        lane_out: lane(target, to.1, Side::Out),
    };
    Splice {
        waits: [
            ready(source, libc::POLLIN | libc::POLLRDHUP),
            ready(target, libc::POLLOUT),
        ],
        op: Submit::on(source.driver().clone(), op),
    }
}
