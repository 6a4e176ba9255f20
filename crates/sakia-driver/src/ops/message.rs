//! sendmsg(2) and recvmsg(2): datagrams with their addresses, and vectored sends.
//!
//! The message header, its iovec and the address live in one box that the kernel reads, and writes, until the completion.

use std::io;
use std::ptr;

use sakia_buf::{BufResult, IoBuf, IoBufMut, IoVecBuf};

use super::at::{IoVecs, iovecs_to_write};
use super::{Aim, aimed};
use crate::addr::SockAddr;
use crate::fd::{Fd, FdRef};
use crate::kernel::abi::{Sqe, opcode};
use crate::op::future::{LaneOp, Laned, Step};
use crate::op::lane::{Datagram, Lane, Leftover, Message, Side};
use crate::op::{Cancel, Completion, Holds, Op};

/// What the kernel needs beside the data.
struct Header {
    msg: libc::msghdr,
    iov: libc::iovec,
    addr: SockAddr,
}

impl Header {
    fn new(addr: SockAddr) -> Box<Self> {
        Box::new(Self {
            // SAFETY: msghdr is made of pointers and integers, for which all zeroes is a value (null, 0).
            msg: unsafe { std::mem::zeroed() },
            iov: libc::iovec {
                iov_base: ptr::null_mut(),
                iov_len: 0,
            },
            addr,
        })
    }

    /// Points the header at the data.
    fn aim(&mut self, data: *mut u8, len: usize) {
        self.iov = libc::iovec {
            iov_base: data.cast(),
            iov_len: len,
        };
        self.msg.msg_iov = &raw mut self.iov;
        self.msg.msg_iovlen = 1;
    }

    fn name_to_read(&mut self) {
        self.msg.msg_name = self.addr.as_ptr().cast_mut().cast();
        self.msg.msg_namelen = self.addr.len();
    }

    fn name_to_write(&mut self) {
        let (name, len) = self.addr.as_out();
        self.msg.msg_name = name.cast();
        // SAFETY: `len` leads into `self.addr`.
        self.msg.msg_namelen = unsafe { *len };
    }

    fn sender(&mut self) -> SockAddr {
        self.addr.set_len(self.msg.msg_namelen);
        self.addr
    }
}

/// The op of [`recv_msg`].
pub struct RecvMsg<B> {
    fd: Aim,
    buf: B,
    header: Box<Header>,
    flags: i32,
}

impl<B> RecvMsg<B> {
    fn peeks(&self) -> bool {
        self.flags & libc::MSG_PEEK != 0
    }
}

// SAFETY: the addresses lead into the boxed header and the buffer's memory (`IoBufMut`); the descriptor is held.
unsafe impl<B: IoBufMut> Op for RecvMsg<B> {
    type Output = Step<Self>;
    const CANCEL: Cancel = Cancel::Idle;
    const LANE: Option<Side> = Some(Side::In);

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let fd = aimed(&mut self.fd);
        let (data, len) = (self.buf.stable_mut_ptr(), self.buf.bytes_total());
        self.header.aim(data, len);
        self.header.name_to_write();
        let msg = &raw const self.header.msg as u64;
        *sqe = Sqe::rw(opcode::RECVMSG, fd.raw(), msg, 1, 0).op_flags(self.flags as u32);
        Holds::one(fd)
    }

    fn complete(mut self, done: Completion) -> Self::Output {
        let result = done.result().map(|n| {
            // SAFETY: the kernel has written the first n bytes, within the length it was given.
            unsafe { self.buf.set_init(n as usize) };
            (n as usize, self.header.sender())
        });
        Step::Done((result, self.buf))
    }

    fn settle(&mut self, done: &mut Completion) -> Option<Leftover> {
        match done.result() {
            Ok(_) if self.peeks() => None,
            Ok(n) => {
                // SAFETY: the header was aimed at the buffer's own memory; the kernel has written n bytes and has let go of it.
                let data = unsafe {
                    std::slice::from_raw_parts(self.header.iov.iov_base.cast::<u8>(), n as usize)
                };
                Some(Leftover::Datagram(Datagram(Message {
                    data: data.to_vec(),
                    from: self.header.sender(),
                })))
            }
            Err(_) => Leftover::of_error(done),
        }
    }
}

impl<B: IoBufMut> LaneOp for RecvMsg<B> {
    type Result = BufResult<(usize, SockAddr), B>;
    const SIDE: Side = Side::In;

    fn aim(&mut self, fd: &FdRef) {
        self.fd = Some(fd.clone());
    }

    fn serve(mut self, lane: &Lane) -> Result<Step<Self>, Self> {
        match lane.take() {
            Some(Leftover::Datagram(Datagram(message))) => {
                // A datagram that is longer than the buffer is cut, as the kernel cuts it.
                let n = self.buf.fill_from(&message.data);
                let from = message.from;
                if self.peeks() {
                    lane.put_back(Leftover::Datagram(Datagram(message)));
                }
                Ok(Step::Done((Ok((n, from)), self.buf)))
            }
            Some(Leftover::Error(errno)) => Ok(Step::Done((
                Err(io::Error::from_raw_os_error(errno)),
                self.buf,
            ))),
            Some(other) => {
                lane.put_back(other);
                Err(self)
            }
            None => Err(self),
        }
    }
}

/// Receives one datagram and its sender's address (`IORING_OP_RECVMSG`, Linux 5.3; recvmsg(2)). `peek` leaves it there.
///
/// What does not fit the buffer is cut off, as in recv(2).
pub fn recv_msg<B: IoBufMut>(fd: &Fd, buf: B, peek: bool) -> Laned<RecvMsg<B>> {
    let op = RecvMsg {
        fd: None,
        buf,
        header: Header::new(SockAddr::empty()),
        flags: if peek { libc::MSG_PEEK } else { 0 },
    };
    Laned::new(fd.inner().clone(), op)
}

/// The op of [`send_msg`].
pub struct SendMsgTo<B> {
    fd: Aim,
    buf: B,
    header: Box<Header>,
    named: bool,
}

// SAFETY: the addresses lead into the boxed header and the buffer's initialised memory (`IoBuf`); the descriptor is held.
unsafe impl<B: IoBuf> Op for SendMsgTo<B> {
    type Output = Step<Self>;
    const CANCEL: Cancel = Cancel::Never;
    const LANE: Option<Side> = Some(Side::Out);

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let fd = aimed(&mut self.fd);
        let (data, len) = (self.buf.stable_ptr().cast_mut(), self.buf.bytes_init());
        self.header.aim(data, len);
        if self.named {
            self.header.name_to_read();
        }
        let msg = &raw const self.header.msg as u64;
        *sqe = Sqe::rw(opcode::SENDMSG, fd.raw(), msg, 1, 0).op_flags(libc::MSG_NOSIGNAL as u32);
        Holds::one(fd)
    }

    fn complete(self, done: Completion) -> Self::Output {
        Step::Done((done.result().map(|n| n as usize), self.buf))
    }
}

impl<B: IoBuf> LaneOp for SendMsgTo<B> {
    type Result = BufResult<usize, B>;
    const SIDE: Side = Side::Out;

    fn aim(&mut self, fd: &FdRef) {
        self.fd = Some(fd.clone());
    }

    fn serve(self, _: &Lane) -> Result<Step<Self>, Self> {
        Err(self)
    }
}

/// Sends one datagram, to `to` or to the connected peer (`IORING_OP_SENDMSG`, Linux 5.3; sendmsg(2)).
pub fn send_msg<B: IoBuf>(fd: &Fd, buf: B, to: Option<SockAddr>) -> Laned<SendMsgTo<B>> {
    let op = SendMsgTo {
        fd: None,
        buf,
        named: to.is_some(),
        header: Header::new(to.unwrap_or_else(SockAddr::empty)),
    };
    Laned::new(fd.inner().clone(), op)
}

/// The op of [`send_vectored`].
pub struct SendMsg<V> {
    fd: Aim,
    bufs: V,
    list: IoVecs,
    header: Box<Header>,
    len: usize,
}

// SAFETY: the addresses lead into the boxed header and list, whose entries are the buffers' own (`IoVecBuf`); the descriptor is held.
unsafe impl<V: IoVecBuf> Op for SendMsg<V> {
    type Output = Step<Self>;
    const CANCEL: Cancel = Cancel::Never;
    const LANE: Option<Side> = Some(Side::Out);

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let fd = aimed(&mut self.fd);
        self.list = iovecs_to_write(&self.bufs);
        self.header.msg.msg_iov = self.list.as_mut_ptr();
        self.header.msg.msg_iovlen = self.list.len();
        let msg = &raw const self.header.msg as u64;
        *sqe = Sqe::rw(opcode::SENDMSG, fd.raw(), msg, 1, 0).op_flags(libc::MSG_NOSIGNAL as u32);
        Holds::one(fd)
    }

    fn complete(self, done: Completion) -> Self::Output {
        Step::Done((done.result().map(|n| n as usize), self.bufs))
    }
}

impl<V: IoVecBuf> LaneOp for SendMsg<V> {
    type Result = BufResult<usize, V>;
    const SIDE: Side = Side::Out;

    fn aim(&mut self, fd: &FdRef) {
        self.fd = Some(fd.clone());
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn serve(self, _: &Lane) -> Result<Step<Self>, Self> {
        if self.len == 0 {
            return Ok(Step::Done((Ok(0), self.bufs)));
        }
        Err(self)
    }
}

/// Sends several buffers in order on a stream, or a beginning of them (`IORING_OP_SENDMSG`: unlike writev(2) it never raises SIGPIPE).
pub fn send_vectored<V: IoVecBuf>(fd: &Fd, bufs: V) -> Laned<SendMsg<V>> {
    let op = SendMsg {
        fd: None,
        len: bufs.total_init(),
        bufs,
        list: Box::default(),
        header: Header::new(SockAddr::empty()),
    };
    Laned::new(fd.inner().clone(), op)
}
