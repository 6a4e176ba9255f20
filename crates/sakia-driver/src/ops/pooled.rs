//! Receives that bring no buffer: they take one of the driver's pool when there is something to put there.
//!
//! | stage | what is asked of the kernel | what follows |
//! |---|---|---|
//! | `Asking` | a receive whose buffer the kernel chooses; where it cannot, whether there is something (poll(2)) | bytes in a buffer; or there is something, and no buffer for it: `Needing` |
//! | `Needing` | nothing: the pool is asked, and at its bound waited for | `Own`, or `Asking` if the kernel has got some meanwhile |
//! | `Own` | a receive into this buffer, without waiting | bytes; or somebody else has taken them: `Asking` |
//!
//! One receive at a time, as for all that consumes ([`Laned`]): measured against a multishot receive it costs the same once it waits first and the kernel
//! chooses from few buffers (the most recent ones are in the caches), and what is not asked for stays in the socket, so that nobody
//! who reads slowly empties the pool. What arrives for a future that has gone is copied out: a leftover keeps no buffer.

use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::poll::asks_for_something;
use crate::fd::{Fd, FdRef};
use crate::kernel::abi::{First, Sqe, opcode};
use crate::op::lane::{Lane, Side};
use crate::op::laned::{LaneOp, Laned, Served};
use crate::op::leftover::{Bytes, Leftover};
use crate::op::{Cancel, Completion, Holds, Op, Yields};
use crate::pooled::lending::Supplied;
use crate::pooled::{PooledBuf, Seat};

/// The most that one read gets of what was kept for it.
const PIECE: usize = 64 * 1024;

/// How a receive is described, and what it comes to: recv(2) of a stream, recvmsg(2) of messages.
///
/// # Safety
/// As for [`Op`]: what the submission names beside the room that [`describe`](Way::describe) is given is memory of the value's own, on the heap.
#[doc(hidden)]
pub unsafe trait Way: 'static {
    /// What one receive brings.
    type Output;
    const YIELDS: Yields;

    /// Describes a receive into this room (address, length); into what the kernel chooses, if there is none.
    fn describe(&mut self, fd: RawFd, room: Option<(u64, u32)>) -> Sqe;

    /// It has brought this; nothing, if it was 0 bytes.
    fn deliver(&mut self, buf: Option<PooledBuf>, done: &mut Completion) -> Self::Output;

    /// The same, with nobody there.
    fn leave(&mut self, buf: Option<PooledBuf>, done: &mut Completion) -> Leftover;

    /// Serves it from what the lane has kept.
    fn serve(&mut self, lane: &Lane) -> Option<io::Result<Self::Output>>;
}

enum Stage {
    Asking,
    Needing(Option<Rc<Seat>>),
    Own(PooledBuf),
}

/// With so many ops in flight a receive waits before the kernel tries it: of a crowd only a few, whose deferred work is done together, have a buffer at a time then.
const CROWD_IN_FLIGHT: usize = 128;

/// The op of [`recv_pooled`] and [`recv_msg_pooled`](super::recv_msg_pooled).
pub struct RecvPooled<W> {
    fd: RawFd,
    way: W,
    stage: Stage,
    /// Whether the kernel chooses the buffer.
    chooses: bool,
    /// What it does first if the kernel chooses.
    first: First,
}

impl<W: Way> RecvPooled<W> {
    pub(super) fn new(fd: &Fd, way: W) -> Laned<Self> {
        let op = Self {
            fd: fd.inner().raw(),
            way,
            stage: Stage::Asking,
            chooses: false,
            first: First::Wait,
        };
        Laned::new(fd.inner().clone(), op)
    }

    /// What a completion that it is over with has brought: nothing at the end.
    #[inline(always)]
    fn brought(&mut self, done: &mut Completion) -> io::Result<Option<PooledBuf>> {
        let n = done.result()?;
        Ok(match std::mem::replace(&mut self.stage, Stage::Asking) {
            Stage::Own(buf) => (n > 0).then(|| buf.cut_to(n as usize)),
            Stage::Asking | Stage::Needing(_) => done.take_buf(),
        })
    }
}

// SAFETY: the SQE names a buffer of the pool that the op holds all of, on the heap, and that nobody reads before the completion; or none, and
// the kernel chooses one that it was lent; beside it what `Way` promises. The descriptor is held by its future (`LaneOp`).
unsafe impl<W: Way> Op for RecvPooled<W> {
    type Output = io::Result<W::Output>;
    const CANCEL: Cancel = Cancel::Idle;
    const YIELDS: Yields = W::YIELDS;
    const CHOOSES: bool = true;

    #[inline]
    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        *sqe = match &self.stage {
            Stage::Own(buf) => {
                let sqe = self.way.describe(self.fd, Some(buf.lent()));
                let flags = sqe.op_flags | libc::MSG_DONTWAIT as u32;
                sqe.op_flags(flags)
            }
            _ if self.chooses => {
                let sqe = self.way.describe(self.fd, None);
                sqe.choose_buffer().first(self.first)
            }
            _ => asks_for_something(self.fd),
        };
        Holds::none()
    }

    #[inline(always)]
    fn complete(mut self, mut done: Completion) -> Self::Output {
        let buf = self.brought(&mut done)?;
        Ok(self.way.deliver(buf, &mut done))
    }

    fn settle(&mut self, done: &mut Completion) -> Option<Leftover> {
        if self.goes_on(done) {
            return None;
        }
        match self.brought(done) {
            Ok(buf) => Some(self.way.leave(buf, done)),
            Err(_) => Leftover::of_error(done),
        }
    }
}

impl<W: Way> LaneOp for RecvPooled<W> {
    const SIDE: Side = Side::In;

    #[inline(always)]
    fn goes_on(&mut self, done: &Completion) -> bool {
        let (goes_on, next) = match self.stage {
            Stage::Asking if self.chooses => (done.errno() == libc::ENOBUFS, Stage::Needing(None)),
            Stage::Asking => (done.result().is_ok(), Stage::Needing(None)),
            // Somebody else who has the socket has taken what was there.
            Stage::Own(_) => (done.errno() == libc::EAGAIN, Stage::Asking),
            Stage::Needing(_) => (done.result().is_ok(), Stage::Asking),
        };
        if goes_on {
            self.stage = next;
        }
        goes_on
    }

    fn aim(&mut self, fd: &FdRef) {
        self.chooses = fd.driver().lends_buffers();
        let ready = fd.lane(Side::In).has_more() || fd.driver().in_flight() < CROWD_IN_FLIGHT;
        self.first = if ready { First::Try } else { First::Wait };
    }

    fn needs_supply(&self) -> bool {
        matches!(self.stage, Stage::Needing(_))
    }

    fn poll_supply(&mut self, fd: &FdRef, cx: &mut Context<'_>) -> Poll<()> {
        if let Stage::Needing(seat) = &mut self.stage {
            self.stage = match ready!(fd.driver().poll_supply(seat, cx)) {
                Supplied::Own(buf) => Stage::Own(buf),
                Supplied::Chosen => Stage::Asking,
            };
        }
        Poll::Ready(())
    }

    fn serve(mut self, lane: &Lane) -> Served<Self> {
        match self.way.serve(lane) {
            Some(result) => Served::Over(result),
            None => Served::Nothing(self),
        }
    }
}

/// A stream: bytes, and an end.
#[doc(hidden)]
#[derive(Debug)]
pub struct Bytewise;

// SAFETY: the SQE names nothing but the room.
unsafe impl Way for Bytewise {
    type Output = Option<PooledBuf>;
    const YIELDS: Yields = Yields::Nothing;

    fn describe(&mut self, fd: RawFd, room: Option<(u64, u32)>) -> Sqe {
        let (address, len) = room.unwrap_or_default();
        Sqe::rw(opcode::RECV, fd, address, len, 0)
    }

    fn deliver(&mut self, buf: Option<PooledBuf>, _: &mut Completion) -> Self::Output {
        buf
    }

    fn leave(&mut self, buf: Option<PooledBuf>, _: &mut Completion) -> Leftover {
        match buf {
            Some(buf) => Leftover::Bytes(Bytes::new(buf.to_vec())),
            None => Leftover::End,
        }
    }

    fn serve(&mut self, lane: &Lane) -> Option<io::Result<Self::Output>> {
        let mut bytes = Vec::new();
        let served = lane.serve_bytes(false, |kept| {
            bytes = kept[..kept.len().min(PIECE)].to_vec();
            bytes.len()
        })?;
        Some(served.map(|n| (n > 0).then(|| PooledBuf::alone(bytes))))
    }
}

/// Receives what is there, in a buffer of the driver's pool; `None` is the end of the stream (`IORING_OP_RECV` with a buffer that the kernel chooses,
/// Linux 5.19; before, and where no ring of buffers can be registered, `IORING_OP_POLL_ADD` and then a plain receive; recv(2)).
///
/// While nothing is there, no buffer is held. At the bound of the pool it waits until one comes back, and what arrives waits in the socket.
///
/// # Cancellation
/// As [`recv`](super::recv): what arrives for a future that was dropped is served to the next call.
pub fn recv_pooled(fd: &Fd) -> Laned<RecvPooled<Bytewise>> {
    RecvPooled::new(fd, Bytewise)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::pin::Pin;
    use std::task::Waker;

    use super::*;
    use crate::fd::Kind;
    use crate::kernel::abi::CQE_F_SOCK_NONEMPTY;
    use crate::ops::nop;
    use crate::{Config, Driver};

    #[test]
    fn a_receive_of_a_crowd_waits_first_unless_the_last_one_has_left_something() {
        let driver = Driver::new(&Config::default()).expect("a ring");
        let (ours, _peer) = UnixStream::pair().expect("two descriptors");
        let fd = driver
            .within(|| Fd::new(ours.into(), Kind::UnixStream))
            .expect("it is current");
        let waits = || {
            let mut receive = RecvPooled {
                fd: fd.inner().raw(),
                way: Bytewise,
                stage: Stage::Asking,
                chooses: false,
                first: First::Wait,
            };
            receive.aim(fd.inner());
            receive.chooses = true;
            let mut sqe = Sqe::default();
            receive.prepare(&mut sqe);
            // IORING_RECVSEND_POLL_FIRST
            sqe.ioprio & 1 != 0
        };
        let mut crowd: Vec<_> = (0..CROWD_IN_FLIGHT).map(|_| nop()).collect();
        driver.within(|| {
            for op in &mut crowd {
                assert!(!waits(), "it is no crowd yet");
                let mut cx = Context::from_waker(Waker::noop());
                assert!(Pin::new(op).poll(&mut cx).is_pending());
            }
        });
        assert!(waits());
        fd.inner().lane(Side::In).note_more(CQE_F_SOCK_NONEMPTY);
        assert!(!waits(), "there is more");
        fd.inner().lane(Side::In).note_more(0);
        assert!(waits());
    }
}
