//! Submissions that a plain system call answers on the spot: reads of what lies in the page cache, opens of names that the kernel knows, and what is in, or
//! fits into, the queues of a socket.
//!
//! The call is told not to wait (`RWF_NOWAIT`; `RESOLVE_CACHED` and `O_NONBLOCK`; `MSG_DONTWAIT`), which is what io_uring tells itself at its first try, so
//! that nothing here waits where an enter would not. Of files only a success is an answer. Whatever else the call says, the submission goes the
//! usual way and the kernel says it there: a seccomp filter may refuse a call that the ring is allowed, a kernel may not know the flag.

use std::os::fd::RawFd;

use super::Sqe;
use super::abi::opcode;
use super::call;
use crate::ops::OpenHow;

/// What comes of the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The result, as its completion would have told it.
    Done(i32),
    /// The descriptor that an open has made, which has O_NONBLOCK for the open's sake.
    Hasty(RawFd),
    /// It would wait, or fail: the usual way.
    Later,
    /// It is not tried again with this descriptor: its file does not know how not to wait.
    Never,
}

/// What opens that make or empty something wait for: the disk.
const CHANGES: u64 =
    (libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u64;
/// `RESOLVE_CACHED`, Linux 5.12.
const RESOLVE_CACHED: u64 = 0x20;

/// Tries to answer a submission. Nothing of it was handed over if the answer is no result.
#[inline(always)]
pub(super) fn answer(sqe: &Sqe) -> Answer {
    if sqe.flags != 0 || sqe.ioprio != 0 || sqe.splice_fd_in != 0 {
        return Answer::Later;
    }
    match sqe.opcode {
        opcode::READ | opcode::READ_FIXED if sqe.op_flags == 0 => {
            let one = libc::iovec {
                iov_base: sqe.addr as *mut libc::c_void,
                iov_len: sqe.len as usize,
            };
            read(sqe.fd, std::slice::from_ref(&one), sqe.off)
        }
        opcode::READV if sqe.op_flags == 0 => {
            // SAFETY: the address leads to as many records as the length says, which the op lends until its end (the promise of
            // `unsafe trait Op`).
            let list = unsafe {
                std::slice::from_raw_parts(sqe.addr as *const libc::iovec, sqe.len as usize)
            };
            read(sqe.fd, list, sqe.off)
        }
        opcode::RECV => stream(sqe, |fd, at, len, flags| {
            // SAFETY: the op lends the buffer for its length until its end, which comes with this answer at the earliest (the promise of
            // `unsafe trait Op`).
            unsafe { libc::recv(fd, at, len, flags) }
        }),
        opcode::SEND => stream(sqe, |fd, at, len, flags| {
            // SAFETY: as above; it is only read.
            unsafe { libc::send(fd, at, len, flags | libc::MSG_NOSIGNAL) }
        }),
        opcode::OPENAT => {
            let how = OpenHow {
                flags: u64::from(sqe.op_flags),
                ..OpenHow::default()
            };
            open(sqe.fd, sqe.addr, how)
        }
        opcode::OPENAT2 if sqe.len as usize == size_of::<OpenHow>() => {
            // SAFETY: the offset leads to a record of the size that the length says, lent as above.
            open(sqe.fd, sqe.addr, unsafe { *(sqe.off as *const OpenHow) })
        }
        _ => Answer::Later,
    }
}

#[inline(always)]
fn read(fd: RawFd, list: &[libc::iovec], at: u64) -> Answer {
    let wanted: usize = list.iter().map(|each| each.iov_len).sum();
    let (Ok(count), Ok(start)) = (list.len().try_into(), at.try_into()) else {
        return Answer::Later;
    };
    let read = call::retry(|| {
        // SAFETY: the op lends the buffers of the list, each for its length, until its end, which comes with this answer at the earliest
        // (the promise of `unsafe trait Op`).
        unsafe { libc::preadv2(fd, list.as_ptr(), count, start, libc::RWF_NOWAIT) }
    });
    match read {
        Ok(n) if n as usize == wanted || ends(fd, at + n) => Answer::Done(n as i32),
        Ok(_) => Answer::Later,
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Answer::Later,
        Err(_) => Answer::Never,
    }
}

/// A part of what is asked for is an answer here: the op goes on with the rest, and that waits. So is an error, for a socket tells it only once.
fn stream(sqe: &Sqe, call: impl Fn(RawFd, *mut libc::c_void, usize, i32) -> isize) -> Answer {
    let flags = sqe.op_flags.cast_signed() & !libc::MSG_WAITALL | libc::MSG_DONTWAIT;
    let at = sqe.addr as *mut libc::c_void;
    match call::retry(|| call(sqe.fd, at, sqe.len as usize, flags) as i64) {
        Ok(n) => Answer::Done(n as i32),
        Err(error) => match error.raw_os_error() {
            // It would wait, or a filter refuses it.
            None
            | Some(
                libc::EAGAIN
                | libc::ENOMEM
                | libc::ENOBUFS
                | libc::ENOSYS
                | libc::EPERM
                | libc::EACCES,
            ) => Answer::Later,
            Some(errno) => Answer::Done(-errno),
        },
    }
}

/// Whether a read that was cut short here has all that there is. What of a file is not in the cache is left to the ring, and read anew with
/// the rest; what is no regular file has given what it has.
#[cold]
fn ends(fd: RawFd, at: u64) -> bool {
    // SAFETY: an all-zero stat is a value of that type: it is made of integers.
    let mut file: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `file` is ours for the whole call.
    let asked = call::retry(|| unsafe { libc::fstat(fd, &mut file) });
    asked.is_err() || file.st_mode & libc::S_IFMT != libc::S_IFREG || at >= file.st_size as u64
}

#[inline(always)]
fn open(dir: RawFd, path: u64, how: OpenHow) -> Answer {
    if how.flags & CHANGES != 0 {
        return Answer::Later;
    }
    // What has no file operations behind it takes no such flag, and needs none.
    let never_waits = (libc::O_NONBLOCK | libc::O_PATH) as u64;
    let patient = how.flags & never_waits == 0;
    let flags = how.flags | if patient { libc::O_NONBLOCK as u64 } else { 0 };
    let tried = OpenHow {
        flags,
        mode: 0,
        resolve: how.resolve | RESOLVE_CACHED,
    };
    let opened = call::retry(|| {
        // SAFETY: the path is a C string that the op lends until its end (the promise of `unsafe trait Op`), `tried` is ours.
        unsafe {
            libc::syscall(
                libc::SYS_openat2,
                dir,
                path as *const libc::c_char,
                &raw const tried,
                size_of::<OpenHow>(),
            )
        }
    });
    match opened {
        Ok(fd) if patient => Answer::Hasty(fd as RawFd),
        Ok(fd) => Answer::Done(fd as RawFd),
        Err(_) => Answer::Later,
    }
}
