//! Ways out with sockets: peers are told, ports are free, no connection and no byte is lost.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::pin::pin;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use sakia::net::{TcpListener, TcpStream};
use sakia::time::timeout;
use sakia_tests::{fds, in_child, leaves_nothing, places};

use crate::support::{laps, poll_once, run_clean, runtime, within_laps};

/// How long a socket lingers: so long that less than half of it is clear, also on a machine that others use as well.
const LINGER: Duration = Duration::from_secs(2);

/// Loopback at an address of this process alone: a port that is free again is nobody else's meanwhile, for what others connect is at 127.0.0.1.
fn loopback() -> SocketAddr {
    let [_, b, c, d] = std::process::id().to_be_bytes();
    SocketAddr::from(([127, 64 | (b & 63), c, d], 0))
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(loopback())
        .await
        .expect("loopback has free ports");
    let addr = listener.local_addr().expect("it is bound");
    (listener, addr)
}

/// A pair: our end and the peer's, a plain std stream.
async fn pair() -> (TcpStream, StdStream) {
    let (listener, addr) = listen().await;
    let peer = StdStream::connect(addr).expect("the backlog has room");
    let (ours, _) = listener.accept().await.expect("the peer has connected");
    (ours, peer)
}

/// What the peer sees at once, without waiting: `Some(0)` is the end of the stream.
fn sees(peer: &mut StdStream) -> Option<usize> {
    peer.set_nonblocking(true).expect("it is a socket");
    peer.read(&mut [0; 16]).ok()
}

/// Row 3.
#[test]
fn files_and_sockets_in_tasks_with_a_recv_in_flight_are_closed_and_peers_told() {
    in_child(|| {
        for place in places("row 3") {
            let paths = place.files(100);
            let mut peers = leaves_nothing_but_peers(|| {
                let runtime = runtime();
                let peers = runtime.block_on(async {
                    let mut peers = Vec::new();
                    for chunk in paths.chunks(20) {
                        let (stream, peer) = pair().await;
                        peers.push(peer);
                        let chunk = chunk.to_vec();
                        sakia::spawn(async move {
                            let mut files = Vec::new();
                            for path in &chunk {
                                files.push(
                                    sakia::fs::File::open(path)
                                        .await
                                        .expect("the file is there"),
                                );
                            }
                            stream.read(vec![0; 16]).await.0.map(drop)
                        });
                    }
                    sakia::time::sleep(Duration::from_millis(50)).await;
                    peers
                });
                let report = runtime.shutdown(Duration::from_secs(5));
                assert!(report.is_clean(), "{report}");
                peers
            });
            for peer in &mut peers {
                assert_eq!(
                    sees(peer),
                    Some(0),
                    "{}: the peer is told before the end returns",
                    place.name
                );
            }
        }
    });
}

/// As `leaves_nothing`, but the std ends of the pairs are still open.
fn leaves_nothing_but_peers(body: impl FnOnce() -> Vec<StdStream>) -> Vec<StdStream> {
    use std::os::fd::AsRawFd;
    let before = fds();
    let peers = body();
    let mut after = fds();
    for peer in &peers {
        after.remove(&peer.as_raw_fd());
    }
    assert_eq!(before, after, "descriptors are left");
    peers
}

/// Clients that connect one after the other, with a pause between, send one byte and want it back.
fn clients(addr: SocketAddr, n: u32, pause: Duration) -> thread::JoinHandle<usize> {
    thread::spawn(move || {
        let each = |i| {
            // Now a little earlier, now a little later: some arrive just as an accept is given up.
            thread::sleep(pause + pause * (i % 16) / 16);
            let mut stream = StdStream::connect(addr).ok()?;
            stream
                .set_read_timeout(Some(Duration::from_secs(10)))
                .ok()?;
            stream.write_all(b"x").ok()?;
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            (byte == *b"x").then_some(())
        };
        (0..n).filter_map(each).count()
    })
}

async fn echo_one(stream: TcpStream) {
    let (n, buf) = stream.read(vec![0; 8]).await;
    if let Ok(1..) = n {
        let _ = stream.write_all(buf[..1].to_vec()).await;
    }
}

/// Row 6.
#[test]
fn every_client_of_an_accept_under_a_short_timeout_is_served() {
    let served = run_clean(async {
        let (listener, addr) = listen().await;
        let clients = clients(addr, 200, Duration::from_millis(1));
        while !clients.is_finished() {
            if let Ok(Ok((stream, _))) = timeout(Duration::from_millis(1), listener.accept()).await
            {
                sakia::spawn(echo_one(stream));
            }
        }
        clients.join().expect("the clients end")
    });
    assert_eq!(served, 200);
}

/// Row 7.
#[test]
fn every_client_of_an_accept_under_select_with_a_yield_is_served() {
    let served = run_clean(async {
        let (listener, addr) = listen().await;
        let clients = clients(addr, 200, Duration::ZERO);
        while !clients.is_finished() {
            let accept = pin!(listener.accept());
            let other = pin!(sakia::yield_now());
            if let Either::Left((Ok((stream, _)), _)) = select(accept, other).await {
                sakia::spawn(echo_one(stream));
            }
        }
        clients.join().expect("the clients end")
    });
    assert_eq!(served, 200);
}

/// Row 8.
#[test]
fn an_accept_that_completed_unseen_leaves_its_connection_to_the_next() {
    in_child(|| {
        run_clean(async {
            let (listener, addr) = listen().await;
            let before = fds().len();
            let mut accept = listener.accept();
            assert!(poll_once(&mut accept).is_pending());
            let mut peer = StdStream::connect(addr).expect("the backlog has room");
            while fds().len() < before + 2 {
                laps(1).await;
            }
            drop(accept);
            let (stream, from) = within_laps(listener.accept(), 1)
                .await
                .expect("it is there")
                .expect("it is good");
            assert_eq!(Some(from), peer.local_addr().ok());
            peer.write_all(b"hello").expect("it is connected");
            let (n, buf) = stream.read(Vec::with_capacity(16)).await;
            assert_eq!((n.ok(), &buf[..]), (Some(5), &b"hello"[..]));
        });
    });
}

/// Row 8, the other way: the future goes first, the connection comes after.
#[test]
fn a_connection_that_arrives_for_an_accept_that_was_dropped_goes_to_the_next() {
    run_clean(async {
        let (listener, addr) = listen().await;
        for _ in 0..50 {
            let mut accept = listener.accept();
            assert!(poll_once(&mut accept).is_pending());
            drop(accept);
            let peer = StdStream::connect(addr).expect("the backlog has room");
            let (_, from) = timeout(Duration::from_secs(5), listener.accept())
                .await
                .expect("it is not lost")
                .expect("it is good");
            assert_eq!(Some(from), peer.local_addr().ok());
        }
    });
}

/// Row 9.
#[test]
fn the_port_of_an_accept_in_flight_is_free_when_the_runtime_has_ended() {
    for _ in 0..40 {
        let runtime = runtime();
        let addr = runtime.block_on(async {
            let (listener, addr) = listen().await;
            sakia::spawn(async move { listener.accept().await.map(drop) });
            laps(3).await;
            addr
        });
        let report = runtime.shutdown(Duration::from_secs(5));
        assert!(report.is_clean(), "{report}");
        StdListener::bind(addr).expect("the port is free, first try");
    }
}

/// Row 10.
#[test]
fn the_port_of_a_cancelled_accept_is_free_as_soon_as_the_listener_is_dropped() {
    run_clean(async {
        for _ in 0..40 {
            let (listener, addr) = listen().await;
            assert!(within_laps(listener.accept(), 2).await.is_none());
            drop(listener);
            StdListener::bind(addr).expect("the port is free, in the same task, first try");
        }
    });
}

/// Row 11.
#[test]
fn the_peer_of_a_recv_in_flight_sees_the_end_before_the_runtime_has_gone() {
    for _ in 0..20 {
        let runtime = runtime();
        let mut peer = runtime.block_on(async {
            let (stream, peer) = pair().await;
            sakia::spawn(async move { stream.read(vec![0; 16]).await.0.map(drop) });
            laps(3).await;
            peer
        });
        drop(runtime);
        assert_eq!(sees(&mut peer), Some(0), "told before drop returned");
    }
}

/// Row 11, with a pooled read, and a buffer that outlives the runtime.
#[test]
fn the_peer_of_a_pooled_read_in_flight_sees_the_end_before_the_runtime_has_gone() {
    for _ in 0..20 {
        let runtime = runtime();
        let (mut peer, kept) = runtime.block_on(async {
            let (stream, mut peer) = pair().await;
            peer.write_all(b"kept").expect("our end is open");
            let kept = stream.read_pooled().await.expect("a read");
            sakia::spawn(async move { stream.read_pooled().await.map(drop) });
            laps(3).await;
            (peer, kept.expect("not the end"))
        });
        assert!(runtime.shutdown(Duration::from_secs(5)).is_clean());
        assert_eq!(sees(&mut peer), Some(0), "told before the end returned");
        assert_eq!(kept, "kept");
    }
}

/// Row 12, with a pooled read.
#[test]
fn the_peer_of_a_cancelled_pooled_read_sees_the_end_as_soon_as_the_stream_is_dropped() {
    run_clean(async {
        for _ in 0..20 {
            let (stream, mut peer) = pair().await;
            assert!(within_laps(stream.read_pooled(), 2).await.is_none());
            drop(stream);
            assert_eq!(sees(&mut peer), Some(0), "told before drop returned");
        }
    });
}

/// Row 12.
#[test]
fn the_peer_of_a_cancelled_recv_sees_the_end_as_soon_as_the_stream_is_dropped() {
    run_clean(async {
        for _ in 0..20 {
            let (stream, mut peer) = pair().await;
            assert!(within_laps(stream.read(vec![0; 16]), 2).await.is_none());
            drop(stream);
            assert_eq!(sees(&mut peer), Some(0), "told before drop returned");
        }
    });
}

/// What a numbered byte stream looks like at this place.
fn numbered(at: usize) -> u8 {
    (at % 251) as u8
}

/// A peer that sends `n` numbered bytes in small pieces, with a pause between, and closes.
fn sender(mut peer: StdStream, n: usize, pause: Duration) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let bytes: Vec<u8> = (0..n).map(numbered).collect();
        for piece in bytes.chunks(3) {
            peer.write_all(piece).expect("our end is open");
            thread::sleep(pause);
        }
    })
}

/// Row 28, with a yield.
#[test]
fn no_byte_of_a_numbered_stream_read_under_select_is_lost_or_doubled() {
    run_clean(async {
        let (stream, peer) = pair().await;
        let sender = sender(peer, 30_000, Duration::from_micros(50));
        let (mut got, mut dropped) = (0, 0);
        loop {
            let read = pin!(stream.read(Vec::with_capacity(1 + got % 7)));
            let Either::Left(((n, buf), _)) = select(read, pin!(sakia::yield_now())).await else {
                dropped += 1;
                continue;
            };
            if n.expect("the stream is good") == 0 {
                break;
            }
            for byte in buf {
                assert_eq!(byte, numbered(got), "at {got}");
                got += 1;
            }
        }
        sender.join().expect("the sender ends");
        assert_eq!(got, 30_000, "to the last byte, and then the end");
        assert!(dropped > 100, "the test dropped reads: {dropped}");
    });
}

/// Row 28, with a short timeout.
#[test]
fn no_byte_of_a_numbered_stream_read_under_a_short_timeout_is_lost_or_doubled() {
    run_clean(async {
        let (stream, peer) = pair().await;
        let sender = sender(peer, 1_000, Duration::from_millis(2));
        let (mut got, mut dropped) = (0, 0);
        loop {
            let Ok((n, buf)) = timeout(
                Duration::from_micros(100),
                stream.read(Vec::with_capacity(5)),
            )
            .await
            else {
                dropped += 1;
                continue;
            };
            if n.expect("the stream is good") == 0 {
                break;
            }
            for byte in buf {
                assert_eq!(byte, numbered(got), "at {got}");
                got += 1;
            }
        }
        sender.join().expect("the sender ends");
        assert_eq!(got, 1_000);
        assert!(dropped > 10, "the test dropped reads: {dropped}");
    });
}

/// A socket that lingers must not hold the loop up when it is dropped, and its close is drained.
#[test]
fn a_lingering_socket_with_unsent_data_is_dropped_without_blocking_and_its_close_is_drained() {
    in_child(|| {
        let report = leaves_nothing(|| {
            let runtime = runtime();
            let peer = runtime.block_on(async {
                let (stream, peer) = pair().await;
                stream.set_linger(Some(LINGER)).expect("it is a socket");
                while stream.try_write(&[0; 65536]).is_ok() {}
                let start = Instant::now();
                drop(stream);
                assert!(start.elapsed() < LINGER / 2, "the drop did not linger");
                peer
            });
            let report = runtime.shutdown(Duration::from_secs(5));
            drop(peer);
            report
        });
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.closes_drained(), 1, "{report}");
    });
}
