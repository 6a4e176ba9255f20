//! Descriptors that come with a message, on ways that nobody waits at: each is closed, or is served to who comes next.

use std::io::{PipeReader, Read, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::rc::Rc;

use sakia_driver::{Driver, Fd, Kind, ops};

use crate::help::{adopt, block_on, driver, end, poll, turns};

/// Two connected sockets of datagrams, both the driver's.
fn sockets(driver: &Rc<Driver>) -> (Fd, Fd) {
    let (one, other) = UnixDatagram::pair().unwrap();
    (
        adopt(driver, one, Kind::UnixDatagram),
        adopt(driver, other, Kind::UnixDatagram),
    )
}

/// Sends `byte` and a pipe's writing end; the reading end sees its end once nobody has the other.
fn send(driver: &Rc<Driver>, to: &Fd, byte: u8) -> PipeReader {
    let (reader, writer) = pipe().unwrap();
    let fds = vec![OwnedFd::from(writer)];
    let sent = ops::send_with_fds(to, vec![vec![byte]], fds, None);
    let (result, back) = block_on(driver, sent);
    assert_eq!(result.unwrap(), 1);
    drop(back);
    reader
}

#[test]
fn descriptors_that_come_for_a_receive_that_was_detached_in_the_queue_go_to_the_next() {
    let driver = driver();
    let (theirs, ours) = sockets(&driver);
    let mut first = ops::recv_msg(&ours, vec![Vec::with_capacity(4)]);
    let mut second = ops::recv_msg(&ours, vec![Vec::with_capacity(4)]);
    assert!(poll(&driver, &mut first).is_pending() && poll(&driver, &mut second).is_pending());
    second.detach();
    let mut ends = Vec::new();
    for byte in [1, 2] {
        ends.push(send(&driver, &theirs, byte));
    }
    assert_eq!(
        block_on(&driver, first).0.unwrap().ancillary.fds.len(),
        1,
        "the first message is the first's"
    );
    turns(&driver, 3);
    let third = ops::recv_msg(&ours, vec![Vec::with_capacity(4)]);
    let (received, bufs) = block_on(&driver, third);
    assert_eq!(bufs, [[2]]);
    assert_eq!(received.unwrap().ancillary.fds.len(), 1);
    for mut reader in ends {
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "all are closed");
    }
    drop((theirs, ours));
    end(&driver);
}
