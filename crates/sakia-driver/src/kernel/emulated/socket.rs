//! Sockets: recv(2), send(2), recvmsg(2), sendmsg(2), accept4(2), connect(2), without waiting.
//!
//! MSG_DONTWAIT makes one call not wait and leaves the open file description, which others may share, as it is. accept4 and connect have no
//! such flag. What this kernel does about that is in `patience.rs`.

use super::iovecs::Rest;
use super::request::{Attempt, Crew, Request};
use super::sys;

const IN: u32 = libc::EPOLLIN as u32;
const OUT: u32 = libc::EPOLLOUT as u32;

/// Whether to go on after a part: MSG_WAITALL on what is a stream, as io_uring does.
fn goes_on(request: &Request, wanted: usize) -> bool {
    let flags = request.sqe.op_flags as i32;
    flags & libc::MSG_WAITALL != 0
        && flags & libc::MSG_PEEK == 0
        && (request.moved as usize) < wanted
        && matches!(
            sys::option(request.sqe.fd, libc::SO_TYPE),
            Ok(libc::SOCK_STREAM | libc::SOCK_SEQPACKET)
        )
}

/// Calls until it is over or would wait. `call` gets the request, and answers how many bytes it has moved.
fn transfer(
    request: &mut Request,
    wanted: usize,
    events: u32,
    mut call: impl FnMut(&Request) -> i64,
) -> Attempt {
    loop {
        match request.retry(|| call(request)) {
            Ok(n) => {
                request.moved += n as u32;
                if n == 0 || !goes_on(request, wanted) {
                    return request.moved();
                }
            }
            Err(libc::EAGAIN) if request.sqe.op_flags as i32 & libc::MSG_DONTWAIT == 0 => {
                return Attempt::When(request.sqe.fd, events);
            }
            Err(errno) => return request.fails(errno),
        }
    }
}

pub(super) fn recv(request: &mut Request) -> Attempt {
    let wanted = request.sqe.len as usize;
    transfer(request, wanted, IN, |request| {
        let sqe = &request.sqe;
        let at = (sqe.addr + u64::from(request.moved)) as *mut libc::c_void;
        let flags = sqe.op_flags as i32 | libc::MSG_DONTWAIT;
        // SAFETY: the op lends `len` bytes at `addr` until its final completion (the promise of `unsafe trait Op`), and `moved` is within.
        unsafe { libc::recv(sqe.fd, at, wanted - request.moved as usize, flags) as i64 }
    })
}

pub(super) fn send(request: &mut Request) -> Attempt {
    let wanted = request.sqe.len as usize;
    transfer(request, wanted, OUT, |request| {
        let sqe = &request.sqe;
        let at = (sqe.addr + u64::from(request.moved)) as *const libc::c_void;
        let flags = sqe.op_flags as i32 | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // The address of a sendto(2): addr2, and its length in the low half of what splice has for its descriptor.
        let (to, len) = (sqe.off as *const libc::sockaddr, sqe.splice_fd_in as u16);
        // SAFETY: as for recv, and the address is lent likewise; a null one has the length 0.
        unsafe {
            libc::sendto(
                sqe.fd,
                at,
                wanted - request.moved as usize,
                flags,
                to,
                libc::socklen_t::from(len),
            ) as i64
        }
    })
}

pub(super) fn recvmsg(request: &mut Request) -> Attempt {
    let msg = request.sqe.addr as *mut libc::msghdr;
    let wanted = wanted_by(msg);
    transfer(request, wanted, IN, |request| {
        let flags = request.sqe.op_flags as i32 | libc::MSG_DONTWAIT;
        if request.moved == 0 {
            // SAFETY: the op lends the header, and all that it points to, until its final completion.
            return unsafe { libc::recvmsg(request.sqe.fd, msg, flags) as i64 };
        }
        let rest = rest_of(msg, request.moved);
        let mut header = rest.header();
        // SAFETY: as above, for what was not filled yet; the name and the control data came with the first part.
        unsafe { libc::recvmsg(request.sqe.fd, &raw mut header, flags) as i64 }
    })
}

pub(super) fn sendmsg(request: &mut Request) -> Attempt {
    let msg = request.sqe.addr as *mut libc::msghdr;
    let wanted = wanted_by(msg);
    transfer(request, wanted, OUT, |request| {
        let flags = request.sqe.op_flags as i32 | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        if request.moved == 0 {
            // SAFETY: the op lends the header, and all that it points to, until its final completion.
            return unsafe { libc::sendmsg(request.sqe.fd, msg, flags) as i64 };
        }
        let rest = rest_of(msg, request.moved);
        let header = rest.header();
        // SAFETY: as above, for what was not sent yet; the control data went with the first part.
        unsafe { libc::sendmsg(request.sqe.fd, &raw const header, flags) as i64 }
    })
}

fn wanted_by(msg: *const libc::msghdr) -> usize {
    rest_of(msg, 0).len()
}

fn rest_of(msg: *const libc::msghdr, moved: u32) -> Rest {
    // SAFETY: the op lends the header until its final completion, and nobody writes it while this thread reads.
    let (list, count) = unsafe { ((*msg).msg_iov, (*msg).msg_iovlen) };
    Rest::of_list(list as u64, count, moved)
}

pub(super) fn accept(request: &Request) -> Attempt {
    let fd = request.sqe.fd;
    match sys::option(fd, libc::SO_ACCEPTCONN) {
        // On what does not listen the call answers at once, with an error.
        Ok(0) => accept_now(request),
        Ok(_) => match sys::is_nonblocking(fd) {
            Ok(true) => accept_now(request),
            Ok(false) => accept_if_ready(request, |_| Attempt::Job(Crew::Waits)),
            Err(errno) => Attempt::Done(-errno),
        },
        Err(errno) => Attempt::Done(-errno),
    }
}

/// On a thread: somebody else may have taken the connection since the listener was found ready.
pub(super) fn accept_job(request: &Request) -> Attempt {
    accept_if_ready(request, accept_now)
}

fn accept_if_ready(request: &Request, then: impl FnOnce(&Request) -> Attempt) -> Attempt {
    match sys::ready_for(request.sqe.fd, libc::POLLIN) {
        Ok(0) => Attempt::When(request.sqe.fd, IN),
        Ok(_) => then(request),
        Err(errno) => Attempt::Done(-errno),
    }
}

pub(super) fn accept_now(request: &Request) -> Attempt {
    let sqe = &request.sqe;
    let (addr, len) = (
        sqe.addr as *mut libc::sockaddr,
        sqe.off as *mut libc::socklen_t,
    );
    let flags = sqe.op_flags as i32;
    let answer = request.retry(|| {
        // SAFETY: the op lends the address and its length until its final completion; both may be null.
        i64::from(unsafe { libc::accept4(sqe.fd, addr, len, flags) })
    });
    match answer {
        Err(libc::EAGAIN) => Attempt::When(sqe.fd, IN),
        Ok(fd) => Attempt::Done(fd),
        Err(errno) => Attempt::Done(-errno),
    }
}

/// The descriptor does not block by now: see `patience.rs`.
pub(super) fn connect(request: &mut Request) -> Attempt {
    let sqe = &request.sqe;
    if request.begun {
        match sys::option(sqe.fd, libc::SO_ERROR) {
            Ok(0) => {}
            Ok(errno) | Err(errno) => return Attempt::Done(-errno),
        }
    }
    let (addr, len) = (
        sqe.addr as *const libc::sockaddr,
        sqe.off as libc::socklen_t,
    );
    // SAFETY: the op lends `len` bytes of address until its final completion.
    match request.retry(|| i64::from(unsafe { libc::connect(sqe.fd, addr, len) })) {
        Ok(_) => Attempt::Done(0),
        Err(libc::EINPROGRESS) => {
            request.begun = true;
            Attempt::When(request.sqe.fd, OUT)
        }
        Err(libc::EALREADY) if request.begun => Attempt::When(request.sqe.fd, OUT),
        Err(libc::EISCONN) if request.begun => Attempt::Done(0),
        // A Unix listener whose backlog is full: there is nothing to poll for.
        Err(libc::EAGAIN) => Attempt::Later,
        Err(errno) => Attempt::Done(-errno),
    }
}
