//! What every test needs: a small driver, a block_on that gives up, socket pairs, odd buffers and odd wakers. No test stands here.

use std::any::type_name;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use sakia_buf::{BufResult, IoBuf, IoBufMut};
use sakia_driver::{
    Cancel, Completion, Config, Drained, Driver, Fd, Holds, Kind, Op, Park, Sqe, Unparker, opcode,
    ops,
};

/// A driver with a ring of this many entries.
pub fn driver_of(entries: u32) -> Rc<Driver> {
    let mut config = Config::default();
    config.entries = entries;
    config.max_blocking = 3;
    Driver::new(&config).expect("a ring")
}

pub fn driver() -> Rc<Driver> {
    driver_of(64)
}

/// The kernel's release, its first two numbers.
pub fn kernel_release() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("/proc");
    let mut numbers = release.split(['.', '-']).map(str::parse::<u32>);
    let mut next = || numbers.next().and_then(Result::ok).expect("a number");
    (next(), next())
}

/// Counts its wakes, and unparks the driver.
pub struct Count {
    pub wakes: AtomicU32,
    unparker: Option<Arc<Unparker>>,
}

impl Count {
    pub fn new(driver: Option<&Rc<Driver>>) -> Arc<Self> {
        Arc::new(Self {
            wakes: AtomicU32::new(0),
            unparker: driver.map(|driver| driver.unparker()),
        })
    }

    pub fn wakes(&self) -> u32 {
        self.wakes.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        if let Some(unparker) = &self.unparker {
            unparker.unpark();
        }
    }
}

/// Runs a future to its end by wakes alone: it is polled once for each wake, so a lost one is a panic after ten seconds.
pub fn block_on<F: Future>(driver: &Rc<Driver>, work: F) -> F::Output {
    let mut work = pin!(work);
    let count = Count::new(Some(driver));
    let waker = Waker::from(count.clone());
    let mut cx = Context::from_waker(&waker);
    let until = Instant::now() + Duration::from_secs(10);
    driver.within(|| {
        loop {
            let before = count.wakes();
            if let Poll::Ready(output) = work.as_mut().poll(&mut cx) {
                return output;
            }
            while count.wakes() == before {
                assert!(
                    Instant::now() < until,
                    "nobody woke the future for ten seconds"
                );
                driver
                    .turn(Park::For(Duration::from_millis(100)), || {
                        count.wakes() != before
                    })
                    .expect("a turn");
            }
        }
    })
}

/// One poll, inside the driver, with a waker that does nothing.
pub fn poll<F: Future + Unpin>(driver: &Rc<Driver>, work: &mut F) -> Poll<F::Output> {
    poll_by(driver, work, Waker::noop())
}

pub fn poll_by<F: Future + Unpin>(
    driver: &Rc<Driver>,
    work: &mut F,
    waker: &Waker,
) -> Poll<F::Output> {
    driver.within(|| Pin::new(work).poll(&mut Context::from_waker(waker)))
}

/// Some turns without waiting.
pub fn turns(driver: &Rc<Driver>, n: usize) {
    for _ in 0..n {
        driver.turn(Park::No, || false).expect("a turn");
    }
}

/// Turns for that long.
pub fn turn_for(driver: &Rc<Driver>, time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
    {
        driver.turn(Park::For(left), || false).expect("a turn");
    }
    // On a machine that others use as well all of the time may pass before the first turn.
    turns(driver, 3);
}

/// Ends the driver and says that it was clean.
pub fn end(driver: &Rc<Driver>) -> Drained {
    let report = driver.end(Instant::now() + Duration::from_secs(5));
    assert_eq!(report.ops_quarantined, 0, "{report:?}");
    assert_eq!(report.stale, 0, "{report:?}");
    assert_eq!(report.panics, 0, "{report:?}");
    assert_eq!(report.threads_left, 0, "{report:?}");
    assert!(report.closes_in_doubt.is_empty(), "{report:?}");
    report
}

pub fn adopt(driver: &Rc<Driver>, fd: impl Into<OwnedFd>, kind: Kind) -> Fd {
    driver
        .within(|| Fd::new(fd.into(), kind))
        .expect("a driver is current")
}

/// A stream of the driver's and its peer.
pub fn pair(driver: &Rc<Driver>) -> (Fd, UnixStream) {
    let (ours, peer) = UnixStream::pair().expect("a pair");
    peer.set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    (adopt(driver, ours, Kind::UnixStream), peer)
}

/// Sends until the socket takes no more; answers how much it took.
pub fn fill(fd: &Fd) -> usize {
    let block = [b'.'; 4096];
    let mut sent = 0;
    while let Ok(n) = fd.try_send(&block) {
        sent += n;
    }
    sent
}

/// A buffer that does something when it is dropped.
pub struct Ending<F: FnMut()> {
    bytes: Vec<u8>,
    end: F,
}

/// One that counts its drops.
pub fn tracked(bytes: Vec<u8>, drops: &Rc<Cell<u32>>) -> Ending<impl FnMut() + use<>> {
    let drops = drops.clone();
    let end = move || drops.set(drops.get() + 1);
    Ending { bytes, end }
}

/// One with so much room whose drop panics, unless it is being unwound already.
pub fn bomb(room: usize) -> Ending<impl FnMut()> {
    let end = || {
        if !std::thread::panicking() {
            std::panic::resume_unwind(Box::new("on purpose"));
        }
    };
    let bytes = Vec::with_capacity(room);
    Ending { bytes, end }
}

impl<F: FnMut()> Drop for Ending<F> {
    fn drop(&mut self) {
        (self.end)();
    }
}

// SAFETY: all is as the inner Vec, of which it is the only way to the bytes, says it.
unsafe impl<F: FnMut() + Unpin + 'static> IoBuf for Ending<F> {
    fn stable_ptr(&self) -> *const u8 {
        self.bytes.stable_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.bytes.bytes_init()
    }

    fn bytes_total(&self) -> usize {
        self.bytes.bytes_total()
    }
}

// SAFETY: as above.
unsafe impl<F: FnMut() + Unpin + 'static> IoBufMut for Ending<F> {
    fn stable_mut_ptr(&mut self) -> *mut u8 {
        self.bytes.stable_mut_ptr()
    }

    unsafe fn set_init(&mut self, n: usize) {
        // SAFETY: our caller keeps the same contract.
        unsafe { self.bytes.set_init(n) };
    }
}

type Action = Box<dyn FnOnce()>;

thread_local! {
    static ON_DROP: RefCell<Option<Action>> = const { RefCell::new(None) };
}

/// A waker whose last drop runs what [`on_drop`] left.
pub struct Odd;

impl Odd {
    pub fn waker() -> Waker {
        Waker::from(Arc::new(Self))
    }
}

impl Wake for Odd {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Odd {
    fn drop(&mut self) {
        let action = ON_DROP.with_borrow_mut(Option::take);
        if let Some(action) = action {
            action();
        }
    }
}

/// What the next [`Odd`] waker to be dropped on this thread does; the answer is true once it has.
pub fn on_drop(action: impl FnOnce() + 'static) -> Rc<Cell<bool>> {
    let done = Rc::new(Cell::new(false));
    let tell = done.clone();
    ON_DROP.set(Some(Box::new(move || {
        action();
        tell.set(true);
    })));
    done
}

const ALONE: &str = "SAKIA_TEST_ALONE";

/// Runs the test's body in a process of its own, for what concerns the whole process: limits, signals, forks.
pub fn alone<F: FnOnce()>(body: F) {
    if std::env::var_os(ALONE).is_some() {
        return body();
    }
    // A closure's type is named after where it stands: this crate, the test, `{{closure}}`.
    let (_, place) = type_name::<F>().split_once("::").expect("a path");
    let (test, _) = place.rsplit_once("::").expect("the test's own closure");
    let exe = std::env::current_exe().expect("the test's own path");
    let out = Command::new(exe)
        .args(["--exact", test, "--nocapture", "--test-threads", "1"])
        .env(ALONE, "1")
        .output()
        .expect("the test runs itself");
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(
        said.contains("1 passed"),
        "{}\n{said}\n{}",
        out.status,
        String::from_utf8_lossy(&out.stderr)
    );
}

/// How many descriptors the process has open.
pub fn open_fds() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("/proc").count()
}

/// Runs `child` in a forked process; answers its wait status.
pub fn fork(child: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child runs what is handed in and ends by _exit; the tests that fork run alone in their process.
    match unsafe { libc::fork() } {
        0 => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(101);
            // SAFETY: _exit ends the child at once.
            unsafe { libc::_exit(code) }
        }
        pid => {
            assert!(pid > 0);
            let mut status = 0;
            // SAFETY: waitpid writes one integer, which is ours.
            while unsafe { libc::waitpid(pid, &mut status, 0) } != pid {}
            status
        }
    }
}

/// Whether poll(2) finds a descriptor readable within this time.
pub fn is_readable(fd: impl AsFd, within: Duration) -> bool {
    let mut poll = libc::pollfd {
        fd: fd.as_fd().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let until = Instant::now() + within;
    loop {
        let left = until.saturating_duration_since(Instant::now()).as_millis();
        // SAFETY: one pollfd of ours, for the call.
        match unsafe { libc::poll(&mut poll, 1, i32::try_from(left).unwrap_or(i32::MAX)) } {
            1 => return true,
            // A signal (closing a ring sends its thread a stray EINTR), or the time is over.
            _ if Instant::now() >= until => return false,
            _ => {}
        }
    }
}

/// Says how a file is going to be read (posix_fadvise(2)), all of it.
pub fn fadvise(file: impl AsFd, advice: i32) {
    // SAFETY: four integers.
    let failed = unsafe { libc::posix_fadvise(file.as_fd().as_raw_fd(), 0, 0, advice) };
    assert_eq!(failed, 0);
}

/// How many pages of a file's first `len` bytes are in the page cache (mincore(2)).
pub fn in_cache(file: impl AsFd, len: usize) -> usize {
    let mut pages = vec![0u8; len.div_ceil(4096)];
    // SAFETY: a mapping at an address of the kernel's choice, which is only asked about, and unmapped again; `pages` has a byte for each page.
    unsafe {
        let fd = file.as_fd().as_raw_fd();
        let map = libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ,
            libc::MAP_SHARED,
            fd,
            0,
        );
        assert_ne!(map, libc::MAP_FAILED);
        assert_eq!(libc::mincore(map, len, pages.as_mut_ptr()), 0);
        libc::munmap(map, len);
    }
    pages.iter().filter(|page| **page & 1 != 0).count()
}

/// The status flags of a descriptor.
pub fn fcntl_flags(fd: impl AsFd) -> i32 {
    // SAFETY: two integers.
    unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_GETFL) }
}

pub fn set_fcntl_flags(fd: impl AsFd, flags: i32) {
    // SAFETY: three integers.
    let failed = unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_SETFL, flags) };
    assert_eq!(failed, 0);
}

pub fn make_fifo(path: &std::path::Path) {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).expect("a path");
    // SAFETY: a C string of ours, and an integer.
    let failed = unsafe { libc::mkfifo(path.as_ptr(), 0o600) };
    assert_eq!(failed, 0);
}

/// How many files, and how many pieces of memory, the driver's ring knows, as the kernel tells it; `None` where it is no ring.
pub fn known(driver: &Rc<Driver>) -> Option<(usize, usize)> {
    let ring = driver.fds().into_iter().find(|fd| fd.kind == Kind::Ring)?;
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", ring.number)).ok()?;
    let listed = |head: &str| {
        let below = text.lines().skip_while(|line| !line.starts_with(head));
        let slots = below.skip(1).map_while(|line| line.split_once(':'));
        let slots = slots.take_while(|(number, _)| number.trim().parse::<u32>().is_ok());
        slots.filter(|(_, what)| what.trim() != "<none>").count()
    };
    text.contains("UserFiles")
        .then(|| (listed("UserFiles:"), listed("UserBufs:")))
}

/// Whether files are registered here: on a ring, and a kernel whose slots let go of a file at once and which says so (Linux 6.15).
pub fn registers(driver: &Rc<Driver>) -> bool {
    known(driver).is_some() && kernel_release() >= (6, 15)
}

/// What the ring knows is this, if there is a ring.
#[track_caller]
pub fn knows(driver: &Rc<Driver>, files: usize, pieces: usize) {
    if let Some(known) = known(driver) {
        let files = if registers(driver) { files } else { 0 };
        assert_eq!(known, (files, pieces), "files and pieces of memory");
    }
}

/// Whether the peer is told the end now, and has nothing left before it.
#[track_caller]
pub fn sees_the_end(mut peer: impl Read + AsFd) {
    assert!(is_readable(&peer, Duration::ZERO), "at once");
    assert_eq!(peer.read(&mut [0]).expect("the end"), 0);
}

/// So many ops that have gone by the ring make a descriptor busy.
pub const BUSY: usize = 128;

/// Makes a descriptor busy, by ops each of which gives its peer a byte: then it is registered, if there is room.
pub fn keep_busy<F>(driver: &Rc<Driver>, peer: &mut impl Read, write: impl Fn() -> F)
where
    F: Future<Output = BufResult<usize, &'static str>>,
{
    for _ in 0..BUSY {
        let (n, _) = block_on(driver, write());
        assert_eq!(n.expect("there is room"), 1);
    }
    let mut all = [0; BUSY];
    peer.read_exact(&mut all).expect("all of it");
    assert_eq!(all, [b'x'; BUSY]);
}

/// A stream that is busy, and its peer.
pub fn busy_stream(driver: &Rc<Driver>) -> (Fd, UnixStream) {
    let (fd, mut peer) = pair(driver);
    keep_busy(driver, &mut peer, || ops::send(&fd, "x"));
    (fd, peer)
}

/// All ways in which a handle ends.
pub const ENDS: [fn(&Rc<Driver>, Fd); 3] = [
    |_, fd| drop(fd),
    |driver, fd| block_on(driver, sakia_driver::close(fd)).unwrap(),
    |driver, fd| drop(block_on(driver, ops::release(fd)).unwrap()),
];

/// How many descriptors the process may have open; answers how many it could before.
pub fn limit_fds(count: u64) -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: getrlimit(2) writes, and setrlimit(2) reads, one struct of ours.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        let before = std::mem::replace(&mut limit.rlim_cur, count);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
        before
    }
}

/// A send(2) of four bytes, as an op of the user's own.
pub struct OwnSend(pub Fd);

// SAFETY: the address leads to static memory, the descriptor is named, and the result is a number.
unsafe impl Op for OwnSend {
    type Output = std::io::Result<u32>;
    const CANCEL: Cancel = Cancel::Eager;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let bytes = b"mine";
        let raw = self.0.as_fd().as_raw_fd();
        *sqe = Sqe::rw(opcode::SEND, raw, bytes.as_ptr() as u64, 4, 0);
        Holds::of(&self.0)
    }

    fn complete(self, done: Completion) -> Self::Output {
        done.result()
    }
}

/// Has recvfrom(2), which is what recv(2) calls, fail with EPERM for the rest of this thread's life.
pub fn refuse_receives() {
    refuse(libc::SYS_recvfrom);
}

/// Has a system call fail with EPERM for the rest of this thread's life.
pub fn refuse(call: libc::c_long) {
    let line = |code: u32, jump_if_not: u8, value: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: jump_if_not,
        k: value,
    };
    let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
    // The number of the system call is the first word of seccomp_data.
    let mut lines = [
        line(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        line(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, call as u32),
        line(libc::BPF_RET | libc::BPF_K, 0, refused),
        line(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: lines.len() as u16,
        filter: lines.as_mut_ptr(),
    };
    // SAFETY: the program and its lines are ours for the calls, which copy them.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let filter = libc::SECCOMP_MODE_FILTER;
        assert_eq!(
            libc::prctl(libc::PR_SET_SECCOMP, filter, &raw const program),
            0
        );
    }
}
