//! Sequential reads and writes of files: one cursor, in the handle, that moves on delivery.

use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};

use sakia_fs::File;

use crate::common::block_on;
use crate::{file_with, poll_once, turns, until};

#[test]
fn reads_go_on_where_the_last_one_ended() {
    let (_dir, path) = file_with("hello, wheel");
    block_on(async {
        let file = File::open(&path).await.unwrap();
        assert_eq!(file.read(vec![0; 5]).await.1, b"hello");
        assert_eq!(
            file.readv([vec![0; 1], vec![0; 1]]).await.1,
            [[b','], [b' ']]
        );
        file.read_exact(vec![0; 2]).await.0.unwrap();
        let (result, rest) = file.read_to_end(b"-> ".to_vec()).await;
        assert_eq!((result.unwrap(), &rest[..]), (3, &b"-> eel"[..]));
        assert_eq!(file.read(vec![0; 5]).await.0.unwrap(), 0);
        assert_eq!(file.read_to_end(Vec::new()).await.0.unwrap(), 0);
    });
}

#[test]
fn writes_go_on_where_the_last_one_ended() {
    let (_dir, path) = file_with("");
    block_on(async {
        let file = File::create(&path).await.unwrap();
        file.write("he").await.0.unwrap();
        file.write_all("llo").await.0.unwrap();
        assert_eq!(file.writev((", ", b"wh".to_vec())).await.0.unwrap(), 4);
        file.seek(SeekFrom::Current(2)).await.unwrap();
        file.write_all("l").await.0.unwrap();
    });
    assert_eq!(std::fs::read(path).unwrap(), b"hello, wh\0\0l");
}

#[test]
fn reads_and_writes_share_the_cursor_as_in_std() {
    let ((_a, theirs), (_b, ours)) = (file_with("0123456789"), file_with("0123456789"));
    let mut options = std::fs::OpenOptions::new();
    let mut std_file = options.read(true).write(true).open(&theirs).unwrap();
    let mut had = [0; 2];
    std_file.read_exact(&mut had).unwrap();
    std_file.write_all(b"ab").unwrap();
    std_file.read_exact(&mut had).unwrap();
    block_on(async {
        let file = File::from_std(options.open(&ours).unwrap()).unwrap();
        file.read_exact(vec![0; 2]).await.0.unwrap();
        file.write_all("ab").await.0.unwrap();
        let (result, buf) = file.read_exact(vec![0; 2]).await;
        result.unwrap();
        assert_eq!(buf, had);
    });
    assert_eq!(std::fs::read(ours).unwrap(), std::fs::read(theirs).unwrap());
}

#[test]
fn seeks_answer_what_std_answers() {
    let (_dir, path) = file_with("hello, wheel");
    let mut theirs = std::fs::File::open(&path).unwrap();
    block_on(async {
        let ours = File::open(&path).await.unwrap();
        for to in [
            SeekFrom::Start(3),
            SeekFrom::Current(4),
            SeekFrom::Current(-20),
            SeekFrom::End(-5),
            SeekFrom::End(5),
            SeekFrom::End(-13),
            SeekFrom::Start(u64::MAX),
            SeekFrom::Start(1 << 40),
            SeekFrom::Current(1),
            SeekFrom::Current(0),
            SeekFrom::Start(1),
        ] {
            let (theirs, ours) = (theirs.seek(to), ours.seek(to).await);
            match (theirs, ours) {
                (Ok(theirs), Ok(ours)) => assert_eq!(ours, theirs, "{to:?}"),
                // std says EOVERFLOW where the sum leaves i64.
                (Err(_), Err(ours)) => assert_eq!(ours.kind(), ErrorKind::InvalidInput, "{to:?}"),
                other => panic!("{to:?}: {other:?}"),
            }
        }
        assert_eq!(ours.read(vec![0; 4]).await.1, b"ello");
    });
}

#[test]
fn a_dropped_read_has_read_nothing() {
    let (_dir, path) = file_with("hello, wheel");
    block_on(async {
        let file = File::open(&path).await.unwrap();
        for turned in 0..4 {
            let mut read = file.read(vec![0u8; 5]);
            poll_once(&mut read).await;
            turns(turned).await;
            drop(read);
            let mut exact = file.read_exact(vec![0u8; 500]);
            poll_once(&mut exact).await;
            turns(turned).await;
            drop(exact);
            let mut all = file.read_to_end(Vec::new());
            poll_once(&mut all).await;
            turns(turned).await;
            drop(all);
        }
        assert_eq!(file.read(vec![0; 12]).await.1, b"hello, wheel");
    });
}

#[test]
fn a_read_to_the_end_dropped_half_way_sets_the_cursor_back() {
    let content: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    let (_dir, path) = file_with(&content);
    block_on(async {
        let file = File::open(&path).await.unwrap();
        file.read_exact(vec![0; 4]).await.0.unwrap();
        let mut half_way = false;
        for rounds in 1..40 {
            let mut all = file.read_to_end(Vec::new());
            let mut ready = false;
            for _ in 0..rounds {
                ready = ready || poll_once(&mut all).await;
                half_way |= format!("{file:?}").contains("cursor: 8196") && !ready;
                turns(1).await;
            }
            drop(all);
            if ready {
                break;
            }
            assert_eq!(file.seek(SeekFrom::Current(0)).await.unwrap(), 4);
        }
        assert!(half_way, "no drop happened after the first read");
        file.seek(SeekFrom::Start(4)).await.unwrap();
        let (result, all) = file.read_to_end(Vec::new()).await;
        assert_eq!(result.unwrap(), content.len() - 4);
        assert!(all == content[4..]);
    });
}

#[test]
fn a_cursor_that_somebody_moved_is_not_set_back() {
    let (_dir, path) = file_with(vec![b'x'; 100_000]);
    block_on(async {
        let file = File::open(&path).await.unwrap();
        let mut all = file.read_to_end(Vec::new());
        poll_once(&mut all).await;
        file.seek(SeekFrom::Start(77)).await.unwrap();
        drop(all);
        assert_eq!(file.seek(SeekFrom::Current(0)).await.unwrap(), 77);
    });
}

#[test]
fn an_exact_read_that_meets_the_end_gives_its_buffer_back() {
    let (_dir, path) = file_with("hello");
    block_on(async {
        let file = File::open(&path).await.unwrap();
        let (result, buf) = file.read_exact(Box::new([b'.'; 8])).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(*buf, *b"hello...");
    });
}

#[test]
fn a_dropped_write_finishes_and_the_next_goes_behind_it() {
    let (_dir, path) = file_with("");
    block_on(async {
        let file = File::create(&path).await.unwrap();
        for n in 0..50u8 {
            let mut write = file.write(vec![n; 1000]);
            poll_once(&mut write).await;
            drop(write);
            if n % 3 > 0 {
                std::thread::sleep(std::time::Duration::from_millis(1));
                turns(2).await;
            }
        }
        file.write_all(vec![50; 1000]).await.0.unwrap();
    });
    // One that still queued when it was dropped has not begun; all others are there, whole and in order.
    let content = std::fs::read(path).unwrap();
    let firsts: Vec<u8> = content.chunks(1000).map(|block| block[0]).collect();
    let whole = |block: &[u8]| block.len() == 1000 && block.iter().all(|&n| n == block[0]);
    assert!(content.chunks(1000).all(whole));
    assert!(firsts.is_sorted_by(|a, b| a < b), "{firsts:?}");
    assert_eq!((firsts[0], firsts[firsts.len() - 1]), (0, 50));
    assert!(firsts.len() > 2, "{firsts:?}");
}

#[test]
fn a_seek_behind_a_dropped_write_holds_when_that_write_ends() {
    let (_dir, path) = file_with("");
    block_on(async {
        let file = File::create(&path).await.unwrap();
        let mut write = file.write(vec![b'a'; 10]);
        poll_once(&mut write).await;
        drop(write);
        file.seek(SeekFrom::Start(3)).await.unwrap();
        file.write_all("xy").await.0.unwrap();
        assert_eq!(file.seek(SeekFrom::Current(0)).await.unwrap(), 5);
    });
    assert_eq!(std::fs::read(path).unwrap(), b"aaaxyaaaaa");
}

#[test]
fn an_unpolled_write_writes_nothing() {
    let (_dir, path) = file_with("");
    block_on(async {
        let file = File::create(&path).await.unwrap();
        let _ = (file.write("a"), file.write_all("b"), file.writev(["c"]));
        let _ = (
            file.write_at("d", 0),
            file.write_all_at("e", 0),
            file.set_len(9),
        );
        turns(3).await;
    });
    assert_eq!(std::fs::read(path).unwrap(), b"");
}

fn appended_with_std(path: &std::path::Path) -> (Vec<u8>, u64) {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.read(true).append(true).open(path).unwrap();
    let mut had = vec![0; 2];
    file.read_exact(&mut had).unwrap();
    file.write_all(b"abc").unwrap();
    let after = file.stream_position().unwrap();
    file.seek(SeekFrom::Start(1)).unwrap();
    file.write_all(b"def").unwrap();
    assert_eq!(file.read(&mut had).unwrap(), 0);
    (std::fs::read(path).unwrap(), after)
}

async fn appended_with_ours(path: &std::path::Path, file: File) -> (Vec<u8>, u64) {
    file.read_exact(vec![0; 2]).await.0.unwrap();
    file.write("abc").await.0.unwrap();
    let after = file.seek(SeekFrom::Current(0)).await.unwrap();
    file.seek(SeekFrom::Start(1)).await.unwrap();
    file.write_all("def").await.0.unwrap();
    assert_eq!(file.read(vec![0; 2]).await.0.unwrap(), 0);
    (std::fs::read(path).unwrap(), after)
}

#[test]
fn what_appends_goes_to_the_end_and_takes_the_cursor_along_as_in_std() {
    let (_dir, path) = file_with("0123456789");
    let theirs = appended_with_std(&path);
    assert_eq!(theirs.1, 13);
    block_on(async {
        std::fs::write(&path, "0123456789").unwrap();
        let mut options = File::options();
        let file = options.read(true).append(true).open(&path).await.unwrap();
        assert_eq!(appended_with_ours(&path, file).await, theirs);

        std::fs::write(&path, "0123456789").unwrap();
        let mut options = std::fs::OpenOptions::new();
        let file = options.read(true).append(true).open(&path).unwrap();
        let file = File::from_std(file).unwrap();
        assert_eq!(appended_with_ours(&path, file).await, theirs);
    });
}

#[test]
fn two_who_append_never_overwrite_each_other() {
    let (_dir, path) = file_with("");
    block_on(async {
        let mut options = File::options();
        let a = options.append(true).open(&path).await.unwrap();
        let b = options.append(true).open(&path).await.unwrap();
        for _ in 0..20 {
            a.write_all("a").await.0.unwrap();
            b.write_all("b").await.0.unwrap();
            let mut dropped = a.write("c");
            poll_once(&mut dropped).await;
        }
        a.close().await.unwrap();
    });
    let content = std::fs::read(path).unwrap();
    for (letter, times) in [(b'a', 20), (b'b', 20)] {
        assert_eq!(content.iter().filter(|&&c| c == letter).count(), times);
    }
    assert!(content.iter().all(|c| b"abc".contains(c)), "a hole");
}

#[test]
fn a_second_read_queues_behind_the_first() {
    let (_dir, path) = file_with("hello, wheel");
    block_on(async {
        let file = File::open(&path).await.unwrap();
        let mut first = file.read(vec![0; 6]);
        let mut second = file.read(vec![0; 6]);
        poll_once(&mut first).await;
        poll_once(&mut second).await;
        assert_eq!(first.await.1, b"hello,");
        assert_eq!(second.await.1, b" wheel");
    });
}

#[test]
fn a_dropped_write_is_in_the_file_once_it_is_closed() {
    let (_dir, path) = file_with("");
    block_on(async {
        let file = File::create(&path).await.unwrap();
        let mut write = file.write(vec![b'x'; 4096]);
        poll_once(&mut write).await;
        turns(1).await;
        drop(write);
        until(|| std::fs::read(&path).unwrap().len() == 4096).await;
        file.close().await.unwrap();
    });
}
