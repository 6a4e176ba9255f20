//! What is asked of names and done to them, one request each. What takes several requests is in `content` and `tree`.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_driver::ops::{self, StatxTarget};

use crate::{OnPool, Permissions, Request, Stat};

/// A change of names under way. The driver does not name the type of these ops; a box costs nothing beside the worker thread that they go to.
type Change = Box<dyn Future<Output = io::Result<()>> + Unpin>;

/// Awaits a change of names: [`remove_file`], [`rename`], [`create_dir`] and their like.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("new");
/// # sakia::Runtime::new()?.block_on(async {
/// let change: sakia::fs::PathChange = sakia::fs::create_dir(&path);
/// change.await?;
/// assert!(path.is_dir());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Cancellation
/// Dropped in flight, the change happens or does not.
pub type PathChange = Request<'static, Change>;

fn change(op: io::Result<impl Future<Output = io::Result<()>> + Unpin + 'static>) -> PathChange {
    Request::attempt(op.map(|op| Box::new(op) as Change))
}

/// Removes the name of a file (`IORING_OP_UNLINKAT`, Linux 5.11; unlink(2)).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file");
/// # std::fs::write(&path, "")?;
/// # sakia::Runtime::new()?.block_on(async {
/// sakia::fs::remove_file(&path).await?;
/// assert!(!path.exists());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what unlink(2) says.
#[doc(alias = "IORING_OP_UNLINKAT")]
pub fn remove_file(path: impl AsRef<Path>) -> PathChange {
    change(ops::unlink(path.as_ref(), false))
}

/// Removes an empty directory (`IORING_OP_UNLINKAT`, Linux 5.11; rmdir(2)).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("dir");
/// # std::fs::create_dir(&path)?;
/// # sakia::Runtime::new()?.block_on(async {
/// sakia::fs::remove_dir(&path).await?;
/// assert!(!path.exists());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what rmdir(2) says.
#[doc(alias = "IORING_OP_UNLINKAT")]
pub fn remove_dir(path: impl AsRef<Path>) -> PathChange {
    change(ops::unlink(path.as_ref(), true))
}

/// Renames a file or a directory, over what is there (`IORING_OP_RENAMEAT`, Linux 5.11; rename(2)).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let (from, to) = (dir.path().join("from"), dir.path().join("to"));
/// # std::fs::write(&from, "text")?;
/// # sakia::Runtime::new()?.block_on(async {
/// sakia::fs::rename(&from, &to).await?;
/// assert_eq!(std::fs::read(&to)?, b"text");
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what rename(2) says.
#[doc(alias = "IORING_OP_RENAMEAT")]
pub fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> PathChange {
    change(ops::rename(from.as_ref(), to.as_ref()))
}

/// Makes a directory (`IORING_OP_MKDIRAT`, Linux 5.15; mkdir(2)).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("new");
/// # sakia::Runtime::new()?.block_on(async {
/// sakia::fs::create_dir(&path).await?;
/// assert!(path.is_dir());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what mkdir(2) says.
#[doc(alias = "IORING_OP_MKDIRAT")]
pub fn create_dir(path: impl AsRef<Path>) -> PathChange {
    change(ops::make_dir(path.as_ref(), 0o777))
}

/// Makes a symbolic link at `link` that says `original` (`IORING_OP_SYMLINKAT`, Linux 5.15; symlink(2)).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let link = dir.path().join("link");
/// # sakia::Runtime::new()?.block_on(async {
/// sakia::fs::symlink("/dev/null", &link).await?;
/// assert_eq!(std::fs::read_link(&link)?, std::path::Path::new("/dev/null"));
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what symlink(2) says.
#[doc(alias = "IORING_OP_SYMLINKAT")]
pub fn symlink(original: impl AsRef<Path>, link: impl AsRef<Path>) -> PathChange {
    change(ops::symlink(original.as_ref(), link.as_ref()))
}

/// Makes a second name for the file at `original` (`IORING_OP_LINKAT`, Linux 5.15; link(2)).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let (file, link) = (dir.path().join("file"), dir.path().join("link"));
/// # std::fs::write(&file, "text")?;
/// # sakia::Runtime::new()?.block_on(async {
/// sakia::fs::hard_link(&file, &link).await?;
/// assert_eq!(sakia::fs::metadata(&link).await?.nlink(), 2);
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what link(2) says.
#[doc(alias = "IORING_OP_LINKAT")]
pub fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> PathChange {
    change(ops::hard_link(original.as_ref(), link.as_ref()))
}

/// Tells what is known of the file at a path, links followed (`IORING_OP_STATX`, Linux 5.6; statx(2)).
///
/// ```
/// # sakia::Runtime::new()?.block_on(async {
/// assert!(sakia::fs::metadata("/").await?.is_dir());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what statx(2) says.
#[doc(alias = "IORING_OP_STATX")]
pub fn metadata(path: impl AsRef<Path>) -> Request<'static, Stat> {
    Request::attempt(Stat::of(StatxTarget::Path(path.as_ref())))
}

/// Tells what is known of the path itself: a symbolic link is not followed (`IORING_OP_STATX`, Linux 5.6; statx(2)).
///
/// ```
/// # sakia::Runtime::new()?.block_on(async {
/// assert!(sakia::fs::symlink_metadata("/proc/self").await?.is_symlink());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what statx(2) says.
#[doc(alias = "IORING_OP_STATX")]
pub fn symlink_metadata(path: impl AsRef<Path>) -> Request<'static, Stat> {
    Request::attempt(Stat::of(StatxTarget::Link(path.as_ref())))
}

/// Tells whether a path leads to something, links followed (`IORING_OP_STATX`, Linux 5.6; statx(2)).
///
/// ```
/// # sakia::Runtime::new()?.block_on(async {
/// assert!(sakia::fs::try_exists("/").await?);
/// assert!(!sakia::fs::try_exists("/no such thing").await?);
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// If that could not be found out: a directory on the way may not be searched, the path has a NUL byte.
#[doc(alias = "IORING_OP_STATX")]
pub fn try_exists(path: impl AsRef<Path>) -> TryExists {
    TryExists {
        inner: metadata(path),
    }
}

/// Awaits the answer of [`try_exists`].
///
/// ```
/// # sakia::Runtime::new()?.block_on(async {
/// let ask: sakia::fs::TryExists = sakia::fs::try_exists("/");
/// assert!(ask.await?);
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct TryExists {
    inner: Request<'static, Stat>,
}

impl Future for TryExists {
    type Output = io::Result<bool>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.inner).poll(cx)) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        })
    }
}

/// Finds the absolute path without links and dots, on the blocking pool (realpath(3)).
///
/// ```
/// # sakia::Runtime::new()?.block_on(async {
/// assert_eq!(sakia::fs::canonicalize("/proc/..").await?, std::path::Path::new("/"));
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// As [`std::fs::canonicalize`].
pub fn canonicalize(path: impl AsRef<Path>) -> OnPool<PathBuf> {
    let path = path.as_ref().to_owned();
    OnPool::new(move || path.canonicalize())
}

/// Reads what a symbolic link says, on the blocking pool (readlink(2)).
///
/// ```
/// # sakia::Runtime::new()?.block_on(async {
/// let pid = sakia::fs::read_link("/proc/self").await?;
/// assert_eq!(pid.to_str(), Some(&*std::process::id().to_string()));
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// As [`std::fs::read_link`].
pub fn read_link(path: impl AsRef<Path>) -> OnPool<PathBuf> {
    let path = path.as_ref().to_owned();
    OnPool::new(move || path.read_link())
}

/// Changes who may do what with the file at a path, on the blocking pool (chmod(2)).
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file");
/// # std::fs::write(&path, "")?;
/// # sakia::Runtime::new()?.block_on(async {
/// let mut may = sakia::fs::metadata(&path).await?.permissions();
/// may.set_readonly(true);
/// sakia::fs::set_permissions(&path, may).await?;
/// assert!(sakia::fs::metadata(&path).await?.permissions().readonly());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// As [`std::fs::set_permissions`].
pub fn set_permissions(path: impl AsRef<Path>, may: Permissions) -> OnPool<()> {
    let path = path.as_ref().to_owned();
    OnPool::new(move || std::fs::set_permissions(path, may.into()))
}
