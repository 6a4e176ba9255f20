//! Bad days: clients that are slow on purpose, thousands that are idle, a stop under load, a disk that is full.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::help::*;

/// Connections of the idle crowd.
const CROWD: usize = 10_000;

/// A command that becomes the server, with room for so many descriptors.
fn roomy(dir: &Path, descriptors: usize, args: &str) -> Command {
    let program = env!("CARGO_BIN_EXE_sakia-serve");
    let mut shell = Command::new("sh");
    let dir = dir.display();
    shell.args([
        "-c",
        &format!("ulimit -n {descriptors} && exec {program} {dir} --addr 127.0.0.1:0 {args}"),
    ]);
    shell
}

/// What the process holds in memory now, in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

#[test]
fn clients_that_send_their_heads_a_byte_at_a_time_are_ended_and_hold_nobody_up() {
    let dir = tree(&[("a", b"x")]);
    let server = Server::start(dir.path(), &["--header-timeout", "1s"]);
    let before = server.descriptors();
    let over = Arc::new(AtomicBool::new(false));
    let (addr, done) = (server.addr, over.clone());
    let slow = std::thread::spawn(move || {
        let mut streams: Vec<TcpStream> = (0..100)
            .map(|_| TcpStream::connect(addr).unwrap())
            .collect();
        let head = b"GET /a HTTP/1.1\r\nHost: x\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy";
        for byte in head.iter().cycle().take(400) {
            for stream in &mut streams {
                let _ = stream.write(&[*byte]);
            }
            if done.load(SeqCst) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // Those that were ended have been told so.
        let timeout = Some(Duration::from_millis(100));
        let told = streams.into_iter().filter_map(|mut stream| {
            let _ = stream.set_read_timeout(timeout);
            let mut rest = Vec::new();
            let ended = stream.read_to_end(&mut rest).is_ok() || is_closed(&mut stream);
            ended.then_some(())
        });
        told.count()
    });
    let mut longest = Duration::ZERO;
    let start = Instant::now();
    let mut seen = false;
    // The slow ones are there, then they are gone, though they have not ceased to send.
    while !seen || server.descriptors() > before {
        let asked = Instant::now();
        assert_eq!(server.get("/a").text(), "x");
        longest = longest.max(asked.elapsed());
        seen |= server.descriptors() >= before + 90;
        assert!(start.elapsed() < SOON, "the slow clients are still there");
    }
    over.store(true, SeqCst);
    assert_eq!(slow.join().unwrap(), 100);
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    let said = server.stop().out;
    assert!(said.contains("100 timed out"), "{said}");
}

#[test]
fn ten_thousand_idle_connections_cost_little_and_are_ended_by_the_stop() {
    let dir = tree(&[("a", b"x")]);
    // Ours and the server's; whoever may not have so many is told by the first failing connect.
    let limit = CROWD + 200;
    if !raise_own_limit(limit) {
        return sakia_tests::skip("idle crowd", "the limit of descriptors cannot be raised");
    }
    let server = Server::of(&mut roomy(
        dir.path(),
        limit,
        "--max-connections 20000 --idle-timeout 10m",
    ));
    let fds = server.descriptors();
    assert_eq!(server.get("/a").text(), "x");
    let before = resident(server.pid());
    let mut crowd = Vec::with_capacity(CROWD);
    for at in 0..CROWD {
        let mut stream = server.dial();
        if at % 2 == 0 {
            // Half of them have been served once, half have said nothing.
            send_get(&mut stream, "/a");
            assert_eq!(Response::read(&mut stream, false).status, 200);
        }
        crowd.push(stream);
    }
    eventually(
        || server.descriptors() == fds + CROWD,
        || format!("{} of {}", server.descriptors(), fds + CROWD),
    );
    let asked = Instant::now();
    assert_eq!(server.get("/a").text(), "x", "one more is served");
    assert!(asked.elapsed() < Duration::from_secs(2));
    let each = (resident(server.pid()) - before) * 1024 / CROWD as u64;
    println!("{CROWD} idle connections: {each} bytes each");
    assert!(each < 24 << 10, "{each} bytes for an idle connection");
    let addr = server.addr;
    server.signal("TERM");
    let ended = server.wait();
    ended.assert_clean();
    let told = crowd
        .iter_mut()
        .filter_map(|stream| is_closed(stream).then_some(()));
    assert_eq!(told.count(), CROWD, "every one was told the end");
    std::net::TcpListener::bind(addr).expect("the port is free");
}

/// Raises this process's own limit of descriptors, by prlimit(1).
fn raise_own_limit(to: usize) -> bool {
    let pid = std::process::id().to_string();
    let limit = format!("--nofile={to}:{to}");
    let done = Command::new("prlimit")
        .args(["--pid", &pid, &limit])
        .status();
    done.is_ok_and(|status| status.success())
}

#[test]
fn a_stop_under_load_finishes_what_is_under_way_and_every_answer_is_whole() {
    let body: Vec<u8> = (0..300_000u32).map(|i| (i % 251) as u8).collect();
    let dir = tree(&[("a", body.as_slice())]);
    let server = Server::start(dir.path(), &[]);
    let addr = server.addr;
    let whole = Arc::new(AtomicU64::new(0));
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let (body, whole) = (body.clone(), whole.clone());
            std::thread::spawn(move || {
                while let Ok(mut stream) = TcpStream::connect(addr) {
                    // Several requests on a connection; it may end between two of them, and only there.
                    loop {
                        let ask = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
                        if stream.write_all(ask.as_bytes()).is_err() {
                            break;
                        }
                        let mut first = [0];
                        match stream.read(&mut first) {
                            Ok(1) => {}
                            _ => break,
                        }
                        let mut head = first.to_vec();
                        head.extend(read_head(&mut stream).bytes());
                        assert!(head.starts_with(b"HTTP/1.1 200"));
                        let mut got = vec![0; body.len()];
                        stream
                            .read_exact(&mut got)
                            .expect("an answer that began is whole");
                        assert!(got == body);
                        whole.fetch_add(1, SeqCst);
                    }
                }
            })
        })
        .collect();
    eventually(|| whole.load(SeqCst) > 200, || "nobody is served".into());
    let start = Instant::now();
    server.signal("TERM");
    let ended = server.wait();
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    ended.assert_clean();
    for client in clients {
        client.join().expect("every answer was whole");
    }
    let served = format!("Served {} requests", whole.load(SeqCst));
    assert!(
        ended.out.contains(&served),
        "{served}, and the server says {}",
        ended.out
    );
}

#[test]
fn clients_that_are_killed_in_mid_transfer_leave_nothing_behind() {
    let dir = tree(&[("a", b"x")]);
    sparse(dir.path(), "large", 1 << 30);
    let server = Server::start(dir.path(), &[]);
    let before = server.descriptors();
    let reader = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{} && printf 'GET /large HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' >&3 && exec cat <&3 >/dev/null",
        server.addr.port()
    );
    let mut clients: Vec<_> = (0..20)
        .map(|_| {
            let mut client = Command::new("bash");
            client.args(["-c", &reader]).stderr(Stdio::null());
            client.spawn().unwrap()
        })
        .collect();
    eventually(
        || server.descriptors() >= before + 30,
        || format!("{} descriptors", server.descriptors()),
    );
    for client in &mut clients {
        client.kill().unwrap();
        client.wait().unwrap();
    }
    server.wait_for_descriptors(before);
    assert_eq!(server.get("/a").text(), "x");
    server.stop();
}

#[test]
fn fifty_clients_fetch_a_large_file_in_64_mib_of_memory() {
    let size: u64 = if cfg!(debug_assertions) {
        64 << 20
    } else {
        1 << 30
    };
    let dir = tempfile::tempdir().unwrap();
    sparse(dir.path(), "large", size);
    let server = Server::start(dir.path(), &[]);
    let addr = server.addr;
    let clients: Vec<_> = (0..50)
        .map(|_| {
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(addr).unwrap();
                send_get(&mut stream, "/large");
                read_head(&mut stream);
                let mut block = vec![0; 256 << 10];
                let mut left = size;
                while left > 0 {
                    let most = left.min(block.len() as u64) as usize;
                    match stream.read(&mut block[..most]).unwrap() {
                        0 => panic!("the body ended {left} bytes early"),
                        n => left -= n as u64,
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    let peak = server.peak_memory();
    println!("50 clients of {} MiB: {} KiB at most", size >> 20, peak);
    assert!(peak < 64 << 10, "{peak} KiB");
    server.stop();
}

/// The server with its log on a file system of 256 KiB, in a mount namespace of its own.
fn with_tiny_disk(dir: &Path, disk: &Path) -> Option<Server> {
    let mut may = Command::new("unshare");
    may.args(["-m", "true"]).stderr(Stdio::null());
    if !may.status().is_ok_and(|status| status.success()) {
        sakia_tests::skip("a full disk", "no mount namespace can be made here");
        return None;
    }
    let program = env!("CARGO_BIN_EXE_sakia-serve");
    let (disk, dir) = (disk.display(), dir.display());
    let script = format!(
        "mount -t tmpfs -o size=256k tmpfs {disk} && exec {program} {dir} --addr 127.0.0.1:0 --log {disk}/log"
    );
    let mut unshare = Command::new("unshare");
    Some(Server::of(unshare.args(["-m", "sh", "-c", &script])))
}

#[test]
fn a_full_disk_under_the_log_holds_no_response_up_and_loses_no_line() {
    let (dir, disk) = (tree(&[("a", b"x")]), tempfile::tempdir().unwrap());
    let Some(server) = with_tiny_disk(dir.path(), disk.path()) else {
        return;
    };
    let root = Path::new("/proc")
        .join(server.pid().to_string())
        .join("root");
    let seen = root.join(disk.path().strip_prefix("/").unwrap());
    let (log, filler) = (seen.join("log"), seen.join("filler"));
    let ask = |at: usize| {
        let target = format!("/a?{at:04}{}", "x".repeat(400));
        assert_eq!(server.get(&target).text(), "x", "request {at}");
    };
    let lines = || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let numbers = text
            .lines()
            .filter_map(|line| line.split("/a?").nth(1)?.get(..4)?.parse().ok());
        numbers.collect::<Vec<usize>>()
    };
    let fill = || assert!(std::fs::write(&filler, vec![0; 256 << 10]).is_err());
    (0..40).for_each(ask);
    eventually(
        || lines().len() == 40,
        || format!("{} lines", lines().len()),
    );
    fill();
    (40..240).for_each(ask);
    assert!(lines().len() < 240, "the disk is full");
    std::fs::remove_file(&filler).unwrap();
    eventually(
        || lines().len() == 240,
        || format!("{} lines", lines().len()),
    );
    assert!(lines().into_iter().eq(0..240), "each once, in order");
    // And one that is full to the end.
    fill();
    (240..300).for_each(ask);
    server.signal("TERM");
    let ended = server.wait();
    assert!(
        ended.status.success() && ended.out.contains("sakia: shutdown clean"),
        "{ended:?}"
    );
    assert!(
        ended.err.contains("takes no lines, serving goes on"),
        "{ended:?}"
    );
    assert!(
        ended.err.contains("takes lines again; 0 were lost"),
        "{ended:?}"
    );
    assert!(
        ended.err.contains("lines of the access log were lost"),
        "{ended:?}"
    );
    assert!(ended.err.lines().count() <= 4, "it says so once: {ended:?}");
}
