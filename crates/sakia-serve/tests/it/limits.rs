//! The limits that the command line sets.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use crate::help::*;

#[test]
fn slow_heads_and_idle_connections_are_closed() {
    let dir = tree(&[("a", b"x")]);
    let server = Server::start(
        dir.path(),
        &["--header-timeout", "300ms", "--idle-timeout", "3s"],
    );
    let start = Instant::now();
    let mut slow = server.dial();
    send(&mut slow, "GET /a HTTP/1.1\r\nHo");
    let mut idle = server.dial();
    send_get(&mut idle, "/a");
    assert_eq!(Response::read(&mut idle, false).status, 200);
    assert!(is_closed(&mut slow));
    assert!(
        (300..3000).contains(&start.elapsed().as_millis()),
        "{:?}",
        start.elapsed()
    );
    assert!(is_closed(&mut idle));
    assert!(start.elapsed() >= Duration::from_secs(3));
    let said = server.stop().out;
    assert!(said.contains("2 timed out"), "{said}");
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    sparse(dir.path(), "large", 64 << 20);
    let server = Server::start(dir.path(), &["--write-timeout", "300ms"]);
    let before = server.descriptors();
    let mut stream = server.dial();
    send_get(&mut stream, "/large");
    read_head(&mut stream);
    assert!(server.descriptors() > before);
    server.wait_for_descriptors(before);
    let said = server.stop().out;
    assert!(said.contains("1 timed out"), "{said}");
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let dir = tree(&[("a", b"x")]);
    let server = Server::start(dir.path(), &["--max-connections", "2"]);
    let mut streams = [server.dial(), server.dial(), server.dial()];
    for stream in &mut streams {
        send_get(stream, "/a");
    }
    let [first, second, third] = &mut streams;
    assert_eq!(Response::read(first, false).status, 200);
    assert_eq!(Response::read(second, false).status, 200);
    third
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    assert_eq!(
        third.read(&mut [0]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    third.set_read_timeout(Some(SOON)).unwrap();
    let [first, _second, mut third] = streams;
    drop(first);
    assert_eq!(Response::read(&mut third, false).status, 200);
    server.stop();
}

#[test]
fn a_server_without_descriptors_serves_everyone_once_it_has_some() {
    let dir = tree(&[("a", b"x")]);
    let program = env!("CARGO_BIN_EXE_sakia-serve");
    // The runtime, the listener, the root and stdio leave room for a few connections only.
    let command = format!(
        "ulimit -n 24; exec {program} {} --addr 127.0.0.1:0",
        dir.path().display()
    );
    let server = Server::of(std::process::Command::new("sh").args(["-c", &command]));
    let mut streams: Vec<_> = (0..40).map(|_| server.dial()).collect();
    for stream in &mut streams {
        send(
            stream,
            "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        );
    }
    for (at, stream) in streams.iter_mut().enumerate() {
        let got = Response::read(stream, false);
        assert!(matches!(got.status, 200 | 503), "connection {at}: {got:?}");
    }
    assert_eq!(server.get("/a").text(), "x");
    server.stop();
}
