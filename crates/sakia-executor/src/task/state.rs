//! The two state words of a task: every bit has a name, a law, and somebody who is woken by it.
//!
//! No pointer is followed here and no user code runs here.
//!
//! # The story of a task
//!
//! A task is born on its owner's thread in the ready queue (`QUEUED`). The loop takes it out and polls it (`RUNNING`).
//! If it pends, only wakers know it, and the list of all tasks. A wake on the owner's thread sets `QUEUED`, a plain
//! flag; a wake from elsewhere sets `REMOTE`, an atomic bit, and pushes the task to the remote queue, which the loop
//! empties into the ready queue. (A task that a `Handle` makes elsewhere is born there: `newborn.rs`.) When the future is done, panics, is aborted or cleared, `ENDING` is set, the future
//! is dropped, and then `COMPLETE` is published together with what the `JoinHandle` will find.
//!
//! # The count of references has two halves
//!
//! Wakers that are cloned and dropped on the owner's thread count in a plain integer of that thread; all others count
//! in the upper bits of the atomic word. Each half alone may be negative; their sum is the number of references.
//! Nobody needs the sum while the task is alive, since the list of all tasks holds a reference until the end. At the
//! end the owner adds its half to the atomic word, in the same step that publishes `COMPLETE`; from then on (`DONE` in
//! the owner's flags) every thread counts in the atomic word, and whoever takes it to zero frees the memory.
//!
//! # The bits of the shared word
//!
//! | bit | law | set by | cleared by | who is woken |
//! |---|---|---|---|---|
//! | `REMOTE` | the task is in the remote queue, or the one thread that set it is about to push it | a wake or abort elsewhere | the loop, as it takes the task out | the owner, by `Unpark`, after the push |
//! | `ABORT` | somebody elsewhere wants the future dropped | an abort elsewhere, together with `REMOTE` | never | as `REMOTE` |
//! | `COMPLETE` | the future is gone, the counts are merged, the outcome is written | the loop, once | never | the join waker |
//! | `VALUE` | the slot holds the output | with `COMPLETE` | never | |
//! | `PANIC` | there is a panic's payload, at its place in the header | with `COMPLETE` | never | |
//! | `JOIN` | a `JoinHandle` wants the outcome: after `COMPLETE`, it owns it | at birth | the handle's drop, before `COMPLETE` | |
//! | `JOIN_WAKER` | the join waker is written. Clear: its place belongs to the handle. After `COMPLETE` it belongs to the loop | the handle, before `COMPLETE` | the handle, before `COMPLETE` | |
//! | `STRAYED` | the handle has taken a join waker back elsewhere: a word that looks the same need not mean the same waker | with the clearing of `JOIN_WAKER`, off the owner's thread | never | |
//!
//! `COMPLETE` with neither `VALUE` nor `PANIC` means cancelled.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::sync::AtomicUsize;

/// In, or on its way into, the remote queue.
pub(crate) const REMOTE: usize = 1;
/// Aborted from another thread.
pub(crate) const ABORT: usize = 1 << 1;
/// The end is published.
pub(crate) const COMPLETE: usize = 1 << 2;
/// The slot holds the output.
pub(crate) const VALUE: usize = 1 << 3;
/// There is a panic's payload.
pub(crate) const PANIC: usize = 1 << 4;
/// A `JoinHandle` wants the outcome.
pub(crate) const JOIN: usize = 1 << 5;
/// The join waker is written.
pub(crate) const JOIN_WAKER: usize = 1 << 6;

/// A join waker was taken back elsewhere.
pub(crate) const STRAYED: usize = 1 << 7;

/// One reference in the atomic half of the count.
const ONE: usize = 1 << 8;

/// The atomic half of the count in `word`; negative if more references were dropped elsewhere than made elsewhere.
fn count(word: usize) -> isize {
    word.cast_signed() >> 8
}

/// What a `JoinHandle` that gives up finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Detach {
    /// The task goes on; the flag tells whether the join waker's slot holds a waker, which is now the caller's.
    Alive { waker: bool },
    /// The outcome is there and is the caller's to drop.
    Complete { word: usize },
}

/// The word that every thread may touch.
#[derive(Debug)]
pub(crate) struct Word(AtomicUsize);

impl Word {
    /// The word of a new task, whose references all count in the owner's half.
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(JOIN))
    }

    /// The word of a task that was made elsewhere and goes into the remote queue: for it and for the handle there are
    /// references in the atomic half.
    pub(crate) fn newborn() -> Self {
        Self(AtomicUsize::new(JOIN | REMOTE | (2 * ONE)))
    }

    /// Reads the word, and all that was written before it.
    #[inline]
    pub(crate) fn load(&self) -> usize {
        self.0.load(Acquire)
    }

    /// Claims the way into the remote queue; true if the caller must push the task, and nobody else will.
    ///
    /// An RMW even if the bit is there: the loop's `take_remote` must see what the caller wrote before its wake.
    pub(crate) fn claim_remote(&self, also: usize) -> bool {
        self.0.fetch_or(REMOTE | also, AcqRel) & (REMOTE | COMPLETE) == 0
    }

    /// Opens the way into the remote queue again, and tells whether the task was aborted from elsewhere.
    pub(crate) fn take_remote(&self) -> bool {
        self.0.fetch_and(!REMOTE, AcqRel) & ABORT != 0
    }

    /// Publishes the end: merges the owner's half of the count, sets `COMPLETE` and `outcome`, returns the old word.
    pub(crate) fn complete(&self, owners_half: isize, outcome: usize) -> usize {
        let add = (owners_half.cast_unsigned() << 8).wrapping_add(COMPLETE | outcome);
        self.0.fetch_add(add, AcqRel)
    }

    /// Publishes the end and gives the caller's own reference back in one step, if a handle wants the outcome and the word
    /// is still `word`. After a yes the memory may be gone, and the join waker that was there when `word` was loaded is the
    /// caller's: only a handle that strays can change it under the same word.
    ///
    /// It cannot be the last reference: the handle that `JOIN` stands for has one.
    #[inline]
    pub(crate) fn complete_and_leave(
        &self,
        word: usize,
        owners_half: isize,
        outcome: usize,
    ) -> bool {
        if word & (JOIN | STRAYED) != JOIN {
            return false;
        }
        let left = owners_half - 1;
        let add = (left.cast_unsigned() << 8).wrapping_add(COMPLETE | outcome);
        let new = word.wrapping_add(add);
        self.0.compare_exchange(word, new, AcqRel, Acquire).is_ok()
    }

    /// Whether, by `word`, there is no reference but `ours`; `owners_half` tells the owner's half of all.
    ///
    /// A stale read cannot say yes wrongly: the word it reads and the owner's half of now are one consistent cut, as
    /// references reach the owner's half only by ways that order them after the word's changes. And with no
    /// reference elsewhere at that cut nobody elsewhere can make one later.
    #[inline]
    pub(crate) fn is_sole(word: usize, owners_half: isize, ours: isize) -> bool {
        count(word) + owners_half == ours
    }

    /// Adds a reference; the caller holds one already.
    pub(crate) fn add_reference(&self) {
        let old = self.0.fetch_add(ONE, Relaxed);
        if count(old) > isize::MAX >> 10 {
            // A count that wraps would free memory in use.
            std::process::abort();
        }
    }

    /// Gives a reference back; true if the caller must free the memory.
    #[inline]
    #[must_use]
    pub(crate) fn drop_reference(&self) -> bool {
        let word = self.load();
        if word & COMPLETE != 0 && count(word) == 1 {
            return true;
        }
        let old = self.0.fetch_sub(ONE, AcqRel);
        old & COMPLETE != 0 && count(old) == 1
    }

    /// Publishes the join waker; false if the task is complete, and the waker still the caller's.
    pub(crate) fn set_join_waker(&self) -> bool {
        self.update(|word| word | JOIN_WAKER).is_ok()
    }

    /// Publishes the join waker without an atomic operation: all references to the task, of which `word` was loaded, are at
    /// home and accounted for, so that nobody else can change the word.
    #[inline]
    pub(crate) fn set_join_waker_alone(&self, word: usize) {
        self.0.store(word | JOIN_WAKER, Release);
    }

    /// Takes the join waker's place back; false if the task is complete, and the waker is the loop's.
    pub(crate) fn unset_join_waker(&self, strays: bool) -> bool {
        let strayed = if strays { STRAYED } else { 0 };
        self.update(|word| (word & !JOIN_WAKER) | strayed).is_ok()
    }

    /// Gives up the handle's interest in the outcome.
    pub(crate) fn detach(&self) -> Detach {
        match self.update(|word| word & !(JOIN | JOIN_WAKER)) {
            Ok(old) => Detach::Alive {
                waker: old & JOIN_WAKER != 0,
            },
            Err(word) => Detach::Complete { word },
        }
    }

    /// Changes the word unless the task is complete; tells the old word.
    fn update(&self, change: impl Fn(usize) -> usize) -> Result<usize, usize> {
        self.0.fetch_update(AcqRel, Acquire, |word| {
            (word & COMPLETE == 0).then(|| change(word))
        })
    }
}

/// The flags that only the owner's thread touches.
pub(crate) mod own {
    /// In the ready queue. Set by a wake on the owner's thread or by the emptying of the remote queue; cleared by the
    /// loop as it takes the task out.
    pub(crate) const QUEUED: u16 = 1;
    /// The future is being polled, or dropped as it is ready, or the value of a `Bound` is borrowed: nobody else may poll, drop or leak it.
    pub(crate) const RUNNING: u16 = 1 << 1;
    /// The future is gone or going: no poll any more, and no wake.
    pub(crate) const ENDING: u16 = 1 << 2;
    /// The owner's half of the count is not used: `COMPLETE` is published and the half is merged; or, without `ENDING`,
    /// the task was made elsewhere and the loop has not adopted it yet (`newborn.rs`).
    pub(crate) const DONE: u16 = 1 << 3;
    /// Aborted: the loop drops the future instead of polling it.
    pub(crate) const ABORT: u16 = 1 << 4;
    /// The `JoinHandle` was dropped on the owner's thread before the end: the loop drops the output.
    pub(crate) const DETACHED: u16 = 1 << 5;
    /// The slot holds the output; becomes `VALUE` of the shared word.
    pub(crate) const VALUE: u16 = 1 << 6;
    /// There is a payload, at its place in the header; becomes `PANIC` of the shared word.
    pub(crate) const PANIC: u16 = 1 << 7;
    /// Not a task but the value of a `Bound`: never queued to be polled, and not counted with the tasks. Set at birth.
    pub(crate) const KEPT: u16 = 1 << 8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_halves_of_the_count_may_be_negative_and_their_sum_frees() {
        let word = Word::new();
        // Made on the owner's thread (3 in its half), two of them dropped elsewhere.
        assert!(!word.drop_reference());
        assert!(!word.drop_reference());
        let old = word.complete(3, VALUE);
        assert_eq!(old & COMPLETE, 0);
        assert!(
            word.drop_reference(),
            "the third one is the last, and frees"
        );
    }

    #[test]
    fn a_word_is_claimed_once_until_it_is_taken_out() {
        let word = Word::new();
        assert!(word.claim_remote(0));
        assert!(!word.claim_remote(ABORT));
        assert!(word.take_remote(), "the abort that did not push is seen");
        assert!(word.claim_remote(0));
    }

    #[test]
    fn nothing_is_claimed_after_the_end() {
        let word = Word::new();
        word.complete(1, 0);
        assert!(!word.claim_remote(0));
        assert!(!word.set_join_waker());
        assert!(!word.unset_join_waker(true));
        assert!(matches!(word.detach(), Detach::Complete { .. }));
    }

    #[test]
    fn a_handle_that_gives_up_learns_whether_it_owns_a_waker() {
        let word = Word::new();
        assert!(word.set_join_waker());
        assert_eq!(word.detach(), Detach::Alive { waker: true });
        assert_eq!(word.load() & (JOIN | JOIN_WAKER), 0);
    }

    #[test]
    fn the_sole_reference_is_known_from_both_halves() {
        let word = Word::new();
        word.add_reference();
        assert!(!Word::is_sole(word.load(), 1, 1));
        assert!(Word::is_sole(word.load(), 0, 1));
        assert!(!word.drop_reference());
        assert!(Word::is_sole(word.load(), 1, 1));
    }
}
