//! Accepts that are dropped: the connection waits with the listener, in both orders, and no op lingers.

use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::task::Waker;
use std::time::{Duration, Instant};

use sakia_driver::{Fd, Kind, Park, ops};

use crate::help::{
    Count, adopt, alone, block_on, driver, end, is_readable, limit_fds, open_fds, poll, poll_by,
    turn_for, turns,
};

fn listener(driver: &std::rc::Rc<sakia_driver::Driver>) -> (Fd, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (adopt(driver, listener, Kind::TcpListener), addr)
}

#[test]
fn a_connection_that_came_before_the_drop_is_served_next() {
    let driver = driver();
    let (listener, addr) = listener(&driver);
    let mut accept = ops::accept(&listener, Kind::TcpStream);
    assert!(poll(&driver, &mut accept).is_pending());
    turns(&driver, 1);
    let client = TcpStream::connect(addr).unwrap();
    turn_for(&driver, Duration::from_millis(5));
    drop(accept);
    let (_fd, from) = block_on(&driver, ops::accept(&listener, Kind::TcpStream)).unwrap();
    assert_eq!(from.as_ip(), Some(client.local_addr().unwrap()));
    drop((_fd, listener));
    end(&driver);
}

#[test]
fn a_connection_that_came_after_the_drop_is_served_next() {
    let driver = driver();
    let (listener, addr) = listener(&driver);
    let mut accept = ops::accept(&listener, Kind::TcpStream);
    assert!(poll(&driver, &mut accept).is_pending());
    turns(&driver, 1);
    drop(accept);
    let client = TcpStream::connect(addr).unwrap();
    let (_fd, from) = block_on(&driver, ops::accept(&listener, Kind::TcpStream)).unwrap();
    assert_eq!(from.as_ip(), Some(client.local_addr().unwrap()));
    drop((_fd, listener));
    end(&driver);
}

#[test]
fn an_accept_that_nobody_waits_for_is_cancelled_within_a_turn() {
    let driver = driver();
    let (listener, addr) = listener(&driver);
    let mut accept = ops::accept(&listener, Kind::TcpStream);
    assert!(poll(&driver, &mut accept).is_pending());
    turns(&driver, 1);
    drop(accept);
    turns(&driver, 3);
    assert_eq!(driver.in_flight(), 0);
    let _client = TcpStream::connect(addr).unwrap();
    turns(&driver, 1);
    block_on(&driver, ops::accept(&listener, Kind::TcpStream)).unwrap();
    drop(listener);
    end(&driver);
}

#[test]
fn an_orphan_whose_next_waiter_goes_as_well_is_cancelled() {
    let driver = driver();
    let (listener, _) = listener(&driver);
    let mut first = ops::accept(&listener, Kind::TcpStream);
    assert!(poll(&driver, &mut first).is_pending());
    turns(&driver, 1);
    drop(first);
    let mut second = ops::accept(&listener, Kind::TcpStream);
    assert!(poll(&driver, &mut second).is_pending());
    turns(&driver, 2);
    drop(second);
    turns(&driver, 3);
    assert_eq!(
        driver.in_flight(),
        0,
        "it would steal connections from SO_REUSEPORT siblings"
    );
    drop(listener);
    end(&driver);
}

#[test]
fn a_waiter_that_was_woken_for_a_connection_and_goes_passes_it_on() {
    let driver = driver();
    let (listener, addr) = listener(&driver);
    let mut first = ops::accept(&listener, Kind::TcpStream);
    let mut second = ops::accept(&listener, Kind::TcpStream);
    let count = Count::new(None);
    assert!(poll(&driver, &mut first).is_pending());
    assert!(poll_by(&driver, &mut second, &Waker::from(count.clone())).is_pending());
    turns(&driver, 1);
    let client = TcpStream::connect(addr).unwrap();
    turn_for(&driver, Duration::from_millis(5));
    drop(first);
    assert_eq!(count.wakes(), 1);
    let (_fd, from) = block_on(&driver, second).unwrap();
    assert_eq!(from.as_ip(), Some(client.local_addr().unwrap()));
    drop((_fd, listener));
    end(&driver);
}

#[test]
fn accepts_dropped_at_every_point_lose_no_connection_and_leak_no_descriptor() {
    alone(|| {
        let before = open_fds();
        let driver = driver();
        let (listener, addr) = listener(&driver);
        let mut served = Vec::new();
        let mut clients = Vec::new();
        for round in 0..200 {
            let mut accept = ops::accept(&listener, Kind::TcpStream);
            let ready = poll(&driver, &mut accept);
            assert!(ready.is_ready() || round % 5 != 4 || ready.is_pending());
            if let std::task::Poll::Ready(got) = ready {
                served.push(got.unwrap().1.as_ip().unwrap());
            }
            turns(&driver, round % 3);
            if round % 2 == 0 {
                clients.push(TcpStream::connect(addr).unwrap());
            }
            turns(&driver, (round / 3) % 3);
        }
        while served.len() < clients.len() {
            served.push(
                block_on(&driver, ops::accept(&listener, Kind::TcpStream))
                    .unwrap()
                    .1
                    .as_ip()
                    .unwrap(),
            );
        }
        let mut expected: Vec<_> = clients
            .iter()
            .map(|client| client.local_addr().unwrap())
            .collect();
        served.sort();
        expected.sort();
        assert_eq!(served, expected);
        drop((listener, clients));
        end(&driver);
        drop(driver);
        assert_eq!(open_fds(), before);
    });
}

#[test]
fn a_leftover_connection_is_released_with_its_listener_or_closed_with_it() {
    let driver = driver();
    for release in [true, false] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = socket.local_addr().unwrap();
        let watch = socket.try_clone().unwrap();
        let listener = adopt(&driver, socket, Kind::TcpListener);
        let mut accept = ops::accept(&listener, Kind::TcpStream);
        assert!(poll(&driver, &mut accept).is_pending());
        turns(&driver, 1);
        let mut client = TcpStream::connect(addr).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        // It has come when the kernel's queue has it no more; a busy machine takes its time.
        while is_readable(&watch, Duration::ZERO) {
            turn_for(&driver, Duration::from_millis(1));
        }
        drop(accept);
        if release {
            let (_owned, left) = block_on(&driver, ops::release(listener)).unwrap();
            assert_eq!(
                left.connections[0].1.as_ip(),
                Some(client.local_addr().unwrap())
            );
        } else {
            drop(listener);
            let n = std::io::Read::read(&mut client, &mut [0]);
            assert!(matches!(n, Ok(0)), "the client sees the end: {n:?}");
        }
    }
    end(&driver);
}

#[test]
fn an_accept_without_descriptors_waits_and_does_not_spin() {
    alone(|| {
        let driver = driver();
        let (listener, addr) = listener(&driver);
        let _client = TcpStream::connect(addr).unwrap();
        let mut hoard = Vec::new();
        limit_fds(100);
        while let Ok(file) = std::fs::File::open("/dev/null") {
            hoard.push(file);
        }
        let start = Instant::now();
        let error = block_on(&driver, ops::accept(&listener, Kind::TcpStream)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        assert!(start.elapsed() >= Duration::from_millis(50));
        // Within the wait a descriptor comes free: the connection is served.
        let count = Count::new(Some(&driver));
        let waker = Waker::from(count);
        let mut accept = pin!(ops::accept(&listener, Kind::TcpStream));
        assert!(poll_by(&driver, &mut accept, &waker).is_pending());
        driver
            .turn(Park::For(Duration::from_millis(5)), || false)
            .unwrap();
        assert!(poll_by(&driver, &mut accept, &waker).is_pending());
        hoard.pop();
        let (fd, _) = block_on(&driver, accept).unwrap();
        drop((fd, listener));
        end(&driver);
    });
}
