//! Reads and writes of what has a descriptor: files, pipes, terminals, sockets too (preadv2(2), pwritev2(2) with RWF_NOWAIT).
//!
//! RWF_NOWAIT is to a pipe what MSG_DONTWAIT is to a socket: this one call does not wait, and the description stays as it is. Where a file
//! does not know it (a terminal, a pipe before Linux 6.4), its readiness is awaited and a thread makes the call, for
//! somebody else may have taken what was there.

use super::iovecs::Rest;
use super::request::{Attempt, Crew, Request};
use super::sys::{self, FileKind};
use crate::kernel::abi::{IOSQE_ASYNC, opcode};

/// No offset: where the descriptor stands.
const HERE: u64 = u64::MAX;

/// The most bytes that a pipe that is ready takes without waiting.
const ATOMIC: usize = libc::PIPE_BUF;

fn rest(request: &Request) -> Rest {
    let sqe = &request.sqe;
    match sqe.opcode {
        opcode::READV | opcode::WRITEV => Rest::of_list(sqe.addr, sqe.len as usize, request.moved),
        _ => Rest::of_one(sqe.addr, sqe.len, request.moved),
    }
}

fn writes(request: &Request) -> bool {
    matches!(request.sqe.opcode, opcode::WRITE | opcode::WRITEV)
}

fn events(request: &Request) -> (i16, u32) {
    if writes(request) {
        (libc::POLLOUT, libc::EPOLLOUT as u32)
    } else {
        (libc::POLLIN, libc::EPOLLIN as u32)
    }
}

fn call(request: &mut Request, rest: &Rest, extra: i32) -> sys::Answer {
    let (list, count) = rest.as_list();
    let flags = request.sqe.op_flags as i32 | extra;
    loop {
        let (fd, off) = (request.sqe.fd, request.sqe.off);
        let at = if off == HERE {
            -1
        } else {
            off.wrapping_add(u64::from(request.moved)) as i64
        };
        let answer = request.retry(|| {
            // SAFETY: the op lends the buffers until its final completion (the promise of `unsafe trait Op`), and the list lives
            // through the call.
            unsafe {
                if writes(request) {
                    libc::pwritev2(fd, list, count, at, flags) as i64
                } else {
                    libc::preadv2(fd, list, count, at, flags) as i64
                }
            }
        });
        if answer == Err(libc::ESPIPE) && off != HERE {
            // io_uring does not look at the offset where there are no places.
            request.sqe.off = HERE;
            continue;
        }
        return answer;
    }
}

/// Tries on the spot.
pub(super) fn attempt(request: &mut Request) -> Attempt {
    // A buffered write to a file waits for pages and for the journal, and few file systems know RWF_NOWAIT for it. What is told to be
    // asynchronous has a server behind it, which may be waited for all the same.
    let told = request.sqe.flags & IOSQE_ASYNC != 0;
    if (writes(request) || told) && sys::kind_of(request.sqe.fd) == Ok(FileKind::File) {
        return Attempt::Job(if told { Crew::Waits } else { Crew::Files });
    }
    loop {
        let rest = rest(request);
        let wanted = rest.len();
        match call(request, &rest, libc::RWF_NOWAIT) {
            Ok(n) => {
                request.moved += n as u32;
                let more = n > 0 && (n as usize) < wanted && !writes(request);
                // What a file has in the page cache is a part only; a stream gives what it has.
                if !more || sys::kind_of(request.sqe.fd) != Ok(FileKind::File) {
                    return request.moved();
                }
            }
            Err(errno @ (libc::EAGAIN | libc::EOPNOTSUPP)) => return waits(request, errno),
            Err(errno) => return request.fails(errno),
        }
    }
}

fn waits(request: &mut Request, errno: i32) -> Attempt {
    let fd = request.sqe.fd;
    if errno == libc::EAGAIN && request.sqe.op_flags as i32 & libc::RWF_NOWAIT != 0 {
        return request.fails(errno);
    }
    match sys::kind_of(fd) {
        Ok(FileKind::File) => Attempt::Job(Crew::Files),
        Ok(_) if errno == libc::EAGAIN || !request.ready => Attempt::When(fd, events(request).1),
        Ok(FileKind::Socket) => as_message(request),
        Ok(FileKind::Stream) => Attempt::Job(Crew::Waits),
        Err(errno) => request.fails(errno),
    }
}

/// A socket of a kernel that does not know RWF_NOWAIT for sockets.
fn as_message(request: &mut Request) -> Attempt {
    let list = rest(request);
    let mut header = list.header();
    let fd = request.sqe.fd;
    // SAFETY: as in `call`.
    let answer = request.retry(|| unsafe {
        if writes(request) {
            libc::sendmsg(fd, &raw const header, libc::MSG_DONTWAIT) as i64
        } else {
            libc::recvmsg(fd, &raw mut header, libc::MSG_DONTWAIT) as i64
        }
    });
    match answer {
        Ok(n) => Attempt::Done(n),
        Err(libc::EAGAIN) => Attempt::When(fd, events(request).1),
        Err(errno) => request.fails(errno),
    }
}

/// On a thread: waits as long as it takes.
pub(super) fn job(request: &mut Request) -> Attempt {
    match sys::kind_of(request.sqe.fd) {
        Ok(FileKind::File) => whole(request),
        Ok(_) => once(request),
        Err(errno) => request.fails(errno),
    }
}

fn whole(request: &mut Request) -> Attempt {
    loop {
        let rest = rest(request);
        let wanted = rest.len();
        match call(request, &rest, 0) {
            Ok(n) => {
                request.moved += n as u32;
                if n == 0 || n as usize == wanted {
                    return request.moved();
                }
            }
            Err(errno) => return request.fails(errno),
        }
    }
}

/// One read, or writes of what is taken at once, as long as the stream takes some.
fn once(request: &mut Request) -> Attempt {
    let (asked, events) = events(request);
    loop {
        match sys::ready_for(request.sqe.fd, asked) {
            Ok(0) if request.moved > 0 => return request.moved(),
            Ok(0) => return Attempt::When(request.sqe.fd, events),
            Ok(_) => {}
            Err(errno) => return request.fails(errno),
        }
        let mut list = rest(request);
        let wanted = list.len();
        if writes(request) {
            list.cut(ATOMIC);
        }
        match call(request, &list, 0) {
            Ok(n) => request.moved += n as u32,
            // The description does not block, and somebody else was faster.
            Err(libc::EAGAIN) if request.moved == 0 => {
                return Attempt::When(request.sqe.fd, events);
            }
            Err(errno) => return request.fails(errno),
        }
        if !writes(request) || list.len() >= wanted {
            return request.moved();
        }
    }
}
