//! Ways out that cross one another: handles in the wrong runtime, runtimes inside runtimes, exits below a runtime, destructors with plans of their own.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use sakia::Runtime;
use sakia::fs::File;
use sakia::net::{TcpListener, TcpStream, UdpSocket};
use sakia_tests::{fds, in_child, is_child, leaves_nothing, places, run_child};

use crate::support::{laps, poll_once, quiet_panics, runtime};

const HOUR: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_secs(5);

/// The error of a handle that is used where it does not belong says what is wrong.
fn assert_foreign(error: &std::io::Error) {
    let text = error.to_string();
    assert!(text.contains("runtime"), "{text}");
}

/// Row 36.
#[test]
fn a_handle_of_one_runtime_is_refused_in_another_gives_the_buffer_back_and_goes_on_at_home() {
    in_child(|| {
        for place in places("row 36") {
            let path = place.files(1).remove(0);
            leaves_nothing(|| {
                let (a, b) = (runtime(), runtime());
                let peer = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
                let to = peer.local_addr().expect("it is bound");
                let (file, stream, listener, socket) = a.block_on(async {
                    let file = File::options().read(true).write(true).open(&path);
                    (
                        file.await.expect("the file is there"),
                        TcpStream::connect(to).await.expect("somebody listens"),
                        TcpListener::bind("127.0.0.1:0").await.expect("a free port"),
                        UdpSocket::bind("127.0.0.1:0").await.expect("a free port"),
                    )
                });
                let before = fds();
                b.block_on(async {
                    let mine = |n: usize| vec![n as u8; n];
                    for (result, buf) in [
                        file.read_at(mine(11), 0).await,
                        file.write_at(mine(11), 0).await,
                        file.read(mine(11)).await,
                        stream.read(mine(11)).await,
                        stream.write(mine(11)).await,
                        stream.peek(mine(11)).await,
                        socket.recv(mine(11)).await,
                    ] {
                        assert_foreign(&result.expect_err("it is refused"));
                        assert_eq!(buf, mine(11), "the buffer came back as it was");
                    }
                    let (result, buf) = stream.write_all(mine(5)).await;
                    assert_foreign(&result.expect_err("it is refused"));
                    assert_eq!(buf, mine(5));
                    assert_foreign(&listener.accept().await.expect_err("it is refused"));
                    assert_foreign(&stream.readable().await.expect_err("it is refused"));
                    assert_foreign(&file.metadata().await.expect_err("it is refused"));
                });
                assert_eq!(fds(), before, "{}: nothing was closed or made", place.name);
                let (mut there, _) = peer.accept().expect("it has connected");
                a.block_on(async {
                    let (n, text) = file.read_at(Vec::with_capacity(64), 0).await;
                    assert!(
                        n.is_ok() && text.starts_with(b"contents"),
                        "not a byte was written"
                    );
                    stream.write_all("home").await.0.expect("it goes on");
                });
                let mut heard = [0; 4];
                std::io::Read::read_exact(&mut there, &mut heard).expect("it was written");
                assert_eq!(&heard, b"home", "and nothing of what was refused");
                drop((file, stream, listener, socket));
                assert!(b.shutdown(SOON).is_clean());
                assert!(a.shutdown(SOON).is_clean());
            });
        }
    });
}

/// Row 36, with an op in flight: what began at home may be looked at and given up elsewhere.
#[test]
fn a_future_that_began_at_home_and_is_dropped_in_another_runtime_loses_nothing() {
    in_child(|| {
        leaves_nothing(|| {
            let (a, b) = (runtime(), runtime());
            let peer = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            let to = peer.local_addr().expect("it is bound");
            let stream = a
                .block_on(TcpStream::connect(to))
                .expect("somebody listens");
            let (mut there, _) = peer.accept().expect("it has connected");
            let mut read = stream.read(vec![0; 16]);
            a.block_on(async { assert!(poll_once(&mut read).is_pending()) });
            b.block_on(async {
                assert!(poll_once(&mut read).is_pending());
                std::io::Write::write_all(&mut there, b"bytes").expect("it is connected");
                drop(read);
            });
            let (n, buf) = a.block_on(stream.read(vec![0; 16]));
            assert_eq!((n.expect("they came"), &buf[..5]), (5, &b"bytes"[..]));
            drop(stream);
            assert!(b.shutdown(SOON).is_clean());
            assert!(a.shutdown(SOON).is_clean());
        });
    });
}

/// Row 36, the other way round.
#[test]
fn a_runtime_that_ends_inside_a_task_of_another_frees_its_port_and_the_other_goes_on() {
    in_child(|| {
        leaves_nothing(|| {
            let outer = runtime();
            // Two that have an accept in flight, to be ended inside a task of the outer one.
            let inner = [runtime(), runtime()].map(|inner| {
                let port = inner.block_on(async {
                    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                    let port = listener.local_addr().expect("it is bound");
                    sakia::spawn(async move { listener.accept().await.map(drop) });
                    laps(2).await;
                    port
                });
                (inner, port)
            });
            outer.block_on(async {
                let ours = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                let to = ours.local_addr().expect("it is bound");
                let accepting = sakia::spawn(async move { ours.accept().await.map(drop) });
                laps(2).await;
                for (at, (inner, port)) in inner.into_iter().enumerate() {
                    assert!(std::net::TcpListener::bind(port).is_err(), "it listens");
                    if at == 0 {
                        assert!(inner.shutdown(SOON).is_clean());
                    } else {
                        drop(inner);
                    }
                    std::net::TcpListener::bind(port).expect("free, at the first try");
                    // And one that is made here: its task never runs, for nothing can block here.
                    let made_here = runtime();
                    made_here.spawn(async { sakia::time::sleep(HOUR).await });
                    drop(made_here);
                    sakia::time::sleep(Duration::from_millis(1)).await;
                    let file = File::open("/dev/null")
                        .await
                        .expect("the outer one goes on");
                    assert_eq!(file.read(vec![0; 8]).await.0.ok(), Some(0));
                }
                std::net::TcpStream::connect(to).expect("it still listens");
                let accepted = accepting.await.expect("the task goes on");
                accepted.expect("and so does its accept");
            });
            assert!(outer.shutdown(SOON).is_clean());
        });
    });
}

/// Row 37.
#[test]
fn a_process_that_exits_below_a_runtime_in_a_thread_local_runs_nothing_twice_and_does_not_hang() {
    const NAME: &str = "exits_nested::a_process_that_exits_below_a_runtime_in_a_thread_local_runs_nothing_twice_and_does_not_hang";
    thread_local! {
        static KEPT: RefCell<Option<Runtime>> = const { RefCell::new(None) };
    }
    /// Exits the process when it is dropped.
    struct ExitsWhenDropped;
    impl Drop for ExitsWhenDropped {
        fn drop(&mut self) {
            std::process::exit(7);
        }
    }
    if !is_child() {
        for way in ["root", "task", "destructor", "shutdown", "hook", "inner"] {
            let output = run_child(NAME, &[("WAY", way)]);
            assert_eq!(output.status.code(), Some(7), "{way}: {output:?}");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!said.contains("did not end clean"), "{way}: {said}");
        }
        return;
    }
    let way = std::env::var("WAY").expect("the parent says it");
    let builder = Runtime::builder()
        .entries(64)
        .on_task_panic(|_| std::process::exit(7));
    let built = builder.build().expect("a ring can be made here");
    KEPT.with(|kept| {
        let mut kept = kept.borrow_mut();
        let runtime = kept.insert(built);
        runtime.block_on(async {
            let file = File::open("/dev/zero").await.expect("/dev/zero is there");
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            assert!(poll_once(&mut listener.accept()).is_pending());
            match way.as_str() {
                "root" => std::process::exit(7),
                "task" => drop(sakia::spawn(async { std::process::exit(7) })),
                "destructor" => drop(sakia::spawn(async { drop(ExitsWhenDropped) })),
                "hook" => drop(sakia::spawn(async { panic!("the hook exits") })),
                "inner" => {
                    let inner = self::runtime();
                    inner.spawn(async {
                        let _exits = ExitsWhenDropped;
                        sakia::time::sleep(HOUR).await;
                    });
                    drop(inner);
                    // It had not run yet, so it has made nothing that exits.
                    std::process::exit(7);
                }
                _ => drop(sakia::spawn(async {
                    let _exits = ExitsWhenDropped;
                    sakia::time::sleep(HOUR).await;
                })),
            }
            laps(3).await;
            drop(file);
        });
        // "shutdown": the destructor exits while the runtime ends.
        drop(kept.take());
    });
    panic!("{way} has not exited");
}

/// Row 38.
#[test]
fn a_destructor_that_spawns_itself_for_ever_is_stopped_by_the_deadline_and_counted() {
    struct Phoenix(Rc<Cell<u64>>);
    impl Drop for Phoenix {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            let again = Self(self.0.clone());
            drop(sakia::spawn(async move {
                let _again = again;
                sakia::time::sleep(HOUR).await;
            }));
        }
    }
    in_child(|| {
        leaves_nothing(|| {
            let runtime = runtime();
            let lives = Rc::new(Cell::new(0));
            let first = Phoenix(lives.clone());
            runtime.block_on(async {
                sakia::spawn(async move {
                    let _first = first;
                    let _file = File::open("/dev/zero").await.expect("/dev/zero is there");
                    sakia::time::sleep(HOUR).await;
                });
                laps(4).await;
            });
            let start = Instant::now();
            let report = runtime.shutdown(Duration::from_millis(200));
            let took = start.elapsed();
            assert!(
                took >= Duration::from_millis(200) && took < SOON,
                "{took:?}"
            );
            assert!(lives.get() > 1, "it came back, iteratively");
            assert_eq!(report.tasks_left(), 1, "{report}");
            assert!(!report.is_clean());
            assert_eq!(report.ops_quarantined(), 0, "{report}");
        });
    });
}

/// Row 38.
#[test]
fn destructors_that_abort_others_and_that_block_on_leave_everything_clean_and_counted() {
    struct Aborts(Rc<RefCell<Vec<sakia::AbortHandle>>>, Rc<Cell<u32>>);
    impl Drop for Aborts {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            // An abort marks and queues: no future is dropped in here, so the list is not borrowed twice.
            for other in self.0.borrow().iter() {
                other.abort();
            }
        }
    }
    struct Blocks(Rc<Cell<u32>>);
    impl Drop for Blocks {
        fn drop(&mut self) {
            let runtime = runtime();
            let read = async {
                let file = File::open("/dev/zero").await.expect("/dev/zero is there");
                file.read_at(vec![1; 4], 0).await.1
            };
            assert_eq!(runtime.block_on(read), [0; 4]);
            self.0.set(self.0.get() + 1);
        }
    }
    in_child(|| {
        quiet_panics();
        leaves_nothing(|| {
            let runtime = runtime();
            let (aborted, blocked) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
            let others = Rc::new(RefCell::new(Vec::new()));
            runtime.block_on(async {
                for i in 0..20 {
                    let aborts = Aborts(others.clone(), aborted.clone());
                    let blocks = (i % 4 == 0).then(|| Blocks(blocked.clone()));
                    let task = sakia::spawn(async move {
                        let _values = (aborts, blocks);
                        let _file = File::open("/dev/zero").await.expect("it is there");
                        sakia::time::sleep(HOUR).await;
                    });
                    others.borrow_mut().push(task.abort_handle());
                }
                laps(4).await;
                // Inside the runtime a block_on is refused: the panic is the destructor's, and the task's handle tells nothing else.
                let blocks = Blocks(blocked.clone());
                let refused = sakia::spawn(async move { drop(blocks) }).await;
                assert!(refused.expect_err("it is refused").is_panic());
            });
            assert_eq!((aborted.get(), blocked.get()), (0, 0));
            let report = runtime.shutdown(SOON);
            assert_eq!(aborted.get(), 20, "each was dropped once");
            assert_eq!(
                blocked.get(),
                5,
                "at the end it is allowed: nothing stands still"
            );
            assert!(report.is_clean(), "{report}");
            others.borrow_mut().clear();
        });
    });
}

/// Row 38: an abort from a destructor reaches tasks that run on.
#[test]
fn a_task_that_aborts_itself_and_others_as_it_ends_does_so_once() {
    let runtime = runtime();
    let dropped = Rc::new(Cell::new(0));
    struct Counts(Rc<Cell<u32>>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    runtime.block_on(async {
        let sleeper = Counts(dropped.clone());
        let sleeper = sakia::spawn(async move {
            let _counts = sleeper;
            sakia::time::sleep(HOUR).await;
        });
        laps(2).await;
        let own = Rc::new(RefCell::new(None::<sakia::AbortHandle>));
        let (other, mine, counts) = (sleeper.abort_handle(), own.clone(), Counts(dropped.clone()));
        let task = sakia::spawn(async move {
            let _counts = counts;
            sakia::yield_now().await;
            other.abort();
            if let Some(mine) = mine.borrow().as_ref() {
                mine.abort();
            }
        });
        own.replace(Some(task.abort_handle()));
        let _ = task.await;
        assert!(sleeper.await.expect_err("it was aborted").is_cancelled());
        assert_eq!(dropped.get(), 2);
    });
    let unwound = catch_unwind(AssertUnwindSafe(|| runtime.shutdown(SOON)));
    assert!(unwound.is_ok_and(|report| report.is_clean()));
}
