//! Every function of the crate against std::fs as the witness, one module a subject. What counts descriptors is in a binary of its own.

#[path = "../common/mod.rs"]
mod common;

mod dirs;
mod into_std;
mod metadata;
mod names;
mod options;
mod positioned;
mod sequential;
mod streams;
mod traits;
mod whole;

use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;

use tempfile::TempDir;

/// A directory that is removed at the end, on the file system that the target directory is on.
fn tempdir() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A directory with one file in it.
fn file_with(content: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let dir = tempdir();
    let path = dir.path().join("file");
    std::fs::write(&path, content).unwrap();
    (dir, path)
}

/// A directory with a FIFO in it.
fn fifo() -> (TempDir, PathBuf) {
    let dir = tempdir();
    let path = dir.path().join("fifo");
    mkfifo(&path);
    (dir, path)
}

fn mkfifo(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

/// Polls once, and says whether it is ready.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_ready())).await
}

/// Lets the driver turn a few times.
async fn turns(n: usize) {
    for _ in 0..n {
        let mut first = true;
        poll_fn(|cx| {
            if std::mem::take(&mut first) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }
}

/// Lets the driver turn until what was written to a FIFO has been read, however many threads that takes.
async fn taken(writer: &std::fs::File) {
    let began = std::time::Instant::now();
    while rustix::io::ioctl_fionread(writer).unwrap() > 0 {
        assert!(began.elapsed().as_secs() < 5, "nobody has read it");
        turns(1).await;
    }
}

/// Lets the driver turn until something is true; five seconds at most.
async fn until(mut is: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !is() {
        assert!(began.elapsed().as_secs() < 5, "it did not come true");
        std::thread::sleep(std::time::Duration::from_millis(1));
        turns(1).await;
    }
}
