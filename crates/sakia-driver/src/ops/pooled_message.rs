//! Messages in buffers of the pool: a datagram or a record, whole, with its sender.

use std::io;
use std::os::fd::RawFd;

use super::message::Header;
use super::pooled::{RecvPooled, Way};
use super::recv_message::Shape;
use crate::addr::SockAddr;
use crate::fd::{Fd, Kind};
use crate::kernel::abi::{Sqe, opcode};
use crate::op::ancillary::Control;
use crate::op::lane::Lane;
use crate::op::laned::Laned;
use crate::op::leftover::{Beside, Datagram, Leftover, Message};
use crate::op::{Completion, Yields};
use crate::pooled::PooledBuf;

/// A datagram or a record in a buffer of the pool.
#[derive(Debug)]
#[non_exhaustive]
pub struct PooledMessage {
    /// Its bytes, as far as a buffer holds them.
    pub data: PooledBuf,
    /// Who sent it.
    pub from: SockAddr,
    /// Whether it was longer than a buffer; the rest of it is gone (`MSG_TRUNC`).
    pub truncated: bool,
}

/// recvmsg(2) of whole messages.
#[doc(hidden)]
pub struct Messagewise {
    header: Box<Header>,
    control: Control,
    shape: Shape,
}

fn empty() -> PooledBuf {
    PooledBuf::alone(Vec::new())
}

// SAFETY: the SQE names the boxed header, which leads to the room, to the address within the header, and to the control buffer's vector; its
// address is the header's.
unsafe impl Way for Messagewise {
    type Output = Option<PooledMessage>;
    const YIELDS: Yields = Yields::Message;

    fn describe(&mut self, fd: RawFd, room: Option<(u64, u32)>) -> Sqe {
        match room {
            Some((address, len)) => self.header.lend(address as *mut u8, len as usize),
            None => self.header.lend_nothing(),
        }
        self.header.name_to_write();
        self.header.lend_room(&mut self.control);
        let flags = libc::MSG_CMSG_CLOEXEC as u32;
        Sqe::rw(opcode::RECVMSG, fd, self.header.address(), 1, 0).op_flags(flags)
    }

    fn deliver(&mut self, buf: Option<PooledBuf>, _: &mut Completion) -> Self::Output {
        if buf.is_none() && self.shape == Shape::Records {
            return None;
        }
        Some(PooledMessage {
            data: buf.unwrap_or_else(empty),
            from: self.header.sender(),
            truncated: self.header.has_flag(libc::MSG_TRUNC),
        })
    }

    fn leave(&mut self, buf: Option<PooledBuf>, done: &mut Completion) -> Leftover {
        let beside = Beside {
            arrived: done.take_arrived(),
            truncated: self.control.has_room() && self.header.has_flag(libc::MSG_CTRUNC),
        };
        if buf.is_none() && self.shape == Shape::Records && !beside.has_fds() {
            return Leftover::End;
        }
        Leftover::Datagram(Datagram(Message {
            data: buf.map(|buf| buf.to_vec()).unwrap_or_default(),
            from: self.header.sender(),
            truncated: self.header.has_flag(libc::MSG_TRUNC),
            beside,
        }))
    }

    fn serve(&mut self, lane: &Lane) -> Option<io::Result<Self::Output>> {
        match lane.take()? {
            // What came beside the bytes is closed, as recv(2) does.
            Leftover::Datagram(Datagram(message)) => Some(Ok(Some(PooledMessage {
                data: PooledBuf::alone(message.data),
                from: message.from,
                truncated: message.truncated,
            }))),
            Leftover::End => Some(Ok(None)),
            Leftover::Error(errno) => Some(Err(io::Error::from_raw_os_error(errno))),
            other => {
                lane.put_back(other);
                None
            }
        }
    }
}

/// Receives one datagram or record in a buffer of the driver's pool, with its sender; `None` is the end of a socket of records (`IORING_OP_RECVMSG`
/// with a buffer that the kernel chooses, Linux 5.19; else as [`recv_pooled`](super::recv_pooled); recvmsg(2)).
///
/// What came beside the bytes is closed.
///
/// # Cancellation
/// As [`recv_from`](super::recv_from): a message that arrives for a future that was dropped is given to the next call, whole, with its descriptors.
pub fn recv_msg_pooled(fd: &Fd) -> Laned<RecvPooled<Messagewise>> {
    let kind = fd.kind();
    // Room for descriptors also where they are not taken: see `recv_message.rs`.
    let control = match kind {
        Kind::UdpSocket => Control::default(),
        _ => Control::room(),
    };
    let way = Messagewise {
        header: Header::new(SockAddr::empty()),
        control,
        shape: Shape::of(kind),
    };
    RecvPooled::new(fd, way)
}
