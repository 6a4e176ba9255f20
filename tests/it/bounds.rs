//! `Bound` through the facade: sockets in shells that go to other threads and come home, or do not.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use sakia::net::{TcpListener, TcpStream};
use sakia::{Bound, Handle, Runtime};
use sakia_tests::{fds, in_child, leaves_nothing};

use crate::support::{laps, quiet_panics, run_clean, runtime};

/// A connection: ours in a shell, and its peer, which is the witness of its end.
async fn connection() -> (Bound<TcpStream>, std::net::TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let peer = std::net::TcpStream::connect(listener.local_addr().expect("an address"));
    let (stream, _) = listener.accept().await.expect("a connection");
    (Bound::new(stream), peer.expect("it connects"))
}

/// Whether the peer has seen the end of its stream.
fn sees_the_end(mut peer: &std::net::TcpStream) -> bool {
    peer.set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    peer.read(&mut [0; 8]).is_ok_and(|n| n == 0)
}

fn is_open(mut peer: &std::net::TcpStream) -> bool {
    peer.set_nonblocking(true).expect("a flag");
    let open = peer
        .read(&mut [0; 8])
        .is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    peer.set_nonblocking(false).expect("a flag");
    open
}

#[test]
fn a_use_on_another_thread_panics_and_names_both_threads_and_the_value_is_whole() {
    in_child(|| {
        quiet_panics();
        let home = thread::Builder::new().name("home".into());
        let home = home.spawn(|| {
            run_clean(async {
                let (shell, peer) = connection().await;
                let away = thread::Builder::new().name("away".into());
                let away = away.spawn(move || {
                    let used = catch_unwind(AssertUnwindSafe(|| {
                        let _ = shell.get().peer_addr();
                    }));
                    (shell, used)
                });
                let (shell, used) = away.unwrap().join().unwrap();
                let message = *used.unwrap_err().downcast::<String>().unwrap();
                assert!(
                    message.contains("home") && message.contains("away"),
                    "{message}"
                );
                assert!(is_open(&peer), "the value was not touched");
                shell.get().write_all("hello").await.0.unwrap();
                let mut hello = [0; 5];
                (&peer).read_exact(&mut hello).unwrap();
                assert_eq!(&hello, b"hello");
            });
        });
        home.unwrap().join().unwrap();
    });
}

#[test]
fn a_drop_on_another_thread_sends_the_socket_home_where_it_is_closed() {
    in_child(|| {
        leaves_nothing(|| {
            run_clean(async {
                let (shell, peer) = connection().await;
                thread::spawn(move || drop(shell)).join().unwrap();
                assert!(is_open(&peer), "not on the other thread");
                laps(2).await;
                assert!(sees_the_end(&peer));
            });
        });
    });
}

#[test]
fn a_parked_runtime_closes_a_socket_that_comes_home() {
    run_clean(async {
        let (shell, peer) = connection().await;
        let dropper = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            drop(shell);
            sees_the_end(&peer)
        });
        // Nothing but the shell's way home wakes this runtime.
        let watching = Handle::current();
        let asker = thread::spawn(move || {
            let seen = dropper.join().unwrap();
            watching.request_shutdown();
            seen
        });
        Handle::current().shutdown_requested().await;
        assert!(asker.join().unwrap());
    });
}

#[test]
fn the_end_of_the_runtime_closes_what_a_shell_elsewhere_still_holds() {
    in_child(|| {
        quiet_panics();
        let mut kept = None;
        leaves_nothing(|| {
            let before = fds();
            let runtime = runtime();
            let (shell, peer) = runtime.block_on(connection());
            let report = runtime.shutdown(Duration::from_secs(5));
            assert!(
                report.is_clean() && report.still_held().is_empty(),
                "{report}"
            );
            assert_eq!(report.bound_dropped(), 1, "{report}");
            assert!(sees_the_end(&peer), "closed by the end, not by the shell");
            drop(peer);
            assert_eq!(fds(), before);
            kept = Some(shell);
        });
        let shell = kept.take().unwrap();
        let used = catch_unwind(AssertUnwindSafe(|| {
            let _ = shell.get().peer_addr();
        }));
        let message = used.unwrap_err();
        let message = message.downcast_ref::<&str>().unwrap();
        assert!(
            message.contains("after the end of its runtime"),
            "{message}"
        );
        thread::spawn(move || drop(shell)).join().unwrap();
    });
}

#[test]
fn a_bound_future_with_a_socket_in_it_satisfies_a_library_that_asks_for_send() {
    fn library<F: Future<Output = usize> + Send + Sync + 'static>(future: F) -> F {
        future
    }
    let n = run_clean(async {
        let (shell, peer) = connection().await;
        let future = library(sakia::bound(async move {
            shell.get().write_all("12345").await.0.unwrap();
            5
        }));
        let n = future.await;
        let mut bytes = [0; 5];
        (&peer).read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"12345");
        n
    });
    assert_eq!(n, 5);
}

#[test]
fn a_socket_dropped_at_home_outside_the_loop_closes_at_once() {
    let runtime: Runtime = runtime();
    let (shell, peer) = runtime.block_on(connection());
    drop(shell);
    assert!(sees_the_end(&peer));
    assert!(runtime.shutdown(Duration::from_secs(5)).is_clean());
}
