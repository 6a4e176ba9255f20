//! In the steady state an op allocates nothing: twice as many ops make the same number of allocations. A binary of its own, for its allocator counts.

use std::future::Future;
use std::time::Duration;

use counting::{Counting, allocations};
use sakia::Runtime;
use sakia::buf::BufResultExt;
use sakia::fs::File;
use sakia::net::{TcpListener, TcpStream};
use sakia::time;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How many ops there are in a round; a second round has twice as many.
const OPS: usize = 300;

/// How many allocations each of two rounds makes, of `OPS` ops and of twice as many, after one that brings everything to its size.
async fn rounds(mut round: impl AsyncFnMut(usize)) -> [usize; 2] {
    round(OPS).await;
    let mut counts = [0; 2];
    for (count, ops) in counts.iter_mut().zip([OPS, 2 * OPS]) {
        let before = allocations();
        round(ops).await;
        *count = allocations() - before;
    }
    counts
}

fn run<F: Future>(work: F) -> F::Output {
    Runtime::new().expect("a runtime").block_on(work)
}

/// Whether these tests run on the kernel that makes of each job of a file, and of each wait, something of its own. A test that counts such is skipped there.
fn is_skipped(test: &str) -> bool {
    let emulated = sakia_tests::is_emulated();
    if emulated {
        let why = "the emulated kernel allocates: a job for a thread, a place for who waits";
        sakia_tests::skip(test, why);
    }
    emulated
}

fn assert_none(counts: [usize; 2]) {
    assert_eq!(
        counts,
        [0, 0],
        "allocations in a round, and in one of twice as many ops"
    );
}

async fn connected() -> (TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect(address).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    (listener, client, server)
}

#[test]
fn an_echo_allocates_nothing() {
    assert_none(run(echo_rounds(async |server| {
        let mut buf = Vec::with_capacity(64);
        loop {
            buf.clear();
            let n;
            (n, buf) = server.read(buf).await.with_buf().unwrap();
            if n == 0 {
                return;
            }
            ((), buf) = server.write_all(buf).await.with_buf().unwrap();
        }
    })));
}

#[test]
fn an_echo_by_pooled_reads_allocates_nothing() {
    assert_none(run(echo_rounds(async |server| {
        while let Some(buf) = server.read_pooled().await.unwrap() {
            server.write_all(buf).await.0.unwrap();
        }
    })));
}

/// What a client and its server allocate, an op being a message and its answer.
async fn echo_rounds(serve: impl AsyncFnOnce(TcpStream) + 'static) -> [usize; 2] {
    let (_listener, client, server) = connected().await;
    let echo = sakia::spawn(async move { serve(server).await });
    let mut buf = vec![7; 64];
    let counts = rounds(async |ops| {
        for _ in 0..ops {
            let sent = std::mem::take(&mut buf);
            ((), buf) = client.write_all(sent).await.with_buf().unwrap();
            buf.clear();
            let back = std::mem::take(&mut buf);
            ((), buf) = client.read_exact(back).await.with_buf().unwrap();
        }
    })
    .await;
    drop(client);
    echo.await.unwrap();
    counts
}

#[test]
fn reads_and_writes_of_files_allocate_nothing() {
    if is_skipped("reads_and_writes_of_files_allocate_nothing") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, [7; 4096]).unwrap();
    let counts = run(async {
        let file = File::options()
            .read(true)
            .write(true)
            .open(&path)
            .await
            .unwrap();
        let behind = File::open(&path).await.unwrap();
        let mut buf = vec![7; 4096];
        rounds(async |ops| {
            // So many in one poll that some are answered on the spot, and some go by the ring.
            for _ in 0..ops {
                let lent = std::mem::take(&mut buf);
                (_, buf) = file.read_at(lent, 0).await.with_buf().unwrap();
                let lent = std::mem::take(&mut buf);
                (_, buf) = file.write_at(lent, 0).await.with_buf().unwrap();
                let lent = std::mem::take(&mut buf);
                ((), buf) = file.write_all(lent).await.with_buf().unwrap();
                let lent = std::mem::take(&mut buf);
                (_, buf) = behind.read(lent).await.with_buf().unwrap();
            }
        })
        .await
    });
    assert_none(counts);
}

#[test]
fn an_accept_loop_whose_connections_end_one_after_the_other_allocates_nothing() {
    if is_skipped("an_accept_loop_whose_connections_end_one_after_the_other_allocates_nothing") {
        return;
    }
    let counts = run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        rounds(async |ops| {
            let clients = std::thread::spawn(move || {
                for _ in 0..ops {
                    std::net::TcpStream::connect(address).unwrap();
                }
            });
            for _ in 0..ops {
                drop(listener.accept().await.unwrap());
            }
            clients.join().unwrap();
        })
        .await
    });
    // What there is is of the thread of clients.
    assert_eq!(counts[0], counts[1]);
}

#[test]
fn sleeps_and_timeouts_allocate_nothing() {
    let counts = run(async {
        let (_listener, client, server) = connected().await;
        let mut buf = vec![7; 1];
        rounds(async |ops| {
            for _ in 0..ops / 10 {
                time::sleep(Duration::from_millis(1)).await;
                let limit = Duration::from_secs(60);
                let lent = std::mem::take(&mut buf);
                let read = time::timeout(limit, async {
                    let ((), lent) = client.write_all(lent).await.with_buf().unwrap();
                    server.read(lent).await
                });
                (_, buf) = read.await.unwrap().with_buf().unwrap();
            }
        })
        .await
    });
    assert_none(counts);
}
