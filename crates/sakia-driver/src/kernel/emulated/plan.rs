//! Which way each opcode goes: the only place here that knows them all.

use std::time::{Duration, Instant};

use super::request::{Attempt, Crew, Request};
use super::{file, socket, splice, sys, transfer};
use crate::kernel::Sqe;
use crate::kernel::abi::{IOSQE_ASYNC, IOSQE_CQE_SKIP_SUCCESS, opcode, poll_first};

/// `IORING_TIMEOUT_ABS`.
const TIMEOUT_ABS: u32 = 1;

/// Whether this kernel carries the opcode out.
pub(super) fn supports(code: u8) -> bool {
    matches!(
        code,
        opcode::NOP
            | opcode::READV
            | opcode::WRITEV
            | opcode::FSYNC
            | opcode::POLL_ADD
            | opcode::SENDMSG
            | opcode::RECVMSG
            | opcode::TIMEOUT
            | opcode::ACCEPT
            | opcode::ASYNC_CANCEL
            | opcode::CONNECT
            | opcode::FALLOCATE
            | opcode::OPENAT
            | opcode::CLOSE
            | opcode::STATX
            | opcode::READ
            | opcode::WRITE
            | opcode::FADVISE
            | opcode::SEND
            | opcode::RECV
            | opcode::OPENAT2
            | opcode::SPLICE
            | opcode::RENAMEAT
            | opcode::UNLINKAT
            | opcode::MKDIRAT
            | opcode::SYMLINKAT
            | opcode::LINKAT
            | opcode::SOCKET
            | opcode::FTRUNCATE
    )
}

/// Refuses what this kernel has no answer to, rather than doing half of it.
pub(super) fn check(sqe: &Sqe) -> Result<(), i32> {
    let known = IOSQE_ASYNC | IOSQE_CQE_SKIP_SUCCESS;
    // A hint that this kernel has no use for.
    let hint = poll_first(sqe.opcode);
    let plain = sqe.flags & !known == 0 && sqe.ioprio & !hint == 0 && sqe.personality == 0;
    let whole = match sqe.opcode {
        // Several shots, a change of a poll that is armed.
        opcode::POLL_ADD => sqe.len == 0,
        // A count of completions.
        opcode::TIMEOUT => sqe.off == 0 && sqe.op_flags & !TIMEOUT_ABS == 0 && sqe.len == 1,
        // All of a descriptor's, any at all.
        opcode::ASYNC_CANCEL => sqe.op_flags == 0,
        code => supports(code),
    };
    if plain && whole {
        Ok(())
    } else {
        Err(libc::EINVAL)
    }
}

/// Whether a result that is no error is a descriptor.
pub(super) fn yields(code: u8) -> bool {
    matches!(
        code,
        opcode::ACCEPT | opcode::OPENAT | opcode::OPENAT2 | opcode::SOCKET
    )
}

/// Tries to carry it out on the spot; nothing here waits.
pub(super) fn attempt(request: &mut Request) -> Attempt {
    match request.sqe.opcode {
        opcode::NOP => Attempt::Done(0),
        opcode::READ | opcode::READV | opcode::WRITE | opcode::WRITEV => transfer::attempt(request),
        opcode::RECV => socket::recv(request),
        opcode::SEND => socket::send(request),
        opcode::RECVMSG => socket::recvmsg(request),
        opcode::SENDMSG => socket::sendmsg(request),
        opcode::ACCEPT => socket::accept(request),
        opcode::CONNECT => socket::connect(request),
        opcode::SOCKET => make_socket(&request.sqe),
        opcode::POLL_ADD => poll(&request.sqe),
        opcode::TIMEOUT => timeout(request),
        opcode::SPLICE => splice::attempt(request),
        opcode::CLOSE => Attempt::Job(Crew::Waits),
        // What is told to be asynchronous waits for the other end of a FIFO, or for a server.
        _ if request.sqe.flags & IOSQE_ASYNC != 0 => Attempt::Job(Crew::Waits),
        _ => Attempt::Job(Crew::Files),
    }
}

/// Carries it out on a thread, for as long as it takes.
pub(super) fn job(request: &mut Request) -> Attempt {
    match request.sqe.opcode {
        opcode::READ | opcode::READV | opcode::WRITE | opcode::WRITEV => transfer::job(request),
        opcode::ACCEPT => socket::accept_job(request),
        opcode::SPLICE => splice::job(request),
        _ => file::job(request),
    }
}

/// What becomes of a request whose descriptor cannot be polled: there is nothing that would make it ready.
pub(super) fn unpollable(request: &Request) -> Attempt {
    match request.sqe.opcode {
        opcode::POLL_ADD => Attempt::Done(-libc::EINVAL),
        _ => Attempt::Job(Crew::Waits),
    }
}

fn make_socket(sqe: &Sqe) -> Attempt {
    let made = sys::socket(sqe.fd, sqe.off as i32, sqe.len as i32);
    Attempt::Done(made.unwrap_or_else(|errno| -errno))
}

fn poll(sqe: &Sqe) -> Attempt {
    // io_uring tells the end of the peer's side to everybody, asked or not.
    let asked = sqe.op_flags as i16 | libc::POLLRDHUP;
    match sys::ready_for(sqe.fd, asked) {
        Ok(0) => Attempt::When(sqe.fd, u32::from(asked as u16)),
        Ok(found) => Attempt::Done(found),
        Err(errno) => Attempt::Done(-errno),
    }
}

fn timeout(request: &mut Request) -> Attempt {
    if request.begun {
        return Attempt::Done(-libc::ETIME);
    }
    request.begun = true;
    // SAFETY: the op lends its timespec until its final completion (the promise of `unsafe trait Op`).
    let [seconds, nanos] = unsafe { (request.sqe.addr as *const [i64; 2]).read() };
    let (Ok(seconds), Ok(nanos @ 0..1_000_000_000)) =
        (u64::try_from(seconds), u32::try_from(nanos))
    else {
        return Attempt::Done(-libc::EINVAL);
    };
    let time = Duration::new(seconds, nanos);
    let time = if request.sqe.op_flags & TIMEOUT_ABS != 0 {
        time.saturating_sub(sys::monotonic())
    } else {
        time
    };
    // More than a century is for ever.
    let time = time.min(Duration::from_secs(1 << 32));
    Attempt::At(Instant::now() + time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_opcode_that_sakia_knows_is_carried_out_but_for_what_needs_a_ring() {
        let known = (0..=u8::MAX).filter(|code| opcode::name(*code) != "UNKNOWN");
        let missing: Vec<_> = known.filter(|code| !supports(*code)).collect();
        // Memory is never registered here, so nobody asks for the fixed kind.
        let of_rings = [opcode::READ_FIXED, opcode::WRITE_FIXED, opcode::MSG_RING];
        assert_eq!(missing, of_rings);
    }

    #[test]
    fn what_this_kernel_has_no_answer_to_is_refused_and_not_done_by_half() {
        let linked = Sqe::rw(opcode::NOP, -1, 0, 0, 0).flags(1 << 2);
        let multishot = Sqe::rw(opcode::POLL_ADD, 0, 0, 1, 0);
        // Of an accept the bit has it go on for ever that of a receive has it wait first.
        let accepts = Sqe::rw(opcode::ACCEPT, 0, 0, 0, 0).ioprio(1);
        let prioritised = Sqe::rw(opcode::RECV, 0, 0, 0, 0).ioprio(4);
        let every = Sqe::rw(opcode::ASYNC_CANCEL, -1, 0, 0, 0).op_flags(1);
        let counted = Sqe::rw(opcode::TIMEOUT, -1, 0, 1, 1);
        let unknown = Sqe::rw(opcode::MSG_RING, -1, 0, 0, 0);
        for sqe in [
            linked,
            multishot,
            accepts,
            prioritised,
            every,
            counted,
            unknown,
        ] {
            assert_eq!(check(&sqe), Err(libc::EINVAL), "{sqe:?}");
        }
        assert_eq!(check(&Sqe::rw(opcode::NOP, -1, 0, 0, 0)), Ok(()));
        for (code, hint) in [(opcode::ACCEPT, 4), (opcode::RECV, 1)] {
            assert_eq!(check(&Sqe::rw(code, 0, 0, 0, 0).ioprio(hint)), Ok(()));
        }
    }
}
