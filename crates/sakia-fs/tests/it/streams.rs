//! FIFOs and character devices: no cursor, and bytes that arrived for a dropped read come first.

use std::io::{ErrorKind, SeekFrom, Write};
use std::path::Path;

use sakia_fs::File;

use crate::common::block_on;
use crate::{fifo, poll_once, turns};

/// Both ends in one handle, so that neither opening blocks.
async fn both_ends(path: &Path) -> File {
    let mut options = File::options();
    options.read(true).write(true).open(path).await.unwrap()
}

/// A writer of std's. The handle keeps the FIFO open, so this does not block.
fn writer(path: &Path) -> std::fs::File {
    std::fs::OpenOptions::new().write(true).open(path).unwrap()
}

#[test]
fn bytes_that_arrive_for_a_dropped_read_are_served_first() {
    let (_dir, path) = fifo();
    block_on(async {
        let file = both_ends(&path).await;
        let mut writer = writer(&path);
        let mut read = file.read(vec![0u8; 64]);
        assert!(!poll_once(&mut read).await);
        turns(1).await;
        writer.write_all(b"first ").unwrap();
        turns(2).await;
        drop(read);
        writer.write_all(b"second").unwrap();
        let (result, buf) = file.read_exact(vec![0u8; 12]).await;
        result.unwrap();
        assert_eq!(buf, b"first second");
    });
}

#[test]
fn an_exact_read_dropped_half_way_gives_its_part_back() {
    let (_dir, path) = fifo();
    block_on(async {
        let file = both_ends(&path).await;
        let mut writer = writer(&path);
        let mut exact = file.read_exact(vec![0u8; 12]);
        poll_once(&mut exact).await;
        writer.write_all(b"hello").unwrap();
        for _ in 0..4 {
            turns(1).await;
            assert!(!poll_once(&mut exact).await);
        }
        drop(exact);
        writer.write_all(b", wheel").unwrap();
        let (result, buf) = file.read_exact(vec![0u8; 12]).await;
        result.unwrap();
        assert_eq!(buf, b"hello, wheel");
    });
}

/// A file whose `read_to_end` was dropped after it had taken these bytes in.
async fn after_a_dropped_read_to_end(path: &Path, bytes: &[u8]) -> (File, std::fs::File) {
    let file = both_ends(path).await;
    let mut writer = writer(path);
    let mut all = file.read_to_end(b"the caller's own".to_vec());
    for part in bytes.chunks(5) {
        writer.write_all(part).unwrap();
        for _ in 0..4 {
            assert!(!poll_once(&mut all).await);
            turns(1).await;
        }
    }
    drop(all);
    (file, writer)
}

#[test]
fn a_read_to_the_end_dropped_half_way_gives_all_back_to_every_kind_of_read() {
    let (_dir, path) = fifo();
    block_on(async {
        let (file, _w) = after_a_dropped_read_to_end(&path, b"hello, wheel").await;
        let (result, buf) = file.read(Vec::with_capacity(64)).await;
        assert_eq!((result.unwrap(), &buf[..]), (12, &b"hello, wheel"[..]));

        let (file, _w) = after_a_dropped_read_to_end(&path, b"hello, wheel").await;
        assert_eq!(file.read(vec![0; 5]).await.1, b"hello");
        let (result, parts) = file.readv([vec![0; 2], vec![0; 3]]).await;
        assert_eq!(result.unwrap(), 5);
        assert_eq!(parts, [b", ".to_vec(), b"whe".to_vec()]);
        assert_eq!(file.read_exact(vec![0; 2]).await.1, b"el");
    });
}

#[test]
fn kept_bytes_come_before_new_ones_and_survive_a_second_drop() {
    let (_dir, path) = fifo();
    block_on(async {
        let (file, mut writer) = after_a_dropped_read_to_end(&path, b"hello").await;
        let mut exact = file.read_exact(vec![0u8; 12]);
        assert!(!poll_once(&mut exact).await);
        writer.write_all(b", w").unwrap();
        for _ in 0..4 {
            turns(1).await;
            assert!(!poll_once(&mut exact).await);
        }
        drop(exact);
        let mut all = file.read_to_end(Vec::new());
        for _ in 0..4 {
            assert!(!poll_once(&mut all).await);
            turns(1).await;
        }
        drop(all);
        writer.write_all(b"heel").unwrap();
        let (result, buf) = file.read_exact(vec![0u8; 12]).await;
        result.unwrap();
        assert_eq!(buf, b"hello, wheel");
    });
}

#[test]
fn a_numbered_stream_is_whole_when_every_other_read_is_dropped() {
    let (_dir, path) = fifo();
    let sent: Vec<u8> = (0..3000u32).map(|n| (n % 251) as u8).collect();
    block_on(async {
        let file = both_ends(&path).await;
        let mut writer = writer(&path);
        let mut got = Vec::new();
        let mut parts = sent.chunks(7);
        for round in 0.. {
            if got.len() == sent.len() {
                break;
            }
            let mut dropped = file.read(vec![0u8; 16]);
            poll_once(&mut dropped).await;
            if let Some(part) = parts.next() {
                writer.write_all(part).unwrap();
            }
            turns(round % 4).await;
            drop(dropped);
            let mut exact = file.read_exact(vec![0u8; 64]);
            poll_once(&mut exact).await;
            turns(round % 3).await;
            drop(exact);
            let (result, buf) = file.read(Vec::with_capacity(16)).await;
            assert!(result.unwrap() > 0);
            got.extend_from_slice(&buf);
        }
        assert!(got == sent);
    });
}

#[test]
fn the_end_of_a_fifo_ends_a_read_to_the_end() {
    let (_dir, path) = fifo();
    block_on(async {
        let file = both_ends(&path).await;
        let reader = File::open(&path).await.unwrap();
        let sent: Vec<u8> = (0..50_000u32).map(|n| n as u8).collect();
        file.write_all(sent.clone()).await.0.unwrap();
        drop(file);
        let (result, got) = reader.read_to_end(b"had".to_vec()).await;
        assert_eq!(result.unwrap(), sent.len());
        assert!(got[3..] == sent);
    });
}

#[test]
fn what_has_no_places_cannot_be_sought_in() {
    let (_dir, path) = fifo();
    block_on(async {
        let file = both_ends(&path).await;
        for to in [SeekFrom::Start(0), SeekFrom::Current(0), SeekFrom::End(0)] {
            let error = file.seek(to).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotSeekable);
        }
    });
}

#[test]
fn a_character_device_reads_without_a_cursor() {
    block_on(async {
        let zero = File::open("/dev/zero").await.unwrap();
        assert_eq!(zero.read(vec![7u8; 4]).await.1, [0; 4]);
        zero.read_exact(vec![7u8; 4]).await.0.unwrap();
        assert_eq!(zero.seek(SeekFrom::Current(0)).await.unwrap(), 0);
        let null = File::open("/dev/null").await.unwrap();
        assert_eq!(null.read_to_end(Vec::new()).await.0.unwrap(), 0);
    });
}
