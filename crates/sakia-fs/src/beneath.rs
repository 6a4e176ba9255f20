//! A directory as a base that paths cannot lead out of: what a server opens its files by. The checks are the kernel's, at the open itself:
//! a path that is checked first and opened afterwards can be changed between.

use std::future::Future;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_driver::ops::{self, OpenHow, StatxTarget};
use sakia_driver::{Cancellable, Cancelling, Fd, Receipt};

use crate::{OnPool, Open, OpenOptions, ReadDir, Request, Stat};

/// A directory that is open.
///
/// Paths are resolved by openat2(2) with `RESOLVE_BENEATH` and `RESOLVE_NO_MAGICLINKS` (`IORING_OP_OPENAT2`, Linux 5.6): an absolute path, a `..` or a
/// symbolic link that leads out of the directory is an error (`EXDEV`, `ErrorKind::CrossesDevices`), however it is spelled and
/// whoever changes the tree meanwhile.
///
/// ```
/// # let temp = tempfile::tempdir()?;
/// # std::fs::write(temp.path().join("page"), "text")?;
/// # std::os::unix::fs::symlink("/etc/passwd", temp.path().join("way-out"))?;
/// # let root = temp.path().to_owned();
/// # sakia::Runtime::new()?.block_on(async {
/// use sakia::fs::{Dir, OpenOptions};
///
/// let root = Dir::open(root).await?;
/// let mut options = OpenOptions::new();
/// options.read(true);
/// let page = root.open_file("page", &options).await?;
/// assert_eq!(page.metadata().await?.len(), 4);
/// for hostile in ["../page", "/etc/passwd", "way-out"] {
///     assert!(root.open_file(hostile, &options).await.is_err());
/// }
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Dir {
    fd: Fd,
}

impl Dir {
    /// Opens a directory by any path (openat(2) with `O_DIRECTORY`).
    ///
    /// # Errors
    /// `InvalidInput` for a path with a NUL byte, `NotADirectory`; else what openat(2) says.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> OpenDir {
        OpenDir::new(ops::open(None, path.as_ref(), OpenHow::directory()))
    }

    /// Opens a directory beneath this one; `.` is this one.
    ///
    /// # Errors
    /// `EXDEV` for a path that leads out; else as [`Dir::open`].
    #[track_caller]
    pub fn open_dir(&self, path: impl AsRef<Path>) -> OpenDir {
        let how = OpenHow::directory().beneath();
        OpenDir::new(ops::open(Some(&self.fd), path.as_ref(), how))
    }

    /// Opens a file beneath this directory.
    ///
    /// # Errors
    /// `EXDEV` for a path that leads out; else as [`OpenOptions::open`].
    #[track_caller]
    pub fn open_file(&self, path: impl AsRef<Path>, options: &OpenOptions) -> Open {
        options.open_with(|how| ops::open(Some(&self.fd), path.as_ref(), how.beneath()))
    }

    /// Tells what is known of the directory itself (`IORING_OP_STATX`, Linux 5.6; statx(2)).
    ///
    /// # Errors
    /// What statx(2) says.
    pub fn metadata(&self) -> Request<'_, Stat> {
        Request::attempt(Stat::of(StatxTarget::Fd(&self.fd)))
    }

    /// Lists the directory, on the blocking pool: this very directory, whatever its path leads to by now.
    ///
    /// # Errors
    /// What getdents(2) says; and without /proc.
    pub fn read_dir(&self) -> OnPool<ReadDir> {
        let own = self.fd.try_as_fd().and_then(|fd| fd.try_clone_to_owned());
        OnPool::new(move || {
            let own = own?;
            ReadDir::of(Path::new(&format!("/proc/self/fd/{}", own.as_raw_fd())))
        })
    }
}

/// Awaits the opening of a directory; see [`Dir::open`].
///
/// # Cancellation
/// A descriptor that arrives too late is closed the moment its completion is read.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct OpenDir {
    inner: Request<'static, ops::Opening>,
}

impl OpenDir {
    fn new(opened: io::Result<ops::Opening>) -> Self {
        Self {
            inner: Request::attempt(opened),
        }
    }
}

impl Future for OpenDir {
    type Output = io::Result<Dir>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let fd = ready!(Pin::new(&mut self.inner).poll(cx))?;
        Poll::Ready(Ok(Dir { fd }))
    }
}

impl OpenDir {
    /// Asks the kernel to end the opening, and waits for its last word, as [`Request::cancel`](crate::Request::cancel).
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl Cancellable for OpenDir {
    type Value = Dir;
    type Buf = ();

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<Dir>> {
        let receipt = ready!(self.inner.poll_cancel(cx));
        Poll::Ready(receipt.and_then(|fd| Ok(Dir { fd })))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}
