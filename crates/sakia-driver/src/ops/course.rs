//! How a read or a write of a stream goes on, as its op keeps it: flat and without a hole, so that each byte has a value and an op is built where it stays.
//! (One without, as enums have, is copied together with its neighbour, and the processor waits for what was written there just before.)

use std::cell::Cell;
use std::os::fd::RawFd;
use std::rc::Rc;

use super::inward::Stream;
use crate::kernel::abi::Sqe;

/// Which calls move it. As wide as the flags, with which it fills a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Calls {
    /// recv(2), send(2).
    Sockets,
    /// read(2), write(2).
    Files,
}

/// See the module's page.
#[derive(Debug)]
pub(super) struct Course {
    cursor: Option<Rc<Cell<u64>>>,
    flags: i32,
    calls: Calls,
}

impl Course {
    #[inline]
    pub(super) fn of(stream: Stream) -> Self {
        let (cursor, flags, calls) = match stream {
            Stream::Socket(flags) => (None, flags, Calls::Sockets),
            Stream::Cursor(cursor) => (Some(cursor), 0, Calls::Files),
            Stream::Pipe => (None, 0, Calls::Files),
        };
        Self {
            cursor,
            flags,
            calls,
        }
    }

    /// Whether what is looked at stays there.
    #[inline]
    pub(super) fn peeks(&self) -> bool {
        self.flags & libc::MSG_PEEK != 0
    }

    /// Whether reading takes the bytes away, so that those of an abandoned read must be kept.
    pub(super) fn consumes(&self) -> bool {
        self.cursor.is_none() && !self.peeks()
    }

    /// The transfer of this room, by the opcode for sockets or the one for files, `ahead` bytes from where the cursor stands.
    #[inline]
    pub(super) fn describe(
        &self,
        (of_socket, of_file): (u8, u8),
        fd: RawFd,
        (addr, len): (u64, u32),
        ahead: usize,
        more_flags: i32,
    ) -> Sqe {
        if self.calls == Calls::Sockets {
            let flags = self.flags | more_flags;
            return Sqe::rw(of_socket, fd, addr, len, 0).op_flags(flags.cast_unsigned());
        }
        let offset = match &self.cursor {
            Some(cursor) => cursor.get().wrapping_add(ahead as u64),
            None => u64::MAX,
        };
        Sqe::rw(of_file, fd, addr, len, offset)
    }

    /// So many bytes were moved: the next goes behind them.
    #[inline]
    pub(super) fn advance(&self, n: usize) {
        if let Some(cursor) = &self.cursor {
            cursor.set(cursor.get().wrapping_add(n as u64));
        }
    }
}
