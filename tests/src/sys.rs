//! What the tests ask of the kernel that std does not offer: limits, mounts, a seccomp filter, another user.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// A limit of setrlimit(2).
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// Descriptors.
    Files,
    /// Locked memory, in bytes.
    Memlock,
    /// Threads of the user, who must not be root: root is exempt.
    Threads,
    /// The length of a file that is written, in bytes. What goes beyond it is refused with `EFBIG`, and SIGXFSZ is ignored from then on.
    FileSize,
}

/// Sets a soft limit (and the hard one, if it is lower).
///
/// # Panics
/// When the kernel refuses.
pub fn set_limit(limit: Limit, value: u64) {
    let which = match limit {
        Limit::Files => libc::RLIMIT_NOFILE,
        Limit::Memlock => libc::RLIMIT_MEMLOCK,
        Limit::Threads => libc::RLIMIT_NPROC,
        Limit::FileSize => {
            // SAFETY: no handler is installed, the signal is ignored.
            unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
            libc::RLIMIT_FSIZE
        }
    };
    // SAFETY: rlimit is made of two integers; both calls get a pointer to a local.
    let set = unsafe {
        let mut now: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(which, &mut now);
        now.rlim_cur = value;
        now.rlim_max = now.rlim_max.max(value);
        libc::setrlimit(which, &now)
    };
    assert_eq!(set, 0, "setrlimit: {}", io::Error::last_os_error());
}

/// Whether nobody has the writing end of this pipe open any more.
///
/// # Panics
/// When the kernel refuses.
pub fn has_no_writer(reader: &io::PipeReader) -> bool {
    let mut poll = libc::pollfd {
        fd: reader.as_raw_fd(),
        events: 0,
        revents: 0,
    };
    // SAFETY: one pollfd, a local; it names a descriptor that is open.
    let polled = unsafe { libc::poll(&raw mut poll, 1, 0) };
    assert!(polled >= 0, "poll: {}", io::Error::last_os_error());
    poll.revents & libc::POLLHUP != 0
}

/// Becomes another user for good, so that limits count (root is exempt from RLIMIT_MEMLOCK).
///
/// # Errors
/// When this process may not.
pub fn drop_to_user(uid: u32) -> io::Result<()> {
    // SAFETY: setresuid(2) reads integers.
    match unsafe { libc::setresuid(uid, uid, uid) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Moves a descriptor to this number.
///
/// # Errors
/// When the number is taken: it is not stolen from whoever has it.
pub fn at_number(fd: impl Into<OwnedFd>, number: RawFd) -> io::Result<OwnedFd> {
    let fd = fd.into();
    if fd.as_raw_fd() == number {
        return Ok(fd);
    }
    // SAFETY: fcntl(2) with integers; a number that it answers is a new descriptor, and nobody else's.
    let moved = unsafe {
        match libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, number) {
            -1 => return Err(io::Error::last_os_error()),
            moved => OwnedFd::from_raw_fd(moved),
        }
    };
    if moved.as_raw_fd() == number {
        Ok(moved)
    } else {
        Err(io::Error::from_raw_os_error(libc::EBUSY))
    }
}

/// An eventfd that says `WouldBlock` to a read as long as nobody has written to it.
///
/// # Panics
/// When the kernel refuses.
pub fn eventfd() -> OwnedFd {
    // SAFETY: eventfd(2) with integers; what it answers is a new descriptor, and nobody else's.
    unsafe {
        let fd = libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK);
        assert!(fd >= 0, "eventfd: {}", io::Error::last_os_error());
        OwnedFd::from_raw_fd(fd)
    }
}

/// How many bytes have arrived at this socket and were not read.
///
/// # Panics
/// When it is no socket.
pub fn unread(fd: RawFd) -> usize {
    let mut n: libc::c_int = 0;
    // SAFETY: FIONREAD writes one integer, which is ours.
    let asked = unsafe { libc::ioctl(fd, libc::FIONREAD, &mut n) };
    assert_eq!(asked, 0, "FIONREAD: {}", io::Error::last_os_error());
    n as usize
}

/// How many bytes were written to this TCP socket and have not left it.
///
/// # Panics
/// When it is no TCP socket.
pub fn unsent(fd: RawFd) -> usize {
    const SIOCOUTQNSD: libc::c_ulong = 0x894b;
    let mut n: libc::c_int = 0;
    // SAFETY: SIOCOUTQNSD writes one integer, which is ours.
    let asked = unsafe { libc::ioctl(fd, SIOCOUTQNSD as _, &mut n) };
    assert_eq!(asked, 0, "SIOCOUTQNSD: {}", io::Error::last_os_error());
    n as usize
}

/// Runs `child` in a forked process, which ends with what it answers (101 if it panics); answers how it ended.
///
/// # Panics
/// When the kernel refuses.
pub fn fork(child: impl FnOnce() -> i32) -> ExitStatus {
    // SAFETY: the child is this thread alone, runs what is handed in, and ends by _exit, so that no destructor of its parent's runs.
    match unsafe { libc::fork() } {
        0 => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(101);
            // SAFETY: _exit(2) ends the child at once.
            unsafe { libc::_exit(code) }
        }
        pid => {
            assert!(pid > 0, "fork: {}", io::Error::last_os_error());
            let mut status = 0;
            // SAFETY: waitpid(2) writes one integer, which is ours.
            while unsafe { libc::waitpid(pid, &mut status, 0) } != pid {}
            ExitStatus::from_raw(status)
        }
    }
}

/// The processor time that this thread has used, its own and the kernel's for it: on a machine that is busy with others the clock tells nothing.
pub fn cpu_time() -> Duration {
    // SAFETY: timespec is made of integers, and clock_gettime(2) writes one, which is ours.
    let now = unsafe {
        let mut now: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now);
        now
    };
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

fn c(text: &str) -> std::ffi::CString {
    std::ffi::CString::new(text).expect("no NUL in a test's path")
}

fn mount(source: &str, target: &Path, kind: &str, options: &str) -> io::Result<()> {
    let (source, target, kind, options) =
        (c(source), c(&target.to_string_lossy()), c(kind), c(options));
    // SAFETY: four C strings that live through the call.
    let done = unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            0,
            options.as_ptr().cast(),
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Mounts a disk of so many bytes at a directory, among mounts of this thread's own ([`private_mounts`]).
///
/// # Errors
/// When this process may not mount.
pub fn mount_disk(at: &Path, bytes: usize) -> io::Result<()> {
    mount("tmpfs", at, "tmpfs", &format!("size={bytes}"))
}

/// Gives this thread, and those that it starts, mounts of its own: what is mounted from here on goes with the process, however that ends.
///
/// # Errors
/// When this process may not.
pub fn private_mounts() -> io::Result<()> {
    // SAFETY: unshare(2) reads flags. CLONE_NEWNS gives the calling thread its own mounts and its own working directory.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: C strings and nulls, as mount(2) wants them for a change of propagation.
    let private = unsafe {
        libc::mount(
            std::ptr::null(),
            c"/".as_ptr(),
            std::ptr::null(),
            libc::MS_REC | libc::MS_PRIVATE,
            std::ptr::null(),
        )
    };
    if private == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Mounts an overlay below `at`, among mounts of this thread's own, and answers its path.
///
/// # Errors
/// When this process may not mount.
pub fn mount_overlay(at: &Path) -> io::Result<PathBuf> {
    private_mounts()?;
    let base = at.join("overlay");
    fs::create_dir(&base)?;
    // An upper layer on an overlay is refused, and a container's root is one: a tmpfs serves everywhere.
    mount("tmpfs", &base, "tmpfs", "")?;
    for dir in ["lower", "upper", "work", "merged"] {
        fs::create_dir(base.join(dir))?;
    }
    let merged = base.join("merged");
    let layer = |name: &str| base.join(name).to_string_lossy().into_owned();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        layer("lower"),
        layer("upper"),
        layer("work")
    );
    mount("overlay", &merged, "overlay", &options)?;
    Ok(merged)
}

/// A system call of io_uring's, to be denied.
#[derive(Clone, Copy, Debug)]
pub enum UringCall {
    /// io_uring_setup(2).
    Setup,
    /// io_uring_enter(2).
    Enter,
    /// io_uring_register(2).
    Register,
}

/// Makes all of io_uring fail with this errno for the rest of this thread's life.
///
/// # Panics
/// When the kernel has no seccomp filters.
pub fn deny_io_uring(errno: i32) {
    let all = [UringCall::Setup, UringCall::Enter, UringCall::Register];
    deny_calls(&all, errno);
}

/// Makes calls of io_uring's fail with this errno for the rest of this thread's life, as a container's seccomp profile does.
///
/// # Panics
/// When the kernel has no seccomp filters.
pub fn deny_calls(calls: &[UringCall], errno: i32) {
    let number = |call: &UringCall| match call {
        UringCall::Setup => libc::SYS_io_uring_setup,
        UringCall::Enter => libc::SYS_io_uring_enter,
        UringCall::Register => libc::SYS_io_uring_register,
    };
    deny_numbers(&calls.iter().map(number).collect::<Vec<_>>(), errno);
}

/// Makes the system calls of these numbers fail with this errno for the rest of this thread's life.
///
/// # Panics
/// When the kernel has no seccomp filters.
pub fn deny_numbers(numbers: &[libc::c_long], errno: i32) {
    // The number of the system call is the first word of seccomp_data.
    let mut program = vec![line(LOAD, 0, 0, 0)];
    for number in numbers {
        program.push(line(JUMP_EQUAL, 0, 1, *number as u32));
        program.push(line(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32));
    }
    program.push(line(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    filter(program);
}

/// Makes this thread's kernel an old one: no epoll_pwait2(2), no openat2(2), and a read or write that is told not to wait (RWF_NOWAIT) is not
/// supported. Threads that it starts have the same kernel.
///
/// # Panics
/// When the kernel has no seccomp filters.
pub fn play_old_kernel() {
    deny_numbers(&[libc::SYS_epoll_pwait2, libc::SYS_openat2], libc::ENOSYS);
    // The flags are the last of six arguments, behind two words and the instruction's address; their lower half comes first where bytes do.
    let flags = 16 + 5 * 8 + if cfg!(target_endian = "big") { 4 } else { 0 };
    let unsupported = libc::SECCOMP_RET_ERRNO | libc::EOPNOTSUPP as u32;
    filter(vec![
        line(LOAD, 0, 0, 0),
        line(JUMP_EQUAL, 1, 0, libc::SYS_preadv2 as u32),
        line(JUMP_EQUAL, 0, 3, libc::SYS_pwritev2 as u32),
        line(LOAD, 0, 0, flags),
        line(JUMP_SET, 0, 1, libc::RWF_NOWAIT as u32),
        line(RETURN, 0, 0, unsupported),
        line(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]);
}

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_SET: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

fn line(code: u16, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

fn filter(mut program: Vec<libc::sock_filter>) {
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: prctl(2) with integers, and seccomp(2) with a pointer to a program that lives through the call.
    let done = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &filter)
    };
    assert_eq!(done, 0, "seccomp: {}", io::Error::last_os_error());
}

/// Reads an extended attribute by getxattr(2).
///
/// # Errors
/// As getxattr(2).
///
/// # Panics
/// For a path with a NUL byte.
pub fn xattr(path: &Path, name: &std::ffi::CStr) -> io::Result<Vec<u8>> {
    let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).expect("no NUL byte");
    let mut value = vec![0u8; 256];
    // SAFETY: two strings that end in NUL, and a buffer with its length.
    let n = unsafe {
        libc::getxattr(
            path.as_ptr(),
            name.as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    let n = usize::try_from(n).map_err(|_| io::Error::last_os_error())?;
    value.truncate(n);
    Ok(value)
}

/// epoll(7) on one descriptor: a foreign loop in the small.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

impl Epoll {
    /// Waits for `fd` to be readable, by level or by edge.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn new(fd: impl AsFd, edge: bool) -> Self {
        // SAFETY: epoll_create1(2) reads flags; the number is new and nobody else's.
        let epoll = unsafe {
            let raw = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            assert!(raw >= 0, "epoll: {}", io::Error::last_os_error());
            OwnedFd::from_raw_fd(raw)
        };
        let edge = if edge { libc::EPOLLET } else { 0 };
        let mut event = libc::epoll_event {
            events: (libc::EPOLLIN | edge) as u32,
            u64: 0,
        };
        let fd = fd.as_fd().as_raw_fd();
        // SAFETY: one event of ours, for the call.
        let added =
            unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) };
        assert_eq!(added, 0, "epoll: {}", io::Error::last_os_error());
        Self(epoll)
    }

    /// Waits; answers whether it became readable in time.
    pub fn wait(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        loop {
            // Rounded up: a wait that ends before a deadline would only come again.
            let left = until.saturating_duration_since(Instant::now());
            let left = i32::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
            let mut event = libc::epoll_event { events: 0, u64: 0 };
            // SAFETY: room for one event, ours for the call.
            let n = unsafe { libc::epoll_wait(self.0.as_raw_fd(), &raw mut event, 1, left) };
            match n {
                1 => return true,
                // A signal (closing a ring sends its thread a stray EINTR), or the time is over.
                _ if Instant::now() >= until => return false,
                _ => {}
            }
        }
    }
}
