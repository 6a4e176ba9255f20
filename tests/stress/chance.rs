//! Chance: one seeded generator a task, and futures that are dropped at random points.

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use futures_util::future::{Either, select};

/// A seeded generator that one task keeps.
#[derive(Clone)]
pub struct Chance(Rc<RefCell<fastrand::Rng>>);

impl Chance {
    pub fn of(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(fastrand::Rng::with_seed(seed))))
    }

    /// A generator for another task.
    pub fn fork(&self) -> Self {
        let seed = self.0.borrow_mut().u64(..);
        Self::of(seed)
    }

    pub fn seed(&self) -> u64 {
        self.0.borrow_mut().u64(..)
    }

    /// A number below `n`, which is not zero.
    pub fn below(&self, n: usize) -> usize {
        self.0.borrow_mut().usize(..n)
    }

    /// True once in `n` times.
    pub fn one_in(&self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn micros(&self, most: usize) -> Duration {
        Duration::from_micros(self.below(most + 1) as u64)
    }

    /// Polls a future for some laps, and leaves it as it is.
    pub async fn glance<F: Future + Unpin>(&self, future: &mut F) -> Option<F::Output> {
        first(future, laps(self.below(3))).await
    }

    /// Awaits a future, or gives it up at a random point: after one poll, after some laps, after some time.
    pub async fn dare<F: Future + Unpin>(&self, mut future: F) -> Option<F::Output> {
        match self.below(8) {
            0 => {
                let mut cx = Context::from_waker(Waker::noop());
                match Pin::new(&mut future).poll(&mut cx) {
                    std::task::Poll::Ready(output) => Some(output),
                    std::task::Poll::Pending => None,
                }
            }
            1 => first(future, laps(self.below(5))).await,
            // The limit is looked at first: what completed in the same lap goes unseen.
            2 => unless(laps(self.below(5)), future).await,
            3 => unless(sakia::time::sleep(self.micros(1500)), future).await,
            _ => Some(future.await),
        }
    }
}

async fn first<F: Future + Unpin>(future: F, limit: impl Future) -> Option<F::Output> {
    match select(future, pin!(limit)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

async fn unless<F: Future + Unpin>(limit: impl Future, future: F) -> Option<F::Output> {
    match select(pin!(limit), future).await {
        Either::Left(_) => None,
        Either::Right((output, _)) => Some(output),
    }
}

async fn laps(count: usize) {
    for _ in 0..count {
        sakia::yield_now().await;
    }
}
