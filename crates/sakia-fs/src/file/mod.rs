//! The file itself: how a handle is made, what kind of stream is behind it, and where its cursor stands.
//! What can be done with it is in the files beside this one, one family each.

mod at;
mod exact_at;
mod into_std;
mod read;
mod read_to_end;
mod register;
mod seek;
mod state;
mod whole;
mod write;

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;

use sakia_driver::ops::Stream;
use sakia_driver::{Close, Fd, Kind};

pub use at::{ReadAt, ReadvAt, WriteAt, WritevAt};
pub use exact_at::{ReadExactAt, ReadToEndAt, WriteAllAt};
pub use into_std::{IntoParts, IntoStd};
pub use read::{Read, ReadExact, Reading, Readv};
pub use read_to_end::ReadToEnd;
pub use seek::Seek;
pub use whole::{FileOp, SetLen, SetPermissions};
pub use write::{Write, WriteAll, Writev, Writing};

use crate::abi::{ESPIPE, O_APPEND, S_IFBLK, S_IFDIR, S_IFMT, S_IFREG, SEEK_CUR};
use crate::{Open, OpenOptions};

/// Is an open file: positioned reads and writes, sequential ones, and what is done to a file as a whole.
///
/// Positioned operations (`read_at`, …) are independent of each other and of the cursor. Sequential ones (`read`, …) share the cursor; a
/// second read queues behind the first, and so does a second write. The cursor lives in this handle and moves when bytes are delivered, so
/// a dropped read has read nothing. FIFOs, terminals and other character devices have no cursor: bytes that arrived for
/// a dropped read are kept, and served first to the next.
///
/// Dropping the handle closes the file, at once; [`close`](File::close) does so and tells the error. A handle stays on its thread;
/// [`into_std`](File::into_std) gives one that may leave it.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file");
/// use sakia::fs::File;
///
/// # sakia::Runtime::new()?.block_on(async {
/// let file = File::create(&path).await?;
/// file.write_all("hello, ").await.0?;
/// file.write_all("wheel").await.0?;
/// file.sync_all().await?;
/// file.close().await?;
/// # assert_eq!(std::fs::read(&path)?, b"hello, wheel");
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
pub struct File {
    fd: Fd,
    stream: RefCell<Option<Stream>>,
    /// Whether writes go to the end whatever the cursor says; not known at once of a descriptor from outside.
    append: OnceCell<bool>,
    /// Bytes that a dropped `read_to_end` or `read_exact` had taken out of a stream; older than what the driver keeps.
    kept: RefCell<Vec<u8>>,
}

impl File {
    /// Opens a file for reading (`IORING_OP_OPENAT`, Linux 5.6; openat(2)).
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open("/proc/self/comm").await?;
    /// # drop(file);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// A descriptor that arrives too late is closed the moment its completion is read.
    ///
    /// # Errors
    /// `InvalidInput` for a path with a NUL byte; else what openat(2) says.
    #[doc(alias = "IORING_OP_OPENAT")]
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Open {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens a file for writing; makes it, or empties it if it is there (`IORING_OP_OPENAT`, Linux 5.6; openat(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::create(&path).await?;
    /// # assert_eq!(file.metadata().await?.len(), 0);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// As [`open`](File::open); the file may have been made or emptied all the same.
    ///
    /// # Errors
    /// As [`open`](File::open).
    #[doc(alias = "IORING_OP_OPENAT")]
    #[track_caller]
    pub fn create(path: impl AsRef<Path>) -> Open {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).open(path)
    }

    /// Makes a file for reading and writing (`IORING_OP_OPENAT`, Linux 5.6; openat(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::create_new(&path).await?;
    /// assert!(sakia::fs::File::create_new(&path).await.is_err());
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// As [`create`](File::create).
    ///
    /// # Errors
    /// `AlreadyExists` if it is there; else as [`open`](File::open).
    #[doc(alias = "IORING_OP_OPENAT")]
    #[track_caller]
    pub fn create_new(path: impl AsRef<Path>) -> Open {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).open(path)
    }

    /// Begins to say how a file is to be opened.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::options().read(true).write(true).create(true).open(&path).await?;
    /// # drop(file);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes over a file of std's. The cursor starts where the file's stands.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::from_std(std::fs::File::open("/proc/self/comm")?)?;
    /// assert!(file.read(Vec::with_capacity(64)).await.0? > 0);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// Outside a runtime; the file is closed then.
    #[track_caller]
    pub fn from_std(file: std::fs::File) -> io::Result<Self> {
        Self::from_outside(file.into())
    }

    #[track_caller]
    fn from_outside(fd: OwnedFd) -> io::Result<Self> {
        let fd = Fd::new(fd, Kind::File)?;
        fd.came_from_outside();
        Ok(Self::of(fd, None))
    }

    pub(crate) fn of(fd: Fd, append: Option<bool>) -> Self {
        Self {
            fd,
            stream: RefCell::default(),
            append: append.map_or_else(OnceCell::new, OnceCell::from),
            kept: RefCell::default(),
        }
    }

    /// Closes the file and tells the error (close(2); `IORING_OP_CLOSE` where it could block, Linux 5.6).
    ///
    /// Abandoned operations are cancelled, and waited for, first. An error says that written data may be lost (NFS, quotas); the
    /// descriptor is closed all the same. Only [`sync_all`](File::sync_all) says that the data is on the disk.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open("/proc/self/comm").await?;
    /// file.close().await?;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// Dropped, even unpolled, it still closes the file; only the error is lost.
    ///
    /// # Errors
    /// What close(2) says.
    #[doc(alias = "IORING_OP_CLOSE")]
    pub fn close(self) -> Close {
        sakia_driver::close(self.fd)
    }

    /// What sequential operations go on with; found out at the first, from where the kernel's own cursor stands.
    fn stream(&self) -> io::Result<Stream> {
        if let Some(known) = &*self.stream.borrow() {
            return Ok(known.clone());
        }
        let stream = match self.fd.seek(0, SEEK_CUR) {
            Ok(at) if has_cursor(self.fd.mode()?) => Stream::Cursor(Rc::new(Cell::new(at))),
            Ok(_) => Stream::Pipe,
            // A FIFO, a terminal, a socket.
            Err(error) if error.raw_os_error() == Some(ESPIPE) => Stream::Pipe,
            Err(error) => return Err(error),
        };
        self.stream.replace(Some(stream.clone()));
        Ok(stream)
    }

    /// Puts the cursor somewhere else. Operations that began before go on with the cursor that they have: a dropped write that ends only
    /// now must not move the new one.
    fn put_cursor(&self, at: u64) {
        let stream = Stream::Cursor(Rc::new(Cell::new(at)));
        self.stream.replace(Some(stream));
    }

    /// The cursor, if the file has one and a sequential operation has asked for it.
    fn cursor(&self) -> Option<Rc<Cell<u64>>> {
        match &*self.stream.borrow() {
            Some(Stream::Cursor(cursor)) => Some(cursor.clone()),
            _ => None,
        }
    }

    /// Whether writes go to the end of the file.
    fn appends(&self) -> bool {
        *self
            .append
            .get_or_init(|| opened_to_append(&self.fd).unwrap_or(false))
    }

    /// Serves what a dropped `read_to_end` or `read_exact` gave back. `None` if there is nothing.
    fn serve_kept(&self, fill: impl FnOnce(&[u8]) -> usize) -> Option<usize> {
        let mut kept = self.kept.take();
        if kept.is_empty() {
            return None;
        }
        let n = fill(&kept);
        kept.drain(..n);
        self.kept.replace(kept);
        Some(n)
    }

    /// Gives bytes of a stream back, before all that is kept.
    fn put_back(&self, mut bytes: Vec<u8>) {
        let mut kept = self.kept.borrow_mut();
        bytes.append(&mut kept);
        *kept = bytes;
    }
}

/// Checks that an offset is one: at `u64::MAX` the kernel would take the cursor to be meant.
#[inline]
fn check_place(offset: u64) -> io::Result<()> {
    if i64::try_from(offset).is_ok() {
        return Ok(());
    }
    let why = "an offset is at most i64::MAX";
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

/// Whether it is something whose reads and writes have a place; character devices and anonymous inodes follow the stream rule.
fn has_cursor(mode: u32) -> bool {
    matches!(mode & S_IFMT, S_IFREG | S_IFBLK | S_IFDIR)
}

/// Whether a descriptor from outside was opened with `O_APPEND`: proc_pid_fdinfo(5), which asks no disk.
fn opened_to_append(fd: &Fd) -> Option<bool> {
    let raw = fd.as_fd().as_raw_fd();
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{raw}")).ok()?;
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
    let flags = i32::from_str_radix(flags.trim(), 8).ok()?;
    Some(flags & O_APPEND != 0)
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Takes over a descriptor, as [`File::from_std`].
///
/// # Panics
/// Outside a runtime.
impl From<OwnedFd> for File {
    #[track_caller]
    fn from(fd: OwnedFd) -> Self {
        Self::from_outside(fd).expect("a descriptor is taken over inside a sakia runtime")
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("File");
        debug.field("fd", &self.fd);
        if let Some(cursor) = self.cursor() {
            debug.field("cursor", &cursor.get());
        }
        debug.finish_non_exhaustive()
    }
}
