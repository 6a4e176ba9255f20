//! Vectored reads from a stream: readv(2), which a socket knows too.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::rc::Rc;

use sakia_buf::{BufResult, IoVecBufMut};

use super::at::{IoVecs, MAX_IOV, iovecs_to_fill};
use super::inward::Stream;
use super::recv_message::gather;
use crate::fd::Fd;
use crate::kernel::abi::{Sqe, opcode};
use crate::op::lane::{Lane, Side};
use crate::op::laned::{LaneOp, Laned, Served};
use crate::op::leftover::{Bytes, Leftover};
use crate::op::{Cancel, Completion, Holds, Op};

/// The op of [`recvv`].
pub struct Recvv<V> {
    fd: RawFd,
    bufs: V,
    list: IoVecs,
    capacity: usize,
    cursor: Option<Rc<Cell<u64>>>,
}

// SAFETY: the address is the boxed list's, whose entries are the buffers' own (`IoVecBufMut`); the descriptor is held by its future (`LaneOp`).
unsafe impl<V: IoVecBufMut> Op for Recvv<V> {
    type Output = BufResult<usize, V>;
    const CANCEL: Cancel = Cancel::Idle;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        self.list = iovecs_to_fill(&mut self.bufs, MAX_IOV);
        let offset = self.cursor.as_ref().map_or(u64::MAX, |cursor| cursor.get());
        *sqe = Sqe::rw(
            opcode::READV,
            self.fd,
            self.list.as_ptr() as u64,
            self.list.len() as u32,
            offset,
        );
        Holds::none()
    }

    fn complete(mut self, done: Completion) -> Self::Output {
        let result = done.result().map(|n| n as usize);
        if let Ok(n) = result {
            // SAFETY: the kernel has filled the list in order, n bytes in all.
            unsafe { self.bufs.set_init(n) };
            if let Some(cursor) = &self.cursor {
                cursor.set(cursor.get().wrapping_add(n as u64));
            }
        }
        (result, self.bufs)
    }

    fn settle(&mut self, done: &mut Completion) -> Option<Leftover> {
        if self.cursor.is_some() {
            return None;
        }
        match done.result() {
            Ok(0) => Some(Leftover::End),
            Ok(n) => {
                // SAFETY: the list's entries are the buffers' own memory, which the kernel has filled in order, n bytes in all,
                // and has let go of.
                let bytes = unsafe { gather(&self.list, n as usize) };
                Some(Leftover::Bytes(Bytes::new(bytes)))
            }
            Err(_) => Leftover::of_error(done),
        }
    }
}

impl<V: IoVecBufMut> LaneOp for Recvv<V> {
    const SIDE: Side = Side::In;

    fn is_empty(&self) -> bool {
        self.capacity == 0
    }

    fn serve(mut self, lane: &Lane) -> Served<Self> {
        if self.capacity == 0 {
            return Served::Over((Ok(0), self.bufs));
        }
        let bufs = &mut self.bufs;
        match lane.serve_bytes(false, |bytes| bufs.fill_from(bytes)) {
            Some(result) => Served::Over((result, self.bufs)),
            None => Served::Nothing(self),
        }
    }
}

/// Receives into several buffers in order (`IORING_OP_READV`, Linux 5.1; readv(2)).
pub fn recvv<V: IoVecBufMut>(fd: &Fd, bufs: V) -> Laned<Recvv<V>> {
    readv(fd, bufs, &Stream::Pipe)
}

/// Reads into several buffers from where the stream stands.
pub fn readv<V: IoVecBufMut>(fd: &Fd, bufs: V, stream: &Stream) -> Laned<Recvv<V>> {
    let cursor = match stream {
        Stream::Cursor(cursor) => Some(cursor.clone()),
        _ => None,
    };
    let op = Recvv {
        fd: fd.inner().raw(),
        capacity: bufs.total_capacity(),
        bufs,
        list: Box::default(),
        cursor,
    };
    Laned::new(fd.inner().clone(), op)
}
