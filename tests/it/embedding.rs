//! A runtime inside a foreign loop: epoll on its descriptor is the loop and the witness.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use sakia::net::{TcpListener, TcpStream};
use sakia::{Bound, JoinHandle, Runtime};
use sakia_tests::{Epoll, fds, in_child, leaves_nothing};

use crate::support::runtime;

const SOON: Duration = Duration::from_secs(10);
const NOT_YET: Duration = Duration::from_millis(50);

/// The loop that an embedder writes; a wake that is missed is a panic after ten seconds. Answers how often it waited.
fn drive<T>(runtime: &Runtime, epoll: &Epoll, task: &JoinHandle<T>) -> u32 {
    let mut waits = 0;
    while !task.is_finished() {
        if runtime.turn(Some(Duration::ZERO)).expect("a turn") {
            continue;
        }
        if task.is_finished() {
            break;
        }
        waits += 1;
        let deadline = runtime.next_deadline();
        let left = deadline.map_or(SOON, |at| at.saturating_duration_since(Instant::now()));
        assert!(
            epoll.wait(left) || deadline.is_some(),
            "a wake was missed: nothing made the descriptor readable"
        );
    }
    waits
}

/// Turns until nothing is left to do.
fn settle(runtime: &Runtime) {
    while runtime.turn(Some(Duration::ZERO)).expect("a turn") {}
}

fn embedded(edge: bool, body: impl FnOnce(&Runtime, &Epoll)) {
    let runtime = runtime();
    let epoll = Epoll::new(runtime.as_fd().expect("a descriptor"), edge);
    body(&runtime, &epoll);
    drop(epoll);
    let report = runtime.shutdown(Duration::from_secs(5));
    assert!(report.is_clean(), "{report}");
}

#[test]
fn a_foreign_loop_of_either_trigger_drives_sockets_timers_and_tasks() {
    for edge in [false, true] {
        embedded(edge, |runtime, epoll| {
            let task = runtime.spawn(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let addr = listener.local_addr().unwrap();
                let echo = sakia::spawn(async move {
                    let (stream, _) = listener.accept().await.unwrap();
                    while let (Ok(1..), buf) = stream.read(Vec::with_capacity(16)).await {
                        sakia::time::sleep(Duration::from_millis(2)).await;
                        stream.write_all(buf).await.0.unwrap();
                    }
                });
                let stream = TcpStream::connect(addr).await.unwrap();
                for _ in 0..20 {
                    stream.write_all("ping").await.0.unwrap();
                    let (n, _) = stream.read(Vec::with_capacity(16)).await;
                    assert_eq!(n.unwrap(), 4);
                }
                drop(stream);
                echo.await.unwrap();
            });
            let waits = drive(runtime, epoll, &task);
            // On a busy machine a sleep may be over before the loop would wait for it.
            assert!(waits >= 10, "it waited in epoll: {waits}");
            runtime.block_on(task).unwrap();
        });
    }
}

#[test]
fn an_idle_runtime_leaves_its_descriptor_unreadable_and_a_peer_makes_it_readable() {
    embedded(false, |runtime, epoll| {
        use std::io::Write;
        let (addr_tx, addr) = std::sync::mpsc::channel();
        let task = runtime.spawn(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addr_tx.send(listener.local_addr().unwrap()).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            stream.read(Vec::with_capacity(1)).await.0
        });
        settle(runtime);
        let mut peer = std::net::TcpStream::connect(addr.try_recv().unwrap()).unwrap();
        assert!(epoll.wait(SOON), "a connection");
        settle(runtime);
        assert!(!epoll.wait(NOT_YET), "nothing is to be done");
        assert_eq!(runtime.next_deadline(), None);
        peer.write_all(b"x").unwrap();
        assert!(epoll.wait(SOON), "a byte");
        settle(runtime);
        assert!(task.is_finished());
    });
}

#[test]
fn spawns_and_wakes_of_other_threads_between_turns_are_not_missed() {
    embedded(true, |runtime, epoll| {
        let handle = runtime.handle();
        let other = std::thread::spawn(move || {
            for n in 0..500u32 {
                // Each is awaited: so the loop is asleep, or on its way, when the next one comes.
                let (tx, rx) = std::sync::mpsc::channel();
                drop(handle.spawn(async move { tx.send(n).unwrap() }));
                assert_eq!(rx.recv_timeout(SOON), Ok(n), "a spawn was missed");
            }
            handle.request_shutdown();
        });
        let task = runtime.spawn(runtime.handle().shutdown_requested());
        drive(runtime, epoll, &task);
        other.join().unwrap();
    });
}

#[test]
fn a_spawn_and_a_drop_on_this_thread_between_turns_make_it_readable() {
    embedded(false, |runtime, epoll| {
        settle(runtime);
        assert!(!epoll.wait(Duration::ZERO));
        let task = runtime.spawn(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            Bound::new(listener)
        });
        assert!(epoll.wait(Duration::ZERO), "a task was spawned");
        settle(runtime);
        let listener = Rc::new(runtime.block_on(task).unwrap());
        let accepting = listener.clone();
        let waiting = runtime.spawn(async move { accepting.get().accept().await.map(drop) });
        settle(runtime);
        assert!(!epoll.wait(NOT_YET));
        waiting.abort();
        assert!(epoll.wait(Duration::ZERO), "a task was aborted");
        settle(runtime);
        assert!(waiting.is_finished());
        assert_eq!(Rc::strong_count(&listener), 1);
        drop(listener);
    });
}

#[test]
fn a_bound_future_that_a_foreign_task_polls_between_turns_gets_on() {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};
    embedded(true, |runtime, epoll| {
        #[expect(
            clippy::async_yields_async,
            reason = "the future is to be polled elsewhere"
        )]
        let made = runtime.spawn(async {
            // It opens a file and sets a timer at polls that no task of sakia's makes.
            sakia::bound(async {
                let file = sakia::fs::File::open("/dev/zero").await.unwrap();
                sakia::time::sleep(Duration::from_millis(5)).await;
                sakia::spawn(async {}).await.unwrap();
                file.read_at(vec![1; 4], 0).await.1
            })
        });
        settle(runtime);
        let mut foreign = runtime.block_on(made).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let until = Instant::now() + SOON;
        let bytes = loop {
            if let Poll::Ready(bytes) = Pin::new(&mut foreign).poll(&mut cx) {
                break bytes;
            }
            assert!(Instant::now() < until);
            let left = runtime.next_deadline();
            let left = left.map_or(SOON, |at| at.saturating_duration_since(Instant::now()));
            assert!(
                epoll.wait(left) || runtime.next_deadline().is_some(),
                "missed"
            );
            settle(runtime);
        };
        assert_eq!(bytes, [0; 4]);
    });
}

#[test]
fn a_turn_that_leaves_work_says_so_and_a_turn_may_wait_by_itself() {
    embedded(false, |runtime, epoll| {
        let laps = Rc::new(Cell::new(0));
        let count = laps.clone();
        let task = runtime.spawn(async move {
            for _ in 0..3 {
                count.set(count.get() + 1);
                sakia::yield_now().await;
            }
            sakia::time::sleep(Duration::from_millis(30)).await;
        });
        for lap in 1..=3 {
            assert!(runtime.turn(Some(Duration::ZERO)).unwrap(), "lap {lap}");
            assert!(epoll.wait(Duration::ZERO), "and the descriptor says so too");
            assert_eq!(laps.get(), lap);
        }
        settle(runtime);
        let start = Instant::now();
        assert!(!runtime.turn(Some(Duration::from_millis(1))).unwrap());
        assert!(start.elapsed() >= Duration::from_millis(1));
        while !task.is_finished() {
            runtime.turn(None).unwrap();
        }
        assert!(
            start.elapsed() >= Duration::from_millis(25),
            "the timer ended the wait"
        );
    });
}

#[test]
fn a_runtime_that_nobody_embeds_has_no_descriptor_for_it_and_an_embedded_one_takes_it_along() {
    in_child(|| {
        leaves_nothing(|| {
            let runtime = runtime();
            let plain = fds().len();
            // Turns work without it as well.
            let task = runtime.spawn(async {});
            while !task.is_finished() {
                runtime.turn(None).unwrap();
            }
            assert_eq!(fds().len(), plain);
            runtime.as_fd().unwrap();
            runtime.as_fd().unwrap();
            assert_eq!(fds().len(), plain + 1);
            settle(&runtime);
            assert!(runtime.shutdown(Duration::from_secs(5)).is_clean());
        });
    });
}

#[test]
#[should_panic(expected = "inside a sakia runtime")]
fn a_turn_inside_a_block_on_is_refused() {
    let outer = runtime();
    let inner = runtime();
    outer
        .block_on(async { inner.turn(Some(Duration::ZERO)).map(drop) })
        .unwrap();
}
