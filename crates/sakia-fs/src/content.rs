//! Whole files by path: read one, write one. Several requests each.

use std::io;
use std::path::Path;

use sakia_buf::{BufResult, IoBuf};

use crate::{File, Open, Steps};

/// Reads a whole file.
///
/// ```
/// # sakia::Runtime::new()?.block_on(async {
/// let name = sakia::fs::read("/proc/self/comm").await?;
/// assert_eq!(name.last(), Some(&b'\n'));
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Cancellation
/// The file is closed, and nothing else has happened to it; what was read from a FIFO is gone.
///
/// # Errors
/// What [`File::open`] and [`File::read_to_end`] say.
#[track_caller]
pub fn read(path: impl AsRef<Path>) -> Steps<io::Result<Vec<u8>>> {
    Steps::new(read_all(File::open(path)))
}

async fn read_all(open: Open) -> io::Result<Vec<u8>> {
    let file = open.await?;
    let len = file.metadata().await?.len();
    // One byte more than it says: so the read that finds the end needs no new room.
    let room = usize::try_from(len).unwrap_or(0).saturating_add(1);
    let mut content = Vec::new();
    content.try_reserve_exact(room)?;
    let (result, content) = file.read_to_end(content).await;
    result.map(|_| content)
}

/// Reads a whole file of UTF-8.
///
/// ```
/// # sakia::Runtime::new()?.block_on(async {
/// let name = sakia::fs::read_to_string("/proc/self/comm").await?;
/// assert!(name.ends_with('\n'));
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Cancellation
/// As [`read`].
///
/// # Errors
/// `InvalidData` if it is not UTF-8; else as [`read`].
#[track_caller]
pub fn read_to_string(path: impl AsRef<Path>) -> Steps<io::Result<String>> {
    let content = read_all(File::open(path));
    Steps::new(async {
        String::from_utf8(content.await?)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    })
}

/// Makes or empties a file, writes the buffer's content to it, and closes it.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("file");
/// # sakia::Runtime::new()?.block_on(async {
/// sakia::fs::write(&path, "text").await.0?;
/// assert_eq!(std::fs::read(&path)?, b"text");
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Cancellation
/// The file is made and written in part, or not.
///
/// # Errors
/// What [`File::create`], [`File::write_all`] and [`File::close`] say.
#[track_caller]
pub fn write<B: IoBuf>(path: impl AsRef<Path>, contents: B) -> Steps<BufResult<(), B>> {
    Steps::new(write_all(File::create(path), contents))
}

async fn write_all<B: IoBuf>(create: Open, contents: B) -> BufResult<(), B> {
    let file = match create.await {
        Ok(file) => file,
        Err(error) => return (Err(error), contents),
    };
    let (written, contents) = file.write_all(contents).await;
    let closed = file.close().await;
    (written.and(closed), contents)
}
