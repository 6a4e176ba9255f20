//! Ways out of runtimes: panics, destructors, threads that end, processes that exit.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use sakia::Kind;
use sakia::Runtime;
use sakia::fs::File;
use sakia::net::TcpListener;
use sakia_driver::{Fd, ops};
use sakia_tests::{
    cpu_time, fds, in_child, is_child, leaves_nothing, maps, places, run_child, run_traced, skip,
    threads,
};

use crate::support::{laps, poll_once, quiet_panics, run, run_clean, runtime};

const HOUR: Duration = Duration::from_secs(3600);

/// Row 13.
#[test]
fn a_panic_through_block_on_closes_its_files_and_the_runtime_can_be_used_again() {
    in_child(|| {
        quiet_panics();
        for place in places("row 13") {
            let paths = place.files(100);
            leaves_nothing(|| {
                let runtime = runtime();
                let before = fds();
                let panicked = catch_unwind(AssertUnwindSafe(|| {
                    runtime.block_on(async {
                        let mut files = Vec::new();
                        for path in &paths {
                            files.push(File::open(path).await.expect("the file is there"));
                        }
                        assert_eq!(files.len(), 0, "one hundred files are open");
                    });
                }));
                assert!(panicked.is_err());
                assert_eq!(fds(), before, "{}: closed while unwinding", place.name);
                let read = runtime.block_on(async {
                    let file = File::open(&paths[0]).await.expect("the file is there");
                    file.read_at(vec![0; 64], 0).await.0
                });
                assert!(read.is_ok_and(|n| n > 0), "it can be used again");
                let report = runtime.shutdown(Duration::from_secs(5));
                assert!(report.is_clean(), "{report}");
            });
        }
    });
}

/// A value whose destructor panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a destructor panics");
    }
}

/// Row 15.
#[test]
fn a_panic_in_a_destructor_at_the_end_is_counted_and_does_not_stop_the_rest() {
    in_child(|| {
        quiet_panics();
        for place in places("row 15") {
            let paths = place.files(20);
            leaves_nothing(|| {
                let runtime = runtime();
                runtime.block_on(async {
                    for (i, path) in paths.into_iter().enumerate() {
                        sakia::spawn(async move {
                            let _file = File::open(&path).await.expect("the file is there");
                            let _bomb = (i % 5 == 0).then(|| Bomb);
                            sakia::time::sleep(HOUR).await;
                        });
                    }
                    while fds()
                        .values()
                        .filter(|target| target.contains("file-"))
                        .count()
                        < 20
                    {
                        laps(1).await;
                    }
                    // One more lap, so that every task has looked at its file.
                    sakia::time::sleep(Duration::from_millis(10)).await;
                });
                let report = runtime.shutdown(Duration::from_secs(5));
                assert_eq!(
                    (report.destructor_panics(), report.tasks_dropped()),
                    (4, 20),
                    "{report}"
                );
                assert!(!report.is_clean(), "it says so");
            });
        }
    });
}

/// Row 18.
#[test]
fn a_hundred_runtimes_one_after_the_other_leave_no_descriptor_thread_or_map() {
    in_child(|| {
        let one = || {
            let runtime = runtime();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0")
                    .await
                    .expect("loopback has free ports");
                sakia::spawn(async move { listener.accept().await.map(drop) });
                laps(3).await;
            });
            let report = runtime.shutdown(Duration::from_secs(5));
            assert!(report.is_clean(), "{report}");
        };
        one();
        let (fds_before, threads_before, maps_before) = (fds(), threads(), maps());
        for _ in 0..100 {
            one();
        }
        assert_eq!(fds(), fds_before);
        assert_eq!(threads(), threads_before);
        assert!(
            maps() <= maps_before + 4,
            "{maps_before} maps before, {} after",
            maps()
        );
    });
}

/// Row 19.
#[test]
fn a_thread_that_ends_with_tasks_pending_leaves_nothing() {
    in_child(|| {
        thread_local! {
            static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
        }
        for place in places("row 19") {
            let path = place.files(1).remove(0);
            let pend = move |runtime: &Runtime| {
                let path = path.clone();
                runtime.block_on(async move {
                    sakia::spawn(async move {
                        let _file = File::open(&path).await.expect("the file is there");
                        let listener = TcpListener::bind("127.0.0.1:0")
                            .await
                            .expect("loopback has free ports");
                        listener.accept().await.map(drop)
                    });
                    sakia::time::sleep(Duration::from_millis(10)).await;
                });
            };
            let pend_too = pend.clone();
            leaves_nothing(|| {
                let on_the_stack = std::thread::spawn(move || pend(&runtime()));
                on_the_stack.join().expect("the thread ends");
                let in_a_thread_local = std::thread::spawn(move || {
                    RUNTIME.with(|slot| pend_too(slot.borrow_mut().insert(runtime())));
                });
                in_a_thread_local.join().expect("the thread ends");
            });
        }
    });
}

/// Row 26.
#[test]
fn twenty_thousand_ops_in_flight_are_drained_in_well_under_a_second() {
    in_child(|| {
        leaves_nothing(|| {
            let runtime = Runtime::builder()
                .entries(256)
                .build()
                .expect("a ring can be made here");
            let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().expect("a pair");
            runtime.block_on(async {
                // One descriptor, many ops: each waits for a datagram that never comes.
                // A file has no such read, so the driver's is taken; at -1, which is where a stream stands.
                let socket = Fd::new(ours.into(), Kind::Socket).expect("a runtime is current");
                for _ in 0..20_000 {
                    sakia::spawn(ops::read_at(&socket, Vec::with_capacity(1), u64::MAX));
                }
                // Every task is polled once, so every op is in the ring.
                laps(20_000 / 64).await;
            });
            let start = cpu_time();
            let report = runtime.shutdown(Duration::from_secs(60));
            // The machine may be busy with others: what counts is what the end itself costs.
            let took = cpu_time() - start;
            assert!(report.is_clean(), "{report}");
            assert!(report.ops_cancelled() >= 20_000, "{report}");
            assert!(took < Duration::from_secs(1), "{took:?}");
            drop(theirs);
        });
    });
}

/// Row 27.
#[test]
fn a_process_that_exits_in_any_way_neither_aborts_nor_hangs() {
    const NAME: &str = "exits_ends::a_process_that_exits_in_any_way_neither_aborts_nor_hangs";
    thread_local! {
        static KEPT: RefCell<Option<Runtime>> = const { RefCell::new(None) };
    }
    if !is_child() {
        for (way, code) in [
            ("exit inside", 7),
            ("exit inside a thread-local", 7),
            ("forgotten", 0),
            ("thread-local", 0),
        ] {
            let output = run_child(NAME, &[("WAY", way)]);
            assert_eq!(output.status.code(), Some(code), "{way}: {output:?}");
        }
        return;
    }
    let pend = |runtime: &Runtime, exit: bool| {
        runtime.block_on(async move {
            sakia::spawn(async { sakia::time::sleep(HOUR).await });
            let listener = TcpListener::bind("127.0.0.1:0")
                .await
                .expect("loopback has free ports");
            assert!(poll_once(&mut listener.accept()).is_pending());
            if exit {
                std::process::exit(7);
            }
        });
    };
    match std::env::var("WAY").as_deref() {
        Ok("exit inside") => pend(&runtime(), true),
        Ok("exit inside a thread-local") => {
            KEPT.with(|kept| pend(kept.borrow_mut().insert(runtime()), true))
        }
        Ok("forgotten") => {
            let runtime = runtime();
            pend(&runtime, false);
            std::mem::forget(runtime);
        }
        Ok("thread-local") => KEPT.with(|kept| pend(kept.borrow_mut().insert(runtime()), false)),
        way => panic!("{way:?}"),
    }
}

/// Row 27, for `main` itself: the server of this package's examples is sakia-serve; here main is libtest's thread.
#[test]
fn a_runtime_dropped_without_a_word_is_silent_when_clean_and_says_a_line_when_not() {
    in_child(|| {
        quiet_panics();
        let said = Rc::new(RefCell::new(Vec::new()));
        let build = || {
            let said = said.clone();
            let builder = Runtime::builder()
                .entries(64)
                .on_event(move |event| said.borrow_mut().push(event.to_string()));
            builder.build().expect("a ring can be made here")
        };
        drop(build());
        assert!(said.borrow().is_empty());
        let runtime = build();
        runtime.spawn(async {
            let _bomb = Bomb;
            sakia::time::sleep(HOUR).await;
        });
        runtime.block_on(laps(2));
        drop(runtime);
        assert_eq!(said.borrow().len(), 1);
        assert!(
            said.borrow()[0].contains("1 destructors panicked"),
            "{:?}",
            said.borrow()
        );
    });
}

/// Row 29.
#[test]
fn ten_thousand_ops_on_a_ring_of_the_smallest_size_all_complete() {
    let runtime = Runtime::builder()
        .entries(1)
        .build()
        .expect("a ring can be made here");
    let count = runtime.block_on(async {
        let file = Rc::new(File::open("/dev/zero").await.expect("/dev/zero is there"));
        let tasks: Vec<_> = (0..10_000)
            .map(|_| {
                let file = file.clone();
                sakia::spawn(async move { file.read_at(vec![1; 8], 0).await })
            })
            .collect();
        let mut good = 0;
        for task in tasks {
            let (n, buf) = task.await.expect("no task panics");
            good += usize::from(n.ok() == Some(8) && buf == [0; 8]);
        }
        good
    });
    assert_eq!(count, 10_000);
    let report = runtime.shutdown(Duration::from_secs(5));
    assert!(report.is_clean(), "{report}");
}

/// A runtime inside a runtime.
#[test]
fn a_block_on_inside_a_block_on_is_refused_and_a_runtime_inside_a_task_may_live_and_end() {
    in_child(|| {
        quiet_panics();
        leaves_nothing(|| {
            run_clean(async {
                let inner = runtime();
                let nested = catch_unwind(AssertUnwindSafe(|| inner.block_on(async {})));
                let message = nested.expect_err("it is refused");
                assert!(
                    message
                        .downcast_ref::<&str>()
                        .is_some_and(|text| text.contains("inside a sakia runtime"))
                );
                assert!(inner.shutdown(Duration::from_secs(1)).is_clean());
                sakia::time::sleep(Duration::from_millis(1)).await;
                let file = File::open("/dev/null")
                    .await
                    .expect("the outer one goes on");
                file.close().await.expect("it closes");
            });
        });
    });
}

/// A spawn during shutdown gives a handle that resolves to cancelled.
#[test]
fn a_task_that_a_destructor_spawns_at_the_end_is_dropped_and_its_handle_says_cancelled() {
    struct SpawnsOnDrop(Rc<Cell<u32>>);
    impl Drop for SpawnsOnDrop {
        fn drop(&mut self) {
            let dropped = self.0.clone();
            dropped.set(dropped.get() + 1);
            let handle = sakia::spawn(async move { dropped.set(100) });
            assert!(!handle.is_finished() || self.0.get() < 100);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let inside = dropped.clone();
    let ((), report) = run(async move {
        for _ in 0..3 {
            let value = SpawnsOnDrop(inside.clone());
            sakia::spawn(async move {
                let _value = value;
                sakia::time::sleep(HOUR).await;
            });
        }
        laps(2).await;
    });
    assert_eq!(
        dropped.get(),
        3,
        "all were dropped, and what they spawned never ran"
    );
    assert!(report.is_clean(), "{report}");
}

/// All the ways out that make and drop many descriptors; how often each number is closed is seen by strace, and not asked of sakia.
#[test]
fn no_way_out_closes_a_number_that_is_not_open() {
    const NAME: &str = "exits_ends::no_way_out_closes_a_number_that_is_not_open";
    const WAYS: [&str; 10] = [
        "exits_files::files_dropped_as_the_outermost_future_ends_are_closed",
        "exits_files::files_in_tasks_that_sleep_for_an_hour_are_closed_as_the_runtime_ends",
        "exits_files::an_open_polled_once_and_dropped_leaves_no_descriptor_while_the_runtime_runs_on",
        "exits_files::a_panic_in_a_task_ends_that_task_alone_and_closes_its_files_at_once",
        "exits_files::a_close_future_dropped_after_one_poll_or_unpolled_still_closes",
        "exits_files::handles_that_outlive_their_runtime_close_when_they_are_dropped",
        "exits_sockets::files_and_sockets_in_tasks_with_a_recv_in_flight_are_closed_and_peers_told",
        "exits_sockets::a_lingering_socket_with_unsent_data_is_dropped_without_blocking_and_its_close_is_drained",
        "exits_ends::a_panic_through_block_on_closes_its_files_and_the_runtime_can_be_used_again",
        "exits_ends::a_thread_that_ends_with_tasks_pending_leaves_nothing",
    ];
    for way in WAYS {
        let Some((output, seen)) = run_traced(way, "close") else {
            return skip(NAME, "no strace here to count closes");
        };
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{way}: {said}"
        );
        assert!(seen.contains("= 0"), "{way}: the witness sees closes");
        let again: Vec<_> = seen.lines().filter(|line| line.contains("EBADF")).collect();
        assert!(again.is_empty(), "{way}: {again:#?}");
    }
}
