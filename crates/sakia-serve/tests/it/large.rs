//! Large files: constant memory, and no lie about one that changes while it is sent.

use std::io::Read;
use std::time::Duration;

use crate::help::*;

/// Shorter where nothing is optimised.
const LARGE: u64 = if cfg!(debug_assertions) {
    256 << 20
} else {
    1 << 30
};

/// Reads so many bytes, all of which must be zero.
fn read_zeroes(stream: &mut std::net::TcpStream, mut left: u64) {
    let mut block = vec![0; 1 << 20];
    while left > 0 {
        let most = left.min(1 << 20) as usize;
        let n = stream.read(&mut block[..most]).unwrap();
        assert!(n > 0, "the body ended {left} bytes early");
        assert!(block[..n].iter().all(|byte| *byte == 0));
        left -= n as u64;
    }
}

#[test]
fn a_file_of_any_size_is_served_in_constant_memory() {
    let dir = tree(&[("small", b"x")]);
    sparse(dir.path(), "large", LARGE);
    let server = Server::start(dir.path(), &[]);
    let descriptors = server.descriptors();
    server.get("/small");
    let before = server.peak_memory();
    let mut streams: Vec<_> = (0..61).map(|_| server.dial()).collect();
    for stream in &mut streams {
        send_get(stream, "/large");
        assert!(read_head(stream).contains(&format!("content-length: {LARGE}\r\n")));
    }
    // Sixty of them take nothing, while one takes all.
    read_zeroes(&mut streams[0], LARGE);
    let grown = server.peak_memory() - before;
    // What hyper collects (4 chunks of 64 KiB, and the one that is too much), and the bridge's buffers.
    assert!(grown < 61 * 400, "it grew by {grown} KiB");
    drop(streams);
    server.wait_for_descriptors(descriptors);
    server.stop();
}

#[test]
fn a_range_beyond_4_gib_is_served() {
    let dir = tree(&[("small", b"x")]);
    sparse(dir.path(), "huge", (5 << 30) + 3);
    let server = Server::start(dir.path(), &[]);
    let got = server.ask("GET /huge", &["Range: bytes=5368709119-"]);
    assert_eq!(got.status, 206);
    assert_eq!(
        got.header("content-range"),
        Some("bytes 5368709119-5368709122/5368709123")
    );
    assert_eq!(got.body, [0; 4]);
    assert_eq!(server.ask("HEAD /huge", &[]).length(), Some(5_368_709_123));
    server.stop();
}

#[test]
fn a_file_that_is_cut_off_while_it_is_sent_breaks_the_response_off() {
    let dir = tree(&[("small", b"x")]);
    sparse(dir.path(), "shrinking", LARGE);
    let server = Server::start(dir.path(), &["--verbose"]);
    let mut stream = server.dial();
    send_get(&mut stream, "/shrinking");
    read_head(&mut stream);
    read_zeroes(&mut stream, 1 << 20);
    let file = std::fs::File::options()
        .write(true)
        .open(dir.path().join("shrinking"))
        .unwrap();
    file.set_len(1 << 20).unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(
        (rest.len() as u64) < LARGE - (1 << 20),
        "more was sent than there is"
    );
    assert_eq!(server.get("/small").text(), "x");
    server.signal("INT");
    let ended = server.wait();
    assert!(ended.err.contains("a connection failed"), "{ended:?}");
    assert!(
        ended.status.success() && ended.out.contains("1 broken off"),
        "{ended:?}"
    );
}

#[test]
fn clients_that_go_in_mid_transfer_leave_nothing_behind() {
    let dir = tree(&[("small", b"x")]);
    sparse(dir.path(), "large", LARGE);
    let server = Server::start(dir.path(), &[]);
    let before = server.descriptors();
    server.get("/small");
    for round in 0..3 {
        let mut streams: Vec<_> = (0..20).map(|_| server.dial()).collect();
        for (at, stream) in streams.iter_mut().enumerate() {
            send_get(stream, "/large");
            if at % 2 == 0 {
                // Some are in the midst of it, some have not taken a byte.
                read_zeroes_after_head(stream);
            }
        }
        std::thread::sleep(Duration::from_millis(20));
        assert!(server.descriptors() >= before + 20, "round {round}");
        drop(streams);
        server.wait_for_descriptors(before);
    }
    assert_eq!(server.get("/small").text(), "x");
    server.stop();
}

fn read_zeroes_after_head(stream: &mut std::net::TcpStream) {
    read_head(stream);
    read_zeroes(stream, 300_000);
}
