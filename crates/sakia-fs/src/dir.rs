//! Directory listings. There is no opcode for getdents(2), so a listing is one call on the blocking pool, whole: the directory's
//! descriptor is opened and closed within that call and can outlive nothing.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{FileType, OnPool, Request, Stat};

/// Lists a directory, on the blocking pool (getdents(2)).
///
/// The listing is read whole before the first entry is given. `.` and `..` are not in it, and it has no order.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # std::fs::write(dir.path().join("file"), "")?;
/// # sakia::Runtime::new()?.block_on(async {
/// for entry in sakia::fs::read_dir(dir.path()).await? {
///     println!("{} {:?}", entry.path().display(), entry.file_type());
/// }
/// # assert_eq!(sakia::fs::read_dir(dir.path()).await?.len(), 1);
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// As [`std::fs::read_dir`] and its iterator.
pub fn read_dir(path: impl AsRef<Path>) -> OnPool<ReadDir> {
    let root: Arc<Path> = path.as_ref().into();
    OnPool::new(move || list(&root, Some(&root)))
}

/// Lists what is at `path`; the entries say that they are in `root`.
fn list(path: &Path, root: Option<&Arc<Path>>) -> io::Result<ReadDir> {
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let file_type = match entry.file_type() {
            Ok(kind) => kind.into(),
            // The file system does not tell the type in its listing, and the file has gone since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(_) => FileType::UNKNOWN,
        };
        entries.push(DirEntry {
            root: root.cloned(),
            file_name: entry.file_name(),
            file_type,
        });
    }
    Ok(ReadDir {
        entries: entries.into_iter(),
    })
}

/// Iterates over the entries of a directory; see [`read_dir`].
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # sakia::Runtime::new()?.block_on(async {
/// let mut entries: sakia::fs::ReadDir = sakia::fs::read_dir(dir.path()).await?;
/// assert!(entries.next().is_none());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct ReadDir {
    entries: std::vec::IntoIter<DirEntry>,
}

impl ReadDir {
    /// Reads the listing of a directory that is known by its descriptor alone, on the thread that asks.
    ///
    /// `path` leads to it only for now, so the entries must not remember it: later it may lead elsewhere.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        list(path, None)
    }
}

impl Iterator for ReadDir {
    type Item = DirEntry;

    fn next(&mut self) -> Option<DirEntry> {
        self.entries.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

impl ExactSizeIterator for ReadDir {}

/// Names one thing in a directory.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # std::fs::write(dir.path().join("file"), "")?;
/// # sakia::Runtime::new()?.block_on(async {
/// let entry = sakia::fs::read_dir(dir.path()).await?.next().unwrap();
/// assert_eq!(entry.file_name(), "file");
/// assert!(entry.file_type().is_file());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct DirEntry {
    /// The directory's path; a listing by descriptor has none.
    root: Option<Arc<Path>>,
    file_name: OsString,
    file_type: FileType,
}

impl DirEntry {
    /// Returns the name within the directory.
    pub fn file_name(&self) -> OsString {
        self.file_name.clone()
    }

    /// Returns the directory's path, as it was given, with the name; the name alone if [`Dir::read_dir`](crate::Dir::read_dir) listed it.
    pub fn path(&self) -> PathBuf {
        match &self.root {
            Some(root) => root.join(&self.file_name),
            None => self.file_name.clone().into(),
        }
    }

    /// Returns the type as the listing told it; a symbolic link is not followed.
    ///
    /// All its questions answer no if the file system would not tell.
    pub fn file_type(&self) -> FileType {
        self.file_type
    }

    /// Tells what is known of it, a symbolic link not followed (`IORING_OP_STATX`, Linux 5.6; statx(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # std::fs::write(dir.path().join("file"), "text")?;
    /// # sakia::Runtime::new()?.block_on(async {
    /// let entry = sakia::fs::read_dir(dir.path()).await?.next().unwrap();
    /// assert_eq!(entry.metadata().await?.len(), 4);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// What statx(2) says; `Unsupported` if [`Dir::read_dir`](crate::Dir::read_dir) listed it: open it by its `Dir` and ask the file.
    pub fn metadata(&self) -> Request<'static, Stat> {
        if self.root.is_some() {
            return crate::symlink_metadata(self.path());
        }
        let why = "an entry of a directory without a path is opened by its Dir";
        Request::known(Err(io::Error::new(io::ErrorKind::Unsupported, why)))
    }
}
