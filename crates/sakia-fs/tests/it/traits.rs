//! The traits of sakia-io on files: they do what the inherent methods do, and lose as little when dropped.

use std::io::Write;
use std::pin::pin;

use sakia_fs::File;
use sakia_io::{AsyncRead, AsyncReadAt, AsyncReadExt, AsyncWrite, AsyncWriteAt, AsyncWriteExt};

use crate::common::block_on;
use crate::{fifo, file_with, poll_once, turns};

async fn read_all(mut reader: impl AsyncRead) -> Vec<u8> {
    let (result, exact) = reader.read_exact(vec![0; 2]).await;
    result.unwrap();
    let (result, list) = reader.readv([vec![0; 1], vec![0; 1]]).await;
    assert_eq!(result.unwrap(), 2);
    let (result, one) = reader.read(vec![0; 1]).await;
    assert_eq!(result.unwrap(), 1);
    let (result, rest) = reader.read_to_end(Vec::new()).await;
    assert_eq!(result.unwrap(), rest.len());
    [exact, list.concat(), one, rest].concat()
}

async fn write_all(mut writer: impl AsyncWrite, text: &'static [u8]) {
    let (result, _) = writer.write(&text[..2]).await;
    assert_eq!(result.unwrap(), 2);
    let (result, _) = writer.writev([&text[2..3], &text[3..5]]).await;
    assert_eq!(result.unwrap(), 3);
    writer.write_all(&text[5..]).await.0.unwrap();
    writer.flush().await.unwrap();
    writer.shutdown().await.unwrap();
}

async fn copy_by_place(from: impl AsyncReadAt, to: impl AsyncWriteAt) {
    let (result, buf) = from.read_at(Vec::with_capacity(64), 1).await;
    let n = result.unwrap();
    assert_eq!(to.write_at(buf, 3).await.0.unwrap(), n);
}

#[test]
fn a_file_and_a_reference_read_and_write_by_the_traits() {
    let (_a, path) = file_with("");
    block_on(async {
        let file = File::create(&path).await.unwrap();
        write_all(&file, b"hello, ").await;
        write_all(file, b"wheel").await;
        let file = File::open(&path).await.unwrap();
        assert_eq!(read_all(&file).await, b"hello, wheel");
        let again = File::open(&path).await.unwrap();
        assert_eq!(read_all(again).await, b"hello, wheel");

        let (_b, other) = file_with("");
        let to = File::create(&other).await.unwrap();
        copy_by_place(&file, &to).await;
        assert_eq!(std::fs::read(&other).unwrap(), b"\0\0\0ello, wheel");
        copy_by_place(file, to).await;
    });
}

#[test]
fn one_file_is_copied_to_another() {
    let content: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
    let ((_a, from), (_b, to)) = (file_with(&content), file_with(""));
    block_on(async {
        let mut reader = File::open(&from).await.unwrap();
        let mut writer = File::create(&to).await.unwrap();
        let n = sakia_io::copy(&mut reader, &mut writer).await.unwrap();
        assert_eq!(n, content.len() as u64);
    });
    assert!(std::fs::read(to).unwrap() == content);
}

#[test]
fn loops_of_the_traits_give_back_what_they_had_when_dropped() {
    let (_dir, path) = fifo();
    block_on(async {
        let mut options = File::options();
        let mut file = options.read(true).write(true).open(&path).await.unwrap();
        let mut writer = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        for part in [b"hello", b", whe"] {
            writer.write_all(part).unwrap();
            let mut exact = pin!(AsyncReadExt::read_exact(&mut file, vec![0u8; 12]));
            for _ in 0..4 {
                assert!(!poll_once(&mut exact).await);
                turns(1).await;
            }
        }
        {
            let mut rest = pin!(AsyncReadExt::read_to_end(&mut file, Vec::new()));
            for _ in 0..4 {
                assert!(!poll_once(&mut rest).await);
                turns(1).await;
            }
        }
        writer.write_all(b"el").unwrap();
        let (result, buf) = AsyncReadExt::read_exact(&mut file, vec![0u8; 12]).await;
        result.unwrap();
        assert_eq!(buf, b"hello, wheel");
    });
}
