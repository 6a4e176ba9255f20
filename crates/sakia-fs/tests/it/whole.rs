//! What is done to a file as a whole.

use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;

use sakia_fs::{Advice, File};

use crate::common::block_on;
use crate::{fifo, file_with};

#[test]
fn a_length_is_set_as_in_std() {
    let (_dir, path) = file_with("hello, wheel");
    block_on(async {
        let file = File::options().write(true).open(&path).await.unwrap();
        file.set_len(5).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"hello");
        file.set_len(7).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"hello\0\0");
        let error = file.set_len(u64::MAX).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let reader = File::open(&path).await.unwrap();
        let theirs = std::fs::File::open(&path).unwrap().set_len(1).unwrap_err();
        let ours = reader.set_len(1).await.unwrap_err();
        assert_eq!(ours.raw_os_error(), theirs.raw_os_error());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 7);
    });
}

#[test]
fn room_is_reserved() {
    let (_dir, path) = file_with("hello");
    block_on(async {
        let file = File::options().write(true).open(&path).await.unwrap();
        file.allocate(0, 1 << 20).await.unwrap();
        let about = std::fs::metadata(&path).unwrap();
        assert_eq!(about.len(), 1 << 20);
        assert!(about.blocks() * 512 >= 1 << 20);
        let error = file.allocate(0, 0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn advice_is_taken_for_files_and_refused_for_fifos() {
    let (_dir, path) = file_with("hello");
    let (_dir, pipe) = fifo();
    block_on(async {
        let file = File::open(&path).await.unwrap();
        for advice in [
            Advice::Normal,
            Advice::Sequential,
            Advice::Random,
            Advice::WillNeed,
            Advice::DontNeed,
            Advice::NoReuse,
        ] {
            file.advise(0, 0, advice).await.unwrap();
        }
        let mut options = File::options();
        let pipe = options.read(true).write(true).open(&pipe).await.unwrap();
        let error = pipe.advise(0, 0, Advice::WillNeed).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSeekable);
    });
}

#[test]
fn syncs_reach_files_and_fail_on_what_cannot_sync() {
    let (_dir, path) = file_with("");
    let (_dir, pipe) = fifo();
    block_on(async {
        let file = File::create(&path).await.unwrap();
        file.write_all("kept").await.0.unwrap();
        file.sync_data().await.unwrap();
        file.sync_all().await.unwrap();
        let mut options = File::options();
        let pipe = options.read(true).write(true).open(&pipe).await.unwrap();
        assert_eq!(
            pipe.sync_all().await.unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        assert_eq!(
            pipe.sync_data().await.unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    });
}

#[test]
fn a_handle_shows_its_descriptor_and_its_cursor() {
    let (_dir, path) = file_with("hello");
    block_on(async {
        let file = File::open(&path).await.unwrap();
        let raw = file.as_fd().as_raw_fd();
        let name = std::fs::read_link(format!("/proc/self/fd/{raw}")).unwrap();
        assert_eq!(name, path.canonicalize().unwrap());
        file.read(vec![0; 3]).await.0.unwrap();
        let text = format!("{file:?}");
        assert!(
            text.contains(&raw.to_string()) && text.contains("cursor: 3"),
            "{text}"
        );
    });
}

/// Is the type bound to its thread? Of two blanket impls the one that holds must be the only one.
macro_rules! assert_not_send {
    ($($type:ty),*) => {$({
        trait Ambiguous<A> {
            fn check() {}
        }
        impl<T: ?Sized> Ambiguous<()> for T {}
        impl<T: ?Sized + Send> Ambiguous<u8> for T {}
        <$type as Ambiguous<_>>::check();
    })*};
}

#[test]
fn handles_stay_on_their_thread_and_what_has_none_may_leave() {
    fn assert_send<T: Send + Sync>() {}
    fn assert_unpin<T: Unpin>() {}
    assert_not_send!(File, sakia_fs::Open, sakia_fs::ReadAt<'static, Vec<u8>>);
    assert_send::<sakia_fs::Metadata>();
    assert_send::<sakia_fs::OpenOptions>();
    assert_send::<sakia_fs::ReadDir>();
    assert_send::<sakia_fs::DirEntry>();
    assert_unpin::<sakia_fs::Open>();
    assert_unpin::<sakia_fs::Read<'_, Vec<u8>>>();
    assert_unpin::<sakia_fs::ReadExact<'_, Vec<u8>>>();
    assert_unpin::<sakia_fs::ReadToEnd<'_>>();
    assert_unpin::<sakia_fs::ReadExactAt<'_, Vec<u8>>>();
    assert_unpin::<sakia_fs::WriteAllAt<'_, Vec<u8>>>();
    assert_unpin::<sakia_fs::WriteAll<'_, Vec<u8>>>();
    assert_unpin::<sakia_fs::Writev<'_, [Vec<u8>; 2]>>();
    assert_unpin::<sakia_fs::PathChange>();
    assert_unpin::<sakia_fs::SetLen<'_>>();
    assert_unpin::<sakia_fs::IntoStd>();
}
