//! What must go on beside what: a task that never rests, a thread that wakes to the very end.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream as StdStream;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use sakia::fs::File;
use sakia::net::TcpListener;
use sakia::{Kind, Runtime};
use sakia_tests::{at_number, eventfd, in_child, leaves_nothing, places};

use crate::support::run_clean;

/// What one in ten of some times is shorter than. That many are late may be a matter of the machine, which others use as well; a loop that holds them up does so to each.
fn quick(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 10]
}

/// Row 35.
#[test]
fn an_endless_loop_of_cached_reads_holds_up_neither_a_sleep_nor_an_echo() {
    const ROUNDS: u32 = 100;
    const AT_MOST: Duration = Duration::from_millis(10);
    in_child(|| {
        for place in places("row 35") {
            let path = place.files(1).remove(0);
            run_clean(async {
                let reads = Rc::new(std::cell::Cell::new(0u64));
                let count = reads.clone();
                let busy = sakia::spawn(async move {
                    let file = File::open(&path).await.expect("the file is there");
                    let mut buf = Vec::with_capacity(64);
                    loop {
                        let (n, back) = file.read_at(buf, 0).await;
                        assert!(n.expect("it is cached") > 0);
                        buf = back;
                        count.set(count.get() + 1);
                    }
                });
                let listener = TcpListener::bind("127.0.0.1:0")
                    .await
                    .expect("loopback has free ports");
                let addr = listener.local_addr().expect("it is bound");
                let client = thread::spawn(move || echoes(addr, ROUNDS));
                let (stream, _) = listener.accept().await.expect("the client connects");
                let echo = sakia::spawn(async move {
                    while let (Ok(1..), buf) = stream.read(Vec::with_capacity(16)).await {
                        stream.write_all(buf).await.0.expect("the client reads");
                    }
                });
                let mut late = Vec::new();
                for _ in 0..ROUNDS {
                    let asked = Duration::from_millis(1);
                    let start = Instant::now();
                    sakia::time::sleep(asked).await;
                    late.push(start.elapsed() - asked);
                }
                let late = quick(late);
                assert!(late < AT_MOST, "{}: a sleep is {late:?} late", place.name);
                echo.await.expect("the client has ended");
                let took = quick(client.join().expect("the client ends"));
                assert!(took < AT_MOST, "{}: an echo takes {took:?}", place.name);
                assert!(
                    reads.get() > u64::from(ROUNDS),
                    "the reads went on: {}",
                    reads.get()
                );
                busy.abort();
                assert!(busy.await.is_err_and(|error| error.is_cancelled()));
            });
        }
    });
}

/// A client's round trips, by its own clock.
fn echoes(addr: std::net::SocketAddr, rounds: u32) -> Vec<Duration> {
    let mut stream = StdStream::connect(addr).expect("it listens");
    let round = |_| {
        let start = Instant::now();
        stream.write_all(b"ping").expect("it is open");
        stream.read_exact(&mut [0; 4]).expect("it answers");
        start.elapsed()
    };
    (0..rounds).map(round).collect()
}

/// What a runtime and the threads that wake it share.
#[derive(Default)]
struct Shared {
    /// Of the outermost future, and of a task.
    wakers: Mutex<[Option<Waker>; 2]>,
    asked: AtomicU64,
    answered: AtomicU64,
    ending: AtomicBool,
    stop: AtomicBool,
}

impl Shared {
    fn wakers(&self) -> MutexGuard<'_, [Option<Waker>; 2]> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the threads this waker.
    fn give(&self, which: usize, cx: &Context<'_>) -> Poll<()> {
        let waker = Some(cx.waker().clone());
        let before = std::mem::replace(&mut self.wakers()[which], waker);
        drop(before);
        Poll::Pending
    }

    /// A foreign thread: answers what is asked with one wake, and as the runtime ends, and after, wakes as fast as it can.
    fn wake_on(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let asked = self.asked.load(Ordering::Acquire);
            let first = self.answered.fetch_max(asked, Ordering::AcqRel) < asked;
            if first || self.ending.load(Ordering::Relaxed) {
                let wakers = self.wakers().clone();
                wakers.into_iter().flatten().for_each(Waker::wake);
            } else {
                thread::yield_now();
            }
        }
    }

    /// Resolves when a foreign thread has answered; it looks only when it is woken.
    async fn answer(&self) {
        let mine = self.asked.fetch_add(1, Ordering::AcqRel) + 1;
        std::future::poll_fn(|cx| {
            let _pending = self.give(0, cx);
            if self.answered.load(Ordering::Acquire) >= mine {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// One runtime, woken from its beginning to past its end; gives strangers' descriptors at the numbers that its own have had.
fn one_round(shared: &Arc<Shared>) -> Vec<OwnedFd> {
    let runtime = Runtime::builder()
        .entries(4)
        .build()
        .expect("a ring can be made here");
    let own = runtime.fds();
    let numbers: Vec<_> = own
        .iter()
        .filter(|fd| matches!(fd.kind, Kind::Ring | Kind::Eventfd))
        .map(|fd| fd.number)
        .collect();
    assert!(numbers.len() >= 2);
    runtime.block_on(async {
        for _ in 0..5 {
            let answered = sakia::time::timeout(Duration::from_secs(30), shared.answer());
            answered.await.expect("no wake is lost before the end");
        }
    });
    // The threads get the waker of a task that never ends, so that they wake a runtime that is on its way out, and one that has gone.
    let theirs = shared.clone();
    runtime.block_on(async {
        sakia::spawn(std::future::poll_fn(move |cx| theirs.give(1, cx)));
        sakia::yield_now().await;
    });
    shared.ending.store(true, Ordering::Relaxed);
    let report = runtime.shutdown(Duration::from_secs(30));
    assert!(report.is_clean(), "{report}");
    let taken = numbers
        .into_iter()
        .map(|number| at_number(eventfd(), number).expect("the runtime has closed it"));
    let taken = taken.collect();
    shared.ending.store(false, Ordering::Relaxed);
    taken
}

/// Nobody has written to it.
fn untouched(stranger: OwnedFd) {
    let number = stranger.as_raw_fd();
    let read = std::fs::File::from(stranger).read(&mut [0; 8]);
    let empty = read.expect_err("nobody has written to it");
    assert_eq!(empty.kind(), ErrorKind::WouldBlock, "descriptor {number}");
}

/// Row 40.
#[test]
fn threads_that_wake_a_runtime_to_its_end_and_past_it_lose_no_wake_and_write_to_no_stranger() {
    in_child(|| {
        // Ten thousand are the row; CI takes fewer.
        let rounds = std::env::var("SAKIA_TEST_ROUNDS")
            .map_or(300, |n| n.parse().expect("SAKIA_TEST_ROUNDS is a number"));
        leaves_nothing(|| {
            let shared = Arc::new(Shared::default());
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let shared = shared.clone();
                    thread::spawn(move || shared.wake_on())
                })
                .collect();
            let mut strangers = VecDeque::new();
            for _ in 0..rounds {
                strangers.extend(one_round(&shared));
                // They stay for a while: a thread that was put aside in the middle of a wake has the time to do harm.
                let long_enough = strangers.len().saturating_sub(200);
                strangers.drain(..long_enough).for_each(untouched);
            }
            strangers.into_iter().for_each(untouched);
            shared.stop.store(true, Ordering::Relaxed);
            for thread in threads {
                thread.join().expect("it ends");
            }
        });
    });
}
