//! Descriptors that are registered because they are busy: as many as there is room for, and each of them ends as one without a slot.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use sakia_driver::{Driver, Fd, FdInfo, FdState, Kind, ops};

use crate::help::{
    BUSY, ENDS, adopt, alone, block_on, busy_stream, driver, end, fill, is_readable, keep_busy,
    knows, limit_fds, open_fds, pair, poll, registers, sees_the_end, turns,
};

#[test]
fn a_descriptor_is_busy_with_its_hundred_and_twenty_eighth_op_and_not_before() {
    let driver = driver();
    let (fd, _peer) = pair(&driver);
    for files in [0; BUSY - 1].into_iter().chain([1; 3]) {
        let (n, _) = block_on(&driver, ops::send(&fd, "x"));
        assert_eq!(n.unwrap(), 1);
        knows(&driver, files, 0);
    }
    drop(fd);
    end(&driver);
}

#[test]
fn a_busy_stream_is_registered_and_its_peer_sees_the_end_at_once_though_a_receive_is_in_flight() {
    alone(|| {
        let driver = driver();
        let (fd, mut peer) = busy_stream(&driver);
        knows(&driver, 1, 0);
        peer.write_all(b"wheel").unwrap();
        let (n, buf) = block_on(&driver, ops::recv(&fd, Vec::with_capacity(8)));
        assert_eq!((n.unwrap(), &buf[..]), (5, &b"wheel"[..]));
        let mut idle = ops::recv(&fd, Vec::with_capacity(8));
        assert!(poll(&driver, &mut idle).is_pending());
        turns(&driver, 1);
        drop(idle);
        drop(fd);
        sees_the_end(peer);
        knows(&driver, 0, 0);
        end(&driver);
    });
}

#[test]
fn more_busy_streams_than_there_are_slots_one_after_another_leave_none_behind() {
    let driver = driver();
    for ends in ENDS.into_iter().cycle().take(1100) {
        let (fd, peer) = busy_stream(&driver);
        ends(&driver, fd);
        drop(peer);
    }
    let (last, _peer) = busy_stream(&driver);
    knows(&driver, 1, 0);
    drop(last);
    knows(&driver, 0, 0);
    end(&driver);
}

#[test]
fn a_handle_of_a_busy_stream_that_outlives_its_driver_is_the_last_to_hold_the_stream() {
    alone(|| {
        let driver = driver();
        let (fd, peer) = busy_stream(&driver);
        end(&driver);
        assert!(!is_readable(&peer, Duration::ZERO));
        drop(fd);
        sees_the_end(peer);
    });
}

#[test]
fn of_more_busy_streams_at_once_than_there_are_slots_the_rest_go_on_by_number_until_there_is_room()
{
    alone(|| {
        let before = open_fds();
        let driver = driver();
        // A ring has no more slots than the process may have descriptors when the first is asked for.
        let limit = limit_fds(64);
        let mut streams = vec![busy_stream(&driver)];
        limit_fds(limit);
        streams.extend((1..40).map(|_| busy_stream(&driver)));
        knows(&driver, 32, 0);
        let (asked, other) = pair(&driver);
        assert_eq!(
            asked.register().unwrap(),
            registers(&driver),
            "a half is kept"
        );
        knows(&driver, 33, 0);
        drop(asked);

        for (at, (fd, peer)) in streams.iter_mut().enumerate() {
            let text = [at as u8; 3];
            block_on(&driver, ops::send_all(fd, text.to_vec()))
                .0
                .unwrap();
            let mut got = [0; 3];
            peer.read_exact(&mut got).unwrap();
            assert_eq!(got, text);
            peer.write_all(&text).unwrap();
            let (n, buf) = block_on(&driver, ops::recv(fd, Vec::with_capacity(8)));
            assert_eq!((n.unwrap(), &buf[..]), (3, &text[..]));
        }

        let (gone, peer) = streams.remove(0);
        drop(gone);
        sees_the_end(peer);
        knows(&driver, 31, 0);
        let (last, peer) = streams.last_mut().unwrap();
        keep_busy(&driver, peer, || ops::send(last, "x"));
        knows(&driver, 32, 0);

        let mut strangers = Vec::new();
        for ((fd, peer), ends) in streams.into_iter().zip(ENDS.into_iter().cycle()) {
            ends(&driver, fd);
            sees_the_end(peer);
            // It has the number now: a second close would be its end.
            strangers.push(File::open("/dev/null").unwrap());
        }
        knows(&driver, 0, 0);
        end(&driver);
        drop(driver);
        for stranger in &strangers {
            stranger.metadata().unwrap();
        }
        drop((strangers, other));
        assert_eq!(open_fds(), before);
    });
}

/// A TCP stream that lingers so many seconds when it is closed, and its peer.
fn lingering(driver: &Rc<Driver>, seconds: u16, busy: bool) -> (Fd, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let fd = adopt(driver, ours, Kind::TcpStream);
    if busy {
        keep_busy(driver, &mut peer, || ops::send(&fd, "x"));
        knows(driver, 1, 0);
    }
    fd.set_linger(Some(seconds)).unwrap();
    (fd, peer)
}

/// Turns until no close is pending.
fn closed(driver: &Rc<Driver>) {
    let until = Instant::now() + Duration::from_secs(10);
    let is_closing = |fd: &FdInfo| fd.state == FdState::Closing;
    while driver.fds().iter().any(is_closing) {
        assert!(Instant::now() < until, "it lingers on");
        turns(driver, 1);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_busy_stream_with_so_linger_waits_for_its_peer_or_resets_it_as_one_without_a_slot() {
    alone(|| {
        let driver = driver();
        for busy in [false, true] {
            let (fd, mut peer) = lingering(&driver, 0, busy);
            drop(fd);
            closed(&driver);
            assert!(is_readable(&peer, Duration::ZERO), "at once");
            let reset = peer.read(&mut [0]).unwrap_err();
            assert_eq!(reset.kind(), ErrorKind::ConnectionReset);

            let (fd, mut peer) = lingering(&driver, 4, busy);
            let sent = fill(&fd);
            let start = Instant::now();
            drop(fd);
            knows(&driver, 0, 0);
            turns(&driver, 1);
            let waited = start.elapsed();
            assert!(waited < Duration::from_secs(2), "not here: {waited:?}");
            let mut got = Vec::new();
            peer.read_to_end(&mut got).unwrap();
            assert_eq!(got.len(), sent);
            closed(&driver);
        }
        end(&driver);
    });
}
