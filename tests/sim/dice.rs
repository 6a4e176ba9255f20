//! The dice of a random program, and the many ways to give a future up.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

/// Dice of a seed of their own: the kernel's are another's.
#[derive(Clone)]
pub struct Dice(Rc<RefCell<fastrand::Rng>>);

impl Dice {
    pub fn new(seed: u64, who: u64) -> Self {
        let seed = seed.wrapping_mul(1000).wrapping_add(who);
        Self(Rc::new(RefCell::new(fastrand::Rng::with_seed(seed))))
    }

    pub fn below(&self, end: usize) -> usize {
        self.0.borrow_mut().usize(..end)
    }

    pub fn one_in(&self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn micros(&self, most: usize) -> Duration {
        Duration::from_micros(self.below(most + 1) as u64)
    }

    pub async fn pause(&self) {
        match self.below(4) {
            0 => sakia::yield_now().await,
            1 => sakia::time::sleep(self.micros(2000)).await,
            _ => {}
        }
    }

    /// Awaits the future, or drops it: before its first poll, after some, or after some time.
    pub async fn perhaps<F: Future + Unpin>(&self, mut future: F) -> Option<F::Output> {
        match self.below(8) {
            0 => {
                if self.one_in(4) {
                    return None;
                }
                let polls = 1 + self.below(3);
                for _ in 0..polls {
                    let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx))).await;
                    if let Poll::Ready(output) = polled {
                        return Some(output);
                    }
                    sakia::yield_now().await;
                }
                None
            }
            1 | 2 => sakia::time::timeout(self.micros(3000), future).await.ok(),
            _ => Some(future.await),
        }
    }
}
