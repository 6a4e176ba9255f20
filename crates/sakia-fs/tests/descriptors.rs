//! Every descriptor is closed, whatever is dropped when. One test in a process of its own, for it counts the descriptors of the process.

mod common;

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use common::block_on;
use sakia_fs::{File, Permissions};

/// The descriptors of the process, by number.
fn open() -> BTreeMap<String, PathBuf> {
    let list = std::fs::read_dir("/proc/self/fd").unwrap();
    list.filter_map(|entry| {
        let entry = entry.unwrap();
        // The listing's own descriptor has gone by the time that it is asked for.
        let target = std::fs::read_link(entry.path()).ok()?;
        let own = target.starts_with("/proc") && target.ends_with("fd");
        (!own).then(|| (entry.file_name().into_string().unwrap(), target))
    })
    .collect()
}

/// How many descriptors lead to the path.
fn count(path: &Path) -> usize {
    open().values().filter(|target| *target == path).count()
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_ready())).await
}

async fn turn() {
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

/// A kernel worker may hold the last reference for a moment after the completion.
async fn none_is_left(path: &Path, what: &str) {
    let began = Instant::now();
    while count(path) > 0 {
        assert!(began.elapsed() < Duration::from_secs(5), "{what}");
        std::thread::sleep(Duration::from_millis(1));
        turn().await;
    }
}

async fn closes_at_once(path: &Path) {
    let file = File::open(path).await.unwrap();
    assert_eq!(count(path), 1);
    drop(file);
    assert_eq!(count(path), 0, "a drop closes before it returns");
    let file = File::open(path).await.unwrap();
    file.close().await.unwrap();
    assert_eq!(count(path), 0, "a close closes");
    let file = File::open(path).await.unwrap();
    drop(file.close());
    assert_eq!(count(path), 0, "a close that is dropped unpolled closes");
    let file = File::open(path).await.unwrap();
    drop(file.into_std());
    assert_eq!(
        count(path),
        0,
        "an into_std that is dropped unpolled closes"
    );
    let mut writing = File::options();
    let file = writing.write(true).open(path).await.unwrap();
    file.write_all_at("text", 0).await.0.unwrap();
    drop(file);
    assert_eq!(count(path), 0, "a file that was written closes at once");
}

async fn closes_what_comes_too_late(path: &Path) {
    for turns in 0..4 {
        for _ in 0..50 {
            let mut open = File::options().write(true).create(true).open(path);
            poll_once(&mut open).await;
            for _ in 0..turns {
                turn().await;
            }
            drop(open);
        }
        none_is_left(path, "opens that were dropped in flight").await;
    }
}

async fn closes_under_its_requests(path: &Path) {
    for turns in 0..3 {
        let mut options = File::options();
        let file = options.read(true).write(true).open(path).await.unwrap();
        let mut requests: (_, _, _, _, _, _, _, _) = (
            file.read_at(vec![0u8; 4096], 0),
            file.write_all_at(vec![0u8; 4096], 0),
            file.read_exact(vec![0u8; 4096]),
            file.write_all(vec![0u8; 4096]),
            file.sync_all(),
            file.metadata(),
            file.set_len(4096),
            file.set_permissions(Permissions::from_mode(0o600)),
        );
        poll_once(&mut requests.0).await;
        poll_once(&mut requests.1).await;
        poll_once(&mut requests.2).await;
        poll_once(&mut requests.3).await;
        poll_once(&mut requests.4).await;
        poll_once(&mut requests.5).await;
        poll_once(&mut requests.6).await;
        poll_once(&mut requests.7).await;
        for _ in 0..turns {
            turn().await;
        }
        drop(requests);
        drop(file);
        none_is_left(path, "requests that were dropped in flight").await;
    }
}

#[test]
fn every_descriptor_is_closed_whatever_is_dropped_when() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().canonicalize().unwrap().join("file");
    std::fs::write(&path, vec![1; 4096]).unwrap();
    let before = open();
    block_on(async {
        closes_at_once(&path).await;
        closes_what_comes_too_late(&path).await;
        closes_under_its_requests(&path).await;
        sakia_fs::read_dir(dir.path()).await.unwrap();
        drop(sakia_fs::read(&path).await.unwrap());
        drop(sakia_fs::write(&path, "text").await);
        let none = "a read or a write of a whole file leaves nothing open";
        assert_eq!(count(&path), 0, "{none}");
        // What is left in flight is the business of the driver's end.
        for _ in 0..20 {
            poll_once(&mut File::open(&path)).await;
            poll_once(&mut sakia_fs::read_dir(dir.path())).await;
        }
    });
    assert_eq!(open(), before);
}
