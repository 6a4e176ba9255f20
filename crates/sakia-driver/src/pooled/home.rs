//! Where buffers come back, from whatever thread drops them: a stack of their numbers that the owner takes as a whole.
//!
//! Pushing is lock-free and allocates nothing: the link lies with the buffer. Only the owner takes, and takes all, so that a number which comes
//! back in between (the ABA of such stacks) does no harm. When somebody waits for a buffer at the bound, whoever brings one wakes the
//! owner: that is a bit beside the top, so that each side sees the other's word, or is seen.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::sync::AtomicU32;
use crate::unpark::Unparker;

/// Somebody waits for a buffer. The owner alone sets and clears it.
const AWAITED: u32 = 1 << 31;
/// The number that no buffer has.
const NONE: u32 = AWAITED - 1;

/// See the module's page.
#[derive(Debug)]
pub(crate) struct Home {
    top: AtomicU32,
    /// Whom to wake. The models have nobody.
    owner: Option<Arc<Unparker>>,
}

impl Home {
    pub(super) fn new(owner: Option<Arc<Unparker>>) -> Self {
        Self {
            top: AtomicU32::new(NONE),
            owner,
        }
    }

    /// Brings a buffer back; `link` is its own. Answers whether somebody waits, whose owner it has woken.
    pub(super) fn bring(&self, number: u16, link: &AtomicU32) -> bool {
        let mut top = self.top.load(Ordering::Relaxed);
        loop {
            link.store(top & !AWAITED, Ordering::Relaxed);
            let new = u32::from(number) | (top & AWAITED);
            // Release: the link, and that what was read of the buffer was read before the kernel writes to it again.
            let order = (Ordering::Release, Ordering::Relaxed);
            match self.top.compare_exchange_weak(top, new, order.0, order.1) {
                Ok(_) => break,
                Err(now) => top = now,
            }
        }
        let awaited = top & AWAITED != 0;
        if let (true, Some(owner)) = (awaited, &self.owner) {
            owner.unpark();
        }
        awaited
    }

    /// The owner says whether somebody waits. Whoever begins to looks once more afterwards, by [`take`](Self::take).
    pub(super) fn set_awaited(&self, awaited: bool) {
        let is = self.top.load(Ordering::Relaxed) & AWAITED != 0;
        if is != awaited {
            self.top.fetch_xor(AWAITED, Ordering::Relaxed);
        }
    }

    /// Whether a buffer is here that somebody waits for.
    pub(super) fn has_awaited(&self) -> bool {
        let top = self.top.load(Ordering::Relaxed);
        top & AWAITED != 0 && top & !AWAITED != NONE
    }

    /// The owner takes what has come back, the last first. `next` reads a buffer's link.
    pub(super) fn take(&self, next: impl Fn(u16) -> u32, mut to: impl FnMut(u16)) {
        let top = self.top.load(Ordering::Relaxed);
        if top & !AWAITED == NONE {
            return;
        }
        let taken = self.top.swap(NONE | (top & AWAITED), Ordering::Acquire);
        let mut at = taken & !AWAITED;
        while at != NONE {
            let number = at as u16;
            // Before it is handed on: then it may come back at any time, and change its link.
            at = next(number);
            to(number);
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::sync::{model, thread};

    /// Two threads bring a buffer each while the owner begins to wait for one: it finds one, or is told.
    #[test]
    fn whoever_waits_for_a_buffer_finds_one_or_is_woken_by_who_brings_it() {
        model(None, || {
            let shared = Arc::new((Home::new(None), [AtomicU32::new(0), AtomicU32::new(0)]));
            let bring = |number: u16| {
                let shared = shared.clone();
                thread::spawn(move || shared.0.bring(number, &shared.1[usize::from(number)]))
            };
            let threads = [bring(0), bring(1)];
            shared.0.set_awaited(true);
            let mut taken = Vec::new();
            let next = |number: u16| shared.1[usize::from(number)].load(Ordering::Relaxed);
            shared.0.take(next, |number| taken.push(number));
            let found = taken.len();
            let told = threads.map(|thread| thread.join().expect("it does not panic"));
            shared.0.take(next, |number| taken.push(number));
            assert!(found > 0 || told.contains(&true), "a lost wake");
            taken.sort_unstable();
            assert_eq!(taken, [0, 1], "each buffer comes back once");
        });
    }
}
