//! recvmsg(2): datagrams and records with their senders, and what came beside the bytes.
//!
//! The message header, its list of buffers, the sender's address and the control buffer are the op's own memory, which the kernel writes
//! until the completion. Descriptors that a message brings are adopted when the completion is read (`op/ancillary.rs`); a message that
//! arrives for a future that has gone is kept whole, with its sender, what came beside it, and whether it was cut.

use std::io;
use std::os::fd::RawFd;

use sakia_buf::{BufResult, IoVecBufMut};

use super::at::{IoVecs, MAX_IOV, iovecs_to_fill};
use super::message::Header;
use crate::addr::SockAddr;
use crate::fd::{Fd, Kind};
use crate::kernel::abi::{Sqe, opcode};
use crate::kernel::call::Call;
use crate::op::ancillary::{Ancillary, Control, hand_over};
use crate::op::lane::{Lane, Side};
use crate::op::laned::{LaneOp, Laned, Served};
use crate::op::leftover::{Beside, Bytes, Datagram, Leftover, Message};
use crate::op::{Cancel, Completion, Holds, Op, Yields};

/// What a recvmsg(2) tells.
#[derive(Debug)]
#[non_exhaustive]
pub struct Received {
    /// How many bytes were received.
    pub len: usize,
    /// Who sent them; on a stream nobody is named.
    pub from: SockAddr,
    /// Whether the datagram or record was longer than the buffers; the rest of it is gone (`MSG_TRUNC`).
    pub truncated: bool,
    /// What came beside the bytes.
    pub ancillary: Ancillary,
}

/// Where messages end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nowhere: bytes follow bytes, and nothing is the end.
    Stream,
    /// Each receive takes one record, and nothing is the end.
    Records,
    /// Each receive takes one datagram, which may be empty, and there is no end.
    Datagrams,
}

impl Shape {
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::UdpSocket | Kind::UnixDatagram => Self::Datagrams,
            Kind::UnixSeqpacket => Self::Records,
            _ => Self::Stream,
        }
    }
}

/// The op of [`recv_msg`] and [`peek_msg`].
pub struct RecvMsg<V> {
    fd: RawFd,
    bufs: V,
    list: IoVecs,
    capacity: usize,
    header: Box<Header>,
    control: Control,
    shape: Shape,
    peek: bool,
    /// Whether the caller takes what came beside the bytes. Otherwise it is closed here, in the driver's way.
    takes: bool,
}

impl<V: IoVecBufMut> RecvMsg<V> {
    fn over(self, result: io::Result<Received>) -> BufResult<Received, V> {
        (result, self.bufs)
    }

    fn received(
        self,
        len: usize,
        from: SockAddr,
        truncated: bool,
        beside: Beside,
    ) -> BufResult<Received, V> {
        let beside = Some(beside).filter(|_| self.takes).unwrap_or_default();
        let received = Received {
            len,
            from,
            truncated,
            ancillary: hand_over(beside.arrived, beside.truncated),
        };
        self.over(Ok(received))
    }

    /// What came beside the bytes of a message that is here.
    fn beside(&self, done: &mut Completion) -> Beside {
        Beside {
            arrived: done.take_arrived(),
            // Where there was no room there is nothing that was asked for and cut off.
            truncated: self.control.has_room() && self.header.has_flag(libc::MSG_CTRUNC),
        }
    }

    fn serve_stream(mut self, lane: &Lane) -> Served<Self> {
        let bufs = &mut self.bufs;
        match lane.serve_stream(self.peek, |bytes| bufs.fill_from(bytes)) {
            Some(Ok((n, beside))) => {
                Served::Over(self.received(n, SockAddr::none(), false, beside))
            }
            Some(Err(error)) => Served::Over(self.over(Err(error))),
            None => Served::Nothing(self),
        }
    }

    fn serve_message(mut self, mut message: Message, lane: &Lane) -> BufResult<Received, V> {
        // A message that is longer than the buffers is cut, as the kernel cuts it.
        let n = self.bufs.fill_from(&message.data);
        let truncated = message.truncated || n < message.data.len();
        let from = message.from;
        let mut beside = Beside::default();
        if self.peek {
            lane.put_back(Leftover::Datagram(Datagram(message)));
        } else {
            std::mem::swap(&mut beside, &mut message.beside);
        }
        self.received(n, from, truncated, beside)
    }
}

// SAFETY: the addresses lead into the boxed header, the boxed list, whose entries are the buffers' own (`IoVecBufMut`), and the control
// buffer's vector; the descriptor is held by its future (`LaneOp`); the SQE's address is the header's.
unsafe impl<V: IoVecBufMut> Op for RecvMsg<V> {
    type Output = BufResult<Received, V>;
    const CANCEL: Cancel = Cancel::Idle;
    const YIELDS: Yields = Yields::Message;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        self.list = iovecs_to_fill(&mut self.bufs, MAX_IOV);
        self.header.lend_list(&mut self.list);
        self.header.name_to_write();
        self.header.lend_room(&mut self.control);
        let peek = if self.peek { libc::MSG_PEEK } else { 0 };
        let flags = peek | libc::MSG_CMSG_CLOEXEC;
        *sqe =
            Sqe::rw(opcode::RECVMSG, self.fd, self.header.address(), 1, 0).op_flags(flags as u32);
        Holds::none()
    }

    fn complete(mut self, mut done: Completion) -> Self::Output {
        let n = match done.result() {
            Ok(n) => n as usize,
            Err(error) => return self.over(Err(error)),
        };
        // SAFETY: the kernel has filled the list in order, n bytes in all.
        unsafe { self.bufs.set_init(n) };
        let beside = self.beside(&mut done);
        let (from, truncated) = (self.header.sender(), self.header.has_flag(libc::MSG_TRUNC));
        self.received(n, from, truncated, beside)
    }

    fn settle(&mut self, done: &mut Completion) -> Option<Leftover> {
        let n = match done.result() {
            Ok(_) if self.peek => return None,
            Ok(n) => n as usize,
            Err(_) => return Leftover::of_error(done),
        };
        let beside = self.beside(done);
        if n == 0 && self.shape != Shape::Datagrams && !beside.has_fds() {
            return Some(Leftover::End);
        }
        // SAFETY: the list's entries are the buffers' own memory, which the kernel has filled in order, n bytes in all, and has let go of.
        let data = unsafe { gather(&self.list, n) };
        Some(match self.shape {
            Shape::Stream => Leftover::Bytes(Bytes::with(data, beside)),
            Shape::Records | Shape::Datagrams => Leftover::Datagram(Datagram(Message {
                data,
                from: self.header.sender(),
                truncated: self.header.has_flag(libc::MSG_TRUNC),
                beside,
            })),
        })
    }
}

/// The first `n` bytes of a list that the kernel has filled.
///
/// # Safety
/// The entries are live memory that nobody writes, and the first `n` bytes, counted through them in order, are initialised.
pub(super) unsafe fn gather(list: &[libc::iovec], n: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(n);
    for entry in list {
        let len = entry.iov_len.min(n - bytes.len());
        // SAFETY: the caller's promise, for an entry and as much of it as belongs to the first n bytes.
        bytes.extend_from_slice(unsafe {
            std::slice::from_raw_parts(entry.iov_base.cast::<u8>(), len)
        });
    }
    bytes
}

impl<V: IoVecBufMut> LaneOp for RecvMsg<V> {
    const SIDE: Side = Side::In;

    fn is_empty(&self) -> bool {
        self.shape == Shape::Stream && self.capacity == 0
    }

    fn serve(self, lane: &Lane) -> Served<Self> {
        if self.is_empty() {
            let none = self.received(0, SockAddr::none(), false, Beside::default());
            return Served::Over(none);
        }
        match lane.take() {
            Some(Leftover::Datagram(Datagram(message))) => {
                Served::Over(self.serve_message(message, lane))
            }
            Some(other) => {
                lane.put_back(other);
                self.serve_stream(lane)
            }
            None => Served::Nothing(self),
        }
    }
}

impl Fd {
    /// Receives a datagram or a record that is there, without waiting and without the ring; leftovers first. Tells how many bytes
    /// were copied to `buf`, the sender, and whether the message was longer.
    ///
    /// What came beside the bytes is closed, as recv(2) does.
    ///
    /// # Errors
    /// `WouldBlock` if nothing is there, or another future receives.
    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SockAddr, bool)> {
        let lane = self.inner().lane(Side::In);
        if lane.is_held() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let (len, from, truncated) = match lane.take() {
            Some(Leftover::Datagram(Datagram(message))) => {
                let n = message.data.len().min(buf.len());
                buf[..n].copy_from_slice(&message.data[..n]);
                (message.data.len(), message.from, message.truncated)
            }
            Some(Leftover::Error(errno)) => return Err(io::Error::from_raw_os_error(errno)),
            Some(Leftover::End) => return Ok((0, SockAddr::none(), false)),
            None if lane.orphan().is_none() => {
                let mut from = SockAddr::empty();
                let call = Call::TryRecvFrom(self.inner().raw(), buf, &mut from);
                let len = self.inner().driver().call(call)?;
                (len as usize, from, false)
            }
            other => {
                if let Some(other) = other {
                    lane.put_back(other);
                }
                return Err(io::ErrorKind::WouldBlock.into());
            }
        };
        Ok((len.min(buf.len()), from, truncated || len > buf.len()))
    }
}

fn receive<V: IoVecBufMut>(fd: &Fd, bufs: V, peek: bool, takes: bool) -> Laned<RecvMsg<V>> {
    let shape = Shape::of(fd.kind());
    // Only Unix sockets are sent descriptors. There is room for them also where they are not taken, so that a receive that is dropped
    // loses none; but with room the kernel would make a copy of each for one that peeks.
    let room = !peek && !matches!(fd.kind(), Kind::UdpSocket | Kind::TcpStream);
    let op = RecvMsg {
        fd: fd.inner().raw(),
        capacity: bufs.total_capacity(),
        bufs,
        list: Box::default(),
        header: Header::new(SockAddr::empty()),
        control: if room {
            Control::room()
        } else {
            Control::default()
        },
        shape,
        peek,
        takes,
    };
    Laned::new(fd.inner().clone(), op)
}

/// Receives one datagram or record, or what is there of a stream, with its sender and what came beside it (`IORING_OP_RECVMSG`, Linux 5.3;
/// recvmsg(2)).
///
/// What does not fit the buffers, of which the first 1024 are used, is cut off, as in recv(2), and it is said.
///
/// # Cancellation
/// A message that arrives for a future that was dropped is given to the next call, with its descriptors.
pub fn recv_msg<V: IoVecBufMut>(fd: &Fd, bufs: V) -> Laned<RecvMsg<V>> {
    receive(fd, bufs, false, true)
}

/// The same, for the bytes and their sender alone: what came beside them is closed.
///
/// # Cancellation
/// As [`recv_msg`]: a message that arrives for a future that was dropped is whole.
pub fn recv_from<V: IoVecBufMut>(fd: &Fd, bufs: V) -> Laned<RecvMsg<V>> {
    receive(fd, bufs, false, false)
}

/// The same, and leaves the message there (MSG_PEEK), with what came beside it.
pub fn peek_msg<V: IoVecBufMut>(fd: &Fd, bufs: V) -> Laned<RecvMsg<V>> {
    receive(fd, bufs, true, false)
}
