//! Positioned reads and writes: what they read and write, where they end, and what a drop leaves.

use std::io::ErrorKind;
use std::os::unix::fs::FileExt;

use sakia_buf::IoBuf;
use sakia_fs::File;

use crate::common::block_on;
use crate::{fifo, file_with, poll_once, turns};

async fn both_ways(path: &std::path::Path) -> File {
    let mut options = File::options();
    options.read(true).write(true).open(path).await.unwrap()
}

#[test]
fn a_read_at_any_place_is_that_of_std() {
    let content: Vec<u8> = (0..10_000u32).flat_map(u32::to_le_bytes).collect();
    let (_dir, path) = file_with(&content);
    let std_file = std::fs::File::open(&path).unwrap();
    block_on(async {
        let file = File::open(&path).await.unwrap();
        let end = content.len() as u64;
        for offset in [0, 1, 4096, end - 5, end - 1, end, end + 1, end + 9999] {
            let mut theirs = vec![0u8; 100];
            let n = std_file.read_at(&mut theirs, offset).unwrap();
            let (result, ours) = file.read_at(vec![0u8; 100], offset).await;
            assert_eq!((result.unwrap(), ours), (n, theirs), "at {offset}");
        }
    });
}

#[test]
fn a_read_fills_from_0_to_the_capacity_and_never_shortens() {
    let (_dir, path) = file_with("abc");
    block_on(async {
        let file = File::open(&path).await.unwrap();
        let (result, buf) = file.read_at(b"123456".to_vec(), 0).await;
        assert_eq!((result.unwrap(), &buf[..]), (3, &b"abc456"[..]));
        let mut roomy = Vec::with_capacity(64);
        roomy.push(b'1');
        let (result, buf) = file.read_at(roomy, 0).await;
        assert_eq!((result.unwrap(), &buf[..]), (3, &b"abc"[..]));
        let (result, part) = file.read_at(vec![b'.'; 6].slice(2..4), 1).await;
        assert_eq!(
            (result.unwrap(), &part.into_inner()[..]),
            (2, &b"..bc.."[..])
        );
    });
}

#[test]
fn an_empty_buffer_is_answered_with_0_at_once() {
    let (_dir, path) = file_with("abc");
    block_on(async {
        // A file that was opened for writing only: the kernel would say EBADF.
        let file = File::options().write(true).open(&path).await.unwrap();
        assert!(poll_once(&mut file.read_at(Vec::new(), 0)).await);
        assert_eq!(file.read_at(Vec::new(), 0).await.0.unwrap(), 0);
        assert_eq!(file.read(Vec::new()).await.0.unwrap(), 0);
        assert!(file.read_at(vec![0], 0).await.0.is_err());
        assert_eq!(
            file.readv_at([Vec::new(), Vec::new()], 0).await.0.unwrap(),
            0
        );
        assert_eq!(file.readv(Vec::<Vec<u8>>::new()).await.0.unwrap(), 0);
        file.read_exact(Vec::new()).await.0.unwrap();
        file.read_exact_at(Vec::new(), u64::MAX).await.0.unwrap();

        let file = File::open(&path).await.unwrap();
        assert!(poll_once(&mut file.write_at("", 0)).await);
        assert_eq!(file.write("").await.0.unwrap(), 0);
        assert!(file.write("x").await.0.is_err());
        assert_eq!(file.writev_at(["", ""], 0).await.0.unwrap(), 0);
        assert_eq!(file.writev(["", ""]).await.0.unwrap(), 0);
        file.write_all(Vec::new()).await.0.unwrap();
        file.write_all_at(Vec::new(), u64::MAX).await.0.unwrap();
    });
}

#[test]
fn an_offset_above_the_kernels_is_refused_and_moves_no_cursor() {
    let (_dir, path) = file_with("hello, wheel");
    block_on(async {
        let file = both_ways(&path).await;
        for offset in [1 << 63, u64::MAX] {
            let kinds = [
                file.read_at(vec![0; 4], offset).await.0.unwrap_err(),
                file.write_at("x", offset).await.0.unwrap_err(),
                file.readv_at([vec![0; 4]], offset).await.0.unwrap_err(),
                file.writev_at(["x"], offset).await.0.unwrap_err(),
                file.read_exact_at(vec![0; 4], offset).await.0.unwrap_err(),
                file.write_all_at("x", offset).await.0.unwrap_err(),
                file.read_to_end_at(Vec::new(), offset).await.0.unwrap_err(),
            ];
            assert!(
                kinds
                    .iter()
                    .all(|error| error.kind() == ErrorKind::InvalidInput)
            );
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"hello, wheel");
        let std_file = file.into_std().await.unwrap();
        assert_eq!(std::io::Seek::stream_position(&mut &std_file).unwrap(), 0);
    });
}

#[test]
fn a_write_at_any_place_is_that_of_std() {
    let ((_a, theirs), (_b, ours)) = (file_with("0123456789"), file_with("0123456789"));
    let std_file = std::fs::File::options().write(true).open(&theirs).unwrap();
    block_on(async {
        let file = both_ways(&ours).await;
        for (offset, text) in [(3, "abc"), (0, "x"), (9, "over the end"), (50, "a hole")] {
            let n = std_file.write_at(text.as_bytes(), offset).unwrap();
            let (result, buf) = file.write_at(text, offset).await;
            assert_eq!((result.unwrap(), buf), (n, text));
        }
    });
    assert_eq!(std::fs::read(ours).unwrap(), std::fs::read(theirs).unwrap());
}

#[test]
fn lists_are_read_and_written_in_order() {
    let (_dir, path) = file_with("");
    block_on(async {
        let file = both_ways(&path).await;
        let list = [b"hello".to_vec(), Vec::new(), b", wheel".to_vec()];
        let (result, list) = file.writev_at(list, 2).await;
        assert_eq!((result.unwrap(), list[2].len()), (12, 7));
        assert_eq!(std::fs::read(&path).unwrap(), b"\0\0hello, wheel");
        let (result, parts) = file.readv_at((vec![0; 5], vec![7; 9]), 2).await;
        assert_eq!(result.unwrap(), 12);
        assert_eq!(parts.0, b"hello");
        assert_eq!(parts.1, b", wheel\x07\x07");
    });
}

#[test]
fn an_exact_read_that_meets_the_end_gives_its_buffer_back() {
    let (_dir, path) = file_with("hello");
    block_on(async {
        let file = File::open(&path).await.unwrap();
        let (result, buf) = file.read_exact_at(Box::new([b'.'; 8]), 1).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(*buf, *b"ello....");
        let (result, buf) = file.read_exact_at(Box::new([b'.'; 4]), 1).await;
        result.unwrap();
        assert_eq!(*buf, *b"ello");
    });
}

#[test]
fn an_exact_read_goes_on_after_short_reads() {
    // A /proc file gives at most a page a read, and this one has more for a process with a few mappings.
    block_on(async {
        let file = File::open("/proc/self/maps").await.unwrap();
        let (result, buf) = file.read_at(vec![0u8; 1 << 20], 0).await;
        let first = result.unwrap();
        assert!(first < buf.len());
        let all = file.read_to_end_at(Vec::new(), 0).await;
        assert_eq!(all.0.unwrap(), all.1.len());
        if all.1.len() > first {
            let (result, exact) = file.read_exact_at(vec![0u8; first + 1], 0).await;
            result.unwrap();
            assert_eq!(exact.len(), first + 1);
        }
    });
}

#[test]
fn a_write_of_all_writes_more_than_the_kernel_takes_at_once() {
    let (_dir, path) = file_with("");
    let all: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
    block_on(async {
        let file = both_ways(&path).await;
        let (result, all) = file.write_all_at(all, 10).await;
        result.unwrap();
        let back = file.read_to_end_at(b"had ".to_vec(), 10).await;
        assert_eq!(back.0.unwrap(), all.len());
        assert_eq!(back.1[..4], *b"had ");
        assert!(back.1[4..] == all[..]);
    });
}

#[test]
fn a_full_disk_is_told_by_a_write_of_all() {
    block_on(async {
        let full = File::options().write(true).open("/dev/full").await.unwrap();
        let (result, buf) = full.write_all_at("text", 0).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(buf, "text");
        let (result, _) = full.write_all("text").await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
    });
}

#[test]
fn a_fifo_has_no_places_and_loses_no_byte_to_one_who_asks() {
    let (_dir, path) = fifo();
    block_on(async {
        let file = both_ways(&path).await;
        file.write_all("bytes").await.0.unwrap();
        let error = file.read_at(vec![0; 8], 0).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSeekable);
        let error = file.read_to_end_at(Vec::new(), 0).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSeekable);
        let error = file.write_at("more", 0).await.0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotSeekable);
        let (result, buf) = file.read(Vec::with_capacity(64)).await;
        assert_eq!((result.unwrap(), &buf[..]), (5, &b"bytes"[..]));
    });
}

#[test]
fn a_dropped_read_at_loses_nothing() {
    let (_dir, path) = file_with("hello, wheel");
    block_on(async {
        let file = File::open(&path).await.unwrap();
        for turned in 0..3 {
            let mut read = file.read_at(vec![0u8; 64], 0);
            poll_once(&mut read).await;
            turns(turned).await;
            drop(read);
            let mut exact = file.read_exact_at(vec![0u8; 12], 0);
            poll_once(&mut exact).await;
            turns(turned).await;
        }
        let (result, buf) = file.read_at(Vec::with_capacity(64), 0).await;
        assert_eq!((result.unwrap(), &buf[..]), (12, &b"hello, wheel"[..]));
    });
}

#[test]
fn a_request_untied_from_its_handle_outlives_it() {
    let (_dir, path) = file_with("hello, wheel");
    block_on(async {
        let file = File::open(&path).await.unwrap();
        let mut read = file.read_at(Vec::with_capacity(64), 7).into_owned();
        poll_once(&mut read).await;
        let late = file.read_at(Vec::with_capacity(64), 0).into_owned();
        drop(file);
        assert_eq!(late.await.1, b"hello, wheel");
        drop(read);
    });
}

#[test]
fn many_reads_at_once_each_get_their_own() {
    let content: Vec<u8> = (0..200u8).collect();
    let (_dir, path) = file_with(&content);
    block_on(async {
        let file = File::open(&path).await.unwrap();
        let mut reads: Vec<_> = (0..200).map(|n| file.read_at(vec![0u8; 1], n)).collect();
        for read in &mut reads {
            poll_once(read).await;
        }
    });
    block_on(async {
        let file = File::open(&path).await.unwrap();
        let mut reads = Vec::new();
        for n in 0..200 {
            reads.push(file.read_exact_at(vec![0u8; 1], n));
        }
        for (n, read) in reads.into_iter().enumerate().rev() {
            assert_eq!(read.await.1, [n as u8]);
        }
    });
}
