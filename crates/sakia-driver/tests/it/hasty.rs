//! O_NONBLOCK, which an open on the spot has for its own sake: it stays while nobody can notice it, and is gone before the ring or code outside could.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::Poll;

use sakia_driver::ops::{self, OpenHow, Stream};
use sakia_driver::{Driver, Fd, Kind};

use crate::help::{adopt, block_on, driver, end, fcntl_flags, make_fifo, poll, turns};
use crate::own_open::OwnOpen;

/// A FIFO, whose reads and writes wait: only there is O_NONBLOCK something to be noticed.
fn fifo() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("fifo");
    make_fifo(&path);
    (dir, path)
}

/// Opens it without the ring.
fn opened_at_once(driver: &Rc<Driver>, path: &Path, flags: i32) -> Fd {
    let how = OpenHow {
        flags: flags as u64,
        ..OpenHow::default()
    };
    driver.refill();
    let mut open = ops::open(None, path, how).expect("a path");
    let Poll::Ready(Ok(fd)) = poll(driver, &mut open) else {
        panic!("the name is known");
    };
    fd
}

/// The other end: open for both, so that its own open waits for nobody.
fn other_end(path: &Path) -> File {
    let mut options = File::options();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK);
    options.open(path).expect("the FIFO is there")
}

/// Writes until it takes no more; answers how much it took.
fn fill(end: &mut File) -> usize {
    let mut written = 0;
    while let Ok(n) = end.write(&[b'.'; 4096]) {
        written += n;
    }
    written
}

/// The number of the only file that a driver has. To ask the handle for it would show it.
fn number(driver: &Driver) -> RawFd {
    let fds = driver.fds();
    let mut files = fds.iter().filter(|info| info.kind == Kind::File);
    let file = files.next().expect("there is one").number;
    assert!(files.next().is_none(), "and no other");
    file
}

/// Whether O_NONBLOCK is set, as proc_pid_fdinfo(5) tells it.
fn is_nonblocking(number: RawFd) -> bool {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).expect("it is open");
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.map(|flags| i32::from_str_radix(flags.trim(), 8));
    flags.expect("a line").expect("octal digits") & libc::O_NONBLOCK != 0
}

#[test]
fn code_outside_that_is_shown_a_descriptor_or_given_it_finds_no_flag_that_it_did_not_set() {
    let (_dir, path) = fifo();
    let driver = driver();
    let flags = libc::O_RDWR | libc::O_NOATIME;

    let fd = opened_at_once(&driver, &path, flags);
    assert!(
        is_nonblocking(number(&driver)),
        "no call was spent on it before somebody looks"
    );
    let clone = fd.clone();
    let shown = clone.as_fd();
    assert!(!is_nonblocking(shown.as_raw_fd()));
    assert_ne!(
        fcntl_flags(shown) & libc::O_NOATIME,
        0,
        "the others stay as they were"
    );
    drop((fd, clone));

    let fd = opened_at_once(&driver, &path, flags);
    let (given, _) = block_on(&driver, ops::release(fd)).expect("nobody else has it");
    assert!(!is_nonblocking(given.as_raw_fd()));

    // What the caller asks for is the caller's, and stays.
    let fd = opened_at_once(&driver, &path, flags | libc::O_NONBLOCK);
    assert!(is_nonblocking(fd.as_fd().as_raw_fd()));
    let (given, _) = block_on(&driver, ops::release(fd)).expect("nobody else has it");
    assert!(is_nonblocking(given.as_raw_fd()));
    end(&driver);
}

#[test]
fn an_op_of_ones_own_that_opens_gives_a_descriptor_without_the_flag() {
    let (_dir, path) = fifo();
    let driver = driver();
    driver.refill();
    let mut open = sakia_driver::submit(OwnOpen::new(&path, libc::O_RDWR));
    let Poll::Ready(opened) = poll(&driver, &mut open) else {
        panic!("the name is known");
    };
    let fd: OwnedFd = opened.expect("the FIFO is there");
    assert!(!is_nonblocking(fd.as_raw_fd()));
    end(&driver);
}

#[test]
fn a_read_and_a_write_of_a_fifo_wait_for_the_other_end() {
    let (_dir, path) = fifo();
    let driver = driver();
    let mut other = other_end(&path);
    let fd = opened_at_once(&driver, &path, libc::O_RDWR);

    let mut read = ops::read(&fd, Vec::with_capacity(8), Stream::Pipe);
    assert!(poll(&driver, &mut read).is_pending());
    assert!(!is_nonblocking(number(&driver)));
    turns(&driver, 3);
    assert!(
        poll(&driver, &mut read).is_pending(),
        "an EAGAIN is no answer"
    );
    other.write_all(b"bytes").expect("there is room");
    let (n, buf) = block_on(&driver, read);
    assert_eq!((n.expect("a read"), &buf[..]), (5, &b"bytes"[..]));
    drop(fd);

    let fd = opened_at_once(&driver, &path, libc::O_RDWR);
    let full = fill(&mut other);
    let mut write = ops::write(&fd, "more", Stream::Pipe);
    assert!(poll(&driver, &mut write).is_pending());
    turns(&driver, 3);
    assert!(
        poll(&driver, &mut write).is_pending(),
        "an EAGAIN is no answer"
    );
    other
        .read_exact(&mut vec![0; full])
        .expect("they are there");
    assert_eq!(block_on(&driver, write).0.expect("a write"), 4);
    drop(fd);
    end(&driver);
}

#[test]
fn a_splice_waits_for_a_fifo_that_it_names_second() {
    let (dir, path) = fifo();
    let source = dir.path().join("source");
    std::fs::write(&source, b"spliced").expect("a file");
    let driver = driver();
    let mut other = other_end(&path);
    let from = adopt(&driver, File::open(source).expect("a file"), Kind::File);
    let to = opened_at_once(&driver, &path, libc::O_RDWR);
    let full = fill(&mut other);
    let mut splice = ops::splice((&from, Some(0)), (&to, None), 7);
    assert!(poll(&driver, &mut splice).is_pending());
    turns(&driver, 3);
    assert!(
        poll(&driver, &mut splice).is_pending(),
        "an EAGAIN is no answer"
    );
    other
        .read_exact(&mut vec![0; full])
        .expect("they are there");
    assert_eq!(block_on(&driver, splice).expect("a splice"), 7);
    drop((from, to));
    end(&driver);
}

#[test]
fn a_file_that_the_ring_is_handed_an_op_on_has_lost_the_flag_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("file");
    std::fs::write(&path, b"before").expect("a file");
    let driver = driver();
    let fd = opened_at_once(&driver, &path, libc::O_RDWR);
    let number = number(&driver);
    let read = ops::read_at(&fd, Vec::with_capacity(6), 0);
    driver.refill();
    assert_eq!(block_on(&driver, read).1, b"before");
    assert!(
        is_nonblocking(number),
        "a read on the spot takes no notice of it"
    );
    let mut write = ops::write_at(&fd, "behind", 0, 0);
    assert!(poll(&driver, &mut write).is_pending());
    assert!(!is_nonblocking(number));
    assert_eq!(block_on(&driver, write).0.expect("a write"), 6);
    drop(fd);
    end(&driver);
}

#[test]
fn what_has_no_places_refuses_ops_at_one_and_loses_no_byte_to_them() {
    let (_dir, path) = fifo();
    let driver = driver();
    let mut other = other_end(&path);
    let fd = opened_at_once(&driver, &path, libc::O_RDWR);
    other.write_all(b"bytes").expect("there is room");
    for budget in [true, false] {
        let refill = || {
            if budget {
                driver.refill()
            }
        };
        let errno = |result: std::io::Result<usize>| result.unwrap_err().raw_os_error();
        refill();
        let mut read = ops::read_at(&fd, Vec::with_capacity(8), 0);
        let Poll::Ready((refused, _)) = poll(&driver, &mut read) else {
            panic!("it needs no ring");
        };
        assert_eq!(errno(refused), Some(libc::ESPIPE));
        refill();
        let write = ops::write_at(&fd, "more", 0, 0);
        assert_eq!(errno(block_on(&driver, write).0), Some(libc::ESPIPE));
        let list = ops::writev_at(&fd, ["more"], 0);
        assert_eq!(errno(block_on(&driver, list).0), Some(libc::ESPIPE));
        let list = ops::readv_at(&fd, [Vec::with_capacity(8)], 0);
        assert_eq!(errno(block_on(&driver, list).0), Some(libc::ESPIPE));
    }
    let read = ops::read(&fd, Vec::with_capacity(64), Stream::Pipe);
    assert_eq!(block_on(&driver, read).1, b"bytes");
    drop(fd);
    end(&driver);
}
