//! The emulated kernel on bad days: no thread to be had, a kernel below it that knows little; and what it shows of itself.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream as StdStream;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use sakia::fs::{Dir, File};
use sakia::net::TcpListener;
use sakia::net::pipe::pipe;
use sakia::{KernelChoice, Runtime};
use sakia_tests::{
    Limit, drop_to_user, fds, fork, in_child, leaves_nothing, play_old_kernel, set_limit, skip,
};

use crate::support::{laps, poll_once};

fn builder() -> sakia::Builder {
    Runtime::builder()
        .entries(64)
        .kernel(KernelChoice::Emulated)
}

fn emulated() -> Runtime {
    builder().build().expect("epoll is everywhere")
}

fn end(runtime: Runtime) {
    let report = runtime.shutdown(Duration::from_secs(5));
    assert!(report.is_clean(), "{report}");
}

/// An echo of one word: needs sockets and no thread.
async fn echo() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("it is bound");
    let mut client = StdStream::connect(addr).expect("the backlog has room");
    client.write_all(b"word").expect("it is open");
    let (ours, _) = listener.accept().await.expect("it has connected");
    let (read, word) = ours.read_exact(vec![0; 4]).await;
    read.expect("it has come");
    ours.write_all(word).await.0.expect("it is open");
    // A thread is to close it, or nobody else.
    ours.set_linger(Some(Duration::from_secs(1)))
        .expect("it is a socket");
    drop(ours);
    laps(3).await;
    let patience = Some(Duration::from_secs(10));
    client.set_read_timeout(patience).expect("it is a socket");
    let mut word = Vec::new();
    client.read_to_end(&mut word).expect("it has come");
    assert_eq!(&word, b"word");
}

#[test]
fn where_no_thread_is_to_be_had_sockets_go_on_closes_are_made_and_files_give_clear_errors() {
    const NAME: &str = "emulated::where_no_thread_is_to_be_had_sockets_go_on_closes_are_made_and_files_give_clear_errors";
    in_child(|| {
        let there = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        if let Err(error) = drop_to_user(54321) {
            return skip(NAME, &format!("root is needed to become another: {error}"));
        }
        set_limit(Limit::Threads, 1);
        leaves_nothing(|| {
            let runtime = emulated();
            runtime.block_on(async {
                echo().await;
                let refused = sakia::fs::create_dir("nowhere").await.map(drop);
                let refused = refused.expect_err("a thread would be needed");
                assert_eq!(refused.raw_os_error(), Some(libc::EAGAIN));
                let file = there.reopen().or_else(|_| std::fs::File::open("/dev/null"));
                let before = fds();
                let file = File::from_std(file.expect("it is there")).expect("a runtime");
                let synced = file.sync_all().await.expect_err("the same");
                assert_eq!(synced.raw_os_error(), Some(libc::EAGAIN));
                file.close().await.expect("closed all the same");
                assert_eq!(fds().len(), before.len() - 1);
                echo().await;
            });
            end(runtime);
        });
    });
}

#[test]
fn on_a_kernel_that_knows_neither_nowait_nor_openat2_nor_epoll_pwait2_all_goes_on_and_nothing_escapes()
 {
    in_child(|| {
        play_old_kernel();
        leaves_nothing(|| {
            let runtime = emulated();
            runtime.block_on(async {
                echo().await;
                let dir = tempfile::tempdir().expect("a temporary directory can be made");
                let path = dir.path().join("page");
                let page = b"page ".repeat(1000);
                sakia::fs::write(&path, page.clone()).await.0.expect("made");
                assert_eq!(sakia::fs::read(&path).await.expect("it is there"), page);
                // A part of a millisecond is rounded up, and no wait ends early.
                let start = std::time::Instant::now();
                sakia::time::sleep(Duration::from_micros(1500)).await;
                assert!(start.elapsed() >= Duration::from_micros(1500));
                through_a_pipe().await;
                // Never opened without its restrictions.
                let beneath = Dir::open(dir.path()).await;
                let beneath = match beneath {
                    Ok(dir) => dir
                        .open_file("page", sakia::fs::OpenOptions::new().read(true))
                        .await
                        .map(drop),
                    Err(error) => Err(error),
                };
                let error = beneath.expect_err("openat2 is not there");
                assert_eq!(error.raw_os_error(), Some(libc::ENOSYS), "{error}");
            });
            end(runtime);
        });
    });
}

/// Reads that wait and writes that find the pipe full, both of which a thread carries out here; and a read that is given up while it waits.
async fn through_a_pipe() {
    let (sender, receiver) = pipe().expect("two descriptors are free");
    let mut given_up = Box::pin(receiver.read(Vec::with_capacity(8)));
    assert!(poll_once(&mut given_up).is_pending());
    laps(2).await;
    drop(given_up);
    let bytes: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
    let sent = bytes.clone();
    let writes = sakia::spawn(async move { sender.write_all(sent).await.0 });
    let mut got = Vec::new();
    loop {
        let (read, buf) = receiver.read(Vec::with_capacity(10_000)).await;
        if read.expect("it is open") == 0 {
            break;
        }
        got.extend(buf);
    }
    writes.await.expect("no panic").expect("it was read");
    assert!(got == bytes);
}

/// Whether the description behind this number does not block, as anybody with a duplicate of it sees.
fn is_nonblocking(number: i32) -> bool {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).expect("it is open");
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = i32::from_str_radix(flags.expect("it has flags").trim(), 8);
    flags.expect("they are octal") & libc::O_NONBLOCK != 0
}

#[test]
fn a_listener_that_is_shown_blocks_as_its_owner_left_it_and_accepts_as_before() {
    let runtime = emulated();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("it is bound");
        let listed = sakia::fds();
        let listed = listed.iter().find(|fd| fd.kind == sakia::Kind::TcpListener);
        let number = listed.expect("it is listed").number;
        assert!(is_nonblocking(number), "nobody has seen it");
        let mut accept = listener.accept();
        assert!(poll_once(&mut accept).is_pending());
        laps(2).await;
        assert_eq!(listener.as_fd().as_raw_fd(), number);
        assert!(!is_nonblocking(number), "who sees it finds it as ever");
        let _one = StdStream::connect(addr).expect("the backlog has room");
        accept.await.expect("it has connected");
        let _two = StdStream::connect(addr).expect("the backlog has room");
        listener.accept().await.expect("it has connected");
    });
    end(runtime);
}

#[test]
fn a_listener_that_a_forked_child_shows_still_waits_for_nobody_in_its_parent() {
    in_child(|| {
        let runtime = emulated();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let listed = sakia::fds();
            let listed = listed.iter().find(|fd| fd.kind == sakia::Kind::TcpListener);
            let number = listed.expect("it is listed").number;
            assert!(is_nonblocking(number));
            let shown = || i32::from(listener.as_fd().as_raw_fd() != number);
            assert!(fork(shown).success());
            assert!(is_nonblocking(number), "both have the same open file");
        });
        end(runtime);
    });
}

/// Row 21's witness, the other way round: what /proc has more is what the ledger has.
#[test]
fn the_ledger_lists_every_descriptor_that_a_runtime_has_for_itself_on_each_kernel() {
    in_child(|| {
        for kernel in [KernelChoice::Auto, KernelChoice::Emulated] {
            let before = fds();
            let runtime = Runtime::builder().entries(64).kernel(kernel).build();
            let runtime = runtime.expect("either is there");
            for embedded in [false, true] {
                if embedded {
                    let _ = runtime.as_fd();
                }
                let mut after: BTreeMap<_, _> = fds();
                after.retain(|number, _| !before.contains_key(number));
                let mut listed: Vec<_> = runtime.fds().iter().map(|fd| fd.number).collect();
                listed.sort_unstable();
                assert_eq!(
                    listed,
                    after.keys().copied().collect::<Vec<_>>(),
                    "{after:?}"
                );
            }
            end(runtime);
            assert_eq!(fds(), before);
        }
    });
}
