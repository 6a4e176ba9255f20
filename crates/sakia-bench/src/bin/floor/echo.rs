//! What both echo servers of the ring share: whose completion it is, and the entries that do not differ.

use std::os::fd::RawFd;

use io_uring::{opcode, squeue, types};

/// Descriptors are places in a table; more than this many connections are not made.
pub const MOST_FDS: usize = 20_100;
pub const ENTRIES: u32 = 4096;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    Accept,
    Recv,
    Send,
    Close,
}

/// The op, its buffer and its descriptor, in the 64 bits that come back with a completion.
#[inline]
pub fn token(what: What, buffer: u16, fd: RawFd) -> u64 {
    (what as u64) << 56 | u64::from(buffer) << 32 | u64::from(fd as u32)
}

#[inline]
pub fn read_token(token: u64) -> (What, u16, RawFd) {
    let what = match token >> 56 {
        0 => What::Accept,
        1 => What::Recv,
        2 => What::Send,
        _ => What::Close,
    };
    (what, (token >> 32) as u16, token as u32 as RawFd)
}

pub fn accept(listener: RawFd) -> squeue::Entry {
    opcode::AcceptMulti::new(types::Fd(listener))
        .build()
        .user_data(token(What::Accept, 0, listener))
}

/// Sends all of it, however long it takes.
#[inline]
pub fn send(fd: RawFd, buffer: u16, bytes: *const u8, len: u32) -> squeue::Entry {
    opcode::Send::new(types::Fd(fd), bytes, len)
        .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
        .build()
        .user_data(token(What::Send, buffer, fd))
}

pub fn close(fd: RawFd) -> squeue::Entry {
    opcode::Close::new(types::Fd(fd))
        .build()
        .user_data(token(What::Close, 0, fd))
        .flags(squeue::Flags::SKIP_SUCCESS)
}
