//! What a kernel answers on the spot: requests that cannot block, so that a turn of the ring would only cost.
//!
//! Each is one plain system call, tried again on `EINTR` (closing another ring of this thread sends a stray one, see
//! io_uring's exit work), but for `close`, where the number is gone whatever the answer says. Nothing that can wait
//! for a peer or for a disk may be added here.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use super::KernelFd;
use crate::addr::SockAddr;

/// A request that is answered on the spot. The answer is the system call's return value.
#[derive(Debug)]
pub(crate) enum Call<'a> {
    /// close(2): ends this descriptor. The caller owned it and forgets the number, whatever the answer.
    Close(KernelFd),
    /// shutdown(2) of a socket.
    Shutdown(RawFd, i32),
    /// eventfd(2): counter 0, EFD_CLOEXEC.
    Eventfd,
    /// socket(2): domain, type (with SOCK_CLOEXEC), protocol.
    Socket(i32, i32, i32),
    /// socketpair(2) of Unix sockets: type (with SOCK_CLOEXEC), where the two numbers go.
    SocketPair(i32, &'a mut [RawFd; 2]),
    /// pipe2(2) with O_CLOEXEC: where the two numbers go, the reading end first.
    Pipe(&'a mut [RawFd; 2]),
    /// bind(2).
    Bind(RawFd, &'a SockAddr),
    /// listen(2).
    Listen(RawFd, i32),
    /// getsockname(2).
    SockName(RawFd, &'a mut SockAddr),
    /// getpeername(2).
    PeerName(RawFd, &'a mut SockAddr),
    /// setsockopt(2): level, name, value.
    SetOption(RawFd, i32, i32, &'a [u8]),
    /// getsockopt(2): level, name, value.
    GetOption(RawFd, i32, i32, &'a mut [u8]),
    /// ioctl(2) FIONREAD: how many bytes of a stream wait to be read.
    Unread(RawFd),
    /// recv(2) with MSG_DONTWAIT and the given flags.
    TryRecv(RawFd, &'a mut [u8], i32),
    /// recvfrom(2) with MSG_DONTWAIT and MSG_TRUNC: the answer is the length of the whole datagram.
    TryRecvFrom(RawFd, &'a mut [u8], &'a mut SockAddr),
    /// send(2) with MSG_DONTWAIT and MSG_NOSIGNAL.
    TrySend(RawFd, &'a [u8]),
    /// sendto(2) with MSG_DONTWAIT and MSG_NOSIGNAL.
    TrySendTo(RawFd, &'a [u8], &'a SockAddr),
    /// preadv2(2) where the descriptor stands, with RWF_NOWAIT.
    TryRead(RawFd, &'a mut [u8]),
    /// pwritev2(2) where the descriptor stands, with RWF_NOWAIT.
    TryWrite(RawFd, &'a [u8]),
    /// lseek(2): offset, whence.
    Seek(RawFd, i64, i32),
    /// statx(2) of the descriptor itself with AT_STATX_DONT_SYNC: what the kernel knows without asking a server.
    Device(RawFd, &'a mut Device),
    /// fcntl(2) F_GETFL: the status flags.
    StatusFlags(RawFd),
    /// Code outside will see this descriptor: whatever the kernel below has set on it for itself is taken off.
    Show(RawFd),
    /// The table of mounts, as proc_pid_mountinfo(5) writes it.
    Mounts(&'a mut String),
}

/// What [`Call::Device`] learns of a descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    /// The file's own number there.
    pub(crate) inode: u64,
    /// `st_mode`, with the file type.
    pub(crate) mode: u32,
}

/// Carries a call out on this machine's own kernel.
pub(crate) fn perform(call: Call<'_>) -> io::Result<u64> {
    match call {
        Call::Close(fd) => fd.close(),
        Call::Shutdown(fd, how) => {
            // SAFETY: shutdown(2) reads two integers and touches no memory of ours.
            retry(|| unsafe { libc::shutdown(fd, how) })
        }
        Call::Eventfd => {
            // SAFETY: eventfd(2) reads two integers. The descriptor that it returns is adopted by the caller.
            retry(|| unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) })
        }
        Call::Socket(domain, kind, protocol) => {
            // SAFETY: socket(2) reads three integers. The descriptor that it returns is adopted by the caller.
            retry(|| unsafe { libc::socket(domain, kind, protocol) })
        }
        Call::SocketPair(kind, ends) => socket_pair(kind, ends),
        Call::Pipe(ends) => pipe(ends),
        Call::Bind(fd, addr) => {
            // SAFETY: the pointer and the length describe `addr`, which is borrowed for the whole call and only read.
            retry(|| unsafe { libc::bind(fd, addr.as_ptr(), addr.len()) })
        }
        Call::Listen(fd, backlog) => {
            // SAFETY: listen(2) reads two integers.
            retry(|| unsafe { libc::listen(fd, backlog) })
        }
        Call::SockName(fd, addr) => {
            let (ptr, len) = addr.as_out();
            // SAFETY: both pointers lead into `addr`, which is borrowed mutably for the whole call; `len` holds its capacity.
            retry(|| unsafe { libc::getsockname(fd, ptr, len) })
        }
        Call::PeerName(fd, addr) => {
            let (ptr, len) = addr.as_out();
            // SAFETY: as for getsockname above.
            retry(|| unsafe { libc::getpeername(fd, ptr, len) })
        }
        Call::SetOption(fd, level, name, value) => {
            // SAFETY: the pointer and the length describe `value`, borrowed for the call and only read.
            retry(|| unsafe {
                libc::setsockopt(fd, level, name, value.as_ptr().cast(), value.len() as u32)
            })
        }
        Call::GetOption(fd, level, name, value) => option(fd, level, name, value),
        Call::Unread(fd) => unread(fd),
        Call::TryRecv(fd, buf, flags) => recv(fd, buf, flags),
        Call::TryRecvFrom(fd, buf, from) => recv_from(fd, buf, from),
        Call::TrySendTo(fd, buf, to) => send_to(fd, buf, to),
        Call::TryRead(fd, buf) => read(fd, buf),
        Call::TryWrite(fd, buf) => write(fd, buf),
        Call::TrySend(fd, buf) => send(fd, buf),
        Call::Seek(fd, offset, whence) => {
            // SAFETY: lseek(2) reads three integers.
            retry(|| unsafe { libc::lseek(fd, offset, whence) })
        }
        Call::Device(fd, device) => stat_device(fd, device),
        Call::StatusFlags(fd) => {
            // SAFETY: fcntl(2) with F_GETFL reads two integers.
            retry(|| unsafe { libc::fcntl(fd, libc::F_GETFL) })
        }
        Call::Show(_) => Ok(0),
        Call::Mounts(text) => {
            *text = std::fs::read_to_string("/proc/thread-self/mountinfo")?;
            Ok(0)
        }
    }
}

fn socket_pair(kind: i32, ends: &mut [RawFd; 2]) -> io::Result<u64> {
    // SAFETY: the kernel writes two numbers to `ends`, borrowed mutably for the call; the caller adopts them.
    retry(|| unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) })
}

fn pipe(ends: &mut [RawFd; 2]) -> io::Result<u64> {
    // SAFETY: as for socketpair above.
    retry(|| unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })
}

fn option(fd: RawFd, level: i32, name: i32, value: &mut [u8]) -> io::Result<u64> {
    let mut len = value.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `value`, which is borrowed mutably for the call.
    retry(|| unsafe { libc::getsockopt(fd, level, name, value.as_mut_ptr().cast(), &mut len) })
}

fn unread(fd: RawFd) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: with FIONREAD the kernel writes one int, to `bytes`, which is ours for the whole call.
    retry(|| unsafe { libc::ioctl(fd, libc::FIONREAD, &raw mut bytes) })?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

fn recv(fd: RawFd, buf: &mut [u8], flags: i32) -> io::Result<u64> {
    let flags = flags | libc::MSG_DONTWAIT;
    // SAFETY: the kernel writes at most `buf.len()` bytes to `buf`, borrowed mutably for the call.
    retry(|| unsafe { libc::recv(fd, buf.as_mut_ptr().cast(), buf.len(), flags) })
}

fn recv_from(fd: RawFd, buf: &mut [u8], from: &mut SockAddr) -> io::Result<u64> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    let (name, len) = from.as_out();
    // SAFETY: the kernel writes at most `buf.len()` bytes to `buf` and an address to `from`, as long as it has room for; both are
    // borrowed mutably for the call.
    retry(|| unsafe { libc::recvfrom(fd, buf.as_mut_ptr().cast(), buf.len(), flags, name, len) })
}

fn send(fd: RawFd, buf: &[u8]) -> io::Result<u64> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the kernel reads at most `buf.len()` bytes of `buf`, borrowed for the call.
    retry(|| unsafe { libc::send(fd, buf.as_ptr().cast(), buf.len(), flags) })
}

fn send_to(fd: RawFd, buf: &[u8], to: &SockAddr) -> io::Result<u64> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the kernel reads at most `buf.len()` bytes of `buf` and the address, both borrowed for the call.
    retry(|| unsafe {
        libc::sendto(
            fd,
            buf.as_ptr().cast(),
            buf.len(),
            flags,
            to.as_ptr(),
            to.len(),
        )
    })
}

fn read(fd: RawFd, buf: &mut [u8]) -> io::Result<u64> {
    let iov = libc::iovec {
        iov_base: buf.as_mut_ptr().cast(),
        iov_len: buf.len(),
    };
    // SAFETY: one iovec, which describes `buf`, borrowed mutably for the call.
    retry(|| unsafe { libc::preadv2(fd, &raw const iov, 1, -1, libc::RWF_NOWAIT) })
}

fn write(fd: RawFd, buf: &[u8]) -> io::Result<u64> {
    let iov = libc::iovec {
        iov_base: buf.as_ptr().cast_mut().cast(),
        iov_len: buf.len(),
    };
    // SAFETY: one iovec, which describes `buf`, borrowed for the call and only read.
    retry(|| unsafe { libc::pwritev2(fd, &raw const iov, 1, -1, libc::RWF_NOWAIT) })
}

/// clock_gettime(2) of CLOCK_MONOTONIC_COARSE: the time of the last tick.
pub(super) fn coarse_time() -> Duration {
    // SAFETY: an all-zero timespec is a value of that type: it is made of integers.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: `time` is ours for the whole call, which fails for no clock that Linux has.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// fcntl(2): takes O_NONBLOCK off, and leaves the other status flags as they are.
pub(super) fn clear_nonblock(fd: RawFd) {
    // SAFETY: fcntl(2) with F_GETFL reads two integers.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    if flags >= 0 {
        // SAFETY: fcntl(2) with F_SETFL reads three integers.
        unsafe { libc::fcntl(fd, libc::F_SETFL, flags & !libc::O_NONBLOCK) };
    }
}

/// close(2) of a number that its [`KernelFd`] has just given up.
pub(super) fn close(raw: RawFd) -> io::Result<u64> {
    // SAFETY: the caller owned the number and has forgotten it, so nobody else closes it. On Linux the number is free after
    // close(2) whatever it returns, so it is never tried again.
    match unsafe { libc::close(raw) } {
        0 => Ok(0),
        _ => Err(io::Error::last_os_error()),
    }
}

fn stat_device(fd: RawFd, device: &mut Device) -> io::Result<u64> {
    // SAFETY: an all-zero statx is a value of that type: it is made of integers.
    let mut out: libc::statx = unsafe { std::mem::zeroed() };
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    let mask = libc::STATX_TYPE | libc::STATX_INO;
    // SAFETY: the path is a static C string, `out` is ours for the whole call.
    retry(|| unsafe { libc::statx(fd, c"".as_ptr(), flags, mask, &mut out) })?;
    *device = Device {
        major: out.stx_dev_major,
        minor: out.stx_dev_minor,
        inode: out.stx_ino,
        mode: u32::from(out.stx_mode),
    };
    Ok(0)
}

/// Calls again while the answer is `EINTR`.
///
/// Inlined: the kernel has used up what the processor knew of where calls return to, so each function that it comes back through costs some nanoseconds.
#[inline(always)]
pub(super) fn retry<N: TryInto<u64>>(mut call: impl FnMut() -> N) -> io::Result<u64> {
    loop {
        if let Ok(n) = call().try_into() {
            return Ok(n);
        }
        if let Some(error) = failure() {
            return Err(error);
        }
    }
}

/// Why the last call has failed, if it is not to be made again.
#[cold]
fn failure() -> Option<io::Error> {
    let error = io::Error::last_os_error();
    (error.kind() != io::ErrorKind::Interrupted).then_some(error)
}
