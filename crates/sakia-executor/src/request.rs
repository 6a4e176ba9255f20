//! The request that a runtime shut down: a flag that any thread may set, and who waits for it.
//!
//! It asks and does not act: whoever owns the runtime waits for it and ends the runtime. The end makes the request itself, so
//! that nobody waits for ever.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::Handle;

/// One runtime's request.
#[derive(Debug, Default)]
pub(crate) struct Request {
    made: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Request {
    /// Makes the request; once is enough.
    pub(crate) fn make(&self) {
        if self.made.swap(true, SeqCst) {
            return;
        }
        let wakers = std::mem::take(&mut self.waiting().wakers);
        // Other people's code: not under the lock.
        wakers.into_values().for_each(Waker::wake);
    }

    pub(crate) fn is_made(&self) -> bool {
        self.made.load(SeqCst)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until a runtime is asked to shut down: see [`Handle::shutdown_requested`].
#[must_use = "futures do nothing unless polled"]
pub struct ShutdownRequested {
    handle: Handle,
    key: Option<u64>,
}

impl ShutdownRequested {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, key: None }
    }
}

impl Future for ShutdownRequested {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let request = this.handle.request();
        let waker = cx.waker().clone();
        let mut waiting = request.waiting();
        // Under the lock: whoever makes the request from here on finds the waker.
        if request.is_made() {
            drop(waiting);
            return Poll::Ready(());
        }
        let key = *this.key.get_or_insert_with(|| {
            waiting.next += 1;
            waiting.next
        });
        let old = waiting.wakers.insert(key, waker);
        drop(waiting);
        drop(old);
        Poll::Pending
    }
}

impl Drop for ShutdownRequested {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.handle.request().waiting().wakers.remove(&key);
            drop(waker);
        }
    }
}

impl fmt::Debug for ShutdownRequested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownRequested").finish_non_exhaustive()
    }
}
