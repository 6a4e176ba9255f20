//! The end: what a signal does, what is still served, what the report says, what the exit code is.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::help::*;

#[test]
fn ctrl_c_ends_an_idle_server_at_once_with_a_clean_report() {
    let dir = tree(&[("a", b"x")]);
    let server = Server::start(dir.path(), &[]);
    let mut kept = server.dial();
    send_get(&mut kept, "/a");
    Response::read(&mut kept, false);
    let fresh = server.dial();
    let addr = server.addr;
    let start = Instant::now();
    let ended = server.stop();
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "idle connections hold nothing up"
    );
    assert!(is_closed(&mut kept));
    drop(fresh);
    assert!(ended.out.contains("1 TCP listener"), "{ended:?}");
    assert!(ended.out.contains("0 quarantined"), "{ended:?}");
    TcpListener::bind(addr).expect("the port is free");
}

#[test]
fn sigterm_ends_it_likewise() {
    let dir = tree(&[("a", b"x")]);
    let server = Server::start(dir.path(), &[]);
    assert_eq!(server.get("/a").status, 200);
    server.signal("TERM");
    server.wait().assert_clean();
}

#[test]
fn a_download_under_way_is_finished_and_nobody_else_is_let_in() {
    let dir = tree(&[("a", b"x")]);
    sparse(dir.path(), "large", 32 << 20);
    let server = Server::start(dir.path(), &[]);
    let addr = server.addr;
    let mut stream = server.dial();
    send_get(&mut stream, "/large");
    let head = read_head(&mut stream);
    assert!(head.contains("content-length: 33554432"), "{head}");
    server.signal("INT");
    eventually(|| is_refused(addr), || "it still listens".into());
    let mut body = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut body).unwrap();
    assert_eq!(body.len(), 32 << 20, "all of it, then the end");
    server.wait().assert_clean();
}

#[test]
fn a_client_that_never_finishes_is_ended_by_the_deadline_and_the_end_is_clean() {
    let dir = tree(&[("a", b"x")]);
    sparse(dir.path(), "large", 32 << 20);
    let server = Server::start(dir.path(), &["--shutdown-timeout", "300ms"]);
    let mut stream = server.dial();
    send_get(&mut stream, "/large");
    read_head(&mut stream);
    let mut half = server.dial();
    send(&mut half, "GET /a HTTP/1.1\r\n");
    std::thread::sleep(Duration::from_millis(50));
    let start = Instant::now();
    let ended = server.stop();
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(
        ended.out.contains("ended before they were done"),
        "{ended:?}"
    );
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() {
    let dir = tree(&[("a", b"x")]);
    sparse(dir.path(), "large", 32 << 20);
    // What a shell starts in the background ignores SIGINT, and so would the server once it has put back what it found.
    let server = command(dir.path(), &["--shutdown-timeout", "1h"]);
    let mut fresh = Command::new("env");
    fresh
        .arg("--default-signal=INT")
        .arg(server.get_program())
        .args(server.get_args());
    let server = Server::of(&mut fresh);
    let addr = server.addr;
    let mut stream = server.dial();
    send_get(&mut stream, "/large");
    read_head(&mut stream);
    server.signal("INT");
    eventually(|| is_refused(addr), || "it still listens".into());
    server.signal("INT");
    let ended = server.wait();
    assert_eq!(ended.status.signal(), Some(2), "{ended:?}");
}

/// Whether nobody listens there: a connection may fail for a reason of our own, too, with as many as other tests hold.
fn is_refused(addr: SocketAddr) -> bool {
    TcpStream::connect(addr).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn refused(dir: &Path, args: &[&str], word: &str) {
    let output = command(dir, args).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.starts_with("sakia-serve: ") && err.contains(word),
        "{err}"
    );
}

#[test]
fn what_cannot_be_served_is_told_with_its_name() {
    let dir = tree(&[("a", b"x")]);
    refused(
        &dir.path().join("missing"),
        &[],
        "missing: No such file or directory",
    );
    refused(&dir.path().join("a"), &[], "Not a directory");
}

#[test]
fn a_port_that_is_taken_is_told_with_its_number() {
    let dir = tree(&[("a", b"x")]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let program = env!("CARGO_BIN_EXE_sakia-serve");
    let output = std::process::Command::new(program)
        .arg(dir.path())
        .args(["--addr", &addr])
        .output();
    let output = output.unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err.contains(&addr), "{err}");
}
