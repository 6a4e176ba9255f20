//! What both echo servers of the ring share: whose completion it is, how connections are named, and the entries that do not differ.

use std::os::fd::RawFd;

use io_uring::{Submitter, opcode, squeue, types};

/// Descriptors and slots are places in a table of the server's; more than this many connections are not made.
pub const MOST_FDS: usize = 20_100;
/// How many slots the ring's own table has.
const SLOTS: u32 = 16_384;
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

/// How the ring is told which connection is meant.
#[derive(Clone, Copy)]
pub enum Names {
    /// By a descriptor, which the kernel looks up at each op.
    Fds,
    /// By a slot of the ring's own table, where accept puts the connection.
    Slots,
}

impl Names {
    /// Makes the ring's table, if it is to have one.
    pub fn prepare(self, submitter: &Submitter<'_>) {
        if let Self::Slots = self {
            let made = submitter.register_files_sparse(SLOTS);
            made.expect("there is room for a table");
        }
    }

    pub fn accept(self, listener: RawFd) -> squeue::Entry {
        opcode::AcceptMulti::new(types::Fd(listener))
            .allocate_file_index(matches!(self, Self::Slots))
            .build()
            .user_data(token(What::Accept, 0, listener))
    }

    /// Sends all of it, however long it takes.
    #[inline]
    pub fn send(self, name: RawFd, buffer: u16, bytes: *const u8, len: u32) -> squeue::Entry {
        let send = opcode::Send::new(types::Fd(name), bytes, len);
        let send = send.flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL).build();
        self.of(send).user_data(token(What::Send, buffer, name))
    }

    pub fn close(self, name: RawFd) -> squeue::Entry {
        let close = match self {
            Self::Fds => opcode::Close::new(types::Fd(name)).build(),
            Self::Slots => opcode::Close::new(types::Fixed(name as u32)).build(),
        };
        close
            .user_data(token(What::Close, 0, name))
            .flags(squeue::Flags::SKIP_SUCCESS)
    }

    /// What the number in an entry means.
    #[inline]
    pub fn of(self, entry: squeue::Entry) -> squeue::Entry {
        match self {
            Self::Fds => entry,
            Self::Slots => entry.flags(squeue::Flags::FIXED_FILE),
        }
    }
}
