//! Bad days: no descriptor is left, no memory may be locked, io_uring is denied.

use std::io::{Read, Write};
use std::net::TcpStream as StdStream;
use std::time::{Duration, Instant};

use sakia::net::TcpListener;
use sakia::{Runtime, SetupError};
use sakia_tests::{Limit, deny_io_uring, drop_to_user, in_child, leaves_nothing, set_limit, skip};

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
    in_child(
        "exits_limits::an_accept_loop_at_emfile_does_not_spin_and_serves_all_after",
        || {
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
        },
    );
}

/// Row 30, memlock.
#[test]
fn a_memlock_limit_too_small_gives_a_smaller_ring_and_at_last_an_error_with_cause_and_cure() {
    const NAME: &str = "exits_limits::a_memlock_limit_too_small_gives_a_smaller_ring_and_at_last_an_error_with_cause_and_cure";
    in_child(NAME, || {
        set_limit(Limit::Memlock, 64 << 10);
        if let Err(why) = drop_to_user(65533) {
            skip(
                NAME,
                &format!(
                    "root is exempt from the limit, and this process cannot become another user: {why}"
                ),
            );
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

fn runtime_or_error() -> std::io::Result<Runtime> {
    Runtime::builder().entries(64).build()
}

fn denied(errno: i32, cause: &str, cure: &str) {
    deny_io_uring(errno);
    leaves_nothing(|| {
        let error = runtime_or_error()
            .map(drop)
            .expect_err("io_uring is denied");
        let setup = setup_error(&error);
        assert!(setup.cause().contains(cause), "{error}");
        assert!(setup.cure().contains(cure), "{error}");
    });
}

/// Row 30, seccomp EPERM.
#[test]
fn io_uring_denied_with_eperm_gives_an_error_that_names_cause_and_cure() {
    in_child(
        "exits_limits::io_uring_denied_with_eperm_gives_an_error_that_names_cause_and_cure",
        || {
            denied(libc::EPERM, "seccomp", "permits io_uring_setup");
        },
    );
}

/// Row 30, seccomp ENOSYS.
#[test]
fn io_uring_denied_with_enosys_gives_an_error_that_names_cause_and_cure() {
    in_child(
        "exits_limits::io_uring_denied_with_enosys_gives_an_error_that_names_cause_and_cure",
        || {
            denied(libc::ENOSYS, "older than 5.11", "Linux 6.1");
        },
    );
}

/// Row 21's sibling for the ring itself.
#[test]
fn a_runtime_without_a_free_descriptor_is_refused_with_cause_and_cure_and_works_when_there_is_one()
{
    in_child(
        "exits_limits::a_runtime_without_a_free_descriptor_is_refused_with_cause_and_cure_and_works_when_there_is_one",
        || {
            set_limit(Limit::Files, 60);
            let hoard: Vec<_> =
                std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
            let error = runtime_or_error()
                .map(drop)
                .expect_err("no descriptor is left");
            assert!(
                setup_error(&error).cure().contains("RLIMIT_NOFILE"),
                "{error}"
            );
            drop(hoard);
            assert!(runtime().shutdown(Duration::from_secs(1)).is_clean());
        },
    );
}
