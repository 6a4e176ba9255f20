//! The gate between a runtime's thread and those that wake it: one word, and who may touch the descriptors by it.
//!
//! | part of the word | law | set by | cleared by |
//! |---|---|---|---|
//! | `PARKED` | the owner waits in the kernel, or is about to: it is to be rung for, once. Clear: a wake costs one load | the owner | the one notifier that claims the ring, or the owner as it returns |
//! | `NOTIFIER`s | so many notifiers are between their claim and the end of their system call | each, with its claim | each |
//! | `CLOSED` | the runtime has ended; the descriptors may be somebody else's | the end | nobody |
//!
//! A notifier touches the descriptors only while it is counted, none is counted after `CLOSED`, and the end waits until nobody is before it
//! closes them: so the 8 bytes never land in a stranger's descriptor. The owner waits for no notifier: the one that it has displaced from its core
//! may be long in coming back to end its call, and until then the owner parks, and is rung for by others, as ever. A notifier that was stopped
//! between its claim and its call may ring for a later park than the one that it claimed: a wake too many, and none too few.
//!
//! No system call is made here: what rings is `unpark.rs`. The models at the end of the file are complete within their bounds (`cargo xtask loom`).

use std::sync::atomic::Ordering;

use crate::sync::{AtomicU32, fence, thread};

const PARKED: u32 = 1;
const CLOSED: u32 = 1 << 1;
const NOTIFIER: u32 = 1 << 2;

/// Lets one notifier a park to the descriptors, and none after the end.
#[derive(Debug)]
pub(crate) struct Gate {
    state: AtomicU32,
}

impl Gate {
    /// A gate whose owner runs.
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicU32::new(0),
        }
    }

    /// Calls `notify` if the owner is parked, or about to park, and nobody else has claimed it.
    ///
    /// Whoever calls this has published what the owner should see before; the fence pairs with the one that the owner passes between
    /// [`park`](Self::park) and its look: either this sees that the owner parks, or that look sees what was published.
    pub(crate) fn unpark(&self, notify: impl FnOnce()) {
        fence(Ordering::SeqCst);
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            if state & (PARKED | CLOSED) != PARKED {
                return;
            }
            match self.state.compare_exchange_weak(
                state,
                (state & !PARKED) + NOTIFIER,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => break,
                Err(now) => state = now,
            }
        }
        notify();
        // Release: the use of the descriptors comes before the end that finds this.
        self.state.fetch_sub(NOTIFIER, Ordering::Release);
    }

    /// The owner is about to park. `false`: the gate is closed, nobody would ring.
    ///
    /// What the owner then looks at it looks at behind a `SeqCst` fence of its own. There is none here: whoever looks knows what at, and two fences
    /// cost twice (some 15 ns of a turn).
    pub(crate) fn park(&self) -> bool {
        if self.state.load(Ordering::Acquire) == 0 {
            // With no bit set and no notifier under way nobody but the owner moves it on, so a store is enough.
            self.state.store(PARKED, Ordering::Release);
            return true;
        }
        self.state.fetch_or(PARKED, Ordering::SeqCst) & CLOSED == 0
    }

    /// Whether nobody has moved the owner on since it [parked](Self::park): not a notifier, nor the owner itself in between.
    pub(crate) fn is_parked(&self) -> bool {
        self.state.load(Ordering::Relaxed) & PARKED != 0
    }

    /// The owner runs again.
    pub(crate) fn awake(&self) {
        // A notifier has mostly cleared it already.
        if self.is_parked() {
            self.state.fetch_and(!PARKED, Ordering::Relaxed);
        }
    }

    /// The end: from here on nobody touches the descriptors.
    pub(crate) fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::Relaxed);
        // Acquire: what the last notifier did with the descriptors comes before what the end does with them.
        while self.state.load(Ordering::Acquire) >= NOTIFIER {
            // One thread is between two instructions and a system call that does not block.
            thread::yield_now();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_wake_before_the_park_is_seen_by_the_look_after_it_and_costs_no_call() {
        let gate = Gate::new();
        gate.unpark(|| panic!("nobody sleeps"));
        assert!(gate.park());
    }

    #[test]
    fn a_wake_of_a_parked_owner_is_claimed_once_and_hands_awake_back() {
        let gate = Gate::new();
        assert!(gate.park());
        let mut calls = 0;
        gate.unpark(|| {
            calls += 1;
            gate.unpark(|| panic!("it was claimed already"));
        });
        gate.unpark(|| panic!("the owner runs"));
        assert_eq!(calls, 1);
        assert!(!gate.is_parked());
        assert!(gate.park());
    }

    #[test]
    fn an_owner_parks_beside_a_notifier_under_way_and_is_rung_for_by_another() {
        let gate = Gate::new();
        assert!(gate.park());
        let mut calls = 0;
        gate.unpark(|| {
            gate.awake();
            assert!(gate.park() && gate.is_parked());
            gate.unpark(|| calls += 1);
            assert!(gate.park());
        });
        assert_eq!(calls, 1);
        assert!(
            gate.is_parked(),
            "the end of a notifier's call is not the end of a park"
        );
    }

    #[test]
    fn a_wake_after_the_end_touches_nothing() {
        let gate = Gate::new();
        assert!(gate.park());
        gate.close();
        gate.unpark(|| panic!("the descriptors are somebody else's"));
        gate.close();
        assert!(!gate.park());
    }
}

/// One owner and one notifier in every interleaving, and with two notifiers in all with at most three preemptions
/// (`LOOM_MAX_PREEMPTIONS` asks for more).
#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;

    use loom::cell::UnsafeCell;
    use loom::sync::atomic::AtomicUsize;
    use loom::thread::{self, Thread};

    use super::*;
    use crate::sync::model;

    /// A runtime: its gate, the descriptor that rings, and what its wakes announce.
    struct Runtime {
        gate: Gate,
        /// Whether the descriptor is open. Loom fails on a look at it that is not ordered against its close.
        descriptor: UnsafeCell<bool>,
        owner: Thread,
        work: AtomicUsize,
    }

    // SAFETY: the cell is what the models are about; loom checks each access to it.
    unsafe impl Sync for Runtime {}
    // SAFETY: as above.
    unsafe impl Send for Runtime {}

    impl Runtime {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                gate: Gate::new(),
                descriptor: UnsafeCell::new(true),
                owner: thread::current(),
                work: AtomicUsize::new(0),
            })
        }

        /// Starts a notifier that announces one piece of work.
        fn notifier(self: &Arc<Self>) -> thread::JoinHandle<()> {
            let runtime = self.clone();
            thread::spawn(move || {
                runtime.work.fetch_add(1, Relaxed);
                runtime.gate.unpark(|| runtime.ring());
            })
        }

        /// The system call: the kernel holds the descriptor from its beginning to its end, and the owner may run in between.
        fn ring(&self) {
            self.look_at_descriptor();
            self.owner.unpark();
            self.look_at_descriptor();
        }

        fn look_at_descriptor(&self) {
            // SAFETY: a read of a bool that loom has just checked.
            self.descriptor.with(|open| assert!(unsafe { *open }));
        }

        /// One turn of the owner that sleeps if there is less work than `want`.
        fn turn(&self, want: usize) {
            assert!(self.gate.park());
            // The executor's `has_ready` has it.
            fence(Ordering::SeqCst);
            if self.work.load(Relaxed) < want {
                thread::park();
            }
            self.gate.awake();
        }

        /// The end of the runtime.
        fn end(&self) {
            self.gate.close();
            // SAFETY: as above.
            self.descriptor.with_mut(|open| unsafe { *open = false });
        }
    }

    /// Each notifier's wake arrives, and then the runtime ends, though one may still be in the middle of its call.
    fn waits_for_all_and_ends(notifiers: usize) {
        let runtime = Runtime::new();
        let threads: Vec<_> = (0..notifiers).map(|_| runtime.notifier()).collect();
        while runtime.work.load(Relaxed) < notifiers {
            runtime.turn(notifiers);
        }
        runtime.end();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    /// The owner parked and came back for another reason, and its next park was cut short by the end.
    fn waits_for_nobody_and_ends(notifiers: usize) {
        let runtime = Runtime::new();
        let threads: Vec<_> = (0..notifiers).map(|_| runtime.notifier()).collect();
        if runtime.gate.park() {
            runtime.gate.awake();
        }
        runtime.gate.park();
        runtime.end();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn no_wake_is_lost_and_the_end_comes_after_the_last_touch() {
        model(None, || waits_for_all_and_ends(1));
        model(Some(3), || waits_for_all_and_ends(2));
    }

    #[test]
    fn an_end_that_waits_for_nobody_meets_no_notifier_at_its_descriptors() {
        model(None, || waits_for_nobody_and_ends(1));
        model(Some(3), || waits_for_nobody_and_ends(2));
    }
}
