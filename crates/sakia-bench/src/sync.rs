//! Futures that belong to no runtime: a yield, and notices within a thread and across.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

/// Is pending once, and wakes itself.
#[derive(Default)]
pub struct Yield(bool);

impl Future for Yield {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A notice for one waiter of the same thread.
#[derive(Default)]
pub struct Notify {
    given: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Notify {
    #[inline]
    pub fn notify(&self) {
        self.given.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Waits for a notice, and takes it.
    pub async fn wait(&self) {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    #[inline]
    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.given.replace(false) {
            return Poll::Ready(());
        }
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Ends when so many have arrived.
#[derive(Default)]
pub struct Gate {
    missing: Cell<usize>,
    open: Notify,
}

impl Gate {
    pub fn new(missing: usize) -> Self {
        let gate = Self::default();
        gate.missing.set(missing);
        gate
    }

    /// Waits for so many once more.
    pub fn reset(&self, missing: usize) {
        self.missing.set(missing);
    }

    #[inline]
    pub fn arrive(&self) {
        self.missing.set(self.missing.get() - 1);
        if self.missing.get() == 0 {
            self.open.notify();
        }
    }

    pub async fn wait(&self) {
        self.open.wait().await
    }
}

/// A notice from another thread.
#[derive(Default)]
pub struct XNotify {
    given: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl XNotify {
    pub fn notify(&self) {
        self.given.store(true, Ordering::SeqCst);
        if let Some(waker) = self.take() {
            waker.wake();
        }
    }

    /// Waits for a notice, and takes it.
    pub async fn wait(&self) {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.given.swap(false, Ordering::SeqCst) {
            return Poll::Ready(());
        }
        *self.lock() = Some(cx.waker().clone());
        if self.given.swap(false, Ordering::SeqCst) {
            self.take();
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn take(&self) -> Option<Waker> {
        self.lock().take()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.waker.lock().expect("no thread panics with the lock")
    }
}
