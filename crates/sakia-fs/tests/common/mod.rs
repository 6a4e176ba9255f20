//! A small runtime for the tests: one driver, and a loop that polls one future. Its waker may be used from any thread.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use sakia_driver::{Config, Driver, Park, Unparker};

struct Loop {
    unparker: Arc<Unparker>,
    woken: AtomicBool,
}

impl Wake for Loop {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.unparker.unpark();
    }
}

/// Runs a future on a driver of its own, and ends the driver; nothing may be left.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut config = Config::default();
    config.entries = 64;
    let driver = Driver::new(&config).expect("a driver");
    let output = driver.within(|| {
        let mut future = pin!(future);
        let waking = Arc::new(Loop {
            unparker: driver.unparker(),
            woken: AtomicBool::new(false),
        });
        let waker = Waker::from(waking.clone());
        let mut cx = Context::from_waker(&waker);
        let (began, second) = (Instant::now(), Duration::from_secs(1));
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                break output;
            }
            // A test that waits for what never comes is to fail, not to hang. What comes late is a matter of the machine.
            assert!(began.elapsed() < Duration::from_secs(90), "it hangs");
            let woken = || waking.woken.swap(false, Ordering::SeqCst);
            let park = if woken() { Park::No } else { Park::For(second) };
            driver.turn(park, woken).expect("a turn");
        }
    });
    let report = driver.end(Instant::now() + Duration::from_secs(5));
    assert_eq!(report.ops_quarantined, 0);
    assert!(report.still_held.is_empty(), "{:?}", report.still_held);
    output
}
