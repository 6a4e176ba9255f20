//! The end of a runtime, the policy of it: order, deadline, report. The mechanism is the driver's drain.
//!
//! 1. New tasks are refused; 2. all tasks are dropped inside the driver's context, so that their futures abandon their ops and their handles close;
//! 3. the driver cancels and reaps what is in flight and waits for pending closes; 4. at the deadline the rest is quarantined; 5. the ring
//!    goes last. The same path serves `shutdown`, a drop, a panic through `block_on`, the end of a thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use crate::runtime::Inner;
use crate::{Event, ShutdownReport};

/// A deadline that is further off than this (a century) is as good as none, and `Instant` can hold it.
const FAR: Duration = Duration::from_secs(u32::MAX as u64);

/// Ends a runtime and says what became of everything.
pub(crate) fn run(inner: &Rc<Inner>, within: Duration) -> ShutdownReport {
    let clock = inner.driver.clock();
    let start = clock.now();
    let deadline = start + within.min(FAR);
    let (cleared, drained) = inner.within(|| {
        inner.executor.close();
        // From here on closing handles leave their ops to the drain, which cancels in bulk.
        inner.driver.refuse();
        let cleared = inner.executor.clear_while(|| clock.now() < deadline);
        inner.timers.close();
        (cleared, inner.driver.end(deadline))
    });
    let report = ShutdownReport::new(
        &cleared,
        &inner.executor.stats(),
        drained,
        clock.now() - start,
    );
    if let Some(tell) = inner.on_shutdown.borrow_mut().take() {
        tell(&report);
    }
    report
}

/// Ends a runtime that is dropped: within its default deadline, silent when clean, one line when not.
pub(crate) fn on_drop(inner: &Rc<Inner>) {
    // A drop may run while the thread unwinds: a hook of the user's that panics must not abort the process.
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let report = run(inner, inner.shutdown_timeout);
        if !report.is_clean() {
            (inner.on_event)(&Event::UncleanDrop(&report));
        }
    }));
    if let Err(payload) = ended {
        std::mem::forget(payload);
    }
}
