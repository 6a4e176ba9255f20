//! Where the io-uring crate has no way through: two raw system calls and their constants.
//!
//! The crate forgets a registered ring descriptor with the value that registered it, and does not offer the ring-less
//! register call; so `io_uring_enter(2)` and `io_uring_register(2)` are called here by number. Everything that we lay out
//! ourselves is held against the crate by the const asserts below; nothing else of the ring's ABI may be written down twice.

use std::io;
use std::os::fd::RawFd;

use crate::kernel::EnterError;
use crate::kernel::abi::{self, Cqe, Sqe, opcode};
use io_uring::opcode as crate_op;

pub(super) const ENTER_GETEVENTS: u32 = io_uring::EnterFlags::GETEVENTS.bits();
pub(super) const ENTER_EXT_ARG: u32 = io_uring::EnterFlags::EXT_ARG.bits();
pub(super) const ENTER_REGISTERED_RING: u32 = io_uring::EnterFlags::REGISTERED_RING.bits();
pub(super) const ENTER_NO_IOWAIT: u32 = io_uring::EnterFlags::NO_IOWAIT.bits();

const REGISTER_RING_FDS: u32 = 20;
const UNREGISTER_RING_FDS: u32 = 21;
const REGISTER_SEND_MSG_RING: u32 = 31;

const _: () = {
    assert!(size_of::<Sqe>() == size_of::<io_uring::squeue::Entry>());
    assert!(align_of::<Sqe>() == align_of::<io_uring::squeue::Entry>());
    assert!(size_of::<Cqe>() == size_of::<io_uring::cqueue::Entry>());
    assert!(abi::IOSQE_ASYNC == io_uring::squeue::Flags::ASYNC.bits());
    assert!(abi::IOSQE_CQE_SKIP_SUCCESS == io_uring::squeue::Flags::SKIP_SUCCESS.bits());
    assert!(abi::IOSQE_BUFFER_SELECT == io_uring::squeue::Flags::BUFFER_SELECT.bits());
    assert!(opcode::NOP == crate_op::Nop::CODE);
    assert!(opcode::READV == crate_op::Readv::CODE);
    assert!(opcode::WRITEV == crate_op::Writev::CODE);
    assert!(opcode::FSYNC == crate_op::Fsync::CODE);
    assert!(opcode::READ_FIXED == crate_op::ReadFixed::CODE);
    assert!(opcode::WRITE_FIXED == crate_op::WriteFixed::CODE);
    assert!(abi::IOSQE_FIXED_FILE == io_uring::squeue::Flags::FIXED_FILE.bits());
    assert!(opcode::POLL_ADD == crate_op::PollAdd::CODE);
    assert!(opcode::SENDMSG == crate_op::SendMsg::CODE);
    assert!(opcode::RECVMSG == crate_op::RecvMsg::CODE);
    assert!(opcode::TIMEOUT == crate_op::Timeout::CODE);
    assert!(opcode::ACCEPT == crate_op::Accept::CODE);
    assert!(opcode::ASYNC_CANCEL == crate_op::AsyncCancel::CODE);
    assert!(opcode::CONNECT == crate_op::Connect::CODE);
    assert!(opcode::FALLOCATE == crate_op::Fallocate::CODE);
    assert!(opcode::OPENAT == crate_op::OpenAt::CODE);
    assert!(opcode::CLOSE == crate_op::Close::CODE);
    assert!(opcode::STATX == crate_op::Statx::CODE);
    assert!(opcode::READ == crate_op::Read::CODE);
    assert!(opcode::WRITE == crate_op::Write::CODE);
    assert!(opcode::FADVISE == crate_op::Fadvise::CODE);
    assert!(opcode::SEND == crate_op::Send::CODE);
    assert!(opcode::RECV == crate_op::Recv::CODE);
    assert!(opcode::OPENAT2 == crate_op::OpenAt2::CODE);
    assert!(opcode::SPLICE == crate_op::Splice::CODE);
    assert!(opcode::RENAMEAT == crate_op::RenameAt::CODE);
    assert!(opcode::UNLINKAT == crate_op::UnlinkAt::CODE);
    assert!(opcode::MKDIRAT == crate_op::MkDirAt::CODE);
    assert!(opcode::SYMLINKAT == crate_op::SymlinkAt::CODE);
    assert!(opcode::LINKAT == crate_op::LinkAt::CODE);
    assert!(opcode::MSG_RING == crate_op::MsgRingData::CODE);
    assert!(opcode::SOCKET == crate_op::Socket::CODE);
    assert!(opcode::FTRUNCATE == crate_op::Ftruncate::CODE);
};

/// `struct io_uring_getevents_arg`.
#[repr(C)]
#[derive(Default)]
pub(super) struct GetEventsArg {
    pub(super) sigmask: u64,
    pub(super) sigmask_size: u32,
    pub(super) min_wait_usec: u32,
    pub(super) timespec: u64,
}

/// `struct __kernel_timespec`.
#[repr(C)]
pub(super) struct Timespec {
    pub(super) seconds: i64,
    pub(super) nanos: i64,
}

/// io_uring_enter(2). With `ENTER_REGISTERED_RING` in `flags`, `fd` is the index of a registered ring.
#[inline]
pub(super) fn enter(
    fd: RawFd,
    to_submit: u32,
    min_complete: u32,
    flags: u32,
    arg: Option<&GetEventsArg>,
) -> Result<(), EnterError> {
    let (arg, size) = match arg {
        Some(arg) => (std::ptr::from_ref(arg), size_of::<GetEventsArg>()),
        None => (std::ptr::null(), 0),
    };
    // SAFETY: `arg`, if any, is borrowed for the call, and so is the timespec that it points to (the only caller keeps both on
    // its stack). What the submitted SQEs point to is the promise of `Op::prepare`.
    let n = unsafe {
        libc::syscall(
            libc::SYS_io_uring_enter,
            fd,
            to_submit,
            min_complete,
            flags,
            arg,
            size,
        )
    };
    match n {
        0.. => Ok(()),
        _ => Err(last_error()),
    }
}

#[cold]
fn last_error() -> EnterError {
    let error = io::Error::last_os_error();
    EnterError(error.raw_os_error().unwrap_or(libc::EIO))
}

fn register(fd: RawFd, code: u32, arg: *mut libc::c_void, count: u32) -> io::Result<u32> {
    // SAFETY: the three callers below pass a pointer to `count` records of the layout that `code` asks for, alive for the call.
    let n = unsafe { libc::syscall(libc::SYS_io_uring_register, fd, code, arg, count) };
    u32::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// `struct io_uring_rsrc_update`.
#[repr(C)]
struct RsrcUpdate {
    offset: u32,
    reserved: u32,
    data: u64,
}

/// Registers the ring with its thread (Linux 5.18); answers the index to enter by.
pub(super) fn register_ring_fd(ring: RawFd) -> io::Result<u32> {
    let mut update = RsrcUpdate {
        offset: u32::MAX,
        reserved: 0,
        data: ring as u64,
    };
    register(
        ring,
        REGISTER_RING_FDS,
        std::ptr::from_mut(&mut update).cast(),
        1,
    )?;
    Ok(update.offset)
}

/// Takes the registration back. A registered ring is kept alive by its thread, so this comes before the close.
pub(super) fn unregister_ring_fd(ring: RawFd, index: u32) -> io::Result<()> {
    let mut update = RsrcUpdate {
        offset: index,
        reserved: 0,
        data: 0,
    };
    register(
        ring,
        UNREGISTER_RING_FDS,
        std::ptr::from_mut(&mut update).cast(),
        1,
    )?;
    Ok(())
}

/// Posts a completion with tag `tag` to another ring, from any thread and without a ring of its own (Linux 6.13).
pub(crate) fn send_msg_ring(ring: RawFd, tag: u64) -> io::Result<()> {
    let mut sqe = Sqe::rw(opcode::MSG_RING, ring, 0, 0, tag);
    register(
        -1,
        REGISTER_SEND_MSG_RING,
        std::ptr::from_mut(&mut sqe).cast(),
        1,
    )?;
    Ok(())
}
