//! The two records that cross the seam: a submission (SQE) and a completion (CQE).
//!
//! They are our own `repr(C)` types with the layout of the kernel's `struct io_uring_sqe` and `struct io_uring_cqe`, so
//! that every kernel below the seam reads the same description of a system call, and no type of the io-uring crate
//! is public. That layout is held against the crate's types in `kernel/uring/sys.rs`. No code that enters the kernel stands here.

use std::os::fd::RawFd;

/// One submission: a complete, stable description of a system call, 64 bytes long (io_uring_sqe in liburing's words).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Sqe {
    pub(crate) opcode: u8,
    pub(crate) flags: u8,
    pub(crate) ioprio: u16,
    pub(crate) fd: RawFd,
    pub(crate) off: u64,
    pub(crate) addr: u64,
    pub(crate) len: u32,
    pub(crate) op_flags: u32,
    pub(crate) user_data: u64,
    pub(crate) buf_index: u16,
    pub(crate) personality: u16,
    pub(crate) splice_fd_in: i32,
    pub(crate) addr3: u64,
    pub(crate) pad: u64,
}

impl Sqe {
    /// Describes an op the way liburing's `io_uring_prep_rw` does: opcode, descriptor, address, length, offset.
    #[inline]
    pub fn rw(opcode: u8, fd: RawFd, addr: u64, len: u32, off: u64) -> Self {
        Self {
            opcode,
            fd,
            off,
            addr,
            len,
            ..Self::default()
        }
    }

    /// Sets the flags word that belongs to the opcode (`rw_flags`, `msg_flags`, `open_flags`, …).
    #[inline]
    pub fn op_flags(mut self, flags: u32) -> Self {
        self.op_flags = flags;
        self
    }

    /// Sets `ioprio`: a priority, or the flags that some opcodes keep there (`IORING_RECV_MULTISHOT`, `IORING_ACCEPT_MULTISHOT`, …).
    #[inline]
    pub fn ioprio(mut self, value: u16) -> Self {
        self.ioprio = value;
        self
    }

    /// Says what a receive or an accept does first.
    #[inline]
    pub(crate) fn first(mut self, first: First) -> Self {
        self.ioprio |= match first {
            First::Try => 0,
            First::Wait => poll_first(self.opcode),
        };
        self
    }

    /// Sets `addr3`, which a few opcodes have.
    #[inline]
    pub fn addr3(mut self, value: u64) -> Self {
        self.addr3 = value;
        self
    }

    /// Sets the word that is `splice_fd_in`, `file_index`, `optlen` or `addr_len`, as the opcode has it.
    #[inline]
    pub fn file_index(mut self, value: u32) -> Self {
        self.splice_fd_in = value.cast_signed();
        self
    }

    /// Has the op run by a worker thread of the kernel's from the start (`IOSQE_ASYNC`, Linux 5.6): for what would block the ring.
    ///
    /// It is the only flag of its kind that is offered: links, drains, fixed files, chosen buffers and skipped completions are the driver's own affair.
    #[inline]
    pub fn on_worker(mut self) -> Self {
        self.flags |= IOSQE_ASYNC;
        self
    }

    /// Sets the `IOSQE_*` flags.
    #[inline]
    pub(crate) fn flags(mut self, flags: u8) -> Self {
        self.flags = flags;
        self
    }

    /// Sets the second descriptor (`splice_fd_in`).
    #[inline]
    pub(crate) fn splice_fd_in(mut self, fd: RawFd) -> Self {
        self.splice_fd_in = fd;
        self
    }

    /// Has the kernel choose a buffer of the driver's pool when the op has something to put there.
    #[inline]
    pub(crate) fn choose_buffer(mut self) -> Self {
        self.flags |= IOSQE_BUFFER_SELECT;
        self.buf_index = BUFFER_GROUP;
        self
    }

    /// Names the registered memory that the op's address leads into.
    #[inline]
    pub(crate) fn within(mut self, memory: u16) -> Self {
        self.buf_index = memory;
        self
    }

    /// Names the descriptor by its slot.
    #[inline]
    pub(crate) fn by_slot(mut self, slot: u16) -> Self {
        self.fd = RawFd::from(slot);
        self.flags |= IOSQE_FIXED_FILE;
        self
    }

    /// Sets the tag that the completion will carry.
    #[inline]
    pub(crate) fn tag(mut self, user_data: u64) -> Self {
        self.user_data = user_data;
        self
    }
}

/// What a receive or an accept does first on the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// It is tried, and waits if there is nothing.
    Try,
    /// It waits until there is something (`IORING_RECVSEND_POLL_FIRST`, Linux 5.19; `IORING_ACCEPT_POLL_FIRST`, Linux 6.10).
    Wait,
}

/// One completion: the tag of its submission, the result, and the flags (io_uring_cqe).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Cqe {
    pub(crate) user_data: u64,
    pub(crate) res: i32,
    pub(crate) flags: u32,
}

impl Cqe {
    /// Whether further completions of the same op will follow (`IORING_CQE_F_MORE`).
    #[inline]
    pub(crate) fn more(&self) -> bool {
        self.flags & CQE_F_MORE != 0
    }

    /// The number of the buffer that the kernel has chosen for it, if it has.
    #[inline]
    pub(crate) fn buffer(&self) -> Option<u16> {
        (self.flags & CQE_F_BUFFER != 0).then_some((self.flags >> CQE_BUFFER_SHIFT) as u16)
    }
}

pub(crate) const CQE_F_BUFFER: u32 = 1 << 0;
pub(crate) const CQE_F_MORE: u32 = 1 << 1;
/// The receive has left something in the socket (Linux 5.19), the accept a connection in the backlog (Linux 6.10, of TCP).
pub(crate) const CQE_F_SOCK_NONEMPTY: u32 = 1 << 2;
pub(crate) const CQE_BUFFER_SHIFT: u32 = 16;
/// What [`First::Wait`] is in the `ioprio` of this opcode: the same bit of an accept has it go on for ever.
#[inline]
pub(crate) fn poll_first(opcode: u8) -> u16 {
    match opcode {
        opcode::ACCEPT => 1 << 2,
        _ => 1 << 0,
    }
}
/// The group of buffers that the driver lends.
pub(crate) const BUFFER_GROUP: u16 = 0;
/// The descriptor is a slot of the ring's (Linux 5.1).
pub(crate) const IOSQE_FIXED_FILE: u8 = 1 << 0;
/// Choose a buffer of a group.
pub(crate) const IOSQE_BUFFER_SELECT: u8 = 1 << 5;
/// Run the op on a worker thread from the start.
pub(crate) const IOSQE_ASYNC: u8 = 1 << 4;
/// Post no completion when the op succeeds (Linux 5.17).
pub(crate) const IOSQE_CQE_SKIP_SUCCESS: u8 = 1 << 6;

/// The opcodes that sakia uses, by the kernel's numbers.
pub mod opcode {
    /// `IORING_OP_NOP`, Linux 5.1.
    pub const NOP: u8 = 0;
    /// `IORING_OP_READV`, Linux 5.1.
    pub const READV: u8 = 1;
    /// `IORING_OP_WRITEV`, Linux 5.1.
    pub const WRITEV: u8 = 2;
    /// `IORING_OP_FSYNC`, Linux 5.1.
    pub const FSYNC: u8 = 3;
    /// `IORING_OP_READ_FIXED`, Linux 5.1.
    pub const READ_FIXED: u8 = 4;
    /// `IORING_OP_WRITE_FIXED`, Linux 5.1.
    pub const WRITE_FIXED: u8 = 5;
    /// `IORING_OP_POLL_ADD`, Linux 5.1.
    pub const POLL_ADD: u8 = 6;
    /// `IORING_OP_SENDMSG`, Linux 5.3.
    pub const SENDMSG: u8 = 9;
    /// `IORING_OP_RECVMSG`, Linux 5.3.
    pub const RECVMSG: u8 = 10;
    /// `IORING_OP_TIMEOUT`, Linux 5.4.
    pub const TIMEOUT: u8 = 11;
    /// `IORING_OP_ACCEPT`, Linux 5.5.
    pub const ACCEPT: u8 = 13;
    /// `IORING_OP_ASYNC_CANCEL`, Linux 5.5.
    pub const ASYNC_CANCEL: u8 = 14;
    /// `IORING_OP_CONNECT`, Linux 5.5.
    pub const CONNECT: u8 = 16;
    /// `IORING_OP_FALLOCATE`, Linux 5.6.
    pub const FALLOCATE: u8 = 17;
    /// `IORING_OP_OPENAT`, Linux 5.6.
    pub const OPENAT: u8 = 18;
    /// `IORING_OP_CLOSE`, Linux 5.6.
    pub const CLOSE: u8 = 19;
    /// `IORING_OP_STATX`, Linux 5.6.
    pub const STATX: u8 = 21;
    /// `IORING_OP_READ`, Linux 5.6.
    pub const READ: u8 = 22;
    /// `IORING_OP_WRITE`, Linux 5.6.
    pub const WRITE: u8 = 23;
    /// `IORING_OP_FADVISE`, Linux 5.6.
    pub const FADVISE: u8 = 24;
    /// `IORING_OP_SEND`, Linux 5.6.
    pub const SEND: u8 = 26;
    /// `IORING_OP_RECV`, Linux 5.6.
    pub const RECV: u8 = 27;
    /// `IORING_OP_OPENAT2`, Linux 5.6.
    pub const OPENAT2: u8 = 28;
    /// `IORING_OP_SPLICE`, Linux 5.7.
    pub const SPLICE: u8 = 30;
    /// `IORING_OP_RENAMEAT`, Linux 5.11.
    pub const RENAMEAT: u8 = 35;
    /// `IORING_OP_UNLINKAT`, Linux 5.11.
    pub const UNLINKAT: u8 = 36;
    /// `IORING_OP_MKDIRAT`, Linux 5.15.
    pub const MKDIRAT: u8 = 37;
    /// `IORING_OP_SYMLINKAT`, Linux 5.15.
    pub const SYMLINKAT: u8 = 38;
    /// `IORING_OP_LINKAT`, Linux 5.15.
    pub const LINKAT: u8 = 39;
    /// `IORING_OP_MSG_RING`, Linux 5.18.
    pub const MSG_RING: u8 = 40;
    /// `IORING_OP_SOCKET`, Linux 5.19.
    pub const SOCKET: u8 = 45;
    /// `IORING_OP_FTRUNCATE`, Linux 6.9.
    pub const FTRUNCATE: u8 = 55;

    /// The opcode's name as the kernel's headers write it, without its prefix.
    pub fn name(code: u8) -> &'static str {
        match code {
            NOP => "NOP",
            READV => "READV",
            WRITEV => "WRITEV",
            FSYNC => "FSYNC",
            READ_FIXED => "READ_FIXED",
            WRITE_FIXED => "WRITE_FIXED",
            POLL_ADD => "POLL_ADD",
            SENDMSG => "SENDMSG",
            RECVMSG => "RECVMSG",
            TIMEOUT => "TIMEOUT",
            ACCEPT => "ACCEPT",
            ASYNC_CANCEL => "ASYNC_CANCEL",
            CONNECT => "CONNECT",
            FALLOCATE => "FALLOCATE",
            OPENAT => "OPENAT",
            CLOSE => "CLOSE",
            STATX => "STATX",
            READ => "READ",
            WRITE => "WRITE",
            FADVISE => "FADVISE",
            SEND => "SEND",
            RECV => "RECV",
            OPENAT2 => "OPENAT2",
            SPLICE => "SPLICE",
            RENAMEAT => "RENAMEAT",
            UNLINKAT => "UNLINKAT",
            MKDIRAT => "MKDIRAT",
            SYMLINKAT => "SYMLINKAT",
            LINKAT => "LINKAT",
            MSG_RING => "MSG_RING",
            SOCKET => "SOCKET",
            FTRUNCATE => "FTRUNCATE",
            _ => "UNKNOWN",
        }
    }
}
