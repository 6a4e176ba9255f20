//! An op that no cancel can end: a write whose pages a userfaultfd holds back. What is lent stays lent until it has ended.

use std::cell::Cell;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use sakia_buf::IoBuf;
use sakia_driver::ops::WriteAt;
use sakia_driver::{Config, Driver, Fd, KernelChoice, Kind, Submit, graves, ops};

use crate::help::{adopt, alone, driver, end, fork, poll, turn_for};

const LEN: usize = 4096;
const UFFDIO_API: u64 = 0xc018_aa3f;
const UFFDIO_REGISTER: u64 = 0xc020_aa00;
const UFFDIO_ZEROPAGE: u64 = 0xc020_aa04;

/// A page that nobody can read before it is let go.
struct Page {
    start: *mut u8,
    uffd: OwnedFd,
}

// SAFETY: the address is only handed on to the kernel, and ioctls and reads of the descriptor are the kernel's to order.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    fn new() -> Self {
        // SAFETY: a fresh mapping of ours, and ioctls that read and write structs of ours of the size that their codes say.
        unsafe {
            let start = libc::mmap(
                std::ptr::null_mut(),
                LEN,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(start, libc::MAP_FAILED);
            let uffd = libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK);
            assert!(uffd >= 0, "{}", std::io::Error::last_os_error());
            let uffd = OwnedFd::from_raw_fd(uffd as i32);
            let mut api = [0xaau64, 0, 0];
            assert_eq!(libc::ioctl(uffd.as_raw_fd(), UFFDIO_API as _, &mut api), 0);
            let mut register = [start as u64, LEN as u64, 1, 0];
            assert_eq!(
                libc::ioctl(uffd.as_raw_fd(), UFFDIO_REGISTER as _, &mut register),
                0
            );
            Self {
                start: start.cast(),
                uffd,
            }
        }
    }

    /// Turns until one more reader of the page is stuck in it: before, a cancel could still end it.
    fn catch(&self, driver: &Rc<Driver>) {
        let caught = self.catches(driver, Duration::from_secs(60));
        assert!(caught, "nobody reads the page");
    }

    fn catches(&self, driver: &Rc<Driver>, within: Duration) -> bool {
        let until = Instant::now() + within;
        let mut nudge = Instant::now() + Duration::from_millis(200);
        while Instant::now() < until {
            turn_for(driver, Duration::from_millis(2));
            // An io-wq worker that falls asleep just as the next write is queued may leave it without a worker until more work comes.
            if Instant::now() > nudge {
                let other = adopt(driver, file(), Kind::File);
                assert!(poll(driver, &mut ops::write_at(&other, vec![0], 0, 0)).is_pending());
                nudge += Duration::from_millis(200);
            }
            let mut event = [0u8; 32];
            // SAFETY: a uffd_msg is 32 bytes long, and they are ours.
            let got = unsafe {
                libc::read(
                    self.uffd.as_raw_fd(),
                    event.as_mut_ptr().cast(),
                    event.len(),
                )
            };
            if got == 32 {
                return true;
            }
        }
        false
    }

    fn let_go(&self) {
        let mut zero = [self.start as u64, LEN as u64, 0, 0];
        // SAFETY: as above.
        unsafe { libc::ioctl(self.uffd.as_raw_fd(), UFFDIO_ZEROPAGE as _, &mut zero) };
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.let_go();
    }
}

struct Held(*mut u8, Rc<Cell<u32>>);

impl Drop for Held {
    fn drop(&mut self) {
        self.1.set(self.1.get() + 1);
    }
}

// SAFETY: the page stays mapped to the end of the process; its bytes are zeroes once it can be read.
unsafe impl IoBuf for Held {
    fn stable_ptr(&self) -> *const u8 {
        self.0
    }

    fn bytes_init(&self) -> usize {
        LEN
    }

    fn bytes_total(&self) -> usize {
        LEN
    }
}

fn file() -> File {
    tempfile::tempfile().expect("a file")
}

/// A write of the page to a file of its own, in which it is stuck.
struct Stuck {
    driver: Rc<Driver>,
    file: Fd,
    write: Submit<WriteAt<Held>>,
    /// How often its buffer was freed.
    drops: Rc<Cell<u32>>,
}

fn stuck_on(driver: Rc<Driver>, page: &Page) -> Stuck {
    let drops = Rc::new(Cell::new(0));
    let file = adopt(&driver, file(), Kind::File);
    let mut write = ops::write_at(&file, Held(page.start, drops.clone()), 0, 0);
    assert!(poll(&driver, &mut write).is_pending());
    page.catch(&driver);
    Stuck {
        driver,
        file,
        write,
        drops,
    }
}

fn stuck(page: &Page) -> Stuck {
    stuck_on(driver(), page)
}

/// A deadline that what is stuck does not meet.
fn soon() -> Instant {
    Instant::now() + Duration::from_millis(50)
}

fn reap_until_empty() {
    let until = Instant::now() + Duration::from_secs(5);
    while graves() > 0 {
        assert!(Instant::now() < until, "the grave is never empty");
        end(&driver());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_will_not_end_is_set_aside_and_freed_when_it_has() {
    alone(|| {
        let page = Page::new();
        let Stuck {
            driver,
            file,
            write,
            drops,
        } = stuck(&page);
        drop(write);
        let start = Instant::now();
        // Long enough for every doubling of a drain's waits.
        let report = driver.end(start + Duration::from_millis(2200));
        let took = start.elapsed();
        assert!(
            took >= Duration::from_millis(2200) && took < Duration::from_secs(10),
            "{took:?}"
        );
        assert_eq!(
            (report.ops_quarantined, report.quarantined.get("WRITE")),
            (1, Some(&1)),
            "{report:?}"
        );
        assert_eq!((graves(), drops.get()), (1, 0), "the kernel has the buffer");
        drop(file);
        drop(driver);
        assert_eq!(drops.get(), 0);
        page.let_go();
        reap_until_empty();
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn a_future_of_an_op_that_was_set_aside_stays_pending_and_is_safe_to_drop() {
    alone(|| {
        let page = Page::new();
        // One after the other: of two that come at once the kernel may start a worker for one alone.
        let Stuck {
            driver,
            file: ours,
            mut write,
            drops,
        } = stuck(&page);
        // And its file is not any: io-wq carries out writes to one file in their order, and knows files by a hash of 6 bits.
        let (other, _second) = loop {
            let other = adopt(&driver, file(), Kind::File);
            let mut second = ops::write_at(&other, Held(page.start, Rc::default()), 0, 0);
            assert!(poll(&driver, &mut second).is_pending());
            if page.catches(&driver, Duration::from_secs(2)) {
                break (other, second);
            }
        };
        let report = driver.end(Instant::now() + Duration::from_millis(100));
        assert_eq!(report.ops_quarantined, 2);
        let mut release = ops::release(other);
        assert!(matches!(poll(&driver, &mut release), Poll::Ready(Err(_))));
        assert!(
            poll(&driver, &mut write).is_pending(),
            "its buffer cannot be given back"
        );
        let mut close = sakia_driver::close(ours);
        assert!(
            matches!(poll(&driver, &mut close), Poll::Ready(Err(_))),
            "nobody would ever wake it"
        );
        page.let_go();
        std::thread::sleep(Duration::from_millis(20));
        reap_until_empty();
        let Poll::Ready((result, buf)) = poll(&driver, &mut write) else {
            panic!("it has ended")
        };
        assert!(result.is_err());
        assert_eq!(drops.get(), 0);
        drop((buf, write));
        assert_eq!(drops.get(), 1);
    });
}

#[test]
fn a_thread_that_ends_with_a_grave_leaks_it_and_frees_nothing() {
    alone(|| {
        let page = Arc::new(Page::new());
        let (tell, ended) = std::sync::mpsc::channel();
        let theirs = page.clone();
        let thread = std::thread::spawn(move || {
            let page = theirs;
            let stuck = stuck(&page);
            drop(stuck.write);
            let report = stuck.driver.end(soon());
            assert_eq!(report.ops_quarantined, 1);
            tell.send(()).unwrap();
        });
        ended.recv().unwrap();
        // The thread's destructors run, and its exit waits for the kernel's worker.
        std::thread::sleep(Duration::from_millis(100));
        page.let_go();
        thread.join().unwrap();
    });
}

/// The threads of the emulated kernel are no business of the thread that ends: it neither waits for them nor asks them for ever.
#[test]
fn a_thread_that_ends_with_a_grave_of_the_emulated_kernel_does_not_wait_for_what_is_stuck_in_it() {
    let page = Arc::new(Page::new());
    let theirs = page.clone();
    let thread = std::thread::spawn(move || {
        let mut config = Config::default();
        config.kernel = KernelChoice::Emulated;
        let stuck = stuck_on(Driver::new(&config).unwrap(), &theirs);
        drop(stuck.write);
        let report = stuck.driver.end(soon());
        assert_eq!((report.ops_quarantined, report.threads_left), (1, 1));
    });
    // Its destructors are part of its end, so only a join tells.
    let (tell, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(thread.join().is_ok()));
    assert_eq!(ended.recv_timeout(Duration::from_secs(10)), Ok(true));
    page.let_go();
}

#[test]
fn a_child_that_inherits_a_grave_may_make_a_runtime_and_exit() {
    alone(|| {
        let page = Page::new();
        let stuck = stuck(&page);
        drop(stuck.write);
        let report = stuck.driver.end(soon());
        assert_eq!(report.ops_quarantined, 1);
        let status = fork(|| {
            end(&driver());
            0
        });
        assert_eq!(status, 0, "the grave is the parent's");
        drop(stuck.file);
        page.let_go();
        reap_until_empty();
    });
}
