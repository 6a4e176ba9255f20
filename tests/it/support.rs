//! What the tests of this binary share: small runtimes, and futures that go only so far.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use sakia::{Runtime, ShutdownReport};

/// A runtime with a small ring: rings are charged to memlock.
pub fn runtime() -> Runtime {
    Runtime::builder()
        .entries(64)
        .build()
        .expect("a ring can be made here")
}

/// What no test of these takes, however busy the machine is: what was not over by then hangs.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs a future on a runtime of its own, ends it, and gives the report.
pub fn run<F: Future>(future: F) -> (F::Output, ShutdownReport) {
    let runtime = runtime();
    let output = runtime.block_on(async {
        let output = sakia::time::timeout(PATIENCE, future).await;
        output.unwrap_or_else(|_| panic!("it hangs"))
    });
    (output, runtime.shutdown(Duration::from_secs(5)))
}

/// The same, and the report must be clean.
pub fn run_clean<F: Future>(future: F) -> F::Output {
    let (output, report) = run(future);
    assert!(report.is_clean(), "{report}");
    output
}

/// Polls a future once, with a waker that does nothing.
pub fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Resolves after `laps` laps of the loop.
pub async fn laps(laps: u32) {
    for _ in 0..laps {
        sakia::yield_now().await;
    }
}

/// Waits in a runtime until something is true outside.
pub async fn until(mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(30), "it never is so");
        sakia::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Gives the loop `laps` laps; true if `future` resolved before.
pub async fn within_laps<F: Future>(future: F, count: u32) -> Option<F::Output> {
    use futures_util::future::{Either, select};
    match select(pin!(future), pin!(laps(count))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// Panics are expected: their messages would only clutter the log.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|_| {}));
}
