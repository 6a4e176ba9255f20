//! Between std and us: the cursor goes along, and so does what had arrived.

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;

use sakia_fs::File;

use crate::common::block_on;
use crate::{fifo, file_with, poll_once, taken, turns};

#[test]
fn the_cursor_goes_along_both_ways() {
    let (_dir, path) = file_with("hello, wheel");
    let mut std_file = std::fs::File::open(&path).unwrap();
    std_file.seek(SeekFrom::Start(2)).unwrap();
    block_on(async {
        let file = File::from_std(std_file).unwrap();
        assert_eq!(file.read(vec![0; 3]).await.1, b"llo");
        let mut std_file = file.into_std().await.unwrap();
        assert_eq!(std_file.stream_position().unwrap(), 5);
        let mut rest = String::new();
        std_file.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, ", wheel");

        std_file.seek(SeekFrom::Start(7)).unwrap();
        let file = File::from(OwnedFd::from(std_file));
        assert_eq!(file.read_to_end(Vec::new()).await.1, b"wheel");
        file.seek(SeekFrom::Start(1)).await.unwrap();
        let mut std_file = file.into_std().await.unwrap();
        assert_eq!(std_file.stream_position().unwrap(), 1);
    });
}

#[test]
fn a_file_read_by_place_only_keeps_stds_cursor() {
    let (_dir, path) = file_with("hello, wheel");
    let mut std_file = std::fs::File::open(&path).unwrap();
    std_file.seek(SeekFrom::Start(2)).unwrap();
    block_on(async {
        let file = File::from_std(std_file).unwrap();
        file.read_exact_at(vec![0; 5], 0).await.0.unwrap();
        let mut std_file = file.into_std().await.unwrap();
        assert_eq!(std_file.stream_position().unwrap(), 2);
    });
}

#[test]
fn dropped_writes_are_waited_for() {
    let (_dir, path) = file_with("");
    block_on(async {
        let file = File::create(&path).await.unwrap();
        let mut write = file.write(vec![b'x'; 100_000]);
        poll_once(&mut write).await;
        drop(write);
        let mut std_file = file.into_std().await.unwrap();
        assert_eq!(std_file.stream_position().unwrap(), 100_000);
        std_file.write_all(b"y").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 100_001);
    });
}

#[test]
fn bytes_that_had_arrived_come_beside_the_file() {
    let (_dir, path) = fifo();
    block_on(async {
        let mut options = File::options();
        let file = options.read(true).write(true).open(&path).await.unwrap();
        let mut writer = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let mut all = file.read_to_end(Vec::new());
        for part in [b"one ", b"two "] {
            writer.write_all(part).unwrap();
            while rustix::io::ioctl_fionread(&writer).unwrap() > 0 {
                assert!(!poll_once(&mut all).await);
                turns(1).await;
            }
            for _ in 0..2 {
                turns(1).await;
                assert!(!poll_once(&mut all).await);
            }
        }
        writer.write_all(b"three ").unwrap();
        turns(2).await;
        drop(all);
        writer.write_all(b"four").unwrap();
        let (std_file, leftover) = file.into_parts().await.unwrap();
        assert!(leftover.len() >= 8);
        let rest = File::from_std(std_file).unwrap();
        let (result, rest) = rest.read_exact(vec![0; 18 - leftover.len()]).await;
        result.unwrap();
        assert_eq!([leftover, rest].concat(), b"one two three four");
    });
}

#[test]
fn a_file_that_would_lose_bytes_is_not_given_without_them() {
    let (_dir, path) = fifo();
    block_on(async {
        let mut options = File::options();
        let file = options.read(true).write(true).open(&path).await.unwrap();
        let mut read = file.read(vec![0u8; 64]);
        poll_once(&mut read).await;
        turns(1).await;
        let mut writer = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(b"five!").unwrap();
        taken(&writer).await;
        drop(read);
        let error = file.into_std().await.unwrap_err();
        assert!(error.to_string().contains("5 bytes"), "{error}");
    });
}

#[test]
fn outside_a_runtime_no_file_is_taken_over() {
    let null = || std::fs::File::open("/dev/null").unwrap();
    assert!(File::from_std(null()).is_err());
    let taken = std::panic::catch_unwind(|| drop(File::from(OwnedFd::from(null()))));
    assert!(taken.is_err());
}
