//! More than one process: forks that do not exec, commands that do, a listener that another process listens on as well.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, Stdio};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use sakia::fs::File;
use sakia::net::{TcpListener, TcpSocket, TcpStream};
use sakia_tests::{
    child_command, fds, fork, in_child, is_child, leaves_nothing, places, run_traced, skip,
};

use crate::support::{laps, poll_once, quiet_panics, run_clean, runtime};

async fn pair() -> (TcpStream, StdStream) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has free ports");
    let addr = listener.local_addr().expect("it is bound");
    let peer = StdStream::connect(addr).expect("the backlog has room");
    let (ours, _) = listener.accept().await.expect("the peer has connected");
    (ours, peer)
}

/// Whether an error says that this is a forked child, and what to do instead.
fn says_forked(text: &str) -> bool {
    text.contains("forked") && text.contains("exec")
}

const FORKS: &str =
    "exits_processes::a_forked_child_is_told_and_neither_its_use_nor_its_drops_disturb_the_parent";

/// Row 31.
#[test]
fn a_forked_child_is_told_and_neither_its_use_nor_its_drops_disturb_the_parent() {
    if is_child() {
        return forks();
    }
    let calls = "io_uring_enter,io_uring_register,io_uring_setup,epoll_ctl,?epoll_wait,epoll_pwait,?epoll_pwait2,shutdown,sendto,write";
    let Some((output, seen)) = run_traced(FORKS, calls) else {
        skip(
            FORKS,
            "no strace here to see what the forked children ask of the kernel",
        );
        return in_child(|| {
            forks();
        });
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    let mut children = 0;
    for child in said.lines().filter_map(|line| line.strip_prefix("forked ")) {
        children += 1;
        let touched: Vec<_> = seen
            .lines()
            .filter(|line| line.starts_with(&format!("{child} ")))
            // What it says is written to its stdout.
            .filter(|line| !line.contains(" write(1, ") && !line.contains(" +++ "))
            .collect();
        assert!(touched.is_empty(), "{touched:#?}");
    }
    assert_eq!(children, 2, "{said}");
    // On either kernel.
    assert!(
        seen.contains("io_uring_enter") || seen.contains("epoll_"),
        "the witness sees the parent's"
    );
}

fn forks() {
    quiet_panics();
    let place = places("row 31").remove(0);
    let path = place.files(1).remove(0);
    leaves_nothing(|| {
        let runtime = runtime();
        runtime.block_on(async {
            let (stream, mut peer) = pair().await;
            let file = File::open(&path).await.expect("the file is there");
            let mut read = Some(Box::pin(stream.read(Vec::with_capacity(16))));
            assert!(
                read.as_mut()
                    .is_some_and(|read| poll_once(read).is_pending())
            );
            laps(1).await;
            let before = fds();
            let mut file = Some(file);
            let status = fork(|| {
                println!("\nforked {}", std::process::id());
                let mut write = stream.write(b"from the child".to_vec());
                let Poll::Ready((Err(error), buf)) = poll_once(&mut write) else {
                    return 1;
                };
                let told = says_forked(&error.to_string()) && buf == b"from the child";
                let mut open = Box::pin(File::open(&path));
                let Poll::Ready(Err(error)) = poll_once(&mut open) else {
                    return 2;
                };
                drop((read.take(), file.take()));
                i32::from(!(told && says_forked(&error.to_string()))) * 3
            });
            assert!(status.success(), "{status}");
            assert_eq!(fds(), before);
            // The peer has seen nothing of it, and what was armed before is armed still.
            peer.set_nonblocking(true).expect("it is a socket");
            let seen = peer.read(&mut [0; 16]).expect_err("nothing, and no end");
            assert_eq!(seen.kind(), ErrorKind::WouldBlock);
            peer.write_all(b"hello").expect("it is open");
            let read = read.take().expect("the child took its own copy");
            assert_eq!(read.await.1, b"hello");
            let file = file.take().expect("the child took its own copy");
            assert!(file.read_at(vec![0; 8], 0).await.0.is_ok_and(|n| n > 0));
        });
        let mut ours = Some(runtime);
        let status = fork(|| {
            println!("\nforked {}", std::process::id());
            let Some(runtime) = ours.take() else { return 1 };
            let lap = AssertUnwindSafe(|| runtime.block_on(laps(3)));
            let Err(panic) = catch_unwind(lap) else {
                return 2;
            };
            if !panic
                .downcast_ref::<String>()
                .is_some_and(|text| says_forked(text))
            {
                return 3;
            }
            drop(runtime);
            0
        });
        assert!(status.success(), "{status}");
        let runtime = ours.take().expect("the child took its own copy");
        runtime.block_on(async { sakia::time::sleep(Duration::from_millis(1)).await });
        let report = runtime.shutdown(Duration::from_secs(5));
        assert!(report.is_clean(), "{report}");
    });
}

/// What a command sees of this process's descriptors.
fn inherited() -> String {
    let listed = Command::new("sh")
        .args([
            "-c",
            "for fd in /proc/self/fd/*; do readlink $fd; done | grep -v '/fd$' | wc -l",
        ])
        .stdin(Stdio::null())
        .output()
        .expect("a command can be run");
    String::from_utf8_lossy(&listed.stdout).into_owned()
}

/// Row 31's sibling: a fork that does exec.
#[test]
fn a_command_inherits_no_descriptor_of_a_runtime() {
    in_child(|| {
        let place = places("row 31").remove(0);
        let path = place.files(1).remove(0);
        let before = inherited();
        run_clean(async {
            let (stream, _peer) = pair().await;
            let file = File::open(&path).await.expect("the file is there");
            let udp = sakia::net::UdpSocket::bind("127.0.0.1:0").await;
            let unix = sakia::net::UnixStream::pair().expect("a pair");
            assert_eq!(inherited(), before);
            drop((stream, file, udp, unix));
        });
    });
}

const SIBLING: &str = "SAKIA_TEST_SIBLING";

/// A second process, with a listener of ours as its stdin: it answers every client with a word.
struct Sibling(Child);

impl Sibling {
    fn start(name: &str, listener: OwnedFd) -> Self {
        let mut command = child_command(name);
        command
            .env(SIBLING, "1")
            .stdin(Stdio::from(listener))
            .stdout(Stdio::null());
        Self(command.spawn().expect("a child can be started"))
    }

    /// What runs in it: for ever, it is killed.
    fn serve() -> ! {
        let stdin = std::io::stdin();
        let ours = stdin.as_fd().try_clone_to_owned();
        let listener = StdListener::from(ours.expect("stdin is the listener"));
        listener.set_nonblocking(false).expect("it is a socket");
        loop {
            let (mut client, _) = listener.accept().expect("it listens");
            let _ = client.write_all(b"sibling");
        }
    }
}

impl Drop for Sibling {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_sibling() -> bool {
    std::env::var_os(SIBLING).is_some()
}

/// Who has served a client, as it has been told.
fn served_by(mut client: StdStream) -> String {
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("it is a socket");
    let mut name = String::new();
    client
        .read_to_string(&mut name)
        .expect("somebody serves it");
    name
}

fn connect(addr: SocketAddr) -> StdStream {
    StdStream::connect(addr).expect("the backlog has room")
}

/// Row 41, with one socket in two processes: whoever accepts takes the connection from the other.
#[test]
fn a_listener_that_two_processes_have_is_left_to_the_other_a_turn_after_its_accept_was_cancelled() {
    const NAME: &str = "exits_processes::a_listener_that_two_processes_have_is_left_to_the_other_a_turn_after_its_accept_was_cancelled";
    if is_sibling() {
        Sibling::serve();
    }
    run_clean(async {
        let listener = StdListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let addr = listener.local_addr().expect("it is bound");
        let theirs = listener.try_clone().expect("a descriptor is free");
        let ours = TcpListener::from_std(listener).expect("a runtime is current");
        let _sibling = Sibling::start(NAME, theirs.into());
        for _ in 0..50 {
            let mut accept = ours.accept();
            assert!(poll_once(&mut accept).is_pending());
            laps(2).await;
            drop(accept);
            laps(2).await;
            assert_eq!(served_by(connect(addr)), "sibling");
        }
        // And who asks is served: with both at it, nobody is left out.
        let clients = std::thread::spawn(move || {
            let clients = (0..50).map(|_| served_by(connect(addr)));
            clients.filter(|name| name == "ours").count()
        });
        serve_all(&ours, clients).await;
    });
}

/// Serves whoever comes to `ours` until all clients are served, by us or the sibling; how many it were, as the clients say too.
async fn serve_all(ours: &TcpListener, clients: JoinHandle<usize>) -> usize {
    let mut served = 0;
    while !clients.is_finished() {
        let accept = sakia::time::timeout(Duration::from_millis(1), ours.accept());
        if let Ok(Ok((stream, _))) = accept.await {
            let (written, _) = stream.write_all("ours").await;
            written.expect("it reads");
            served += 1;
        }
    }
    assert_eq!(clients.join().expect("all were served"), served);
    served
}

/// Row 41, with a socket in each process: each has a backlog of its own, and what comes to ours is served by us or stays there.
#[test]
fn a_reuseport_sibling_keeps_its_clients_and_ours_wait_unaccepted_until_somebody_asks() {
    const NAME: &str = "exits_processes::a_reuseport_sibling_keeps_its_clients_and_ours_wait_unaccepted_until_somebody_asks";
    if is_sibling() {
        Sibling::serve();
    }
    in_child(|| {
        run_clean(async {
            let reuseport = |addr: SocketAddr| {
                let socket = TcpSocket::new_v4().expect("a descriptor is free");
                socket.set_reuseport(true).expect("the kernel has it");
                socket.bind(addr).expect("it is shared");
                socket.listen(128).expect("it is bound")
            };
            let ours = reuseport(SocketAddr::from(([127, 0, 0, 1], 0)));
            let addr = ours.local_addr().expect("it is bound");
            let (theirs, _) = reuseport(addr)
                .into_std()
                .await
                .expect("nothing is in flight");
            let _sibling = Sibling::start(NAME, theirs.into());
            let mut accept = ours.accept();
            assert!(poll_once(&mut accept).is_pending());
            laps(2).await;
            drop(accept);
            laps(2).await;
            let before = fds().len();
            let clients: Vec<_> = (0..100).map(|_| connect(addr)).collect();
            laps(20).await;
            assert_eq!(fds().len(), before + 100, "nothing was accepted here");
            let clients = std::thread::spawn(move || {
                let names = clients.into_iter().map(served_by);
                names.filter(|name| name == "ours").count()
            });
            let served = serve_all(&ours, clients).await;
            assert!((1..100).contains(&served), "both had clients: {served}");
        });
    });
}
