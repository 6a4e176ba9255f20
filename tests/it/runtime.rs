//! The runtime as a whole: fairness, clocks, signals, blocking code, the ledger and the report.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use sakia::net::{TcpListener, TcpStream};
use sakia::{FdState, Kind};
use sakia_tests::in_child;

use crate::support::{laps, poll_once, run, run_clean};

#[test]
fn a_task_that_never_sleeps_starves_neither_timers_nor_sockets() {
    run_clean(async {
        let busy = sakia::spawn(async {
            loop {
                sakia::yield_now().await;
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        sakia::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            while let (Ok(1..), buf) = stream.read(Vec::with_capacity(16)).await {
                stream.write_all(buf).await.0.unwrap();
            }
        });
        let stream = TcpStream::connect(addr).await.unwrap();
        let mut times = Vec::new();
        for _ in 0..20 {
            let start = Instant::now();
            sakia::time::sleep(Duration::from_millis(1)).await;
            stream.write_all("ping").await.0.unwrap();
            let (n, _) = stream.read(Vec::with_capacity(16)).await;
            assert_eq!(n.unwrap(), 4);
            times.push(start.elapsed());
        }
        // The longest may be a matter of the machine, which others use as well.
        times.sort();
        assert!(times[10] < Duration::from_millis(100), "{times:?}");
        busy.abort();
        assert!(busy.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn an_idle_runtime_wakes_within_a_millisecond_of_a_deadline_and_never_before() {
    run_clean(async {
        // The machine may be busy with others, which makes it late, and never early: one in ten is enough, of one of some times.
        let mut seen = Vec::new();
        while !seen.iter().any(|late| *late < Duration::from_millis(1)) {
            assert!(seen.len() < 20, "one in ten is later than {seen:?}");
            let mut late = Vec::new();
            for i in 0..50 {
                let asked = Duration::from_micros(1500 + 37 * i);
                let start = Instant::now();
                sakia::time::sleep(asked).await;
                let slept = start.elapsed();
                assert!(slept >= asked, "{slept:?} is earlier than {asked:?}");
                late.push(slept - asked);
            }
            late.sort();
            seen.push(late[5]);
        }
    });
}

#[test]
fn ctrl_c_is_seen_and_the_handler_that_stood_before_is_called_too_and_put_back() {
    static CALLED: AtomicU32 = AtomicU32::new(0);
    extern "C" fn earlier(_: i32) {
        CALLED.fetch_add(1, SeqCst);
    }
    in_child(|| {
        let handler = earlier as extern "C" fn(i32) as usize;
        // SAFETY: the handler does nothing but count; raise(3) sends the signal to this thread.
        unsafe { libc::signal(libc::SIGINT, handler) };
        run_clean(async {
            let mut stop = sakia::signal::ctrl_c();
            assert!(poll_once(&mut stop).is_pending());
            // SAFETY: as above.
            unsafe { libc::raise(libc::SIGINT) };
            stop.await.unwrap();
        });
        assert_eq!(CALLED.load(SeqCst), 1);
        // SAFETY: as above; asking for the handler sets the default one, which ends nothing here.
        let now = unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
        assert_eq!(now, handler, "it stands there again");
    });
}

#[test]
fn blocking_code_runs_beside_the_loop_and_its_panic_is_told() {
    crate::support::quiet_panics();
    let (beside, report) = run(async {
        let beside = Arc::new(AtomicU32::new(0));
        let seen = beside.clone();
        let blocking = sakia::spawn_blocking(move || {
            let start = Instant::now();
            while seen.load(SeqCst) < 5 && start.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(1));
            }
            42
        });
        let ticks = async {
            loop {
                sakia::time::sleep(Duration::from_millis(1)).await;
                beside.fetch_add(1, SeqCst);
            }
        };
        let answer = {
            let ticks = std::pin::pin!(ticks);
            match futures_util::future::select(blocking, ticks).await {
                futures_util::future::Either::Left((answer, _)) => answer,
                futures_util::future::Either::Right(((), _)) => unreachable!("it never ends"),
            }
        };
        assert_eq!(answer.unwrap(), 42);
        let panicked = sakia::spawn_blocking(|| panic!("in the pool")).await;
        assert!(panicked.unwrap_err().is_panic());
        beside.load(SeqCst)
    });
    assert!(beside >= 5, "the loop went on: {beside}");
    assert!(report.is_clean() && report.threads_left() == 0, "{report}");
}

#[test]
fn the_ledger_lists_every_descriptor_with_what_it_is_doing() {
    run_clean(async {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let state = |kind| {
            let fds = sakia::fds();
            fds.iter().find(|fd| fd.kind == kind).map(|fd| fd.state)
        };
        assert_eq!(state(Kind::TcpListener), Some(FdState::Open));
        assert!(state(Kind::Ring).is_some() && state(Kind::Eventfd).is_some());
        let waiting = listener.clone();
        let accept = sakia::spawn(async move { waiting.accept().await.map(drop) });
        laps(2).await;
        assert_eq!(state(Kind::TcpListener), Some(FdState::OpInFlight));
        accept.abort();
        let _ = accept.await;
        laps(3).await;
        assert_eq!(
            state(Kind::TcpListener),
            Some(FdState::Open),
            "the idle accept was cancelled"
        );
        drop(listener);
        assert_eq!(state(Kind::TcpListener), None);
    });
}

#[test]
fn the_report_is_a_paragraph_that_counts_what_was_closed() {
    let ((), report) = run(async {
        let file = sakia::fs::File::open("/dev/null").await.unwrap();
        sakia::spawn(async move {
            sakia::time::sleep(Duration::from_secs(3600)).await;
            drop(file);
        });
        laps(2).await;
    });
    let text = report.to_string();
    assert!(text.starts_with("sakia: shutdown clean in "), "{text}");
    for part in ["1 closed (1 file)", "0 quarantined", "1 dropped"] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert_eq!(report.exit_code(), std::process::ExitCode::SUCCESS);
}
