//! A forked child: it is refused, and neither its drops nor its exit touch the ring or the peers.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sakia_driver::{Kind, Park, ops};

use crate::help::{
    adopt, alone, block_on, busy_stream, driver, end, fork, is_readable, knows, pair, poll,
    sees_the_end, turns,
};

#[test]
fn a_child_is_refused_and_its_drops_touch_neither_ring_nor_peers() {
    alone(|| {
        let driver = driver();
        let (ours, mut peer) = pair(&driver);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = adopt(
            &driver,
            TcpStream::connect(listener.local_addr().unwrap()).unwrap(),
            Kind::TcpStream,
        );
        client.set_linger(Some(1)).unwrap();
        let mut read = ops::recv(&ours, Vec::with_capacity(8));
        assert!(poll(&driver, &mut read).is_pending());
        turns(&driver, 1);
        let (mut ours, mut client, mut read) = (Some(ours), Some(client), Some(read));
        let status = fork(|| {
            assert!(driver.turn(Park::No, || false).is_err());
            let mut nop = ops::nop();
            assert!(matches!(
                poll(&driver, &mut nop),
                std::task::Poll::Ready(Err(_))
            ));
            drop((read.take(), ours.take(), client.take()));
            driver.end(Instant::now() + Duration::from_secs(1));
            0
        });
        assert_eq!(status, 0, "the child did not end well");
        std::io::Write::write_all(&mut peer, b"still here").unwrap();
        assert_eq!(block_on(&driver, read.take().unwrap()).1, b"still he");
        drop((ours, client));
        end(&driver);
    });
}

#[test]
fn a_child_may_close_a_lingering_socket_by_itself_and_drop_the_driver() {
    alone(|| {
        let driver = driver();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sockets: Vec<_> = (0..2)
            .map(|_| {
                let client = adopt(
                    &driver,
                    TcpStream::connect(listener.local_addr().unwrap()).unwrap(),
                    Kind::TcpStream,
                );
                client.set_linger(Some(1)).unwrap();
                client
            })
            .collect();
        let mut driver = Some(driver);
        let status = fork(|| {
            let ours = driver.take().unwrap();
            let mut close = sakia_driver::close(sockets.pop().unwrap());
            assert!(poll(&ours, &mut close).is_ready());
            sockets.clear();
            drop(close);
            drop(ours);
            // The addresses of the parent's ring are free here, and may be somebody's.
            0
        });
        assert_eq!(status, 0);
        drop(sockets);
        end(&driver.unwrap());
    });
}

#[test]
fn a_child_makes_a_runtime_of_its_own() {
    alone(|| {
        let parent = driver();
        let status = fork(|| {
            let own = driver();
            let (ours, peer): (_, UnixStream) = pair(&own);
            drop(peer);
            let (n, _) = block_on(&own, ops::recv(&ours, Vec::with_capacity(1)));
            assert_eq!(n.unwrap(), 0);
            drop(ours);
            parent
                .turn(Park::No, || false)
                .expect_err("the parent's is still the parent's");
            end(&own);
            0
        });
        assert_eq!(status, 0);
        turns(&parent, 1);
        end(&parent);
    });
}

#[test]
fn what_a_child_drops_does_not_end_the_rest_of_its_parent() {
    alone(|| {
        let driver = driver();
        let wake = driver.wake_fd().unwrap();
        let (ours, _peer) = pair(&driver);
        let mut read = Some(ops::recv(&ours, Vec::with_capacity(8)));
        assert!(poll(&driver, read.as_mut().unwrap()).is_pending());
        while driver.rest(|| false) {
            turns(&driver, 1);
        }
        let status = fork(|| {
            drop(read.take());
            0
        });
        assert_eq!(status, 0, "the child did not end well");
        assert!(!is_readable(&wake, Duration::from_millis(50)));
        drop((read, ours));
        end(&driver);
    });
}

#[test]
fn children_that_exit_or_execute_leave_the_slots_of_busy_streams_and_their_end_to_the_parent() {
    alone(|| {
        let driver = driver();
        let (ours, mut peer) = busy_stream(&driver);
        let (other, other_peer) = busy_stream(&driver);
        let mut others = Some((ours.clone(), other));
        let status = fork(|| {
            drop(others.take());
            0
        });
        assert_eq!(status, 0, "the child did not end well");
        knows(&driver, 2, 0);
        block_on(&driver, ops::send_all(&ours, "still")).0.unwrap();
        let mut got = [0; 5];
        peer.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"still");

        // One that runs on, as another program.
        let mut cat = Command::new("cat");
        cat.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut cat = cat.spawn().unwrap();
        cat.stdin.as_mut().unwrap().write_all(b"!").unwrap();
        let answer = cat.stdout.as_mut().unwrap().read_exact(&mut [0]);
        answer.expect("it runs, and nothing of ours is open in it");
        drop((ours, others));
        sees_the_end(peer);
        sees_the_end(other_peer);
        knows(&driver, 0, 0);
        assert!(
            cat.try_wait().unwrap().is_none(),
            "it was there all the time"
        );
        drop(cat.stdin.take());
        assert!(cat.wait().unwrap().success());
        end(&driver);
    });
}

#[test]
fn a_child_that_has_a_copy_of_a_busy_stream_alone_keeps_it_open_and_no_slot_does_after() {
    alone(|| {
        let driver = driver();
        let (ours, peer) = busy_stream(&driver);
        let (mut told, tell) = std::io::pipe().unwrap();
        let (wait, go) = std::io::pipe().unwrap();
        let child = std::thread::spawn(move || {
            fork(|| {
                (&tell).write_all(b"!").unwrap();
                i32::from(!is_readable(&wait, Duration::from_secs(10)))
            })
        });
        told.read_exact(&mut [0]).unwrap();
        drop(ours);
        knows(&driver, 0, 0);
        let early = is_readable(&peer, Duration::from_millis(50));
        assert!(!early, "the child has a copy");
        (&go).write_all(b"!").unwrap();
        assert_eq!(child.join().unwrap(), 0);
        sees_the_end(peer);
        end(&driver);
    });
}
