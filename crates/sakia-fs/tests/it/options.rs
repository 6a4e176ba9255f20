//! The options matrix: every combination, on a file that is there and on one that is not, against std's.

use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use sakia_fs::{File, OpenOptions};

use crate::common::block_on;
use crate::tempdir;

/// What came of an open: the content of the file after one write, or the error.
type Outcome = Result<Vec<u8>, Option<i32>>;

fn with_std(bits: u8, path: &Path) -> (Outcome, ErrorKind) {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    let on = |bit: u8| bits & (1 << bit) != 0;
    options.read(on(0)).write(on(1)).append(on(2));
    options.truncate(on(3)).create(on(4)).create_new(on(5));
    match options.open(path) {
        Ok(mut file) => {
            let _ = file.write_all(b"12");
            (Ok(std::fs::read(path).unwrap()), ErrorKind::Other)
        }
        Err(error) => (Err(error.raw_os_error()), error.kind()),
    }
}

async fn with_ours(bits: u8, path: &Path) -> (Outcome, ErrorKind) {
    let mut options = OpenOptions::new();
    let on = |bit: u8| bits & (1 << bit) != 0;
    options.read(on(0)).write(on(1)).append(on(2));
    options.truncate(on(3)).create(on(4)).create_new(on(5));
    match options.open(path).await {
        Ok(file) => {
            let _ = file.write_all("12").await;
            (Ok(std::fs::read(path).unwrap()), ErrorKind::Other)
        }
        Err(error) => (Err(error.raw_os_error()), error.kind()),
    }
}

#[test]
fn all_64_combinations_do_what_stds_do() {
    let dir = tempdir();
    block_on(async {
        for there in [false, true] {
            for bits in 0..64u8 {
                let (a, b) = (dir.path().join("a"), dir.path().join("b"));
                for path in [&a, &b] {
                    let _ = std::fs::remove_file(path);
                    if there {
                        std::fs::write(path, "old").unwrap();
                    }
                }
                let (theirs, their_kind) = with_std(bits, &a);
                let (ours, our_kind) = with_ours(bits, &b).await;
                assert_eq!(our_kind, their_kind, "{bits:06b} there: {there}");
                if our_kind != ErrorKind::InvalidInput {
                    assert_eq!(ours, theirs, "{bits:06b} there: {there}");
                }
                assert_eq!(a.exists(), b.exists(), "{bits:06b} there: {there}");
            }
        }
    });
}

#[test]
fn the_mode_is_that_of_std_under_the_same_umask() {
    let dir = tempdir();
    block_on(async {
        for mode in [0o666, 0o600, 0o755, 0o444] {
            let (a, b) = (dir.path().join("a"), dir.path().join("b"));
            let mut theirs = std::fs::OpenOptions::new();
            theirs.write(true).create_new(true).mode(mode);
            theirs.open(&a).unwrap();
            let mut ours = File::options();
            ours.write(true).create_new(true).mode(mode);
            ours.open(&b).await.unwrap();
            let [theirs, ours] = [&a, &b].map(|path| {
                let mode = std::fs::metadata(path).unwrap().permissions().mode();
                std::fs::remove_file(path).unwrap();
                mode
            });
            assert_eq!(ours, theirs);
        }
    });
}

#[test]
fn custom_flags_are_added_but_not_their_access_mode() {
    const O_DIRECTORY_GENERIC: i32 = 0o200_000;
    const O_RDWR: i32 = 2;
    let (_dir, path) = crate::file_with("text");
    block_on(async {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(O_RDWR);
        let file = options.open(&path).await.unwrap();
        assert!(file.write_at("x", 0).await.0.is_err());

        if cfg!(target_arch = "x86_64") {
            options.custom_flags(O_DIRECTORY_GENERIC);
            let error = options.open(&path).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotADirectory);
        }
    });
}

#[test]
fn every_descriptor_is_close_on_exec() {
    use std::os::fd::{AsFd, AsRawFd};
    const O_CLOEXEC: i32 = 0o2_000_000;
    let (_dir, path) = crate::file_with("text");
    block_on(async {
        let file = File::open(&path).await.unwrap();
        let raw = file.as_fd().as_raw_fd();
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{raw}")).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = i32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
        assert_ne!(flags & O_CLOEXEC, 0);
    });
}

#[test]
fn create_empties_and_create_new_refuses_what_is_there() {
    let (_dir, path) = crate::file_with("old");
    block_on(async {
        let error = File::create_new(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        File::create(&path).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        std::fs::remove_file(&path).unwrap();
        let file = File::create_new(&path).await.unwrap();
        file.write_all("both ways").await.0.unwrap();
        assert_eq!(file.read_at(vec![0; 4], 0).await.1, b"both");
    });
}
