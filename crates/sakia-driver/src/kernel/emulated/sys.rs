//! The system calls of this kernel that read or write no memory of an op's, and the way to an errno.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// The result of a system call as a completion carries it: `Err` is the errno.
pub(super) type Answer = Result<i32, i32>;

/// What a system call returned, with errno for -1.
pub(super) fn answer(returned: i64) -> Answer {
    i32::try_from(returned)
        .ok()
        .filter(|n| *n >= 0)
        .ok_or_else(errno)
}

pub(super) fn errno() -> i32 {
    io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}

/// Calls again while the answer is `EINTR`. For what does not wait; what may is called by a [`Request`](super::request::Request).
pub(super) fn retry(call: impl FnMut() -> i64) -> Answer {
    retry_unless(|| false, call)
}

/// Calls again while the answer is `EINTR`, unless that is to be the end.
pub(super) fn retry_unless(ends: impl Fn() -> bool, mut call: impl FnMut() -> i64) -> Answer {
    loop {
        match answer(call()) {
            Err(libc::EINTR) if !ends() => {}
            answer => return answer,
        }
    }
}

fn owned(raw: i32) -> io::Result<OwnedFd> {
    if raw < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the callers pass what a call that makes a descriptor has just returned, so nobody else knows the number.
    Ok(unsafe { OwnedFd::from_raw_fd(raw) })
}

pub(super) fn epoll() -> io::Result<OwnedFd> {
    // SAFETY: epoll_create1(2) reads an integer.
    owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
}

pub(super) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: eventfd(2) reads two integers.
    owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })
}

pub(super) fn timerfd() -> io::Result<OwnedFd> {
    let flags = libc::TFD_CLOEXEC | libc::TFD_NONBLOCK;
    // SAFETY: timerfd_create(2) reads two integers.
    owned(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })
}

/// Makes a timerfd readable after this time, or never.
pub(super) fn set_timer(fd: RawFd, after: Option<std::time::Duration>) {
    // Zero would disarm it.
    let value = after.map_or(timespec(std::time::Duration::ZERO), |after| {
        timespec(after.max(std::time::Duration::from_nanos(1)))
    });
    let spec = libc::itimerspec {
        it_interval: timespec(std::time::Duration::ZERO),
        it_value: value,
    };
    // SAFETY: a local is read; a null for the old value is allowed.
    unsafe { libc::timerfd_settime(fd, 0, &raw const spec, std::ptr::null_mut()) };
}

pub(super) fn timespec(time: std::time::Duration) -> libc::timespec {
    libc::timespec {
        // More than a century is for ever.
        tv_sec: time.as_secs().min(1 << 32) as libc::time_t,
        tv_nsec: libc::c_long::from(time.subsec_nanos()),
    }
}

/// Adds one to an eventfd.
pub(super) fn count_up(fd: RawFd) {
    let one = 1u64;
    // SAFETY: 8 bytes of a local are read. It does not block (EFD_NONBLOCK); at its top the counter is readable already.
    let _ = retry(|| unsafe { libc::write(fd, (&raw const one).cast(), 8) } as i64);
}

/// Empties an eventfd.
pub(super) fn count_down(fd: RawFd) {
    let mut count = 0u64;
    // SAFETY: 8 bytes of a local are written. It does not block (EFD_NONBLOCK).
    let _ = retry(|| unsafe { libc::read(fd, (&raw mut count).cast(), 8) } as i64);
}

/// poll(2) without waiting: what the descriptor is ready for.
pub(super) fn ready_for(fd: RawFd, events: i16) -> Answer {
    let mut pollfd = libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // SAFETY: one local record.
    retry(|| i64::from(unsafe { libc::poll(&raw mut pollfd, 1, 0) }))?;
    if pollfd.revents & libc::POLLNVAL != 0 {
        return Err(libc::EBADF);
    }
    Ok(i32::from(pollfd.revents))
}

/// Whether the open file description has O_NONBLOCK.
pub(super) fn is_nonblocking(fd: RawFd) -> Result<bool, i32> {
    // SAFETY: fcntl(2) with F_GETFL reads integers.
    let flags = retry(|| i64::from(unsafe { libc::fcntl(fd, libc::F_GETFL) }))?;
    Ok(flags & libc::O_NONBLOCK != 0)
}

pub(super) fn set_nonblocking(fd: RawFd, on: bool) {
    // SAFETY: fcntl(2) with F_GETFL and F_SETFL reads integers.
    unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        if flags < 0 {
            return;
        }
        let wanted = if on {
            flags | libc::O_NONBLOCK
        } else {
            flags & !libc::O_NONBLOCK
        };
        libc::fcntl(fd, libc::F_SETFL, wanted);
    }
}

/// An option of a socket that is an `int`.
pub(super) fn option(fd: RawFd, name: i32) -> Answer {
    let mut value = 0i32;
    let mut len = size_of::<i32>() as libc::socklen_t;
    let mut ask = || {
        let out = (&raw mut value).cast();
        // SAFETY: the kernel writes at most `len` bytes to a local.
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, name, out, &raw mut len) }
    };
    retry(|| i64::from(ask()))?;
    Ok(value)
}

pub(super) fn socket(domain: i32, kind: i32, protocol: i32) -> Answer {
    // SAFETY: socket(2) reads three integers.
    retry(|| i64::from(unsafe { libc::socket(domain, kind, protocol) }))
}

/// close(2), once: the number is free whatever the answer.
pub(super) fn close(fd: RawFd) -> Answer {
    // SAFETY: the submission of a CLOSE owns the number, and so does the worker that finds a descriptor for nobody.
    answer(i64::from(unsafe { libc::close(fd) }))
}

/// Which file an open number leads to: device and inode.
pub(super) fn identity(fd: RawFd) -> Option<(u64, u64)> {
    // SAFETY: stat is made of integers, and written by the call.
    unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        (libc::fstat(fd, &raw mut stat) == 0).then_some((stat.st_dev, stat.st_ino))
    }
}

/// What kind of file the descriptor leads to, as far as reading and writing it go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    /// A regular file, a directory, a disk: always ready, and a thread waits for it.
    File,
    Socket,
    /// A pipe, a terminal, an eventfd.
    Stream,
}

pub(super) fn kind_of(fd: RawFd) -> Result<FileKind, i32> {
    // Not fstat(2): it would ask the server of a FUSE file, which may hang.
    let mut device = crate::kernel::call::Device::default();
    let call = crate::kernel::Call::Device(fd, &mut device);
    crate::kernel::call::perform(call)
        .map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))?;
    Ok(match device.mode & libc::S_IFMT {
        libc::S_IFREG | libc::S_IFDIR | libc::S_IFBLK | libc::S_IFLNK => FileKind::File,
        libc::S_IFSOCK => FileKind::Socket,
        _ => FileKind::Stream,
    })
}

/// CLOCK_MONOTONIC, as timeouts that are absolute mean it.
pub(super) fn monotonic() -> std::time::Duration {
    let mut now = timespec(std::time::Duration::ZERO);
    // SAFETY: a local is written.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    std::time::Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
