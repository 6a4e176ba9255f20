//! Ops that are answered on the spot: what is in the cache is, within a budget, and nothing else.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use sakia_driver::ops::{self, OpenHow};
use sakia_driver::{Driver, Fd, Kind};

use crate::help::{
    Count, adopt, block_on, driver, end, fadvise, fcntl_flags, in_cache, make_fifo, poll, poll_by,
    set_fcntl_flags,
};

/// What one poll of a task may be answered.
const BUDGET: usize = 64;

fn dir_with(name: &str, content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(name);
    std::fs::write(&path, content).expect("a file");
    (dir, path)
}

fn how(flags: i32) -> OpenHow {
    OpenHow {
        flags: flags as u64,
        ..OpenHow::default()
    }
}

fn opened(driver: &Rc<Driver>, path: &Path, flags: i32) -> Fd {
    let open = ops::open(None, path, how(flags)).expect("a path");
    block_on(driver, open).expect("the file is there")
}

/// Polled once in a task that may be answered: at once, or by the ring?
fn read_once(driver: &Rc<Driver>, fd: &Fd, len: usize, at: u64) -> (bool, Vec<u8>) {
    driver.refill();
    let mut read = ops::read_at(fd, Vec::with_capacity(len), at);
    let (at_once, (n, buf)) = match poll(driver, &mut read) {
        Poll::Ready(done) => (true, done),
        Poll::Pending => (false, block_on(driver, read)),
    };
    assert_eq!(n.expect("a read"), buf.len());
    (at_once, buf)
}

#[test]
fn what_the_kernel_has_in_its_caches_is_opened_and_read_at_the_first_poll_without_the_ring() {
    let (_dir, path) = dir_with("cached", b"a wheel of buckets");
    let driver = driver();
    driver.refill();
    let mut open = ops::open(None, &path, how(libc::O_RDONLY)).unwrap();
    let Poll::Ready(Ok(fd)) = poll(&driver, &mut open) else {
        panic!("the name is known");
    };
    assert_eq!(read_once(&driver, &fd, 7, 2), (true, b"wheel o".to_vec()));
    assert_eq!(
        (driver.answered_on_the_spot(), driver.in_flight()),
        (2, 0),
        "nothing was pushed"
    );
    let lists = [Vec::with_capacity(2), Vec::with_capacity(5)];
    let mut readv = ops::readv_at(&fd, lists, 0);
    let Poll::Ready((n, lists)) = poll(&driver, &mut readv) else {
        panic!("the bytes are in the cache");
    };
    assert_eq!(n.unwrap(), 7);
    assert_eq!(lists, [b"a ".to_vec(), b"wheel".to_vec()]);
    assert_eq!(fcntl_flags(&fd) & libc::O_NONBLOCK, 0);
    drop((open, fd));
    assert_eq!(
        end(&driver).ops_completed,
        3,
        "the report counts them as it does any op"
    );
}

#[test]
fn a_task_that_finds_everything_in_the_cache_goes_by_the_ring_when_its_budget_is_spent() {
    let (_dir, path) = dir_with("cached", &[7; 4096]);
    let driver = driver();
    let fd = opened(&driver, &path, libc::O_RDONLY);
    assert_eq!(
        driver.answered_on_the_spot(),
        0,
        "who never says that a task begins has no budget"
    );
    for round in 1..=2 {
        driver.refill();
        for _ in 0..BUDGET {
            let mut read = ops::read_at(&fd, Vec::with_capacity(512), 0);
            assert!(poll(&driver, &mut read).is_ready());
        }
        let mut read = ops::read_at(&fd, Vec::with_capacity(512), 0);
        assert!(poll(&driver, &mut read).is_pending());
        assert_eq!(block_on(&driver, read).0.unwrap(), 512);
        assert_eq!(driver.answered_on_the_spot(), (round * BUDGET) as u64);
    }
    drop(fd);
    end(&driver);
}

#[test]
fn a_short_read_among_a_crowd_goes_by_the_ring_where_that_is_entered_once_for_all() {
    let (_dir, path) = dir_with("cached", &[7; 4096]);
    let driver = driver();
    let fd = opened(&driver, &path, libc::O_RDONLY);
    // Nobody has said that a task begins: all of them go by the ring.
    let mut crowd: Vec<_> = (0..8)
        .map(|at| ops::read_at(&fd, Vec::with_capacity(1024), at))
        .collect();
    for read in &mut crowd {
        assert!(poll(&driver, read).is_pending());
    }
    let asked = std::env::var_os("SAKIA_KERNEL");
    let by_ring =
        driver.fallback_reason().is_none() && asked.is_none_or(|kernel| kernel != "emulated");
    driver.refill();
    let mut ninth = ops::read_at(&fd, Vec::with_capacity(1024), 0);
    assert_eq!(poll(&driver, &mut ninth).is_pending(), by_ring);
    let mut long = ops::read_at(&fd, Vec::with_capacity(1025), 0);
    assert!(poll(&driver, &mut long).is_ready(), "a long one does not");
    let mut open = ops::open(None, &path, how(libc::O_RDONLY)).unwrap();
    let Poll::Ready(Ok(fresh)) = poll(&driver, &mut open) else {
        panic!("the name is known");
    };
    let mut first = ops::read_at(&fresh, Vec::with_capacity(1024), 0);
    assert!(
        poll(&driver, &mut first).is_ready(),
        "nor the first one of what was opened on the spot, for which the ring would cost two calls more"
    );
    for read in crowd {
        assert_eq!(block_on(&driver, read).1, [7; 1024]);
    }
    if by_ring {
        assert_eq!(block_on(&driver, ninth).1, [7; 1024]);
    }
    for (at_once, why) in [(!by_ring, "the last turn had a crowd"), (true, "alone")] {
        assert_eq!(
            read_once(&driver, &fd, 1024, 0),
            (at_once, vec![7; 1024]),
            "{why}"
        );
    }
    drop((fd, long, fresh, first));
    end(&driver);
}

#[test]
fn a_long_read_takes_more_of_the_budget() {
    let (_dir, path) = dir_with("long", &vec![7; 1 << 20]);
    let driver = driver();
    let fd = opened(&driver, &path, libc::O_RDONLY);
    driver.refill();
    for _ in 0..BUDGET / 16 {
        let mut read = ops::read_at(&fd, Vec::with_capacity(256 << 10), 0);
        assert!(poll(&driver, &mut read).is_ready());
    }
    let mut read = ops::read_at(&fd, Vec::with_capacity(1), 0);
    assert!(poll(&driver, &mut read).is_pending());
    drop((read, fd));
    end(&driver);
}

#[test]
fn what_is_not_in_the_cache_or_only_in_part_is_read_whole_by_the_ring() {
    const LEN: usize = 512 << 10;
    let content: Vec<u8> = (0..LEN).map(|i| (i / 4096) as u8).collect();
    let (_dir, path) = dir_with("uncached", &content);
    let outside = File::open(&path).unwrap();
    // Without this the first page would bring others with it.
    fadvise(&outside, libc::POSIX_FADV_RANDOM);
    let driver = driver();
    let fd = opened(&driver, &path, libc::O_RDONLY);
    for first_page in [false, true] {
        outside.sync_all().unwrap();
        fadvise(&outside, libc::POSIX_FADV_DONTNEED);
        if first_page {
            outside.read_at(&mut [0; 4096], 0).unwrap();
        }
        if in_cache(&outside, LEN) != usize::from(first_page) {
            eprintln!("skipped: this file system keeps its files in the cache");
            return;
        }
        let (at_once, buf) = read_once(&driver, &fd, LEN, 0);
        assert!(!at_once, "the thread would have waited for the disk");
        assert_eq!(buf.len(), LEN);
        assert!(buf == content);
        assert!(read_once(&driver, &fd, LEN, 0).0, "now it is in the cache");
    }
    drop(fd);
    end(&driver);
}

#[test]
fn a_read_that_meets_the_end_of_the_file_is_answered_too() {
    let (_dir, path) = dir_with("short", b"0123456789");
    let driver = driver();
    let fd = opened(&driver, &path, libc::O_RDONLY);
    assert_eq!(read_once(&driver, &fd, 64, 4), (true, b"456789".to_vec()));
    assert_eq!(read_once(&driver, &fd, 64, 10), (true, Vec::new()));
    assert_eq!(read_once(&driver, &fd, 64, 1 << 40), (true, Vec::new()));
    drop(fd);
    end(&driver);
}

#[test]
fn a_direct_read_is_never_tried_on_the_spot_whoever_made_it_direct() {
    let (_dir, path) = dir_with("direct", &[7; 8192]);
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_DIRECT);
    let Ok(outside) = options.open(&path) else {
        eprintln!("skipped: this file system knows no O_DIRECT");
        return;
    };
    let driver = driver();
    let cases = [
        adopt(&driver, OwnedFd::from(outside), Kind::File),
        opened(&driver, &path, libc::O_RDONLY | libc::O_DIRECT),
        opened(&driver, &path, libc::O_RDONLY),
    ];
    assert!(read_once(&driver, &cases[2], 512, 0).0);
    set_fcntl_flags(&cases[2], libc::O_DIRECT);
    for fd in &cases {
        driver.refill();
        let mut read = ops::read_at(fd, Vec::with_capacity(512), 0);
        assert!(poll(&driver, &mut read).is_pending());
        // The buffer may not be aligned: what it comes to is not the claim.
        let _ = block_on(&driver, read);
    }
    assert_eq!(driver.answered_on_the_spot(), 1);
    drop(cases);
    end(&driver);
}

#[test]
fn what_cannot_tell_that_it_would_wait_is_asked_once_and_then_goes_by_the_ring() {
    let (_dir, path) = dir_with("cached", b"cached");
    let driver = driver();
    let fd = opened(&driver, Path::new("/proc/self/status"), libc::O_RDONLY);
    let cached = opened(&driver, &path, libc::O_RDONLY);
    driver.refill();
    for _ in 0..BUDGET {
        let mut read = ops::read_at(&fd, Vec::with_capacity(1 << 12), 0);
        assert!(poll(&driver, &mut read).is_pending());
        assert!(block_on(&driver, read).1.starts_with(b"Name:"));
    }
    let mut read = ops::read_at(&cached, Vec::with_capacity(64), 0);
    assert!(
        poll(&driver, &mut read).is_ready(),
        "what was not asked has cost nothing of the budget"
    );
    drop((fd, cached));
    end(&driver);
}

#[test]
fn opens_that_make_something_or_may_wait_are_left_to_the_ring_and_a_fifo_holds_up_nobody() {
    let (dir, path) = dir_with("there", b"there");
    let fifo = dir.path().join("fifo");
    make_fifo(&fifo);
    let driver = driver();
    for flags in [
        libc::O_RDWR | libc::O_CREAT,
        libc::O_RDWR | libc::O_TRUNC,
        libc::O_RDWR | libc::O_TMPFILE,
    ] {
        driver.refill();
        let path = if flags & libc::O_TMPFILE == libc::O_TMPFILE {
            dir.path()
        } else {
            &path
        };
        let mut open = ops::open(None, path, how(flags)).unwrap();
        assert!(poll(&driver, &mut open).is_pending());
        let fd = block_on(&driver, open).unwrap();
        assert_eq!(fd.kind(), Kind::File, "O_TMPFILE has a directory's bit");
    }
    assert_eq!(driver.answered_on_the_spot(), 0);
    // As the ring does at its first try: nobody writes, and the open does not wait for somebody.
    driver.refill();
    let mut open = ops::open(None, &fifo, how(libc::O_RDONLY)).unwrap();
    let Poll::Ready(Ok(fd)) = poll(&driver, &mut open) else {
        panic!("the open of a FIFO waits for nobody");
    };
    assert_eq!(fcntl_flags(&fd) & libc::O_NONBLOCK, 0);
    driver.refill();
    let mut path_only = ops::open(None, &path, how(libc::O_PATH)).unwrap();
    let Poll::Ready(Ok(fd)) = poll(&driver, &mut path_only) else {
        panic!("it opens no more than the name");
    };
    assert_ne!(fcntl_flags(&fd) & libc::O_PATH, 0);
    driver.refill();
    let append = ops::open(None, &path, how(libc::O_WRONLY | libc::O_APPEND)).unwrap();
    let fd = block_on(&driver, append).unwrap();
    let kept = libc::O_APPEND | libc::O_NONBLOCK;
    assert_eq!(fcntl_flags(&fd) & kept, libc::O_APPEND);
    drop(fd);
    end(&driver);
}

#[test]
fn an_open_that_fails_says_what_the_ring_says() {
    let (dir, path) = dir_with("there", b"there");
    let driver = driver();
    for (path, errno) in [
        (dir.path().join("not there"), libc::ENOENT),
        (path.join("below"), libc::ENOTDIR),
    ] {
        for _ in 0..2 {
            driver.refill();
            let open = ops::open(None, &path, how(libc::O_RDONLY)).unwrap();
            let error = block_on(&driver, open).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(errno));
        }
    }
    assert_eq!(driver.answered_on_the_spot(), 0);
    end(&driver);
}

#[test]
fn a_close_that_waits_for_a_read_is_woken_when_the_read_is_answered_on_the_spot() {
    let (_dir, path) = dir_with("closed", b"bytes");
    let driver = driver();
    let fd = opened(&driver, &path, libc::O_RDONLY);
    let mut read = ops::read_at(&fd, Vec::with_capacity(5), 0);
    let mut close = sakia_driver::close(fd);
    let count = Count::new(None);
    assert!(poll_by(&driver, &mut close, &Waker::from(count.clone())).is_pending());
    driver.refill();
    assert!(poll(&driver, &mut read).is_ready());
    crate::help::turns(&driver, 1);
    assert_eq!(count.wakes(), 1);
    assert!(block_on(&driver, close).is_ok());
    end(&driver);
}

#[test]
fn a_file_that_is_cut_and_filled_again_meanwhile_gives_its_bytes_or_fewer_and_no_others() {
    const LEN: u64 = 256 << 10;
    let (_dir, path) = dir_with("changing", &vec![b'x'; LEN as usize]);
    let driver = driver();
    let fd = opened(&driver, &path, libc::O_RDONLY);
    let stop = Arc::new(AtomicBool::new(false));
    let changes = std::thread::spawn({
        let stop = stop.clone();
        move || {
            let mut file = File::options().write(true).open(path).unwrap();
            while !stop.load(Ordering::Relaxed) {
                file.set_len(LEN / 3).unwrap();
                file.set_len(LEN).unwrap();
                std::io::Seek::rewind(&mut file).unwrap();
                file.write_all(&vec![b'x'; LEN as usize]).unwrap();
            }
        }
    });
    for _ in 0..300 {
        let (_, buf) = read_once(&driver, &fd, LEN as usize, 0);
        assert!(buf.len() as u64 >= LEN / 3, "{}", buf.len());
        assert!(buf.iter().all(|byte| matches!(byte, b'x' | 0)));
    }
    stop.store(true, Ordering::Relaxed);
    changes.join().unwrap();
    drop(fd);
    end(&driver);
}

#[test]
fn a_handle_that_is_dropped_before_its_read_is_answered_closes_with_it() {
    let (_dir, path) = dir_with("dropped", b"bytes");
    let driver = driver();
    let fd = opened(&driver, &path, libc::O_RDONLY);
    let mut read = ops::read_at(&fd, Vec::with_capacity(5), 0);
    drop(fd);
    driver.refill();
    assert!(poll(&driver, &mut read).is_ready());
    let files = driver.fds();
    let mut files = files.iter().filter(|info| info.kind == Kind::File);
    assert!(files.next().is_none());
    end(&driver);
}
