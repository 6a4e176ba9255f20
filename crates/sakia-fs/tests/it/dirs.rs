//! Directories: making whole branches, also against others who do the same, and listing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use sakia_fs as fs;

use crate::common::block_on;
use crate::{mkfifo, tempdir};

#[test]
fn a_directory_is_made_and_removed() {
    let dir = tempdir();
    let path = dir.path().join("new");
    block_on(async {
        fs::create_dir(&path).await.unwrap();
        assert!(path.is_dir());
        fs::remove_dir(&path).await.unwrap();
        assert!(!path.exists());
    });
}

#[test]
fn a_branch_is_made_from_whatever_part_of_it_is_there() {
    let dir = tempdir();
    let branch = dir.path().join("a/b/c/d");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path(), &link).unwrap();
    block_on(async {
        fs::create_dir_all(&branch).await.unwrap();
        assert!(branch.is_dir());
        fs::create_dir_all(&branch).await.unwrap();
        fs::create_dir_all(dir.path().join("a/b/x/../y"))
            .await
            .unwrap();
        assert!(dir.path().join("a/b/y").is_dir());
        fs::create_dir_all(link.join("through/it")).await.unwrap();
        assert!(dir.path().join("through/it").is_dir());
        fs::create_dir_all("").await.unwrap();
        fs::create_dir_all("/").await.unwrap();
        fs::create_dir_all(".").await.unwrap();
    });
}

#[test]
fn four_who_make_the_same_branch_all_succeed() {
    let dir = tempdir();
    for round in 0..10 {
        let branch = dir.path().join(format!("{round}/b/c/d/e/f"));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| block_on(fs::create_dir_all(&branch)).unwrap());
            }
        });
        assert!(branch.is_dir());
    }
}

#[test]
fn a_branch_under_a_file_or_a_dangling_link_is_an_error() {
    let dir = tempdir();
    std::fs::write(dir.path().join("file"), "").unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
    block_on(async {
        for name in ["file/a/b", "link/a/b", "file", "link"] {
            let path = dir.path().join(name);
            let ours = fs::create_dir_all(&path).await.unwrap_err();
            let theirs = std::fs::create_dir_all(&path).unwrap_err();
            assert_eq!(ours.raw_os_error(), theirs.raw_os_error(), "{name}");
        }
    });
}

#[test]
fn a_listing_has_the_names_paths_and_types_of_stds() {
    let dir = tempdir();
    for n in 0..500 {
        std::fs::write(dir.path().join(format!("file {n}")), "four").unwrap();
    }
    std::fs::create_dir(dir.path().join("dir")).unwrap();
    std::os::unix::fs::symlink("dir", dir.path().join("link")).unwrap();
    mkfifo(&dir.path().join("fifo"));
    let theirs: BTreeMap<_, _> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name(),
                (entry.path(), entry.file_type().unwrap().into()),
            )
        })
        .collect();
    block_on(async {
        let listing = fs::read_dir(dir.path()).await.unwrap();
        assert_eq!(listing.len(), 503);
        let ours: BTreeMap<_, (_, fs::FileType)> = listing
            .map(|entry| (entry.file_name(), (entry.path(), entry.file_type())))
            .collect();
        assert_eq!(ours, theirs);
        let mut listing = fs::read_dir(dir.path()).await.unwrap();
        let link = listing.find(|entry| entry.file_name() == "link").unwrap();
        assert!(link.metadata().await.unwrap().is_symlink());
    });
}

#[test]
fn a_call_on_the_pool_is_lazy_and_not_made_outside_a_runtime() {
    use std::task::{Context, Poll, Waker};
    let dir = tempdir();
    let gone = dir.path().join("gone");
    let called = AtomicBool::new(false);
    block_on(async {
        // Polled for the first time after the file is there: a call made at once would not find it.
        let call = fs::canonicalize(&gone);
        std::fs::write(&gone, "").unwrap();
        assert!(call.await.is_ok());
        called.store(true, Ordering::Relaxed);
    });
    assert!(called.into_inner());
    let mut call = std::pin::pin!(fs::canonicalize("/"));
    let Poll::Ready(Err(error)) = call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("a call was made outside a runtime");
    };
    assert!(error.to_string().contains("runtime"));
}

#[test]
fn a_listing_by_descriptor_is_of_that_directory_and_remembers_no_path() {
    let dir = tempdir();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    std::fs::create_dir(&old).unwrap();
    std::fs::write(old.join("file"), "").unwrap();
    block_on(async {
        let base = fs::Dir::open(&old).await.unwrap();
        std::fs::rename(&old, &new).unwrap();
        std::fs::create_dir(&old).unwrap();
        let entries: Vec<_> = base.read_dir().await.unwrap().collect();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].path(), std::path::Path::new("file"));
        assert!(entries[0].file_type().is_file());
        let error = entries[0].metadata().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    });
}

#[test]
fn no_path_leads_out_of_a_base() {
    let dir = tempdir();
    let root = dir.path().join("root");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::write(dir.path().join("secret"), "secret").unwrap();
    std::fs::write(root.join("page"), "page").unwrap();
    std::os::unix::fs::symlink("../secret", root.join("way-out")).unwrap();
    std::os::unix::fs::symlink("../page", root.join("sub/way-in")).unwrap();
    block_on(async {
        let base = fs::Dir::open(&root).await.unwrap();
        let mut options = fs::OpenOptions::new();
        options.read(true);
        for inside in ["page", "./page", "sub/../page", "sub/way-in"] {
            let file = base.open_file(inside, &options).await.unwrap();
            assert_eq!(file.read_to_end(Vec::new()).await.1, b"page", "{inside}");
        }
        let absolute = root.join("page");
        let hostile = [
            "../secret",
            "sub/../../secret",
            "way-out",
            absolute.to_str().unwrap(),
        ];
        for path in hostile {
            let error = base.open_file(path, &options).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::CrossesDevices, "{path}");
            assert!(base.open_dir(path).await.is_err(), "{path}");
        }
        let sub = base.open_dir("sub").await.unwrap();
        assert!(sub.metadata().await.unwrap().is_dir());
        assert!(sub.open_file("../page", &options).await.is_err());
        let error = base.open_file("a\0b", &options).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    });
}
