//! What arrives in a stream: recv(2) on a socket, read(2) on a file's cursor, a pipe, a terminal.
//!
//! All hold the descriptor's lane in. Bytes that arrive for a future that has gone stay with the descriptor and are served first.

use std::cell::Cell;
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;

use sakia_buf::{BufResult, IoBufMut};

use super::course::Course;
use super::poll::asks_for_something;
use super::{Whole, cancelled, clamp};
use crate::fd::{Fd, FdRef};
use crate::kernel::abi::{CQE_F_SOCK_NONEMPTY, Sqe, opcode};
use crate::kernel::call::Call;
use crate::op::lane::{Lane, Side};
use crate::op::laned::{LaneOp, Laned, Served};
use crate::op::leftover::{Bytes, Leftover};
use crate::op::{Cancel, Completion, Holds, Op};

/// What kind of stream a read or write goes on with.
#[derive(Clone, Debug)]
pub enum Stream {
    /// A socket: recv(2) and send(2), with these flags.
    Socket(i32),
    /// A file with a cursor of its own: it moves when bytes are delivered, so an abandoned read has read nothing.
    Cursor(Rc<Cell<u64>>),
    /// A pipe, a FIFO, a terminal: read(2) and write(2) without an offset.
    Pipe,
}

/// What is handed over next, or is in flight. With [`Extent`] and the descriptor it fills a word (see `course` for why).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
enum Round {
    /// A receive.
    Take,
    /// Only the question whether there is something.
    Ask,
    /// A receive again: there is something.
    Told,
}

/// When it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
enum Extent {
    /// With what one receive brings.
    Some,
    /// With a full buffer.
    Full,
}

/// The op of [`recv`] and [`read`].
#[derive(Debug)]
pub struct Recv<B> {
    fd: RawFd,
    buf: B,
    /// The buffer's memory, asked for once, when it is lent. Null while the op is ours, and may be moved: a move of a `Box` claims its content
    /// anew, and a pointer from before must not be used any more.
    lent: *mut u8,
    capacity: usize,
    filled: usize,
    round: Round,
    extent: Extent,
    course: Course,
}

impl<B: IoBufMut> Recv<B> {
    #[inline]
    fn new(fd: &Fd, buf: B, extent: Extent, stream: Stream) -> Self {
        let capacity = buf.bytes_total();
        Self {
            fd: fd.inner().raw(),
            buf,
            lent: std::ptr::null_mut(),
            capacity,
            filled: 0,
            round: Round::Take,
            extent,
            course: Course::of(stream),
        }
    }

    #[inline(always)]
    fn into_result(mut self, result: io::Result<usize>) -> BufResult<usize, B> {
        // SAFETY: `filled` bytes from the start were written by the kernel or copied by `serve`, within the capacity.
        unsafe { self.buf.set_init(self.filled) };
        // Delivered now. A cursor is the caller's to move meanwhile, so it is neither trusted nor moved before.
        self.course.advance(self.filled);
        (result, self.buf)
    }

    /// Whether it goes on behind `n` more bytes.
    #[inline(always)]
    fn wants_more(&self, n: usize) -> bool {
        self.extent == Extent::Full && n != 0 && self.filled + n != self.capacity
    }

    /// With `n` more bytes in the buffer it is over.
    #[inline(always)]
    fn over(mut self, n: usize) -> BufResult<usize, B> {
        self.filled += n;
        let result = if self.extent == Extent::Full && self.filled != self.capacity {
            Err(ended_early())
        } else {
            Ok(self.filled)
        };
        self.into_result(result)
    }

    fn bytes(&self, from: usize, len: usize) -> Leftover {
        let start = if self.lent.is_null() {
            self.buf.stable_ptr()
        } else {
            self.lent.cast_const()
        };
        // SAFETY: it is the buffer's own memory, as it was lent or as it is asked for now that it is not; these bytes were filled by completed
        // rounds or by `serve`, and the kernel has let go of them.
        let bytes = unsafe { std::slice::from_raw_parts(start.add(from), len) };
        Leftover::Bytes(Bytes::new(bytes.to_vec()))
    }
}

#[cold]
fn ended_early() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the stream ended before the buffer was full",
    )
}

// SAFETY: the address, if there is one, is within the buffer's memory (`IoBufMut`: stable, its own for `bytes_total`); the descriptor is held by its future (`LaneOp`).
unsafe impl<B: IoBufMut> Op for Recv<B> {
    type Output = BufResult<usize, B>;
    const CANCEL: Cancel = Cancel::Idle;

    #[inline]
    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        if self.round == Round::Ask {
            *sqe = asks_for_something(self.fd);
            return Holds::none();
        }
        self.lent = self.buf.stable_mut_ptr();
        let addr = self.lent as u64 + self.filled as u64;
        let len = clamp(self.capacity - self.filled);
        let codes = (opcode::RECV, opcode::READ);
        *sqe = self
            .course
            .describe(codes, self.fd, (addr, len), self.filled, 0);
        Holds::none()
    }

    #[inline(always)]
    fn complete(self, done: Completion) -> Self::Output {
        match done.result() {
            Ok(n) => self.over(n as usize),
            Err(error) => self.into_result(Err(error)),
        }
    }

    fn abandon(&mut self) -> Option<Leftover> {
        (self.filled > 0 && self.course.consumes()).then(|| self.bytes(0, self.filled))
    }

    fn settle(&mut self, done: &mut Completion) -> Option<Leftover> {
        if self.round == Round::Ask || !self.course.consumes() {
            return None;
        }
        match done.result() {
            Ok(0) => Some(Leftover::End),
            Ok(n) => Some(self.bytes(self.filled, n as usize)),
            Err(_) => Leftover::of_error(done),
        }
    }
}

impl<B: IoBufMut> LaneOp for Recv<B> {
    const SIDE: Side = Side::In;
    const HASTENS: bool = true;

    fn aim(&mut self, fd: &FdRef) {
        let lane = fd.lane(Side::In);
        lane.note_room(self.capacity - self.filled);
        if self.round == Round::Told {
            // So it is hot again, whatever the answer's flags were.
            lane.note_more(CQE_F_SOCK_NONEMPTY);
        }
        self.lent = std::ptr::null_mut();
    }

    fn ask(&mut self) {
        self.round = match self.round {
            Round::Told => Round::Take,
            Round::Take | Round::Ask => Round::Ask,
        };
    }

    #[inline(always)]
    fn goes_on(&mut self, done: &Completion) -> bool {
        let Ok(n) = done.result() else {
            return false;
        };
        if self.round == Round::Ask {
            self.round = Round::Told;
        } else if self.wants_more(n as usize) {
            self.filled += n as usize;
        } else {
            return false;
        }
        self.lent = std::ptr::null_mut();
        true
    }

    fn is_empty(&self) -> bool {
        self.capacity == self.filled
    }

    fn serve(mut self, lane: &Lane) -> Served<Self> {
        if self.capacity == 0 {
            return Served::Over(self.into_result(Ok(0)));
        }
        let (start, room) = (self.buf.stable_mut_ptr(), self.capacity - self.filled);
        let filled = self.filled;
        let served = lane.serve_bytes(self.course.peeks(), |bytes| {
            let n = bytes.len().min(room);
            // SAFETY: the buffer has `room` bytes after the first `filled`, it is ours (nothing is in flight), and a leftover
            // is memory of its own.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start.add(filled), n) };
            n
        });
        match served {
            Some(Ok(n)) if self.wants_more(n) => {
                self.filled += n;
                Served::Part(self)
            }
            Some(Ok(n)) => Served::Over(self.over(n)),
            Some(Err(error)) => Served::Over(self.into_result(Err(error))),
            None => Served::Nothing(self),
        }
    }

    fn stop(self) -> Self::Output {
        let result = match self.filled {
            0 => Err(cancelled()),
            filled => Ok(filled),
        };
        self.into_result(result)
    }

    fn expire(mut self, lane: &Lane) -> Self::Output {
        self.lent = std::ptr::null_mut();
        if let Some(part) = self.abandon() {
            lane.put_back(part);
        }
        // A cursor does not move either: the part is read anew.
        self.filled = 0;
        self.into_result(Err(cancelled()))
    }
}

/// Receives up to the buffer's capacity (`IORING_OP_RECV`, Linux 5.6; recv(2), and `IORING_OP_POLL_ADD` while a stream that had more than was read has
/// run dry). 0 into a buffer with room is the end of the stream.
pub fn recv<B: IoBufMut>(fd: &Fd, buf: B) -> Laned<Recv<B>> {
    Laned::new(
        fd.inner().clone(),
        Recv::new(fd, buf, Extent::Some, Stream::Socket(0)),
    )
}

/// Looks at what would be received next, and leaves it there (MSG_PEEK).
pub fn peek<B: IoBufMut>(fd: &Fd, buf: B) -> Laned<Recv<B>> {
    Laned::new(
        fd.inner().clone(),
        Recv::new(fd, buf, Extent::Some, Stream::Socket(libc::MSG_PEEK)),
    )
}

/// Fills the buffer's capacity from a stream.
///
/// # Errors
/// `UnexpectedEof` if the stream ends before; the buffer has what was read.
pub fn recv_exact<B: IoBufMut>(fd: &Fd, buf: B, stream: Stream) -> Whole<Laned<Recv<B>>> {
    Whole(Laned::new(
        fd.inner().clone(),
        Recv::new(fd, buf, Extent::Full, stream),
    ))
}

/// Reads on from where the stream stands (`IORING_OP_READ`, Linux 5.6; read(2)).
pub fn read<B: IoBufMut>(fd: &Fd, buf: B, stream: Stream) -> Laned<Recv<B>> {
    Laned::new(fd.inner().clone(), Recv::new(fd, buf, Extent::Some, stream))
}

impl Fd {
    /// Receives what is there, without waiting and without the ring; leftovers first.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there, or another future holds the stream.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.call_in(buf, |raw, buf| Call::TryRecv(raw, buf, 0))
    }

    /// Reads what is in a pipe, without waiting and without the ring; leftovers first.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there, or another future reads.
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.call_in(buf, Call::TryRead)
    }

    /// A call that consumes of a stream, unless something comes before it.
    fn call_in<'b>(
        &self,
        buf: &'b mut [u8],
        call: impl FnOnce(RawFd, &'b mut [u8]) -> Call<'b>,
    ) -> io::Result<usize> {
        let lane = self.inner().lane(Side::In);
        if lane.is_held() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if buf.is_empty() {
            return Ok(0);
        }
        let served = lane.serve_bytes(false, |bytes| {
            let n = bytes.len().min(buf.len());
            buf[..n].copy_from_slice(&bytes[..n]);
            n
        });
        match served {
            Some(result) => result,
            None if lane.orphan().is_some() => Err(io::ErrorKind::WouldBlock.into()),
            None => {
                let call = call(self.inner().raw(), buf);
                self.inner().driver().call(call).map(|n| n as usize)
            }
        }
    }
}
