//! What is sent into a stream: send(2) on a socket, write(2) on a file's cursor, a pipe, a terminal.
//!
//! All hold the descriptor's lane out, so that bytes stay in order. A write that was abandoned in flight is left to finish, and the next one waits for it.

use std::io;
use std::os::fd::RawFd;

use sakia_buf::{BufResult, IoBuf};

use super::course::Course;
use super::inward::Stream;
use super::{Whole, cancelled, clamp};
use crate::addr::SockAddr;
use crate::fd::Fd;
use crate::kernel::abi::{Sqe, opcode};
use crate::kernel::call::Call;
use crate::op::doubt::{InDoubt, Teller};
use crate::op::lane::{Lane, Side};
use crate::op::laned::{LaneOp, Laned, Served};
use crate::op::leftover::Leftover;
use crate::op::{Cancel, Completion, Holds, Op};

/// The op of [`send`] and [`write()`].
#[derive(Debug)]
pub struct Send<B> {
    fd: RawFd,
    buf: B,
    len: usize,
    sent: usize,
    all: bool,
    course: Course,
    teller: Option<Teller>,
}

impl<B: IoBuf> Send<B> {
    #[inline]
    fn new(fd: &Fd, buf: B, all: bool, stream: Stream) -> Self {
        Self {
            fd: fd.inner().raw(),
            len: buf.bytes_init(),
            buf,
            sent: 0,
            all,
            course: Course::of(stream),
            teller: None,
        }
    }

    /// `n` more bytes were sent.
    #[inline(always)]
    fn advance(&mut self, n: usize) {
        self.sent += n;
        self.course.advance(n);
    }
}

#[cold]
fn took_nothing() -> io::Error {
    io::Error::new(io::ErrorKind::WriteZero, "the stream takes no more bytes")
}

// SAFETY: the address is within the buffer's initialised memory (`IoBuf`), which nobody writes while it is lent; the descriptor is held by its future (`LaneOp`).
unsafe impl<B: IoBuf> Op for Send<B> {
    type Output = BufResult<usize, B>;
    const CANCEL: Cancel = Cancel::Never;

    #[inline]
    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let addr = self.buf.stable_ptr() as u64 + self.sent as u64;
        let len = clamp(self.len - self.sent);
        // With MSG_WAITALL the kernel goes on after a short send by itself, also when nobody waits any more.
        let all = if self.all { libc::MSG_WAITALL } else { 0 };
        let codes = (opcode::SEND, opcode::WRITE);
        let flags = all | libc::MSG_NOSIGNAL;
        *sqe = self.course.describe(codes, self.fd, (addr, len), 0, flags);
        Holds::none()
    }

    #[inline(always)]
    fn complete(mut self, done: Completion) -> Self::Output {
        let result = done.result().and_then(|n| {
            self.advance(n as usize);
            if self.all && self.sent != self.len {
                return Err(took_nothing());
            }
            Ok(self.sent)
        });
        (result, self.buf)
    }

    fn abandon(&mut self) -> Option<Leftover> {
        let (teller, doubt) = Teller::new(self.len, self.sent);
        self.teller = Some(teller);
        Some(Leftover::InDoubt(doubt))
    }

    fn settle(&mut self, done: &mut Completion) -> Option<Leftover> {
        if let Ok(n) = done.result() {
            // It was written, if to nobody's knowledge: the next write goes behind it.
            self.course.advance(n as usize);
        }
        if let Some(teller) = &self.teller {
            teller.ended(done);
        }
        None
    }
}

impl<B: IoBuf> LaneOp for Send<B> {
    const SIDE: Side = Side::Out;
    const HASTENS: bool = true;

    #[inline(always)]
    fn goes_on(&mut self, done: &Completion) -> bool {
        let Ok(n @ 1..) = done.result().map(|n| n as usize) else {
            return false;
        };
        let more = self.all && self.sent + n != self.len;
        if more {
            self.advance(n);
        }
        more
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn serve(self, _: &Lane) -> Served<Self> {
        if self.len == 0 {
            return Served::Over((Ok(0), self.buf));
        }
        Served::Nothing(self)
    }

    fn stop(self) -> Self::Output {
        match self.sent {
            0 => (Err(cancelled()), self.buf),
            sent => (Ok(sent), self.buf),
        }
    }
}

/// Sends the buffer's initialised part, or a beginning of it (`IORING_OP_SEND`, Linux 5.6; send(2)). A closed peer is `EPIPE`, never a signal.
pub fn send<B: IoBuf>(fd: &Fd, buf: B) -> Laned<Send<B>> {
    Laned::new(
        fd.inner().clone(),
        Send::new(fd, buf, false, Stream::Socket(0)),
    )
}

/// Sends all of the buffer's initialised part, as one op (MSG_WAITALL).
pub fn send_all<B: IoBuf>(fd: &Fd, buf: B) -> Whole<Laned<Send<B>>> {
    Whole(Laned::new(
        fd.inner().clone(),
        Send::new(fd, buf, true, Stream::Socket(0)),
    ))
}

/// Writes on where the stream stands (`IORING_OP_WRITE`, Linux 5.6; write(2)).
pub fn write<B: IoBuf>(fd: &Fd, buf: B, stream: Stream) -> Laned<Send<B>> {
    Laned::new(fd.inner().clone(), Send::new(fd, buf, false, stream))
}

/// Writes all of the buffer's initialised part where the stream stands.
pub fn write_all<B: IoBuf>(fd: &Fd, buf: B, stream: Stream) -> Whole<Laned<Send<B>>> {
    Whole(Laned::new(
        fd.inner().clone(),
        Send::new(fd, buf, true, stream),
    ))
}

impl Fd {
    /// What is known of the last write that was given up: dropped after it was polled, or out of time. `None` if there was none.
    pub fn in_doubt(&self) -> Option<InDoubt> {
        self.inner().lane(Side::Out).doubt()
    }

    /// Sends what the socket takes at once, without waiting and without the ring.
    ///
    /// # Errors
    /// `WouldBlock` if it takes nothing, or a write is under way.
    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        self.call_out(Call::TrySend(self.inner().raw(), buf))
    }

    /// Sends a datagram to an address, if the socket takes it at once, without waiting and without the ring.
    ///
    /// # Errors
    /// `WouldBlock` if it does not take it, or a send is under way.
    pub fn try_send_to(&self, buf: &[u8], to: &SockAddr) -> io::Result<usize> {
        self.call_out(Call::TrySendTo(self.inner().raw(), buf, to))
    }

    /// Writes what a pipe takes at once, without waiting and without the ring.
    ///
    /// # Errors
    /// `WouldBlock` if it takes nothing, or a write is under way.
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.call_out(Call::TryWrite(self.inner().raw(), buf))
    }

    /// A call that writes, unless something is to be written before.
    fn call_out(&self, call: Call<'_>) -> io::Result<usize> {
        let lane = self.inner().lane(Side::Out);
        if lane.is_held() || lane.orphan().is_some() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.inner().driver().call(call).map(|n| n as usize)
    }
}
