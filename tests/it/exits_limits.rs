//! Bad days: no descriptor is left, no memory may be locked, io_uring is denied.

use std::io::{Read, Write};
use std::net::TcpStream as StdStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use sakia::fs::RegisteredBufs;
use sakia::net::TcpListener;
use sakia::{Runtime, SetupError};
use sakia_driver::{Config, Driver, KernelChoice};
use sakia_tests::{
    Limit, UringCall, deny_calls, has_memlock, in_child, is_emulated, leaves_nothing, set_limit,
};

use crate::support::{run_clean, runtime};

fn setup_error(error: &std::io::Error) -> &SetupError {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref())
        .unwrap_or_else(|| panic!("not a SetupError: {error}"))
}

/// Row 22.
#[test]
fn an_accept_loop_at_emfile_does_not_spin_and_serves_all_after() {
    in_child(|| {
        run_clean(async {
            let listener = TcpListener::bind("127.0.0.1:0")
                .await
                .expect("loopback has free ports");
            let addr = listener.local_addr().expect("it is bound");
            let clients: Vec<StdStream> = (0..100)
                .map(|_| StdStream::connect(addr).expect("the backlog has room"))
                .collect();
            // Everything that is left is taken, so that each accept meets the limit.
            set_limit(Limit::Files, 200);
            let hoard: Vec<_> =
                std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
            let start = Instant::now();
            let mut errors = 0;
            while start.elapsed() < Duration::from_secs(1) {
                let error = listener
                    .accept()
                    .await
                    .map(drop)
                    .expect_err("no descriptor is left");
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                errors += 1;
            }
            assert!(errors <= 100, "{errors} errors in a second");
            drop(hoard);
            set_limit(Limit::Files, 1000);
            for _ in 0..100 {
                let (stream, _) = listener.accept().await.expect("descriptors are free again");
                sakia::spawn(async move { stream.write_all(b"x".to_vec()).await.0 });
            }
            sakia::time::sleep(Duration::from_millis(20)).await;
            let served = clients.into_iter().filter_map(|mut client| {
                let mut byte = [0];
                client.write_all(b"?").ok()?;
                client.read_exact(&mut byte).ok()
            });
            assert_eq!(served.count(), 100);
        });
    });
}

/// Row 30, memlock.
#[test]
fn a_memlock_limit_too_small_gives_a_smaller_ring_and_at_last_an_error_with_cause_and_cure() {
    const NAME: &str = "exits_limits::a_memlock_limit_too_small_gives_a_smaller_ring_and_at_last_an_error_with_cause_and_cure";
    in_child(|| {
        if !has_memlock(NAME, 65533, 64 << 10) {
            return;
        }
        leaves_nothing(|| {
            let runtime = Runtime::builder()
                .entries(4096)
                .build()
                .expect("a smaller ring fits");
            runtime.block_on(async { sakia::time::sleep(Duration::from_millis(1)).await });
            assert!(runtime.shutdown(Duration::from_secs(1)).is_clean());
        });
        let mut held = Vec::new();
        let error = loop {
            match runtime_or_error() {
                Ok(runtime) => held.push(runtime),
                Err(error) => break error,
            }
            assert!(held.len() < 100, "the limit does not count here");
        };
        let setup = setup_error(&error);
        assert!(
            setup.cause().contains("RLIMIT_MEMLOCK is 65536 bytes"),
            "{error}"
        );
        assert!(setup.cure().contains("ulimit -l"), "{error}");
        assert_eq!(held[0].block_on(async { 1 }), 1, "the others go on");
    });
}

/// Row 30, memlock, for buffers that are registered.
#[test]
fn a_memlock_limit_too_small_for_registered_buffers_is_an_error_with_cause_and_cure_and_room_comes_back()
 {
    const NAME: &str = "exits_limits::a_memlock_limit_too_small_for_registered_buffers_is_an_error_with_cause_and_cure_and_room_comes_back";
    in_child(|| {
        if !has_memlock(NAME, 65532, 1 << 20) {
            return;
        }
        let runtime = runtime_or_error().expect("a small ring fits");
        runtime.block_on(async {
            let held = RegisteredBufs::new(16, 32 << 10).expect("a half of the limit");
            for _ in 0..2 {
                let error = RegisteredBufs::new(32, 32 << 10).expect_err("all of the limit");
                assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory);
                let setup = setup_error(&error);
                assert!(
                    setup.cause().contains("RLIMIT_MEMLOCK is 1048576 bytes"),
                    "{error}"
                );
                assert!(setup.cure().contains("by 1024 KiB"), "{error}");
            }
            drop(held);
            // What was refused is charged no more, and neither is what was dropped.
            for _ in 0..8 {
                drop(RegisteredBufs::new(24, 32 << 10).expect("three quarters of the limit"));
            }
        });
        assert!(runtime.shutdown(Duration::from_secs(1)).is_clean());
    });
}

fn runtime_or_error() -> std::io::Result<Runtime> {
    Runtime::builder().entries(64).build()
}

fn strict() -> std::io::Result<Rc<Driver>> {
    let mut config = Config::default();
    config.kernel = KernelChoice::Uring;
    Driver::new(&config)
}

/// io_uring is refused from here on: the strict choice names cause and cure, and by default programs run to their end on the other kernel.
fn denied(calls: &[UringCall], errno: i32, cause: &str, cure: &str) {
    deny_calls(calls, errno);
    leaves_nothing(|| {
        let error = strict().map(drop).expect_err("io_uring is denied");
        let setup = setup_error(&error);
        assert_eq!(setup.raw_os_error(), Some(errno));
        assert!(setup.cause().contains(cause), "{error}");
        assert!(setup.cure().contains(cure), "{error}");
        if !is_emulated() {
            let driver = Driver::new(&Config::default()).expect("the other kernel");
            let reason = driver.fallback_reason().expect("it is told");
            assert!(reason.cause().contains(cause), "{reason}");
        }
    });
    leaves_nothing(|| {
        let runtime = runtime_or_error().expect("the other kernel");
        let served = runtime.block_on(a_day_at_work());
        assert_eq!(served, 20);
        assert!(runtime.shutdown(Duration::from_secs(5)).is_clean());
    });
}

/// Files, sockets, timers, threads that wake: twenty clients get a file each.
async fn a_day_at_work() -> usize {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let path = dir.path().join("page");
    sakia::fs::write(&path, b"page ".repeat(1000))
        .await
        .0
        .expect("a file can be written");
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has free ports");
    let addr = listener.local_addr().expect("it is bound");
    let server = sakia::spawn(async move {
        for _ in 0..20 {
            let (stream, _) = listener.accept().await.expect("a client comes");
            let path = path.clone();
            sakia::spawn(async move {
                let (asked, _) = stream.read_exact(vec![0; 4]).await;
                asked.expect("the client asks");
                sakia::time::sleep(Duration::from_millis(1)).await;
                let page = sakia::fs::read(&path).await.expect("the page is there");
                stream.write_all(page).await.0.expect("the client listens");
            });
        }
    });
    let clients: Vec<_> = (0..20)
        .map(|_| {
            sakia::spawn_blocking(move || {
                let mut client = StdStream::connect(addr)?;
                client.write_all(b"page")?;
                let mut page = Vec::new();
                client.read_to_end(&mut page)?;
                std::io::Result::Ok(page)
            })
        })
        .collect();
    let mut served = 0;
    for client in clients {
        let page = client.await.expect("no panic").expect("the page arrives");
        served += usize::from(page == b"page ".repeat(1000));
    }
    server.await.expect("the server has served all");
    served
}

const ALL: &[UringCall] = &[UringCall::Setup, UringCall::Enter, UringCall::Register];

/// Row 30, seccomp EPERM.
#[test]
fn where_io_uring_is_denied_with_eperm_programs_run_to_their_end_and_the_strict_choice_names_cause_and_cure()
 {
    in_child(|| denied(ALL, libc::EPERM, "seccomp", "permits io_uring_setup"));
}

/// Row 30, seccomp ENOSYS.
#[test]
fn where_io_uring_is_not_there_programs_run_to_their_end_and_the_strict_choice_names_cause_and_cure()
 {
    in_child(|| denied(ALL, libc::ENOSYS, "older than 5.11", "Linux 6.1"));
}

/// Row 30: a filter that knows half of io_uring.
#[test]
fn where_a_ring_may_be_made_and_not_entered_programs_run_to_their_end_too() {
    in_child(|| {
        denied(
            &[UringCall::Enter],
            libc::EPERM,
            "seccomp",
            "io_uring_enter",
        )
    });
}

/// Row 21's sibling for the ring itself.
#[test]
fn a_runtime_without_a_free_descriptor_is_refused_with_cause_and_cure_and_works_when_there_is_one()
{
    in_child(|| {
        set_limit(Limit::Files, 60);
        let hoard: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        let error = runtime_or_error()
            .map(drop)
            .expect_err("no descriptor is left");
        assert!(
            setup_error(&error).cure().contains("RLIMIT_NOFILE"),
            "{error}"
        );
        drop(hoard);
        assert!(runtime().shutdown(Duration::from_secs(1)).is_clean());
    });
}
