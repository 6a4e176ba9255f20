//! What is known of a file, and what is done to it as a whole: statx, fsync, ftruncate, fallocate, fadvise.

use std::ffi::CString;
use std::io;
use std::path::Path;

use super::open::c_path;
use super::{Aim, aimed};
use crate::fd::Fd;
use crate::kernel::abi::{Sqe, opcode};
use crate::op::future::Submit;
use crate::op::{Cancel, Completion, Holds, Op};

/// What [`statx`] looks at.
#[derive(Clone, Copy, Debug)]
pub enum StatxTarget<'a> {
    /// The file behind a descriptor.
    Fd(&'a Fd),
    /// The file behind a path, links followed.
    Path(&'a Path),
    /// The path itself: a link is not followed.
    Link(&'a Path),
}

/// What statx(2) tells: `struct statx`.
pub type StatxBuf = libc::statx;

/// The op of [`statx`].
pub struct Statx {
    fd: Aim,
    path: CString,
    flags: i32,
    out: Box<StatxBuf>,
}

// SAFETY: the addresses lead to the CString's bytes and to the boxed statx; the descriptor, if one is named, is held.
unsafe impl Op for Statx {
    type Output = io::Result<Box<StatxBuf>>;
    const CANCEL: Cancel = Cancel::Eager;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let holds = Holds::two(self.fd.take(), None);
        let fd = holds.first.as_ref().map_or(libc::AT_FDCWD, |fd| fd.raw());
        let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
        let out = std::ptr::from_mut::<libc::statx>(&mut self.out) as u64;
        *sqe = Sqe::rw(opcode::STATX, fd, self.path.as_ptr() as u64, mask, out)
            .op_flags(self.flags as u32);
        holds
    }

    fn complete(self, done: Completion) -> Self::Output {
        done.result().map(|_| self.out)
    }
}

/// Asks for everything that stat(2) tells, and the time of birth (`IORING_OP_STATX`, Linux 5.6, run by a worker thread; statx(2)).
///
/// It stays on the ring: a plain statx is faster for what is cached, but blocks the thread for what is not.
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what statx(2) says.
pub fn statx(target: StatxTarget<'_>) -> io::Result<Submit<Statx>> {
    let (fd, path, flags) = match target {
        StatxTarget::Fd(fd) => (Some(fd), CString::default(), libc::AT_EMPTY_PATH),
        StatxTarget::Path(path) => (None, c_path(path)?, 0),
        StatxTarget::Link(path) => (None, c_path(path)?, libc::AT_SYMLINK_NOFOLLOW),
    };
    let op = Statx {
        fd: fd.map(|fd| fd.inner().clone()),
        path,
        flags,
        // SAFETY: statx is made of integers.
        out: Box::new(unsafe { std::mem::zeroed() }),
    };
    Ok(match fd {
        Some(fd) => Submit::on(fd.inner().driver().clone(), op),
        None => Submit::new(op),
    })
}

/// An op on a whole file that owns nothing but the descriptor.
#[derive(Debug)]
pub struct Simple {
    fd: Aim,
    sqe: Sqe,
}

// SAFETY: none of the SQEs that the functions below write names memory; the descriptor is held.
unsafe impl Op for Simple {
    type Output = io::Result<()>;
    const CANCEL: Cancel = Cancel::Eager;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let fd = aimed(&mut self.fd);
        *sqe = self.sqe;
        sqe.fd = fd.raw();
        Holds::one(fd)
    }

    fn complete(self, done: Completion) -> Self::Output {
        done.result().map(drop)
    }
}

fn simple(fd: &Fd, sqe: Sqe) -> Submit<Simple> {
    let op = Simple {
        fd: Some(fd.inner().clone()),
        sqe,
    };
    Submit::on(fd.inner().driver().clone(), op)
}

/// Writes data and metadata to the disk (`IORING_OP_FSYNC`, Linux 5.1; fsync(2)).
pub fn fsync(fd: &Fd) -> Submit<Simple> {
    simple(fd, Sqe::rw(opcode::FSYNC, -1, 0, 0, 0))
}

/// Writes data, and the metadata that finding it needs, to the disk (fdatasync(2)).
pub fn fdatasync(fd: &Fd) -> Submit<Simple> {
    const DATASYNC: u32 = 1;
    simple(fd, Sqe::rw(opcode::FSYNC, -1, 0, 0, 0).op_flags(DATASYNC))
}

/// Sets the length (`IORING_OP_FTRUNCATE`, Linux 6.9; ftruncate(2)).
pub fn ftruncate(fd: &Fd, len: u64) -> Submit<Simple> {
    simple(fd, Sqe::rw(opcode::FTRUNCATE, -1, 0, 0, len))
}

/// Reserves room on the disk (`IORING_OP_FALLOCATE`, Linux 5.6; fallocate(2)). `mode` is 0 or `FALLOC_FL_*`.
pub fn allocate(fd: &Fd, mode: i32, offset: u64, len: u64) -> Submit<Simple> {
    simple(fd, Sqe::rw(opcode::FALLOCATE, -1, len, mode as u32, offset))
}

/// How a file will be used: the advice of posix_fadvise(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Nothing special.
    Normal,
    /// From front to back.
    Sequential,
    /// In no order.
    Random,
    /// Soon.
    WillNeed,
    /// Not soon.
    DontNeed,
    /// Once.
    NoReuse,
}

/// Tells the kernel how a range will be used (`IORING_OP_FADVISE`, Linux 5.6; posix_fadvise(2)). A length of 0 means to the end.
pub fn fadvise(fd: &Fd, offset: u64, len: u32, advice: Advice) -> Submit<Simple> {
    let advice = match advice {
        Advice::Normal => libc::POSIX_FADV_NORMAL,
        Advice::Sequential => libc::POSIX_FADV_SEQUENTIAL,
        Advice::Random => libc::POSIX_FADV_RANDOM,
        Advice::WillNeed => libc::POSIX_FADV_WILLNEED,
        Advice::DontNeed => libc::POSIX_FADV_DONTNEED,
        Advice::NoReuse => libc::POSIX_FADV_NOREUSE,
    };
    simple(
        fd,
        Sqe::rw(opcode::FADVISE, -1, 0, len, offset).op_flags(advice as u32),
    )
}
