//! The submission that each step of a program stands for.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};

use super::lent::Lent;
use super::ops::{Opens, Step};
use super::world::World;
use crate::kernel::Sqe;
use crate::kernel::abi::opcode;

/// No offset: where the descriptor stands.
const HERE: u64 = u64::MAX;

/// What a submission waits for, if that can be asked.
pub(super) fn waits(sqe: &Sqe) -> Option<(RawFd, i16)> {
    let events = match sqe.opcode {
        opcode::RECV | opcode::READ | opcode::READV | opcode::RECVMSG | opcode::ACCEPT => {
            libc::POLLIN
        }
        opcode::SEND | opcode::WRITE | opcode::WRITEV | opcode::SENDMSG => libc::POLLOUT,
        opcode::POLL_ADD => sqe.op_flags as i16,
        _ => return None,
    };
    Some((sqe.fd, events))
}

impl World {
    pub(super) fn describe(&self, step: &Step, lent: &mut Lent) -> Sqe {
        self.of_a_socket(step, lent)
            .or_else(|| self.of_a_stream(step, lent))
            .or_else(|| self.of_the_file(step, lent))
            .or_else(|| self.of_a_name(step, lent))
            .unwrap_or_else(|| of_nothing(step, lent))
    }

    fn of_a_socket(&self, step: &Step, lent: &mut Lent) -> Option<Sqe> {
        let (stream, messages) = (self.stream.as_raw_fd(), self.messages.as_raw_fd());
        let poll = |events| Sqe::rw(opcode::POLL_ADD, stream, 0, 0, 0).op_flags(events as u32);
        Some(match *step {
            Step::Recv(len, flags) => {
                Sqe::rw(opcode::RECV, stream, lent.room(len), len as u32, 0).op_flags(flags as u32)
            }
            Step::Send(len, flags) => {
                Sqe::rw(opcode::SEND, stream, lent.data(len), len as u32, 0).op_flags(flags as u32)
            }
            Step::Readv(a, b) => Sqe::rw(opcode::READV, stream, lent.list(a, b, false), 2, HERE),
            Step::Writev(a, b) => Sqe::rw(opcode::WRITEV, stream, lent.list(a, b, true), 2, HERE),
            Step::RecvMsg(len) => {
                Sqe::rw(opcode::RECVMSG, messages, lent.message(len, false), 1, 0)
            }
            Step::SendMsg(len) => Sqe::rw(opcode::SENDMSG, messages, lent.message(len, true), 1, 0),
            Step::PollIn => poll(libc::POLLIN),
            Step::PollOut => poll(libc::POLLOUT),
            Step::Accept => Sqe::rw(opcode::ACCEPT, self.listener.as_raw_fd(), 0, 0, 0)
                .op_flags(libc::SOCK_CLOEXEC as u32),
            _ => return None,
        })
    }

    fn of_a_stream(&self, step: &Step, lent: &mut Lent) -> Option<Sqe> {
        let (pipe_in, pipe_out) = (self.pipe_in.as_raw_fd(), self.pipe_out.as_raw_fd());
        let counter = self.counter.raw();
        Some(match *step {
            Step::PipeRead(len) => Sqe::rw(opcode::READ, pipe_in, lent.room(len), len as u32, 0),
            Step::PipeWrite(len) => {
                Sqe::rw(opcode::WRITE, pipe_out, lent.data(len), len as u32, HERE)
            }
            Step::CountRead => Sqe::rw(opcode::READ, counter, lent.room(8), 8, 0),
            Step::CountWrite => {
                lent.bytes = 1u64.to_ne_bytes().to_vec();
                Sqe::rw(opcode::WRITE, counter, lent.bytes.as_ptr() as u64, 8, HERE)
            }
            Step::SpliceIn(at) => {
                let spliced = self.spliced.1.as_raw_fd();
                Sqe::rw(opcode::SPLICE, spliced, at, 64, HERE).splice_fd_in(self.file.as_raw_fd())
            }
            _ => return None,
        })
    }

    fn of_the_file(&self, step: &Step, lent: &mut Lent) -> Option<Sqe> {
        let file = self.file.as_raw_fd();
        Some(match *step {
            Step::ReadAt(len, at) => Sqe::rw(opcode::READ, file, lent.room(len), len as u32, at),
            Step::WriteAt(len, at) => Sqe::rw(opcode::WRITE, file, lent.data(len), len as u32, at),
            Step::Sync(data) => Sqe::rw(opcode::FSYNC, file, 0, 0, 0).op_flags(u32::from(data)),
            Step::Truncate(len) => Sqe::rw(opcode::FTRUNCATE, file, 0, 0, len),
            Step::Allocate(at, len) => Sqe::rw(opcode::FALLOCATE, file, len, 0, at),
            Step::Advise => {
                Sqe::rw(opcode::FADVISE, file, 0, 0, 0).op_flags(libc::POSIX_FADV_RANDOM as u32)
            }
            Step::Close => {
                let other: OwnedFd = self.file.try_clone().expect("a duplicate").into();
                Sqe::rw(opcode::CLOSE, other.into_raw_fd(), 0, 0, 0)
            }
            _ => return None,
        })
    }

    fn of_a_name(&self, step: &Step, lent: &mut Lent) -> Option<Sqe> {
        let dir = self.dir.as_raw_fd();
        let mut two = |code, a, b, len| {
            let (first, second) = (lent.name(0, a), lent.name(1, b));
            Sqe::rw(code, dir, first, len, second)
        };
        Some(match *step {
            Step::Rename(a, b) => two(opcode::RENAMEAT, a, b, dir as u32),
            Step::Symlink(a, b) => two(opcode::SYMLINKAT, a, b, 0),
            Step::Link(a, b) => two(opcode::LINKAT, a, b, dir as u32),
            Step::Statx(name) => {
                let (path, out) = (lent.name(0, name), &raw mut lent.statx as u64);
                let mask =
                    libc::STATX_TYPE | libc::STATX_MODE | libc::STATX_SIZE | libc::STATX_NLINK;
                Sqe::rw(opcode::STATX, dir, path, mask, out)
            }
            Step::Open(name, how) => Sqe::rw(opcode::OPENAT, dir, lent.name(0, name), 0o600, 0)
                .op_flags(how.flags() as u32),
            Step::OpenAbove => {
                lent.how = [Opens::Reads.flags() as u64, 0, libc::RESOLVE_BENEATH];
                let (path, how) = (lent.text(0, "../above"), lent.how.as_ptr() as u64);
                Sqe::rw(opcode::OPENAT2, dir, path, 24, how)
            }
            Step::OpenFifo(writes) => {
                let access = if writes {
                    libc::O_WRONLY
                } else {
                    libc::O_RDONLY
                };
                Sqe::rw(opcode::OPENAT, dir, lent.text(0, "fifo"), 0, 0)
                    .op_flags((access | libc::O_CLOEXEC) as u32)
            }
            Step::Unlink(name, directory) => {
                let flags = if directory { libc::AT_REMOVEDIR } else { 0 };
                Sqe::rw(opcode::UNLINKAT, dir, lent.name(0, name), 0, 0).op_flags(flags as u32)
            }
            Step::MakeDir(name) => Sqe::rw(opcode::MKDIRAT, dir, lent.name(0, name), 0o700, 0),
            _ => return None,
        })
    }
}

fn of_nothing(step: &Step, lent: &mut Lent) -> Sqe {
    let mut nap = |seconds, nanos| Sqe::rw(opcode::TIMEOUT, -1, lent.time(seconds, nanos), 1, 0);
    let socket = |domain, kind: i32| Sqe::rw(opcode::SOCKET, domain, 0, 0, kind as u64);
    match *step {
        Step::Nap => nap(0, 100_000),
        Step::LongNap => nap(3600, 0),
        Step::BadTime => nap(0, -1),
        Step::NoSocket => socket(9999, libc::SOCK_STREAM),
        Step::MakeSocket => socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC),
        Step::BadDescriptor => Sqe::rw(opcode::READ, 1_000_000, lent.room(8), 8, 0),
        _ => Sqe::rw(opcode::NOP, -1, 0, 0, 0),
    }
}
