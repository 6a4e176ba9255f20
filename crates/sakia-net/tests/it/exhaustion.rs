//! A process without descriptors: an accept loop waits instead of spinning, and serves everyone in the end.
//! The limit is the process's, so the test runs in a child of its own.

use std::fs::File;
use std::net::TcpStream as StdStream;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::join;
use sakia_net::TcpListener;

use crate::common::{forking, loopback, run, sleep};

const CHILD: &str = "SAKIA_NET_EXHAUSTION";

#[test]
fn an_accept_without_descriptors_backs_off_and_the_connection_waits() {
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    let name = "exhaustion::an_accept_without_descriptors_backs_off_and_the_connection_waits";
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 64; exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(CHILD, "1");
    let output = forking(|| command.output()).unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

/// Takes every descriptor that is left.
fn take_all() -> Vec<File> {
    std::iter::repeat_with(|| File::open("/dev/null"))
        .map_while(Result::ok)
        .collect()
}

fn child() {
    run(async {
        let listener = TcpListener::bind(loopback()).await.unwrap();
        let peer = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut taken = take_all();
        assert!(taken.len() < 64, "the limit holds");

        let start = Instant::now();
        let error = listener.accept().await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        let waited = start.elapsed();
        assert!(
            waited > Duration::from_millis(40),
            "it does not spin: {waited:?}"
        );

        let free = async {
            sleep(Duration::from_millis(10)).await;
            taken.pop();
        };
        let (accepted, ()) = join!(listener.accept(), free);
        assert_eq!(accepted.unwrap().1, peer.local_addr().unwrap());
    });
}
