//! What is written to a hot stream while more of it waits to be answered goes out together, and never later than its poll.

use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use sakia_driver::ops::Stream;
use sakia_driver::{Driver, Fd, Kind, Park, ops};

use crate::help::{adopt, block_on, driver, end, fork, refuse};
use crate::hot::{hot_with, tells};

/// The length of a message.
const LEN: usize = 4;

/// A hot stream with TCP_NODELAY or without, in a fresh poll: so many messages wait in it, and its peer has got one byte.
fn hot(driver: &Rc<Driver>, messages: usize, nodelay: bool) -> (Fd, TcpStream) {
    hot_of(driver, messages * LEN, nodelay)
}

fn hot_of(driver: &Rc<Driver>, bytes: usize, nodelay: bool) -> (Fd, TcpStream) {
    hot_with(driver, &vec![7; 1 + bytes], nodelay)
}

/// The outcome of a future that is over at its first poll.
fn at_once<F: Future>(work: F) -> F::Output {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it was not answered on the spot"),
    }
}

/// Reads a message and sends it back, as an echo does it, all in the poll that goes on.
fn answer(fd: &Fd, len: usize) {
    let (n, buf) = at_once(ops::recv(fd, Vec::with_capacity(len)));
    assert_eq!(n.unwrap(), len);
    at_once(ops::send_all(fd, buf)).0.unwrap();
}

/// How much the peer could read now.
fn arrived(peer: &TcpStream) -> usize {
    peer.set_nonblocking(true).unwrap();
    match peer.peek(&mut vec![0; 1 << 17]) {
        Ok(n) => n,
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(error) => panic!("{error}"),
    }
}

/// Two messages of three are answered, and held back; then this happens, within the same poll, and they have to be with the peer.
///
/// The second stream is another such one.
fn pushed_by(what: &str, ending: impl FnOnce(&Rc<Driver>, Fd, &Fd) -> Option<Fd>) {
    let driver = driver();
    let (other, _peer) = hot(&driver, 2, true);
    let (fd, peer) = hot(&driver, 3, true);
    let fd = driver.within(|| {
        answer(&fd, LEN);
        answer(&fd, LEN);
        assert_eq!(arrived(&peer), 0, "before {what}");
        let fd = ending(&driver, fd, &other);
        assert_eq!(arrived(&peer), 2 * LEN, "after {what}");
        fd
    });
    drop((fd, other));
    end(&driver);
}

#[test]
fn what_is_held_back_is_pushed_before_anything_else_happens() {
    if !tells() {
        return;
    }
    pushed_by("another task's poll", |driver, fd, _| {
        driver.refill();
        Some(fd)
    });
    pushed_by("a turn", |driver, fd, _| {
        driver.turn(Park::No, || false).unwrap();
        Some(fd)
    });
    pushed_by("a rest", |driver, fd, _| {
        driver.rest(|| false);
        Some(fd)
    });
    pushed_by("the end of a loop", |driver, fd, _| {
        driver.within(|| {});
        Some(fd)
    });
    pushed_by("a look from outside", |_, fd, _| {
        fd.try_as_fd().unwrap();
        Some(fd)
    });
    pushed_by("a flush", |_, fd, _| {
        fd.push();
        Some(fd)
    });
    pushed_by(
        "a send of the caller's that holds back by itself",
        |_, fd, _| {
            let more = Stream::Socket(libc::MSG_MORE);
            let (n, _) = at_once(ops::write(&fd, vec![8; LEN], more));
            assert_eq!(n.unwrap(), LEN);
            Some(fd)
        },
    );
    pushed_by("a read of another stream", |_, fd, other| {
        answer(other, LEN);
        Some(fd)
    });
    pushed_by("its release", |_, fd, _| {
        drop(at_once(ops::release(fd)).unwrap());
        None
    });
    pushed_by("its close", |_, fd, _| {
        at_once(sakia_driver::close(fd)).unwrap();
        None
    });
}

#[test]
fn a_stream_that_is_dropped_with_something_unread_has_sent_its_answers_before_it_is_reset() {
    if !tells() {
        return;
    }
    pushed_by("its drop", |_, fd, _| {
        drop(fd);
        None
    });
}

/// A poll in which so many messages wait in a hot stream, with TCP_NODELAY or without.
fn in_a_poll(messages: usize, nodelay: bool, test: impl FnOnce(&Rc<Driver>, &Fd, &mut TcpStream)) {
    if !tells() {
        return;
    }
    let driver = driver();
    let (fd, mut peer) = hot(&driver, messages, nodelay);
    driver.within(|| test(&driver, &fd, &mut peer));
    drop(fd);
    end(&driver);
}

#[test]
fn the_last_answer_pushes_all_by_itself() {
    in_a_poll(3, true, |_, fd, peer| {
        for arrives in [0, 0, 3 * LEN] {
            answer(fd, LEN);
            assert_eq!(arrived(peer), arrives);
        }
        // What comes meanwhile is asked for anew.
        peer.write_all(&[7; 2 * LEN]).unwrap();
        for arrives in [3 * LEN, 5 * LEN] {
            answer(fd, LEN);
            assert_eq!(arrived(peer), arrives);
        }
    });
}

#[test]
fn an_answer_to_a_read_that_found_less_than_it_had_room_for_goes_at_once() {
    in_a_poll(3, true, |driver, fd, peer| {
        answer(fd, LEN);
        assert_eq!(arrived(peer), 0);
        let (n, buf) = at_once(ops::recv(fd, Vec::with_capacity(100)));
        assert_eq!(n.unwrap(), 2 * LEN);
        // The stream is not hot any more: this one goes by the ring, within this poll.
        block_on(driver, ops::send_all(fd, buf)).0.unwrap();
        assert_eq!(arrived(peer), 3 * LEN);
    });
}

#[test]
fn no_more_than_a_piece_is_held_back_or_two_where_others_wait() {
    if !tells() {
        return;
    }
    const MESSAGE: usize = 4 << 10;
    for (others, pieces) in [(0, 1), (8, 2)] {
        let driver = driver();
        let (fd, peer) = hot_of(&driver, 12 * MESSAGE, true);
        driver.within(|| {
            let pairs: Vec<_> = (0..others).map(|_| crate::help::pair(&driver)).collect();
            let waiting = pairs
                .iter()
                .map(|(fd, _)| ops::recv(fd, Vec::with_capacity(1)));
            let mut waiting: Vec<_> = waiting.map(Box::pin).collect();
            for recv in &mut waiting {
                let cx = &mut Context::from_waker(Waker::noop());
                assert!(recv.as_mut().poll(cx).is_pending());
            }
            for _ in 1..4 * pieces {
                answer(&fd, MESSAGE);
            }
            assert_eq!(arrived(&peer), 0);
            answer(&fd, MESSAGE);
            assert_eq!(arrived(&peer), 4 * pieces * MESSAGE);
        });
        drop(fd);
        end(&driver);
    }
}

#[test]
fn without_tcp_nodelay_nothing_is_held_back_but_by_the_kernel() {
    in_a_poll(3, false, |_, fd, peer| {
        answer(fd, LEN);
        assert_eq!(arrived(peer), LEN);
    });
}

#[test]
fn a_forked_child_pushes_nothing_of_its_parents() {
    if !tells() {
        return;
    }
    let driver = driver();
    let (fd, mut peer) = hot(&driver, 3, true);
    driver.within(|| {
        let before = Instant::now();
        answer(&fd, LEN);
        let child = fork(|| {
            driver.refill();
            fd.push();
            0
        });
        assert_eq!(child, 0);
        let arrived = arrived(&peer);
        // After some 200 ms the kernel sends it by itself.
        assert!(arrived == 0 || before.elapsed() > Duration::from_millis(150));
        driver.refill();
    });
    peer.set_nonblocking(false).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut got = [0; LEN];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(got, [7; LEN]);
    drop(fd);
    end(&driver);
}

#[test]
fn who_exits_in_the_poll_has_sent_its_answers() {
    if !tells() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        let mut peer = listener.accept().unwrap().0;
        peer.write_all(&[7; 1 + 3 * LEN]).unwrap();
        let mut got = [0; LEN];
        peer.read_exact(&mut got).map(|()| got)
    });
    fork(|| {
        let driver = driver();
        let ours = TcpStream::connect(address).unwrap();
        ours.set_nodelay(true).unwrap();
        let fd = adopt(&driver, ours, Kind::TcpStream);
        block_on(&driver, ops::recv(&fd, Vec::with_capacity(1)))
            .0
            .unwrap();
        driver.refill();
        driver.within(|| {
            answer(&fd, LEN);
            std::process::exit(0);
        })
    });
    assert_eq!(peer.join().unwrap().unwrap(), [7; LEN]);
}

#[test]
fn what_is_there_is_read_though_the_socket_is_to_wait_for_more() {
    let driver = driver();
    let (fd, _peer) = hot(&driver, 3, true);
    fd.set_option(libc::SOL_SOCKET, libc::SO_RCVLOWAT, 2 * LEN as i32)
        .unwrap();
    for _ in 0..3 {
        let (n, _) = block_on(&driver, ops::recv(&fd, Vec::with_capacity(LEN)));
        assert_eq!(n.unwrap(), LEN);
        driver.refill();
    }
    drop(fd);
    end(&driver);
}

#[test]
fn what_is_known_of_one_stream_is_not_said_of_another() {
    if !tells() {
        return;
    }
    let driver = driver();
    let (long, long_peer) = hot(&driver, 9, true);
    let (short, short_peer) = hot(&driver, 2, true);
    driver.within(|| {
        answer(&long, LEN);
        at_once(ops::send_all(&short, vec![7; LEN])).0.unwrap();
        assert_eq!((arrived(&long_peer), arrived(&short_peer)), (0, LEN));
        driver.refill();
        assert_eq!(arrived(&long_peer), LEN);
        answer(&short, LEN);
        answer(&short, LEN);
        assert_eq!(arrived(&short_peer), 3 * LEN, "that was the last");
    });
    drop((long, short));
    end(&driver);
}

/// The same in a thread of its own, with which a filter ends.
fn apart(test: impl FnOnce(&Rc<Driver>, &Fd, &mut TcpStream) + Send + 'static) {
    std::thread::spawn(|| in_a_poll(9, true, test))
        .join()
        .unwrap();
}

#[test]
fn where_a_push_is_refused_nothing_is_held_back() {
    apart(|_, fd, peer| {
        refuse(libc::SYS_setsockopt);
        answer(fd, LEN);
        assert_eq!(arrived(peer), LEN);
    });
}

#[test]
fn where_pushes_come_to_be_refused_nothing_is_held_back_any_more() {
    apart(|driver, fd, peer| {
        answer(fd, LEN);
        driver.refill();
        assert_eq!(arrived(peer), LEN);
        refuse(libc::SYS_setsockopt);
        answer(fd, LEN);
        driver.refill();
        answer(fd, LEN);
        assert_eq!(arrived(peer), 3 * LEN, "the second went with the third");
    });
}

#[test]
fn an_option_that_was_set_is_seen_in_the_same_poll_and_in_the_next() {
    in_a_poll(9, true, |driver, fd, peer| {
        let set = |name, value| fd.set_option(libc::IPPROTO_TCP, name, value).unwrap();
        set(libc::TCP_NODELAY, 0);
        answer(fd, LEN);
        assert_eq!(arrived(peer), LEN, "without TCP_NODELAY it goes at once");
        driver.refill();
        set(libc::TCP_NODELAY, 1);
        answer(fd, LEN);
        assert_eq!(arrived(peer), LEN, "and with it, with the next");
        set(libc::TCP_CORK, 1);
        assert_eq!(arrived(peer), 2 * LEN, "a call pushes");
        answer(fd, LEN);
        driver.refill();
        assert_eq!(arrived(peer), 2 * LEN, "the cork is the caller's");
    });
}

#[test]
fn an_echo_whose_peer_reads_late_is_whole_and_in_order() {
    const BYTES: usize = 16 << 20;
    const PIECE: usize = 4 << 10;
    fn byte(n: usize) -> u8 {
        (n % 251) as u8
    }
    let driver = driver();
    let (fd, mut peer) = hot_with(&driver, &[0; 1], true);
    let mut writer = peer.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let all: Vec<u8> = (0..BYTES).map(byte).collect();
        writer.write_all(&all).unwrap();
    });
    let reader = std::thread::spawn(move || {
        // By then the echo waits for room, in the midst of an answer.
        std::thread::sleep(Duration::from_millis(100));
        let mut got = vec![0; BYTES];
        peer.read_exact(&mut got).unwrap();
        assert!(got.iter().enumerate().all(|(n, b)| *b == byte(n)));
    });
    let mut echo = Box::pin(async {
        let (mut left, mut buf) = (BYTES, Vec::with_capacity(PIECE));
        while left > 0 {
            buf.clear();
            let (n, read) = ops::recv(&fd, buf).await;
            left -= n.unwrap();
            let (sent, read) = ops::send_all(&fd, read).await;
            sent.unwrap();
            buf = read;
        }
    });
    block_on(
        &driver,
        std::future::poll_fn(|cx| {
            driver.refill();
            echo.as_mut().poll(cx)
        }),
    );
    drop(echo);
    // What the last poll holds back.
    driver.refill();
    writer.join().unwrap();
    reader.join().unwrap();
    drop(fd);
    end(&driver);
}
