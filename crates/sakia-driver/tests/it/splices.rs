//! Splices between a stream and a pipe: bytes keep their order beside reads and writes that were dropped, and none is lost with a splice.

use std::future::Future;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use sakia_driver::ops::{self, Splice, Stream};
use sakia_driver::{Driver, Fd, Receipt};

use crate::help::{block_on, driver, end, fill, pair, poll, turn_for, turns};

/// A stream and its peer, and a pipe.
struct Setup {
    driver: Rc<Driver>,
    ours: Fd,
    peer: UnixStream,
    reader: Fd,
    writer: Fd,
}

impl Setup {
    fn new() -> Self {
        let driver = driver();
        let (ours, peer) = pair(&driver);
        let (reader, writer) = driver.within(Fd::pipe).unwrap();
        Self {
            driver,
            ours,
            peer,
            reader,
            writer,
        }
    }

    /// A read with so much room that is under way.
    fn armed_read(&self, room: usize) -> impl Future + use<> {
        let mut read = ops::recv(&self.ours, Vec::with_capacity(room));
        assert!(poll(&self.driver, &mut read).is_pending());
        turns(&self.driver, 1);
        read
    }

    /// A read with so much room that is dropped with what the peer has sent meanwhile.
    fn dropped_read(&mut self, room: usize, sent: &[u8]) {
        let read = self.armed_read(room);
        self.peer.write_all(sent).unwrap();
        turns(&self.driver, 2);
        drop(read);
    }

    /// From the stream into the pipe, at most so much.
    fn splice(&self, most: usize) -> Splice {
        ops::splice((&self.ours, None), (&self.writer, None), most)
    }

    /// The same under way.
    fn armed_splice(&self, most: usize) -> Splice {
        let mut splice = self.splice(most);
        assert!(poll(&self.driver, &mut splice).is_pending());
        splice
    }

    fn block_on<F: Future>(&self, work: F) -> F::Output {
        block_on(&self.driver, work)
    }

    /// What the stream has, at most so much.
    fn received(&self, room: usize) -> Vec<u8> {
        self.block_on(ops::recv(&self.ours, Vec::with_capacity(room)))
            .1
    }

    /// What lies in the pipe.
    fn piped(&self) -> Vec<u8> {
        let read = ops::read(&self.reader, Vec::with_capacity(1 << 16), Stream::Pipe);
        self.block_on(read).1
    }

    fn fill_pipe(&self) -> usize {
        let mut filled = 0;
        while let Ok(n) = self.writer.try_write(&[b'.'; 4096]) {
            filled += n;
        }
        filled
    }

    fn end(self) {
        drop((self.ours, self.reader, self.writer));
        end(&self.driver);
    }
}

#[test]
fn what_a_dropped_read_has_received_is_spliced_first() {
    let mut setup = Setup::new();
    setup.dropped_read(4, b"sakia, a water wheel");
    let mut moved = 0;
    for most in [3, 20, 20] {
        let n = setup.block_on(setup.splice(most)).unwrap();
        assert!(n > 0 && n <= most);
        moved += n;
    }
    assert_eq!(moved, 20);
    assert_eq!(setup.piped(), b"sakia, a water wheel");
    let read = setup.armed_read(4);
    setup.peer.shutdown(Shutdown::Write).unwrap();
    turns(&setup.driver, 2);
    drop(read);
    assert_eq!(
        setup.block_on(setup.splice(9)).unwrap(),
        0,
        "the end was read"
    );
    setup.end();
}

#[test]
fn a_read_that_is_armed_still_is_awaited_by_a_splice_and_what_it_brings_goes_first() {
    let mut setup = Setup::new();
    drop(setup.armed_read(2));
    let splice = setup.armed_splice(9);
    setup.peer.write_all(b"abcd").unwrap();
    assert_eq!(setup.block_on(splice).unwrap(), 2);
    assert_eq!(setup.block_on(setup.splice(9)).unwrap(), 2);
    assert_eq!(setup.piped(), b"abcd");
    setup.end();
}

#[test]
fn a_write_that_was_dropped_under_way_comes_before_what_is_spliced() {
    let setup = Setup::new();
    let before = fill(&setup.ours);
    let mut write = ops::send_all(&setup.ours, b"first, ".to_vec());
    assert!(poll(&setup.driver, &mut write).is_pending());
    turns(&setup.driver, 1);
    drop(write);
    let wrote = setup.block_on(ops::write_all(&setup.writer, "then", Stream::Pipe));
    wrote.0.unwrap();
    let mut splice = ops::splice((&setup.reader, None), (&setup.ours, None), 4);
    assert!(poll(&setup.driver, &mut splice).is_pending());
    let mut peer = setup.peer.try_clone().unwrap();
    let all = std::thread::spawn(move || {
        let mut all = vec![0; before + 11];
        peer.read_exact(&mut all).unwrap();
        all
    });
    assert_eq!(setup.block_on(splice).unwrap(), 4);
    assert_eq!(all.join().unwrap()[before..], *b"first, then");
    setup.end();
}

#[test]
fn a_splice_that_is_dropped_or_cancelled_loses_nothing_and_the_read_behind_it_gets_all() {
    let mut setup = Setup::new();
    let mut got = Vec::new();
    for round in 0..20u8 {
        let splice = setup.armed_splice(9);
        turn_for(&setup.driver, Duration::from_millis(u64::from(round % 3)));
        let mut read = ops::recv(&setup.ours, Vec::with_capacity(9));
        assert!(
            poll(&setup.driver, &mut read).is_pending(),
            "the lane is held"
        );
        if round % 2 == 0 {
            drop(splice);
            // A byte that comes before the cancel is heard would be moved.
            while setup.driver.in_flight() > 0 {
                turn_for(&setup.driver, Duration::from_millis(1));
            }
        } else {
            let receipt = setup.block_on(splice.cancel());
            assert!(matches!(receipt, Receipt::Cancelled(())), "{receipt:?}");
        }
        setup.peer.write_all(&[round]).unwrap();
        got.extend(setup.block_on(read).1);
    }
    assert_eq!(got, Vec::from_iter(0..20));
    setup.end();
}

#[test]
fn what_a_splice_could_not_write_any_more_is_read_next() {
    let mut setup = Setup::new();
    setup.dropped_read(4, b"abcd");
    let filled = setup.fill_pipe();
    for _ in 0..2 {
        let splice = setup.armed_splice(3);
        turns(&setup.driver, 2);
        drop(splice);
        turns(&setup.driver, 2);
    }
    let back = setup.received(9);
    assert_eq!(
        back, b"abc",
        "they went back, before what was not asked for"
    );
    assert_eq!(setup.received(9), b"d");
    assert_eq!(setup.piped().len(), filled);
    setup.end();
}

#[test]
fn a_splice_that_waits_for_a_socket_does_not_lock_the_pipe() {
    let mut setup = Setup::new();
    let splice = setup.armed_splice(9);
    turn_for(&setup.driver, Duration::from_millis(20));
    let tried = setup.reader.try_read(&mut [0; 4]);
    assert_eq!(tried.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    setup.peer.write_all(b"abc").unwrap();
    assert_eq!(setup.block_on(splice).unwrap(), 3);
    assert_eq!(setup.piped(), b"abc");
    setup.end();
}

#[test]
fn a_splice_under_way_keeps_no_descriptor_open_when_all_is_dropped() {
    let setup = Setup::new();
    let splice = setup.armed_splice(9);
    turn_for(&setup.driver, Duration::from_millis(5));
    let Setup {
        driver,
        ours,
        mut peer,
        reader,
        writer,
    } = setup;
    drop((ours, reader, writer));
    drop(splice);
    turn_for(&driver, Duration::from_millis(100));
    assert_eq!(peer.read(&mut [0]).unwrap(), 0, "the peer is told");
    assert_eq!(driver.in_flight(), 0);
    end(&driver);
}
