//! A future that lets all others that are ready go first, once.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Gives way once: the task goes to the back of the ready queue, and the runtime looks at I/O and timers before it
/// comes round again.
///
/// ```
/// use sakia_executor::{block_on, spawn, yield_now};
///
/// block_on(async {
///     let handle = spawn(async {});
///     yield_now().await;
///     assert!(handle.is_finished());
/// });
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// The future of [`yield_now`].
///
/// ```
/// let yielding: sakia_executor::YieldNow = sakia_executor::yield_now();
/// sakia_executor::block_on(yielding);
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
