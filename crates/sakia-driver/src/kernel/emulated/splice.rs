//! splice(2): both ends are awaited, and a thread moves what is there.
//!
//! SPLICE_F_NONBLOCK speaks for the pipe alone, so the call may wait for the other end after all: it is made by a thread.

use super::request::{Attempt, Crew, Request};
use super::sys::{self, FileKind};

const FD_IN_FIXED: u32 = 1 << 31;

pub(super) fn attempt(request: &Request) -> Attempt {
    let sqe = &request.sqe;
    if sqe.op_flags & FD_IN_FIXED != 0 {
        return Attempt::Done(-libc::EINVAL);
    }
    for (fd, asked, events) in [
        (sqe.splice_fd_in, libc::POLLIN, libc::EPOLLIN),
        (sqe.fd, libc::POLLOUT, libc::EPOLLOUT),
    ] {
        match sys::kind_of(fd) {
            // Asking a file whether it is ready may ask its server.
            Ok(FileKind::File) => continue,
            Ok(_) => {}
            Err(errno) => return Attempt::Done(-errno),
        }
        match sys::ready_for(fd, asked) {
            Ok(0) if sqe.op_flags & libc::SPLICE_F_NONBLOCK != 0 => {
                return Attempt::Done(-libc::EAGAIN);
            }
            Ok(0) => return Attempt::When(fd, events as u32),
            Ok(_) => {}
            Err(errno) => return Attempt::Done(-errno),
        }
    }
    Attempt::Job(Crew::Waits)
}

pub(super) fn job(request: &Request) -> Attempt {
    let sqe = &request.sqe;
    let (mut from, mut to) = (sqe.addr as i64, sqe.off as i64);
    let place = |at: &mut i64| {
        if *at == -1 {
            std::ptr::null_mut()
        } else {
            at as *mut i64
        }
    };
    let flags = sqe.op_flags | libc::SPLICE_F_NONBLOCK;
    let (fd_in, fd_out, len) = (sqe.splice_fd_in, sqe.fd, sqe.len as usize);
    let (from, to) = (place(&mut from), place(&mut to));
    // SAFETY: both places are locals or null.
    let answer =
        request.retry(|| unsafe { libc::splice(fd_in, from, fd_out, to, len, flags) } as i64);
    match answer {
        Ok(n) => Attempt::Done(n),
        Err(libc::EAGAIN) if sqe.op_flags & libc::SPLICE_F_NONBLOCK == 0 => Attempt::Later,
        Err(errno) => Attempt::Done(-errno),
    }
}
