//! What a thread does for files and names: one system call each, which may take as long as a disk or a server does.

use std::ffi::c_char;
use std::os::fd::RawFd;

use super::request::{Attempt, Request};
use super::sys::{self, Answer};
use crate::kernel::Sqe;
use crate::kernel::abi::{IOSQE_ASYNC, opcode};

/// `IORING_FSYNC_DATASYNC`.
const DATASYNC: u32 = 1;

fn path(addr: u64) -> *const c_char {
    addr as *const c_char
}

fn ended(answer: Answer) -> Attempt {
    Attempt::Done(answer.unwrap_or_else(|errno| -errno))
}

/// Carries out what names a file as a whole.
pub(super) fn job(request: &Request) -> Attempt {
    let sqe = &request.sqe;
    let answer = match sqe.opcode {
        opcode::CLOSE => sys::close(sqe.fd),
        opcode::OPENAT | opcode::OPENAT2 => open(request),
        opcode::STATX => statx(request),
        opcode::FSYNC | opcode::FALLOCATE | opcode::FTRUNCATE | opcode::FADVISE => whole(request),
        _ => name(request),
    };
    ended(answer)
}

fn statx(request: &Request) -> Answer {
    let sqe = &request.sqe;
    let (flags, out) = (sqe.op_flags as i32, sqe.off as *mut libc::statx);
    // SAFETY: the op lends the path and the room for the answer until its final completion (the promise of `unsafe trait Op`).
    request.retry(|| i64::from(unsafe { libc::statx(sqe.fd, path(sqe.addr), flags, sqe.len, out) }))
}

fn whole(request: &Request) -> Answer {
    let sqe = &request.sqe;
    let (fd, off) = (sqe.fd, sqe.off as i64);
    // SAFETY: all four read integers.
    request.retry(|| unsafe {
        i64::from(match sqe.opcode {
            opcode::FSYNC if sqe.op_flags & DATASYNC != 0 => libc::fdatasync(fd),
            opcode::FSYNC => libc::fsync(fd),
            opcode::FTRUNCATE => libc::ftruncate(fd, off),
            opcode::FALLOCATE => libc::fallocate(fd, sqe.len as i32, off, sqe.addr as i64),
            _ => return advise(sqe),
        })
    })
}

fn advise(sqe: &Sqe) -> i64 {
    // Linux 6.10 has the length where the address is, for it to be longer.
    let len = if sqe.addr == 0 {
        i64::from(sqe.len)
    } else {
        sqe.addr as i64
    };
    let advice = sqe.op_flags as i32;
    // SAFETY: the call reads integers. (posix_fadvise(3) returns its errno; by number it is an ordinary system call.)
    unsafe { libc::syscall(libc::SYS_fadvise64, sqe.fd, sqe.off as i64, len, advice) }
}

fn name(request: &Request) -> Answer {
    let sqe = &request.sqe;
    let (fd, first, second) = (sqe.fd, path(sqe.addr), path(sqe.off));
    let (len, flags) = (sqe.len as i32, sqe.op_flags as i32);
    // SAFETY: the op lends its paths until its final completion (the promise of `unsafe trait Op`).
    request.retry(|| unsafe {
        match sqe.opcode {
            opcode::UNLINKAT => i64::from(libc::unlinkat(fd, first, flags)),
            opcode::MKDIRAT => i64::from(libc::mkdirat(fd, first, sqe.len)),
            opcode::SYMLINKAT => i64::from(libc::symlinkat(first, fd, second)),
            opcode::LINKAT => i64::from(libc::linkat(fd, first, len, second, flags)),
            // By number: its wrapper is younger than the libc of some machines that need this kernel.
            _ => libc::syscall(libc::SYS_renameat2, fd, first, len, second, flags),
        }
    })
}

/// `struct open_how`.
#[repr(C)]
#[derive(Clone, Copy)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// Opens as io_uring does: what makes or cuts no file is opened with O_NONBLOCK, which is taken off again, so that a FIFO without
/// a peer answers at once. IOSQE_ASYNC makes it wait.
fn open(request: &Request) -> Answer {
    let sqe = &request.sqe;
    let how = how_of(sqe)?;
    let nonblock = libc::O_NONBLOCK as u64;
    let makes = (libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u64;
    if how.flags & (makes | nonblock) != 0 || sqe.flags & IOSQE_ASYNC != 0 {
        return open_once(request, how);
    }
    let hasty = OpenHow {
        flags: how.flags | nonblock,
        ..how
    };
    match open_once(request, hasty) {
        Ok(fd) => {
            sys::set_nonblocking(fd, false);
            Ok(fd)
        }
        // Somebody has a lease of the file, and is asked to give it back: that takes its time.
        Err(libc::EWOULDBLOCK) => open_once(request, how),
        Err(errno) => Err(errno),
    }
}

fn how_of(sqe: &Sqe) -> Result<OpenHow, i32> {
    if sqe.opcode == opcode::OPENAT {
        return Ok(OpenHow {
            flags: u64::from(sqe.op_flags),
            mode: u64::from(sqe.len),
            resolve: 0,
        });
    }
    if sqe.len as usize != size_of::<OpenHow>() {
        return Err(libc::EINVAL);
    }
    // SAFETY: the op lends its open_how, of the size that was looked at, until its final completion.
    Ok(unsafe { (sqe.off as *const OpenHow).read() })
}

fn open_once(request: &Request, how: OpenHow) -> Answer {
    let sqe = &request.sqe;
    let (dir, name): (RawFd, _) = (sqe.fd, path(sqe.addr));
    request.retry(|| {
        if sqe.opcode == opcode::OPENAT {
            // SAFETY: the op lends the path until its final completion.
            return i64::from(unsafe {
                libc::openat(dir, name, how.flags as i32, how.mode as libc::mode_t)
            });
        }
        // SAFETY: as above; `how` is a local of the size that is said.
        unsafe {
            libc::syscall(
                libc::SYS_openat2,
                dir,
                name,
                &raw const how,
                size_of::<OpenHow>(),
            )
        }
    })
}
