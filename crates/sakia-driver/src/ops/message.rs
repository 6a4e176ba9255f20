//! sendmsg(2): datagrams to an address, vectored sends, and sends that take descriptors along.
//!
//! The message header, its list of buffers, the address and the control buffer are the op's own memory, which the kernel reads until the
//! completion.

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::ptr;

use sakia_buf::{BufResult, IoBuf, IoVecBuf};

use super::at::{IoVecs, MAX_IOV, WHOLE, iovecs_to_write};
use crate::addr::SockAddr;
use crate::fd::{Fd, Kind};
use crate::kernel::abi::{Sqe, opcode};
use crate::op::ancillary::Control;
use crate::op::doubt::Teller;
use crate::op::lane::{Lane, Side};
use crate::op::laned::{LaneOp, Laned, Served};
use crate::op::leftover::Leftover;
use crate::op::{Cancel, Completion, Holds, Op};

/// What the kernel needs beside the data.
pub(super) struct Header {
    msg: libc::msghdr,
    iov: libc::iovec,
    addr: SockAddr,
}

impl Header {
    pub(super) fn new(addr: SockAddr) -> Box<Self> {
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

    /// What an SQE names.
    pub(super) fn address(&self) -> u64 {
        &raw const self.msg as u64
    }

    /// Points the header at the data.
    pub(super) fn lend(&mut self, data: *mut u8, len: usize) {
        self.iov = libc::iovec {
            iov_base: data.cast(),
            iov_len: len,
        };
        self.msg.msg_iov = &raw mut self.iov;
        self.msg.msg_iovlen = 1;
    }

    /// Points the header at no data: the kernel chooses where it goes.
    pub(super) fn lend_nothing(&mut self) {
        self.msg.msg_iov = ptr::null_mut();
        self.msg.msg_iovlen = 0;
    }

    /// Points the header at a list of data.
    pub(super) fn lend_list(&mut self, list: &mut IoVecs) {
        self.msg.msg_iov = list.as_mut_ptr();
        self.msg.msg_iovlen = list.len();
    }

    /// Points the header at room for what may come beside the data.
    pub(super) fn lend_room(&mut self, control: &mut Control) {
        control.lend_to_write(&mut self.msg);
    }

    fn name_to_read(&mut self) {
        self.msg.msg_name = self.addr.as_ptr().cast_mut().cast();
        self.msg.msg_namelen = self.addr.len();
    }

    pub(super) fn name_to_write(&mut self) {
        let (name, len) = self.addr.as_out();
        self.msg.msg_name = name.cast();
        // SAFETY: `len` leads into `self.addr`.
        self.msg.msg_namelen = unsafe { *len };
    }

    pub(super) fn sender(&mut self) -> SockAddr {
        self.addr.set_len(self.msg.msg_namelen);
        self.addr
    }

    /// Whether the kernel has set this flag of a message that was received.
    pub(super) fn has_flag(&self, flag: i32) -> bool {
        self.msg.msg_flags & flag != 0
    }
}

/// The op of [`send_msg`].
pub struct SendMsgTo<B> {
    fd: RawFd,
    buf: B,
    header: Box<Header>,
    named: bool,
    /// The address cannot be one.
    bad: Option<io::Error>,
}

// SAFETY: the addresses lead into the boxed header and the buffer's initialised memory (`IoBuf`); the descriptor is held by its future (`LaneOp`).
unsafe impl<B: IoBuf> Op for SendMsgTo<B> {
    type Output = BufResult<usize, B>;
    const CANCEL: Cancel = Cancel::Never;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let (data, len) = (self.buf.stable_ptr().cast_mut(), self.buf.bytes_init());
        self.header.lend(data, len);
        if self.named {
            self.header.name_to_read();
        }
        let msg = self.header.address();
        *sqe = Sqe::rw(opcode::SENDMSG, self.fd, msg, 1, 0).op_flags(libc::MSG_NOSIGNAL as u32);
        Holds::none()
    }

    fn complete(self, done: Completion) -> Self::Output {
        (done.result().map(|n| n as usize), self.buf)
    }
}

impl<B: IoBuf> LaneOp for SendMsgTo<B> {
    const SIDE: Side = Side::Out;

    fn is_empty(&self) -> bool {
        self.bad.is_some()
    }

    fn serve(mut self, _: &Lane) -> Served<Self> {
        match self.bad.take() {
            Some(error) => Served::Over((Err(error), self.buf)),
            None => Served::Nothing(self),
        }
    }
}

/// Sends one datagram, to `to` or to the connected peer (`IORING_OP_SENDMSG`, Linux 5.3; sendmsg(2)).
///
/// An address that was refused before is told by the future, with the buffer.
pub fn send_msg<B: IoBuf>(
    fd: &Fd,
    buf: B,
    to: io::Result<Option<SockAddr>>,
) -> Laned<SendMsgTo<B>> {
    let (to, bad) = match to {
        Ok(to) => (to, None),
        Err(error) => (None, Some(error)),
    };
    let op = SendMsgTo {
        fd: fd.inner().raw(),
        buf,
        bad,
        named: to.is_some(),
        header: Header::new(to.unwrap_or_else(SockAddr::empty)),
    };
    Laned::new(fd.inner().clone(), op)
}

/// The op of [`send_vectored`].
pub struct SendMsg<V> {
    fd: RawFd,
    bufs: V,
    list: IoVecs,
    header: Box<Header>,
    len: usize,
    teller: Option<Teller>,
    /// A pipe knows no messages: writev(2).
    pipe: bool,
}

// SAFETY: the addresses lead into the boxed header and list, whose entries are the buffers' own (`IoVecBuf`); the descriptor is held by its future (`LaneOp`).
unsafe impl<V: IoVecBuf> Op for SendMsg<V> {
    type Output = BufResult<usize, V>;
    const CANCEL: Cancel = Cancel::Never;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        self.list = iovecs_to_write(&self.bufs, MAX_IOV);
        *sqe = if self.pipe {
            let (list, len) = (self.list.as_ptr() as u64, self.list.len() as u32);
            Sqe::rw(opcode::WRITEV, self.fd, list, len, u64::MAX)
        } else {
            self.header.lend_list(&mut self.list);
            let msg = self.header.address();
            Sqe::rw(opcode::SENDMSG, self.fd, msg, 1, 0).op_flags(libc::MSG_NOSIGNAL as u32)
        };
        Holds::none()
    }

    fn complete(self, done: Completion) -> Self::Output {
        (done.result().map(|n| n as usize), self.bufs)
    }

    fn abandon(&mut self) -> Option<Leftover> {
        let (teller, doubt) = Teller::new(self.len, 0);
        self.teller = Some(teller);
        Some(Leftover::InDoubt(doubt))
    }

    fn settle(&mut self, done: &mut Completion) -> Option<Leftover> {
        if let Some(teller) = &self.teller {
            teller.ended(done);
        }
        None
    }
}

impl<V: IoVecBuf> LaneOp for SendMsg<V> {
    const SIDE: Side = Side::Out;

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn serve(self, _: &Lane) -> Served<Self> {
        if self.len == 0 {
            return Served::Over((Ok(0), self.bufs));
        }
        Served::Nothing(self)
    }
}

/// Sends several buffers in order on a stream, or a beginning of them (`IORING_OP_SENDMSG`: unlike writev(2) it never raises SIGPIPE;
/// `IORING_OP_WRITEV` on a pipe).
pub fn send_vectored<V: IoVecBuf>(fd: &Fd, bufs: V) -> Laned<SendMsg<V>> {
    let op = SendMsg {
        fd: fd.inner().raw(),
        len: bufs.total_init(),
        pipe: fd.kind() == Kind::Pipe,
        bufs,
        list: Box::default(),
        header: Header::new(SockAddr::empty()),
        teller: None,
    };
    Laned::new(fd.inner().clone(), op)
}

/// The op of [`send_with_fds`].
pub struct SendFds<V> {
    fd: RawFd,
    bufs: V,
    list: IoVecs,
    header: Box<Header>,
    named: bool,
    /// The kernel takes its own references when it sends, which may be later: till then the numbers must stay what they are.
    fds: Vec<OwnedFd>,
    control: Control,
    len: usize,
    /// Bytes that follow bytes, of which a part may be sent.
    stream: bool,
    teller: Option<Teller>,
}

impl<V: IoVecBuf> SendFds<V> {
    fn over(self, result: io::Result<usize>) -> BufResult<usize, (V, Vec<OwnedFd>)> {
        (result, (self.bufs, self.fds))
    }

    /// On a stream descriptors need a byte to travel with: without one the kernel would drop them and say nothing.
    fn is_stranded(&self) -> bool {
        self.stream && self.len == 0
    }
}

// SAFETY: the addresses lead into the boxed header and list, whose entries are the buffers' own (`IoVecBuf`), and the control buffer's
// vector; the descriptor is held by its future (`LaneOp`). The numbers in the control buffer are those of descriptors that the op owns.
unsafe impl<V: IoVecBuf> Op for SendFds<V> {
    type Output = BufResult<usize, (V, Vec<OwnedFd>)>;
    const CANCEL: Cancel = Cancel::Never;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let most = if self.stream { MAX_IOV } else { WHOLE };
        self.list = iovecs_to_write(&self.bufs, most);
        self.header.lend_list(&mut self.list);
        if self.named {
            self.header.name_to_read();
        }
        self.control.lend_to_read(&mut self.header.msg);
        let msg = self.header.address();
        *sqe = Sqe::rw(opcode::SENDMSG, self.fd, msg, 1, 0).op_flags(libc::MSG_NOSIGNAL as u32);
        Holds::none()
    }

    fn complete(self, done: Completion) -> Self::Output {
        let result = done.result().map(|n| n as usize);
        self.over(result)
    }

    fn abandon(&mut self) -> Option<Leftover> {
        if !self.stream {
            return None;
        }
        let (teller, doubt) = Teller::new(self.len, 0);
        self.teller = Some(teller);
        Some(Leftover::InDoubt(doubt))
    }

    fn settle(&mut self, done: &mut Completion) -> Option<Leftover> {
        if let Some(teller) = &self.teller {
            teller.ended(done);
        }
        None
    }
}

impl<V: IoVecBuf> LaneOp for SendFds<V> {
    const SIDE: Side = Side::Out;

    fn is_empty(&self) -> bool {
        self.is_stranded()
    }

    fn serve(self, _: &Lane) -> Served<Self> {
        if !self.is_stranded() {
            return Served::Nothing(self);
        }
        let result = if self.fds.is_empty() {
            Ok(0)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "on a stream, descriptors are sent with at least one byte",
            ))
        };
        Served::Over(self.over(result))
    }
}

/// Sends one datagram or record, or a beginning of the buffers on a stream, and these descriptors with it (`IORING_OP_SENDMSG`, Linux 5.3;
/// sendmsg(2), SCM_RIGHTS in unix(7)): to `to`, or to the connected peer.
///
/// The receiver gets descriptors of its own; these come back with the buffers. The kernel takes at most 253. It takes no
/// datagram and no record in more than 1024 buffers (EMSGSIZE); on a stream the first 1024 are used.
pub fn send_with_fds<V: IoVecBuf>(
    fd: &Fd,
    bufs: V,
    fds: Vec<OwnedFd>,
    to: Option<SockAddr>,
) -> Laned<SendFds<V>> {
    let op = SendFds {
        fd: fd.inner().raw(),
        len: bufs.total_init(),
        stream: fd.kind() == Kind::UnixStream,
        teller: None,
        bufs,
        list: Box::default(),
        named: to.is_some(),
        header: Header::new(to.unwrap_or_else(SockAddr::empty)),
        control: Control::rights(&fds),
        fds,
    };
    Laned::new(fd.inner().clone(), op)
}
