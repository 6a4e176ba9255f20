//! Registered files and buffers: the ops are those of any, the ring lets go of a file when its descriptor ends, and of memory when nobody has any of it.

use std::io::{PipeWriter, Write};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use sakia_buf::{BufResult, IoBuf, IoBufMut};
use sakia_driver::{Driver, Fd, Kind, RegisteredBuf, RegisteredBufs, ops};

use crate::help::{
    Count, ENDS, adopt, alone, block_on, driver, end, keep_busy, known, knows, poll, poll_by,
    registers, sees_the_end, turns,
};

/// A read at a place.
trait Reading: Future<Output = BufResult<usize, RegisteredBuf>> + Unpin {}
impl<F: Future<Output = BufResult<usize, RegisteredBuf>> + Unpin> Reading for F {}

/// Where the pipe stands: a positioned read of it stands in no lane.
const HERE: u64 = u64::MAX;

fn bufs(driver: &Rc<Driver>, count: usize, size: usize) -> RegisteredBufs {
    driver
        .within(|| RegisteredBufs::new(count, size))
        .expect("room for so little")
}

fn filled(bufs: &RegisteredBufs, bytes: &[u8]) -> RegisteredBuf {
    let mut buf = bufs.try_take().expect("one is free");
    assert_eq!(buf.fill_from(bytes), bytes.len());
    buf
}

/// The writing end of a pipe, registered, and the other, which sees the end when nobody has the first any more.
fn writer(driver: &Rc<Driver>) -> (Fd, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let fd = adopt(driver, writer, Kind::Pipe);
    let registered = fd.register().expect("there is room");
    assert_eq!(registered, registers(driver));
    assert_eq!(fd.register().expect("it is there"), registered, "once more");
    (fd, reader)
}

/// The same, registered because it is busy.
fn busy_writer(driver: &Rc<Driver>) -> (Fd, std::io::PipeReader) {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let fd = adopt(driver, writer, Kind::Pipe);
    keep_busy(driver, &mut reader, || ops::write_at(&fd, "x", 0, HERE));
    (fd, reader)
}

/// The writing end of a pipe, the other, registered, and a read of it in flight into a buffer of the set.
#[track_caller]
fn reading(driver: &Rc<Driver>, bufs: &RegisteredBufs) -> (PipeWriter, Fd, impl Reading + use<>) {
    let (reader, peer) = std::io::pipe().expect("a pipe");
    let ours = adopt(driver, reader, Kind::Pipe);
    ours.register().expect("there is room");
    let buf = bufs.try_take().expect("one is free");
    let mut read = ops::read_at(&ours, buf, HERE);
    assert!(poll(driver, &mut read).is_pending());
    (peer, ours, read)
}

#[test]
fn reads_and_writes_with_a_registered_file_and_buffer_are_those_of_any() {
    let driver = driver();
    let file = adopt(&driver, tempfile::tempfile().unwrap(), Kind::File);
    file.register().unwrap();
    let bufs = bufs(&driver, 2, 4096);
    assert_eq!(bufs.is_registered(), known(&driver).is_some());
    knows(&driver, 1, 1);
    let text = filled(&bufs, b"a wheel of buckets");
    let (n, text) = block_on(&driver, ops::write_at(&file, text, 0, 10));
    assert_eq!((n.unwrap(), &text[..]), (18, &b"a wheel of buckets"[..]));
    let (n, text) = block_on(&driver, ops::write_at(&file, text.slice(2..7), 1, 0));
    assert_eq!((n.unwrap(), &text[..]), (4, &b"wheel"[..]));
    let mut buf = filled(&bufs, &[b'.'; 64]);
    // The first goes by the ring, the second may be answered on the spot.
    for refills in [false, true] {
        if refills {
            driver.refill();
        }
        let n;
        (n, buf) = block_on(&driver, ops::read_at(&file, buf, 10));
        assert_eq!(n.unwrap(), 18);
        assert_eq!(buf[..20], *b"a wheel of buckets..");
        buf[..18].fill(b'.');
    }
    let (n, part) = block_on(&driver, ops::read_at(&file, buf.slice(5..9), 0));
    assert_eq!((n.unwrap(), &part[..]), (4, &b"heel"[..]));
    assert_eq!(part.into_inner()[..12], *b".....heel...");
    let list = [Vec::with_capacity(4), Vec::with_capacity(64)];
    let (n, list) = block_on(&driver, ops::readv_at(&file, list, 12));
    assert_eq!((n.unwrap(), &list[1][..]), (16, &b"l of buckets"[..]));
    block_on(&driver, ops::fsync(&file)).unwrap();
    drop((file, text));
    knows(&driver, 0, 1);
    drop(bufs);
    knows(&driver, 0, 0);
    end(&driver);
}

#[test]
fn a_registered_file_is_closed_once_and_at_once_whatever_way_its_handle_ends_and_so_is_a_busy_one()
{
    // Alone: what another test starts has the pipe for a moment, too.
    alone(|| {
        let driver = driver();
        for ends in ENDS {
            for writer in [writer as fn(&_) -> _, busy_writer] {
                let (fd, reader) = writer(&driver);
                knows(&driver, 1, 0);
                ends(&driver, fd);
                sees_the_end(reader);
                knows(&driver, 0, 0);
            }
        }
        end(&driver);
    });
}

#[test]
fn a_registered_file_that_an_op_in_flight_names_ends_with_the_op() {
    let driver = driver();
    let bufs = bufs(&driver, 1, 16);
    let (mut peer, ours, read) = reading(&driver, &bufs);
    turns(&driver, 1);
    drop(ours);
    peer.write_all(b"still there").unwrap();
    let (n, buf) = block_on(&driver, read);
    assert_eq!(&buf[..n.unwrap()], b"still there");
    knows(&driver, 0, 1);
    let gone = peer.write(b"x").unwrap_err();
    assert_eq!(gone.kind(), std::io::ErrorKind::BrokenPipe);
    end(&driver);
}

#[test]
fn a_buffer_that_is_dropped_in_flight_is_not_lent_again_before_the_kernel_is_done() {
    let driver = driver();
    let bufs = bufs(&driver, 1, 16);
    let (mut peer, ours, read) = reading(&driver, &bufs);
    turns(&driver, 1);
    drop(read);
    assert!(bufs.try_take().is_none(), "the kernel has it");
    for _ in 0..100 {
        if bufs.available() == 1 {
            break;
        }
        turns(&driver, 1);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(bufs.available(), 1);
    peer.write_all(b"next").unwrap();
    let (n, buf) = block_on(&driver, ops::read_at(&ours, bufs.try_take().unwrap(), HERE));
    assert_eq!(&buf[..n.unwrap()], b"next");
    drop((ours, bufs));
    knows(&driver, 0, 1);
    drop(buf);
    knows(&driver, 0, 0);
    end(&driver);
}

#[test]
fn a_driver_that_ends_with_reads_in_flight_gets_every_buffer_back_and_lets_go_of_every_file() {
    let driver = driver();
    let bufs = bufs(&driver, 8, 64);
    let mut held = Vec::new();
    for _ in 0..8 {
        let (peer, ours, read) = reading(&driver, &bufs);
        held.push((peer, ours, Some(read)));
    }
    // Of some the future is dropped before, of some the handle outlives the driver.
    for (_, _, read) in &mut held[..4] {
        read.take();
    }
    end(&driver);
    for (_, _, read) in &mut held {
        if let Some(read) = read {
            let Poll::Ready((n, _)) = poll(&driver, read) else {
                panic!("it has ended");
            };
            n.unwrap_err();
        }
    }
    for (mut peer, ours, read) in held {
        drop(read);
        drop(ours);
        let gone = peer.write(b"x").unwrap_err();
        assert_eq!(gone.kind(), std::io::ErrorKind::BrokenPipe);
    }
    assert_eq!(bufs.available(), 8);
    let mut after = filled(&bufs, b"still memory");
    after.resize(14, b'!');
    assert_eq!(after, b"still memory!!");
    let more = driver.within(|| RegisteredBufs::new(1, 1)).unwrap_err();
    assert_eq!(more.kind(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn a_handle_that_outlives_its_driver_closes_a_registered_file_when_it_is_dropped() {
    let driver = driver();
    let (fd, reader) = writer(&driver);
    end(&driver);
    assert!(
        !crate::help::is_readable(&reader, Duration::ZERO),
        "it is held"
    );
    drop(fd);
    sees_the_end(reader);
}

#[test]
fn a_buffer_of_another_driver_is_a_buffer_as_any_other() {
    let (ours, other) = (driver(), driver());
    let bufs = bufs(&other, 1, 64);
    let file = adopt(&ours, tempfile::tempfile().unwrap(), Kind::File);
    file.register().unwrap();
    let (n, buf) = block_on(
        &ours,
        ops::write_at(&file, filled(&bufs, b"from afar"), 0, 0),
    );
    assert_eq!(n.unwrap(), 9);
    end(&other);
    let (n, mut buf) = block_on(&ours, ops::read_at(&file, buf, 5));
    assert_eq!((n.unwrap(), &buf[..4]), (4, &b"afar"[..]));
    buf.clear();
    drop((buf, bufs, file));
    end(&ours);
}

#[test]
fn a_full_table_is_told_and_a_set_that_goes_makes_room() {
    let driver = driver();
    let mut sets = vec![bufs(&driver, 3, 1)];
    if !sets[0].is_registered() {
        // There is no table.
        drop(sets);
        end(&driver);
        return;
    }
    let full = loop {
        match driver.within(|| RegisteredBufs::new(3, 1)) {
            Ok(set) => sets.push(set),
            Err(error) => break error,
        }
    };
    assert_eq!(sets.len(), 256);
    assert_eq!(full.kind(), std::io::ErrorKind::ResourceBusy, "{full}");
    let file = adopt(&driver, tempfile::tempfile().unwrap(), Kind::File);
    // A buffer keeps its set.
    let last = filled(&sets.remove(7), b"7");
    assert!(driver.within(|| RegisteredBufs::new(1, 1)).is_err());
    assert_eq!(
        block_on(&driver, ops::write_at(&file, last, 0, 0))
            .0
            .unwrap(),
        1
    );
    let set = bufs(&driver, 1, 1);
    let (n, buf) = block_on(&driver, ops::read_at(&file, set.try_take().unwrap(), 0));
    assert_eq!((n.unwrap(), &buf[..]), (1, &b"7"[..]));
    drop((sets, set, buf, file));
    knows(&driver, 0, 0);
    end(&driver);
}

#[test]
fn a_read_among_a_crowd_goes_by_the_ring_and_one_alone_is_answered_on_the_spot() {
    let driver = driver();
    let file = adopt(&driver, tempfile::tempfile().unwrap(), Kind::File);
    let (bufs, beyond) = (bufs(&driver, 9, 16), bufs(&driver, 1, 16));
    if !file.register().unwrap() || !bufs.is_registered() {
        // There is no ring, or one that is told less.
        drop((file, bufs, beyond));
        end(&driver);
        return;
    }
    let text = filled(&beyond, b"wheel");
    block_on(&driver, ops::write_at(&file, text, 0, 0))
        .0
        .unwrap();
    let read = || ops::read_at(&file, bufs.try_take().unwrap(), 0);
    // Nobody has said that a task begins: all of them go by the ring.
    let mut crowd: Vec<_> = (0..8).map(|_| read()).collect();
    for read in &mut crowd {
        assert!(poll(&driver, read).is_pending());
    }
    for read in crowd {
        assert_eq!(block_on(&driver, read).1, b"wheel");
    }
    driver.refill();
    let mut ninth = read();
    assert!(
        poll(&driver, &mut ninth).is_pending(),
        "the last turn had a crowd"
    );
    let mut plain = ops::read_at(&file, Vec::with_capacity(4096), 0);
    assert!(
        poll(&driver, &mut plain).is_ready(),
        "the ring does not know the memory, and it is long"
    );
    assert_eq!(block_on(&driver, ninth).1, b"wheel");
    assert!(poll(&driver, &mut read()).is_ready(), "it was alone");
    drop((file, bufs, beyond));
    end(&driver);
}

#[test]
fn what_cannot_be_a_set_is_refused() {
    let driver = driver();
    for (count, size) in [(0, 1), (1, 0), (2, 1 << 30), (usize::MAX, 2)] {
        let error = driver
            .within(|| RegisteredBufs::new(count, size))
            .unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
    RegisteredBufs::new(1, 1).expect_err("no driver is current");
    end(&driver);
}

#[test]
fn whoever_has_waited_longest_is_given_the_buffer_and_nobody_who_asks_in_between() {
    let driver = driver();
    let bufs = bufs(&driver, 1, 8);
    let only = filled(&bufs, b"wheel");
    let counts: Vec<_> = (0..3).map(|_| Count::new(None)).collect();
    let mut waiting: Vec<_> = counts.iter().map(|_| bufs.take()).collect();
    for (taking, count) in waiting.iter_mut().zip(&counts) {
        assert!(poll_by(&driver, taking, &count.clone().into()).is_pending());
    }
    let wakes = || counts.iter().map(|count| count.wakes()).collect::<Vec<_>>();
    drop(only);
    assert_eq!(wakes(), [1, 0, 0]);
    assert!(bufs.try_take().is_none(), "it has an owner");
    assert!(poll(&driver, &mut waiting[1]).is_pending());
    let Poll::Ready(buf) = poll(&driver, &mut waiting[0]) else {
        panic!("it was given")
    };
    assert!(buf.is_empty(), "what was in it is the last owner's");
    drop(buf);
    // The second has a waker that does not count by now.
    assert_eq!(wakes(), [1, 0, 0]);
    let mut second = block_on(&driver, &mut waiting[1]);
    assert_eq!(second.fill_from(b"spoke"), 5);
    drop(second);
    assert_eq!((wakes(), bufs.available()), (vec![1, 0, 1], 0));
    drop(block_on(&driver, &mut waiting[2]));
    assert_eq!(bufs.available(), 1);
    drop(block_on(&driver, bufs.take()));
    end(&driver);
}

#[test]
fn a_place_that_is_given_up_and_a_buffer_that_was_not_fetched_go_to_the_next() {
    let driver = driver();
    let bufs = bufs(&driver, 1, 8);
    let only = bufs.try_take().unwrap();
    let counts: Vec<_> = (0..3).map(|_| Count::new(None)).collect();
    let mut waiting: Vec<_> = counts.iter().map(|_| bufs.take()).collect();
    for (taking, count) in waiting.iter_mut().zip(&counts) {
        assert!(poll_by(&driver, taking, &count.clone().into()).is_pending());
    }
    let wakes = || counts.iter().map(|count| count.wakes()).collect::<Vec<_>>();
    drop(waiting.remove(0));
    drop(only);
    assert_eq!(wakes(), [0, 1, 0], "the first waits no more");
    drop(waiting.remove(0));
    assert_eq!(wakes(), [0, 1, 1], "the second did not fetch it");
    drop(waiting.pop());
    assert_eq!(bufs.available(), 1);
    end(&driver);
}
