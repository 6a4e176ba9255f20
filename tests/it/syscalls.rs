//! System calls do not waver as times do: how many a request takes, counted from outside by strace.
//!
//! Each test runs in a child, between two marks. What the clients do is not counted: they are on a thread of their own, or they read and write by readv(2)
//! and writev(2), which sakia has no use for. Then the clients act in the server's thread, once in each of its laps, so that every run has the same laps.

use std::collections::BTreeMap;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::TcpStream as Client;
use std::time::Duration;

use sakia::buf::{BufResult, BufResultExt};
use sakia::fs::File;
use sakia::net::{TcpListener, TcpStream};
use sakia::time::timeout;
use sakia_tests::{is_child, is_emulated, run_traced, skip};

use crate::support::{laps, run_clean};

/// How often it goes before the count, in which caches fill, pools grow and what is busy is registered (128 ops), and how often in it.
const WARM: usize = 150;
const COUNTED: usize = 200;
/// At the marks the runtime may be a call ahead of its client.
const AHEAD: usize = 2;
/// A message, and its answer.
const BYTES: usize = 64;

/// The call by which the child says that the count begins, and ends.
const MARK: &str = "getppid";

fn mark() {
    let _ = std::os::unix::process::parent_id();
}

/// The clients' calls, where they act in the server's thread.
const OF_CLIENTS: [&str; 2] = ["readv", "writev"];

/// The system calls of the runtime's thread between the marks of the child, which runs `body`. `None` in the child, and where they cannot be counted.
fn calls(name: &str, body: impl FnOnce()) -> Option<BTreeMap<String, usize>> {
    if is_child() {
        body();
        return None;
    }
    if is_emulated() {
        skip(name, "the emulated kernel is made of system calls");
        return None;
    }
    let Some((output, seen)) = run_traced(name, "all") else {
        skip(name, "no strace here to count system calls");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "the child failed: {said}"
    );
    Some(between_marks(&seen))
}

/// Lines are `THREAD call(…) = …`; a call that was interrupted by another thread's is begun in one and ended in another, which counts no call.
fn between_marks(seen: &str) -> BTreeMap<String, usize> {
    let lines = seen.lines().filter_map(|line| {
        let (thread, rest) = line.split_once(' ')?;
        let (call, _) = rest.trim_start().split_once('(')?;
        (!call.starts_with('<')).then_some((thread, call))
    });
    let lines: Vec<(&str, &str)> = lines.collect();
    let ring = lines.iter().find(|(_, call)| *call == "io_uring_setup");
    let (runtime, _) = ring.expect("the child makes a ring");
    let mut parts = lines.split(|(_, call)| *call == MARK);
    let counted = parts.nth(1).expect("the child has marked the beginning");
    assert_eq!(parts.count(), 1, "the child has marked the end, once");
    let mut calls = BTreeMap::new();
    for (thread, call) in counted {
        if thread == runtime && !OF_CLIENTS.contains(call) {
            *calls.entry((*call).to_owned()).or_default() += 1;
        }
    }
    calls
}

/// No more calls than so many, each of them an enter.
#[track_caller]
fn assert_enters(calls: &BTreeMap<String, usize>, most: usize) {
    let enters = calls.get("io_uring_enter").copied().unwrap_or_default();
    assert!(enters > 0, "the witness sees enters: {calls:?}");
    assert!(enters <= most, "at most {most}: {calls:?}");
    assert_eq!(calls.len(), 1, "and nothing else: {calls:?}");
}

/// Sends back what comes, to the end.
async fn echo(stream: TcpStream) {
    echo_by(&stream, async |buf| stream.read(buf).await).await;
}

/// The same with a limit around each read, which is far away.
async fn echo_in_time(stream: TcpStream) {
    let limit = Duration::from_secs(60);
    let read = async |buf| timeout(limit, stream.read(buf)).await.expect("in time");
    echo_by(&stream, read).await;
}

async fn echo_by(stream: &TcpStream, read: impl AsyncFn(Vec<u8>) -> BufResult<usize, Vec<u8>>) {
    let mut buf = Vec::with_capacity(4096);
    loop {
        buf.clear();
        let n;
        (n, buf) = read(buf).await;
        if !n.is_ok_and(|n| n > 0) {
            return;
        }
        let written;
        (written, buf) = stream.write_all(buf).await;
        if written.is_err() {
            return;
        }
    }
}

/// The same with buffers of the runtime's pool.
async fn echo_pooled(stream: TcpStream) {
    while let Ok(Some(buf)) = stream.read_pooled().await {
        if stream.write_all(buf).await.0.is_err() {
            return;
        }
    }
}

#[test]
fn an_echo_of_one_connection_takes_two_enters_a_request_and_no_other_call() {
    const NAME: &str =
        "syscalls::an_echo_of_one_connection_takes_two_enters_a_request_and_no_other_call";
    let Some(calls) = calls(NAME, || one_connection(echo)) else {
        return;
    };
    assert_enters(&calls, AHEAD + 2 * COUNTED);
}

#[test]
fn an_echo_by_pooled_reads_takes_as_many() {
    const NAME: &str = "syscalls::an_echo_by_pooled_reads_takes_as_many";
    let Some(calls) = calls(NAME, || one_connection(echo_pooled)) else {
        return;
    };
    assert_enters(&calls, AHEAD + 2 * COUNTED);
}

#[test]
fn a_limit_around_each_read_takes_no_call_of_its_own() {
    const NAME: &str = "syscalls::a_limit_around_each_read_takes_no_call_of_its_own";
    let Some(calls) = calls(NAME, || one_connection(echo_in_time)) else {
        return;
    };
    assert_enters(&calls, AHEAD + 2 * COUNTED);
}

/// A client that waits for each answer, and its server.
fn one_connection(serve: impl AsyncFnOnce(TcpStream)) {
    run_clean(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let client = std::thread::spawn(move || {
            let mut client = Client::connect(address).expect("the server listens");
            let mut buf = [7; BYTES];
            for request in 0..WARM + COUNTED {
                if request == WARM {
                    mark();
                }
                client.write_all(&buf).expect("the server reads");
                client.read_exact(&mut buf).expect("the server answers");
            }
            mark();
        });
        let (stream, _) = listener.accept().await.expect("the client comes");
        serve(stream).await;
        client.join().expect("the client ends well");
    });
}

#[test]
fn an_echo_of_fifty_connections_takes_two_enters_for_all_of_them_and_no_other_call() {
    const NAME: &str =
        "syscalls::an_echo_of_fifty_connections_takes_two_enters_for_all_of_them_and_no_other_call";
    let Some(calls) = calls(NAME, fifty_connections) else {
        return;
    };
    // 0.04 a request.
    assert_enters(&calls, AHEAD + 2 * COUNTED);
}

fn fifty_connections() {
    run_clean(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let mut clients: Vec<Client> = Vec::new();
        for _ in 0..50 {
            let client = Client::connect(address).expect("the server listens");
            client.set_nonblocking(true).expect("it is a socket");
            clients.push(client);
            let (stream, _) = listener.accept().await.expect("the client comes");
            drop(sakia::spawn(echo(stream)));
        }
        // All of them wait for their first message now, and so they stay abreast.
        laps(10).await;
        for round in 0..WARM + COUNTED {
            if round == WARM {
                mark();
            }
            for client in &mut clients {
                let n = client.write_vectored(&[IoSlice::new(&[7; BYTES])]);
                assert_eq!(n.expect("there is room"), BYTES);
            }
            for client in &mut clients {
                answer(client).await;
            }
        }
        mark();
    });
}

/// Looks once a lap whether the answer is there.
async fn answer(client: &mut Client) {
    let mut buf = [0; BYTES];
    loop {
        match client.read_vectored(&mut [IoSliceMut::new(&mut buf)]) {
            Ok(n) => return assert_eq!(n, BYTES),
            Err(error) if error.kind() == ErrorKind::WouldBlock => laps(1).await,
            Err(error) => panic!("the server answers: {error}"),
        }
    }
}

#[test]
fn an_accept_loop_takes_one_enter_and_one_close_a_connection() {
    const NAME: &str = "syscalls::an_accept_loop_takes_one_enter_and_one_close_a_connection";
    let Some(mut calls) = calls(NAME, accepts) else {
        return;
    };
    let closes = calls.remove("close").unwrap_or_default();
    assert!(
        (1..=AHEAD + COUNTED).contains(&closes),
        "{closes} closes of {COUNTED} connections"
    );
    assert_enters(&calls, AHEAD + COUNTED);
}

/// A client that comes, waits for the end, and comes again; and its server.
fn accepts() {
    run_clean(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let client = std::thread::spawn(move || {
            for connection in 0..WARM + COUNTED {
                if connection == WARM {
                    mark();
                }
                let mut client = Client::connect(address).expect("the server listens");
                assert_eq!(client.read(&mut [0]).expect("the server closes"), 0);
            }
            mark();
            // The server still waits at the mark.
            drop(Client::connect(address));
        });
        for _ in 0..WARM + COUNTED + 1 {
            drop(listener.accept().await.expect("the client comes"));
        }
        client.join().expect("the client ends well");
    });
}

#[test]
fn a_read_of_a_cached_page_takes_one_call() {
    const NAME: &str = "syscalls::a_read_of_a_cached_page_takes_one_call";
    let Some(calls) = calls(NAME, cached_reads) else {
        return;
    };
    let all: usize = calls.values().sum();
    // The first that goes by the ring asks whether the file has places, and takes the open's O_NONBLOCK off: three calls, once.
    assert!((1..=AHEAD + COUNTED + 3).contains(&all), "{calls:?}");
}

fn cached_reads() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), [7; 4096]).expect("it can be written");
    run_clean(async {
        let file = File::open(file.path()).await.expect("it can be opened");
        let mut buf = Vec::with_capacity(4096);
        for read in 0..WARM + COUNTED {
            if read == WARM {
                mark();
            }
            buf.clear();
            (_, buf) = file.read_at(buf, 0).await.with_buf().expect("it is there");
        }
        mark();
        file.close().await.expect("it is closed");
    });
}

#[test]
fn a_write_to_a_file_takes_one_enter_and_no_other_call() {
    const NAME: &str = "syscalls::a_write_to_a_file_takes_one_enter_and_no_other_call";
    let Some(calls) = calls(NAME, writes) else {
        return;
    };
    assert_enters(&calls, AHEAD + COUNTED);
}

fn writes() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    run_clean(async {
        let file = File::create(file.path()).await.expect("it can be opened");
        let mut buf = vec![7; 4096];
        for write in 0..WARM + COUNTED {
            if write == WARM {
                mark();
            }
            (_, buf) = file
                .write_at(buf, 0)
                .await
                .with_buf()
                .expect("it can be written");
        }
        mark();
        file.close().await.expect("it is closed");
    });
}

#[test]
fn a_cached_file_is_opened_read_and_closed_by_three_calls() {
    const NAME: &str = "syscalls::a_cached_file_is_opened_read_and_closed_by_three_calls";
    let Some(calls) = calls(NAME, cached_files) else {
        return;
    };
    // What a task may have of it in one poll is bounded: now and then the ring has a turn.
    let all: usize = calls.values().sum();
    assert!((3..=3 * COUNTED + 20).contains(&all), "{calls:?}");
}

fn cached_files() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), [7; 4096]).expect("it can be written");
    run_clean(async {
        let mut buf = Vec::with_capacity(4096);
        for round in 0..WARM + COUNTED {
            if round == WARM {
                mark();
            }
            let file = File::open(file.path()).await.expect("it can be opened");
            buf.clear();
            (_, buf) = file.read_at(buf, 0).await.with_buf().expect("it is there");
            file.close().await.expect("it is closed");
        }
        mark();
    });
}

#[test]
fn a_sleep_takes_one_enter_and_no_other_call() {
    const NAME: &str = "syscalls::a_sleep_takes_one_enter_and_no_other_call";
    let Some(calls) = calls(NAME, sleeps) else {
        return;
    };
    assert_enters(&calls, AHEAD + COUNTED);
}

fn sleeps() {
    run_clean(async {
        for sleep in 0..WARM + COUNTED {
            if sleep == WARM {
                mark();
            }
            sakia::time::sleep(Duration::from_millis(1)).await;
        }
        mark();
    });
}
