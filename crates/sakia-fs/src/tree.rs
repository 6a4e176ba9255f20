//! Directories with all that is above them. Many requests.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Steps, create_dir, metadata};

/// Makes a directory and all that are missing above it.
///
/// It is no error if somebody else makes one of them at the same time, or if all are there.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("a/b/c");
/// # sakia::Runtime::new()?.block_on(async {
/// sakia::fs::create_dir_all(&path).await?;
/// assert!(path.is_dir());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Cancellation
/// Some of the directories have been made.
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what mkdir(2) says.
pub fn create_dir_all(path: impl AsRef<Path>) -> Steps<io::Result<()>> {
    Steps::new(make_all(path.as_ref().to_owned()))
}

async fn make_all(path: PathBuf) -> io::Result<()> {
    // From the path up to the first directory that is there or can be made, …
    let mut missing = Vec::new();
    for at in path.ancestors().take_while(|at| !at.as_os_str().is_empty()) {
        match make(at).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(at),
            made => {
                made?;
                break;
            }
        }
    }
    // … and down again.
    for at in missing.into_iter().rev() {
        make(at).await?;
    }
    Ok(())
}

/// Makes one directory, or finds that there is one.
async fn make(path: &Path) -> io::Result<()> {
    match create_dir(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let found = metadata(path).await;
            if found.is_ok_and(|found| found.is_dir()) {
                Ok(())
            } else {
                Err(error)
            }
        }
        made => made,
    }
}
