//! Reads and writes at a place of a file: independent of each other and of the cursor.

use sakia_buf::{BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};

use super::{Aim, aimed, clamp};
use crate::fd::{Fd, FdRef};
use crate::kernel::abi::{Sqe, opcode};
use crate::op::future::Submit;
use crate::op::{Cancel, Completion, Holds, Op};

/// The ring's number of a buffer's memory, if the ring of this descriptor knows it.
#[inline]
fn known(fd: &FdRef, buf: &impl IoBuf) -> Option<u16> {
    let known = buf.registration()?;
    (known == fd.driver().registration(known.slot)).then_some(known.slot)
}

/// The op of [`read_at`].
#[derive(Debug)]
pub struct ReadAt<B> {
    fd: Aim,
    buf: B,
    offset: u64,
}

// SAFETY: the address is the buffer's (`IoBufMut`: stable, its own for `bytes_total`), the descriptor is held.
unsafe impl<B: IoBufMut> Op for ReadAt<B> {
    type Output = BufResult<usize, B>;
    const CANCEL: Cancel = Cancel::Eager;
    const PLACED: bool = true;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let fd = aimed(&mut self.fd);
        let len = clamp(self.buf.bytes_total());
        let addr = self.buf.stable_mut_ptr() as u64;
        *sqe = match known(&fd, &self.buf) {
            None => Sqe::rw(opcode::READ, fd.raw(), addr, len, self.offset),
            Some(memory) => {
                Sqe::rw(opcode::READ_FIXED, fd.raw(), addr, len, self.offset).within(memory)
            }
        };
        Holds::one(fd)
    }

    #[inline(always)]
    fn complete(mut self, done: Completion) -> Self::Output {
        let result = done.result().map(|n| n as usize);
        if let Ok(n) = result {
            // SAFETY: the kernel has written the first n bytes, and n is at most the capacity that it was given.
            unsafe { self.buf.set_init(n) };
        }
        (result, self.buf)
    }
}

/// Reads from `offset`, up to the buffer's capacity (`IORING_OP_READ`, Linux 5.6; pread(2)). 0 is the end of the file.
///
/// # Cancellation
/// Nothing is lost: the bytes are still in the file. The buffer is freed when the kernel has let go of it.
pub fn read_at<B: IoBufMut>(fd: &Fd, buf: B, offset: u64) -> Submit<ReadAt<B>> {
    let op = ReadAt {
        fd: Some(fd.inner().clone()),
        buf,
        offset,
    };
    Submit::on(fd.inner().driver().clone(), op)
}

/// The op of [`write_at`].
#[derive(Debug)]
pub struct WriteAt<B> {
    fd: Aim,
    buf: B,
    offset: u64,
    skip: usize,
}

// SAFETY: the address is the buffer's (`IoBuf`: stable, initialised for `bytes_init`, and `skip` is no more), the descriptor is held.
unsafe impl<B: IoBuf> Op for WriteAt<B> {
    type Output = BufResult<usize, B>;
    const CANCEL: Cancel = Cancel::Eager;
    const PLACED: bool = true;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let fd = aimed(&mut self.fd);
        let rest = self.buf.bytes_init() - self.skip;
        let addr = self.buf.stable_ptr() as u64 + self.skip as u64;
        let len = clamp(rest);
        *sqe = match known(&fd, &self.buf) {
            None => Sqe::rw(opcode::WRITE, fd.raw(), addr, len, self.offset),
            Some(memory) => {
                Sqe::rw(opcode::WRITE_FIXED, fd.raw(), addr, len, self.offset).within(memory)
            }
        };
        Holds::one(fd)
    }

    #[inline(always)]
    fn complete(self, done: Completion) -> Self::Output {
        (done.result().map(|n| n as usize), self.buf)
    }
}

/// Writes the buffer's initialised part, without its first `skip` bytes, to `offset` (`IORING_OP_WRITE`, Linux 5.6; pwrite(2)).
///
/// Fewer bytes may be written than asked.
///
/// # Cancellation
/// Whether the bytes reach the file is not known; the buffer is freed when the kernel has let go of it.
///
/// # Panics
/// If `skip` is more than the buffer has.
pub fn write_at<B: IoBuf>(fd: &Fd, buf: B, skip: usize, offset: u64) -> Submit<WriteAt<B>> {
    assert!(skip <= buf.bytes_init(), "skip is past the buffer's end");
    let op = WriteAt {
        fd: Some(fd.inner().clone()),
        buf,
        offset,
        skip,
    };
    Submit::on(fd.inner().driver().clone(), op)
}

/// A list of buffers as the kernel reads it: `struct iovec` each.
pub(super) type IoVecs = Box<[libc::iovec]>;

/// The most entries that the kernel takes (UIO_MAXIOV); where bytes follow bytes a longer list is cut, as a short read or write.
pub(super) const MAX_IOV: usize = 1024;

/// No bound: a message is not cut, the kernel refuses what has too many parts (EMSGSIZE).
pub(super) const WHOLE: usize = usize::MAX;

/// The buffers that have something, `most` of them.
pub(super) fn iovecs_to_write<V: IoVecBuf>(bufs: &V, most: usize) -> IoVecs {
    let mut list = Vec::new();
    bufs.for_each(&mut |ptr, len| {
        if len > 0 && list.len() < most {
            list.push(libc::iovec {
                iov_base: ptr.cast_mut().cast(),
                iov_len: len,
            });
        }
    });
    list.into_boxed_slice()
}

/// The buffers that have room, `most` of them.
pub(super) fn iovecs_to_fill<V: IoVecBufMut>(bufs: &mut V, most: usize) -> IoVecs {
    let mut list = Vec::new();
    bufs.for_each_mut(&mut |ptr, len| {
        if len > 0 && list.len() < most {
            list.push(libc::iovec {
                iov_base: ptr.cast(),
                iov_len: len,
            });
        }
    });
    list.into_boxed_slice()
}

/// The op of [`readv_at`].
pub struct ReadvAt<V> {
    fd: Aim,
    bufs: V,
    list: IoVecs,
    offset: u64,
}

// SAFETY: the address is the boxed list's, whose entries are the buffers' own (`IoVecBufMut`); the descriptor is held.
unsafe impl<V: IoVecBufMut> Op for ReadvAt<V> {
    type Output = BufResult<usize, V>;
    const CANCEL: Cancel = Cancel::Eager;
    const PLACED: bool = true;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let fd = aimed(&mut self.fd);
        self.list = iovecs_to_fill(&mut self.bufs, MAX_IOV);
        *sqe = Sqe::rw(
            opcode::READV,
            fd.raw(),
            self.list.as_ptr() as u64,
            self.list.len() as u32,
            self.offset,
        );
        Holds::one(fd)
    }

    fn complete(mut self, done: Completion) -> Self::Output {
        let result = done.result().map(|n| n as usize);
        if let Ok(n) = result {
            // SAFETY: the kernel has filled the list in order, n bytes in all.
            unsafe { self.bufs.set_init(n) };
        }
        (result, self.bufs)
    }
}

/// Reads from `offset` into several buffers in order (`IORING_OP_READV`, Linux 5.1; preadv(2)). At most 1024 buffers are used.
pub fn readv_at<V: IoVecBufMut>(fd: &Fd, bufs: V, offset: u64) -> Submit<ReadvAt<V>> {
    let op = ReadvAt {
        fd: Some(fd.inner().clone()),
        bufs,
        list: Box::default(),
        offset,
    };
    Submit::on(fd.inner().driver().clone(), op)
}

/// The op of [`writev_at`].
pub struct WritevAt<V> {
    fd: Aim,
    bufs: V,
    list: IoVecs,
    offset: u64,
}

// SAFETY: the address is the boxed list's, whose entries are the buffers' own (`IoVecBuf`); the descriptor is held.
unsafe impl<V: IoVecBuf> Op for WritevAt<V> {
    type Output = BufResult<usize, V>;
    const CANCEL: Cancel = Cancel::Eager;
    const PLACED: bool = true;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let fd = aimed(&mut self.fd);
        self.list = iovecs_to_write(&self.bufs, MAX_IOV);
        *sqe = Sqe::rw(
            opcode::WRITEV,
            fd.raw(),
            self.list.as_ptr() as u64,
            self.list.len() as u32,
            self.offset,
        );
        Holds::one(fd)
    }

    fn complete(self, done: Completion) -> Self::Output {
        (done.result().map(|n| n as usize), self.bufs)
    }
}

/// Writes several buffers in order to `offset` (`IORING_OP_WRITEV`, Linux 5.1; pwritev(2)). At most 1024 buffers are used.
pub fn writev_at<V: IoVecBuf>(fd: &Fd, bufs: V, offset: u64) -> Submit<WritevAt<V>> {
    let op = WritevAt {
        fd: Some(fd.inner().clone()),
        bufs,
        list: Box::default(),
        offset,
    };
    Submit::on(fd.inner().driver().clone(), op)
}
