//! Everything that a `Metadata` tells, against std's of the same file.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use sakia_fs::{File, FileType, Metadata, Permissions};

use crate::common::block_on;
use crate::{file_with, mkfifo, tempdir};

fn assert_same(ours: &Metadata, theirs: &std::fs::Metadata, path: &Path) {
    let numbers = [
        (ours.len(), theirs.len()),
        (ours.ino(), theirs.ino()),
        (ours.dev(), theirs.dev()),
        (ours.rdev(), theirs.rdev()),
        (ours.nlink(), theirs.nlink()),
        (ours.mode().into(), theirs.mode().into()),
        (ours.uid().into(), theirs.uid().into()),
        (ours.gid().into(), theirs.gid().into()),
        (ours.blocks(), theirs.blocks()),
        (ours.blksize(), theirs.blksize()),
    ];
    for (at, (ours, theirs)) in numbers.into_iter().enumerate() {
        assert_eq!(ours, theirs, "number {at} of {}", path.display());
    }
    assert_eq!(ours.modified().unwrap(), theirs.modified().unwrap());
    assert_eq!(ours.accessed().unwrap(), theirs.accessed().unwrap());
    assert_eq!(ours.created().ok(), theirs.created().ok());
    let changed = ours
        .changed()
        .unwrap()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    assert_eq!(changed.as_secs() as i64, theirs.ctime());
    assert_eq!(i64::from(changed.subsec_nanos()), theirs.ctime_nsec());
    assert_eq!(ours.is_dir(), theirs.is_dir());
    assert_eq!(ours.is_file(), theirs.is_file());
    assert_eq!(ours.is_symlink(), theirs.is_symlink());
    let (ours, theirs) = (ours.permissions(), theirs.permissions());
    assert_eq!(ours.readonly(), theirs.readonly());
    assert_eq!(ours.mode(), theirs.mode());
}

fn assert_same_type(ours: FileType, theirs: std::fs::FileType) {
    assert_eq!(ours.is_dir(), theirs.is_dir());
    assert_eq!(ours.is_file(), theirs.is_file());
    assert_eq!(ours.is_symlink(), theirs.is_symlink());
    assert_eq!(ours.is_fifo(), theirs.is_fifo());
    assert_eq!(ours.is_socket(), theirs.is_socket());
    assert_eq!(ours.is_char_device(), theirs.is_char_device());
    assert_eq!(ours.is_block_device(), theirs.is_block_device());
    assert_eq!(FileType::from(theirs), ours);
}

#[test]
fn every_field_is_that_of_std_for_every_kind_of_file() {
    let (dir, file) = file_with(vec![1; 12345]);
    let [link, dangling, fifo, socket, twin] =
        ["link", "dangling", "fifo", "socket", "twin"].map(|name| dir.path().join(name));
    std::os::unix::fs::symlink(&file, &link).unwrap();
    std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
    std::fs::hard_link(&file, &twin).unwrap();
    mkfifo(&fifo);
    let _socket = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o4751)).unwrap();
    block_on(async {
        let paths = [&file, &link, &fifo, &socket, &twin].map(|path| path.as_path());
        for path in paths
            .into_iter()
            .chain([dir.path(), Path::new("/dev/null")])
        {
            let theirs = std::fs::metadata(path).unwrap();
            let ours = sakia_fs::metadata(path).await.unwrap();
            assert_same(&ours, &theirs, path);
            assert_same_type(ours.file_type(), theirs.file_type());
        }
        for path in [&link, &dangling, &file] {
            let theirs = std::fs::symlink_metadata(path).unwrap();
            let ours = sakia_fs::symlink_metadata(path).await.unwrap();
            assert_same(&ours, &theirs, path);
            assert_same_type(ours.file_type(), theirs.file_type());
        }
        let error = sakia_fs::metadata(&dangling).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        let open = File::open(&file).await.unwrap();
        let theirs = std::fs::metadata(&file).unwrap();
        assert_same(&open.metadata().await.unwrap(), &theirs, &file);
    });
}

#[test]
fn times_of_any_century_are_those_of_std() {
    use std::time::{Duration, UNIX_EPOCH};
    let (_dir, path) = file_with("");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    block_on(async {
        for time in [
            UNIX_EPOCH - Duration::new(1_000_000, 250_000_000),
            UNIX_EPOCH,
            UNIX_EPOCH + Duration::new(5_000_000_000, 999_999_999),
        ] {
            let times = std::fs::FileTimes::new()
                .set_modified(time)
                .set_accessed(time + Duration::from_secs(77));
            file.set_times(times).unwrap();
            let theirs = std::fs::metadata(&path).unwrap();
            let ours = sakia_fs::metadata(&path).await.unwrap();
            assert_eq!(ours.modified().unwrap(), theirs.modified().unwrap());
            assert_eq!(ours.accessed().unwrap(), theirs.accessed().unwrap());
        }
    });
}

#[test]
fn a_file_system_without_births_says_unsupported() {
    block_on(async {
        let ours = sakia_fs::metadata("/proc/self/status").await.unwrap();
        let theirs = std::fs::metadata("/proc/self/status").unwrap();
        assert_eq!(ours.created().is_ok(), theirs.created().is_ok());
        if let Err(error) = ours.created() {
            assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
        }
    });
}

#[test]
fn permissions_are_set_by_path_and_by_handle() {
    let dir = tempdir();
    let path = dir.path().join("file");
    std::fs::write(&path, "").unwrap();
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
    block_on(async {
        let may = Permissions::from_mode(0o600);
        sakia_fs::set_permissions(&path, may).await.unwrap();
        assert_eq!(mode(), 0o600);
        let file = File::open(&path).await.unwrap();
        let mut may = file.metadata().await.unwrap().permissions();
        may.set_readonly(true);
        file.set_permissions(may.clone()).await.unwrap();
        assert_eq!(mode(), 0o400);
        may.set_readonly(false);
        file.set_permissions(may).await.unwrap();
        assert_eq!(mode(), 0o622);
        let gone = sakia_fs::set_permissions(dir.path().join("gone"), Permissions::from_mode(0));
        assert_eq!(gone.await.unwrap_err().kind(), std::io::ErrorKind::NotFound);
    });
}

#[test]
fn readonly_changes_the_bits_that_std_changes() {
    for mode in [0o644, 0o755, 0o400, 0o4751, 0o022] {
        for readonly in [true, false] {
            let mut theirs = std::fs::Permissions::from_mode(mode);
            theirs.set_readonly(readonly);
            let mut ours = Permissions::from_mode(mode);
            ours.set_readonly(readonly);
            assert_eq!(ours.mode(), theirs.mode(), "{mode:o}");
            assert_eq!(std::fs::Permissions::from(ours), theirs);
        }
    }
}
