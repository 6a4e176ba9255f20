//! What is done to names, and whole files by name, against std's.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sakia_fs as fs;

use crate::common::block_on;
use crate::{file_with, tempdir};

#[test]
fn a_path_with_a_nul_byte_is_refused_by_every_function() {
    let (dir, file) = file_with("text");
    let bad = dir.path().join(OsStr::from_bytes(b"a\0b"));
    block_on(async {
        let bad = &bad;
        let answers = [
            fs::File::open(bad).await.map(drop),
            fs::File::create(bad).await.map(drop),
            fs::File::create_new(bad).await.map(drop),
            fs::metadata(bad).await.map(drop),
            fs::symlink_metadata(bad).await.map(drop),
            fs::try_exists(bad).await.map(drop),
            fs::read(bad).await.map(drop),
            fs::read_to_string(bad).await.map(drop),
            fs::write(bad, "x").await.0,
            fs::remove_file(bad).await,
            fs::remove_dir(bad).await,
            fs::create_dir(bad).await,
            fs::create_dir_all(bad).await,
            fs::rename(&file, bad).await,
            fs::rename(bad, &file).await,
            fs::symlink(&file, bad).await,
            fs::symlink(bad, dir.path().join("link")).await,
            fs::hard_link(&file, bad).await,
            fs::hard_link(bad, dir.path().join("link")).await,
            fs::canonicalize(bad).await.map(drop),
            fs::read_link(bad).await.map(drop),
            fs::read_dir(bad).await.map(drop),
            fs::set_permissions(bad, fs::Permissions::from_mode(0o600)).await,
        ];
        for (at, answer) in answers.into_iter().enumerate() {
            assert_eq!(
                answer.unwrap_err().kind(),
                ErrorKind::InvalidInput,
                "answer {at}"
            );
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    });
}

#[test]
fn names_are_removed_renamed_and_linked() {
    let (dir, file) = file_with("text");
    let [other, twin, link] = ["other", "twin", "link"].map(|name| dir.path().join(name));
    block_on(async {
        fs::hard_link(&file, &twin).await.unwrap();
        assert_eq!(fs::metadata(&file).await.unwrap().nlink(), 2);
        std::fs::write(&other, "will be replaced").unwrap();
        fs::rename(&file, &other).await.unwrap();
        assert!(!file.exists());
        assert_eq!(std::fs::read(&other).unwrap(), b"text");
        fs::symlink("other", &link).await.unwrap();
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new("other"));
        assert_eq!(fs::read_link(&link).await.unwrap(), Path::new("other"));
        let real = fs::canonicalize(&link).await.unwrap();
        assert_eq!(real, std::fs::canonicalize(&link).unwrap());
        fs::remove_file(&link).await.unwrap();
        assert!(other.exists() && std::fs::symlink_metadata(&link).is_err());
        fs::remove_file(&twin).await.unwrap();
        assert_eq!(fs::metadata(&other).await.unwrap().nlink(), 1);
    });
}

#[test]
fn errors_are_those_of_std() {
    let (dir, file) = file_with("text");
    let gone = dir.path().join("gone");
    let below = file.join("below");
    let full = tempdir();
    std::fs::write(full.path().join("x"), "").unwrap();
    let pairs = block_on(async {
        [
            (
                fs::File::open(&gone).await.map(drop),
                std::fs::File::open(&gone).map(drop),
            ),
            (
                fs::File::open(&below).await.map(drop),
                std::fs::File::open(&below).map(drop),
            ),
            (
                fs::File::create(dir.path()).await.map(drop),
                std::fs::File::create(dir.path()).map(drop),
            ),
            (
                fs::read(dir.path()).await.map(drop),
                std::fs::read(dir.path()).map(drop),
            ),
            (
                fs::metadata(&gone).await.map(drop),
                std::fs::metadata(&gone).map(drop),
            ),
            (fs::remove_file(&gone).await, std::fs::remove_file(&gone)),
            (
                fs::remove_file(dir.path()).await,
                std::fs::remove_file(dir.path()),
            ),
            (fs::remove_dir(&file).await, std::fs::remove_dir(&file)),
            (
                fs::remove_dir(full.path()).await,
                std::fs::remove_dir(full.path()),
            ),
            (fs::create_dir(&file).await, std::fs::create_dir(&file)),
            (
                fs::rename(&gone, &file).await,
                std::fs::rename(&gone, &file),
            ),
            (
                fs::symlink("x", &file).await,
                std::os::unix::fs::symlink("x", &file),
            ),
            (
                fs::hard_link(&gone, &file).await,
                std::fs::hard_link(&gone, &file),
            ),
            (
                fs::read_link(&file).await.map(drop),
                std::fs::read_link(&file).map(drop),
            ),
            (
                fs::canonicalize(&gone).await.map(drop),
                std::fs::canonicalize(&gone).map(drop),
            ),
            (
                fs::read_dir(&file).await.map(drop),
                std::fs::read_dir(&file).map(drop),
            ),
            (
                fs::create_dir_all(&below).await,
                std::fs::create_dir_all(&below),
            ),
            (
                fs::create_dir_all(&file).await,
                std::fs::create_dir_all(&file),
            ),
            (
                fs::try_exists(&below).await.map(drop),
                std::fs::exists(&below).map(drop),
            ),
        ]
    });
    for (at, (ours, theirs)) in pairs.into_iter().enumerate() {
        let (ours, theirs) = (ours.unwrap_err(), theirs.unwrap_err());
        assert_eq!(ours.raw_os_error(), theirs.raw_os_error(), "pair {at}");
    }
}

#[test]
fn whole_files_are_read_and_written() {
    let (dir, path) = file_with("");
    let sizes = [0, 1, 31, 8191, 8192, 8193, 1_000_000];
    block_on(async {
        for size in sizes {
            let content: Vec<u8> = (0..size).map(|n: u32| n as u8).collect();
            let (result, content) = fs::write(&path, content).await;
            result.unwrap();
            assert!(std::fs::read(&path).unwrap() == content, "{size}");
            assert!(fs::read(&path).await.unwrap() == content, "{size}");
        }
        let (result, back) = fs::write(dir.path(), "text").await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(back, "text");
        let (result, back) = fs::write("/dev/full", "text").await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(back, "text");
        fs::write(&path, "wägen").await.0.unwrap();
        assert_eq!(fs::read_to_string(&path).await.unwrap(), "wägen");
        fs::write(&path, vec![0xff]).await.0.unwrap();
        let error = fs::read_to_string(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    });
}

#[test]
fn a_file_that_says_it_is_empty_is_read_whole() {
    block_on(async {
        let theirs = std::fs::read("/proc/cpuinfo").unwrap();
        let ours = fs::read("/proc/cpuinfo").await.unwrap();
        let lines = |text: &[u8]| text.iter().filter(|&&c| c == b'\n').count();
        assert!(!ours.is_empty());
        assert_eq!(lines(&ours), lines(&theirs));
    });
}

#[test]
fn existence_follows_links() {
    let (dir, file) = file_with("");
    let [good, dangling] = ["good", "dangling"].map(|name| dir.path().join(name));
    std::os::unix::fs::symlink(&file, &good).unwrap();
    std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
    block_on(async {
        for path in [&file, &good, &dangling, &dir.path().join("gone")] {
            assert_eq!(
                fs::try_exists(path).await.unwrap(),
                path.exists(),
                "{path:?}"
            );
        }
    });
}

#[test]
fn a_directory_can_be_opened_and_asked_but_not_read() {
    let dir = tempdir();
    block_on(async {
        let open = fs::File::open(dir.path()).await.unwrap();
        assert!(open.metadata().await.unwrap().is_dir());
        let error = open.read(vec![0; 8]).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        let error = open.read_at(vec![0; 8], 0).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        open.sync_all().await.unwrap();
    });
}
