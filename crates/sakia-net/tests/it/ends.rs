//! The ends of sockets: ports are free and peers told when a drop returns, and a close that lingers holds nobody up.

use std::io::Read;
use std::net::TcpListener as StdListener;
use std::time::{Duration, Instant};

use sakia_driver::Kind;
use sakia_net::{TcpListener, TcpStream};

use crate::common::{
    laps, own_loopback, pair, pends, read_all, run, run_to_report, with_one_that_nobody_took,
};

#[test]
fn the_port_is_free_when_the_listener_is_dropped_with_an_abandoned_accept() {
    run(async {
        for waits in [0, 1, 3] {
            let listener = TcpListener::bind(own_loopback()).await.unwrap();
            let addr = listener.local_addr().unwrap();
            let mut accept = listener.accept();
            pends(&mut accept).await;
            laps(waits).await;
            drop(accept);
            drop(listener);
            StdListener::bind(addr).expect("the port is free");
        }
    });
}

#[test]
fn the_port_is_free_after_close() {
    run(async {
        let listener = TcpListener::bind(own_loopback()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut accept = listener.accept();
        pends(&mut accept).await;
        laps(1).await;
        drop(accept);
        listener.close().await.unwrap();
        StdListener::bind(addr).expect("the port is free");
    });
}

#[test]
fn a_stream_that_is_dropped_with_an_abandoned_read_tells_its_peer_at_once() {
    run(async {
        let (ours, mut peer) = pair().await;
        let mut read = ours.read(Vec::with_capacity(8));
        pends(&mut read).await;
        laps(1).await;
        drop(read);
        drop(ours);
        peer.set_nonblocking(true).unwrap();
        assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn a_connection_that_nobody_took_is_closed_with_its_listener() {
    run(async {
        let (listener, mut peer) = with_one_that_nobody_took().await;
        drop(listener);
        peer.set_nonblocking(true).unwrap();
        assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn a_socket_that_lingers_is_dropped_without_blocking_and_closed_by_the_end() {
    let ((peer, dropped_in), report) = run_to_report(async {
        let (ours, peer) = pair().await;
        ours.set_linger(Some(Duration::from_secs(1))).unwrap();
        while ours.try_write(&[1; 1 << 16]).is_ok() {}
        let start = Instant::now();
        drop(ours);
        (peer, start.elapsed())
    });
    assert!(dropped_in < Duration::from_millis(300), "{dropped_in:?}");
    assert_eq!(report.closes_drained, 1);
    assert!(report.closed.contains(&(Kind::TcpStream, 1)), "{report:?}");
    assert!(
        report.closes_in_doubt.is_empty() && report.still_held.is_empty(),
        "{report:?}"
    );
    drop(peer);
}

#[test]
fn a_socket_that_lingers_since_before_it_was_ours_is_found_out() {
    let (dropped_in, report) = run_to_report(async {
        let (ours, peer) = pair().await;
        ours.set_linger(Some(Duration::from_secs(1))).unwrap();
        let (std, _) = ours.into_std().await.unwrap();
        let ours = TcpStream::from_std(std).unwrap();
        while ours.try_write(&[1; 1 << 16]).is_ok() {}
        let start = Instant::now();
        drop(ours);
        let elapsed = start.elapsed();
        drop(peer);
        elapsed
    });
    assert!(dropped_in < Duration::from_millis(300), "{dropped_in:?}");
    assert_eq!(report.closes_drained, 1);
}

#[test]
fn a_stream_without_unsent_bytes_closes_at_once_and_needs_no_drain() {
    let (mut peer, report) = run_to_report(async {
        let (ours, peer) = pair().await;
        ours.write_all("sent").await.0.unwrap();
        peer
    });
    assert_eq!(read_all(&mut peer), b"sent");
    assert_eq!(report.closes_drained, 0);
}

#[test]
fn a_handle_that_outlives_its_runtime_gives_errors_and_the_buffer_back() {
    let ((ours, mut peer), report) = run_to_report(pair());
    assert_eq!(report.still_held.len(), 1);
    let (result, buf) = run(async { ours.read(vec![7; 3]).await });
    assert!(result.is_err());
    assert_eq!(buf, [7; 3]);
    drop(ours);
    assert_eq!(read_all(&mut peer), b"");
}
