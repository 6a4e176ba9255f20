//! How a timer that is dropped away from home gets out of the wheel. The only file that knows other threads.
//!
//! A `Sleep` may be dropped on any thread, or on its own while its timers are not entered. It then cannot reach the wheel, so it leaves its key
//! in the mailbox of its timers, found by number in a table of the whole process. The owner looks there each time it fires: one relaxed
//! load when there is no mail. Mail for timers that have ended is thrown away.
use std::collections::BTreeMap;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::arena::Key;

/// The mailboxes of all timers that live.
static ALL: Mutex<BTreeMap<u64, Arc<Mailbox>>> = Mutex::new(BTreeMap::new());

/// The keys of timers that were dropped elsewhere.
pub(crate) struct Mailbox {
    /// The number of the timers, used once in the life of the process.
    id: u64,
    /// Whether `keys` holds any; a hint that may be read late, never lost.
    has_mail: AtomicBool,
    keys: Mutex<Vec<Key>>,
}

impl Mailbox {
    /// Opens the mailbox of new timers and enters it in the table.
    pub(crate) fn open() -> Arc<Self> {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let mailbox = Arc::new(Mailbox {
            id: LAST.fetch_add(1, Ordering::Relaxed) + 1,
            has_mail: AtomicBool::new(false),
            keys: Mutex::new(Vec::new()),
        });
        lock(&ALL).insert(mailbox.id, Arc::clone(&mailbox));
        mailbox
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Strikes the mailbox off the table: later mail is thrown away.
    pub(crate) fn close(&self) {
        lock(&ALL).remove(&self.id);
    }

    /// Leaves a key for the timers `id`, from any thread.
    pub(crate) fn post(id: u64, key: Key) {
        let Some(mailbox) = lock(&ALL).get(&id).cloned() else {
            return;
        };
        let mut keys = lock(&mailbox.keys);
        keys.push(key);
        // Under the lock, so that `collect` cannot lower the flag over a key it has not taken.
        mailbox.has_mail.store(true, Ordering::Relaxed);
    }

    /// Says whether there may be mail.
    pub(crate) fn has_mail(&self) -> bool {
        self.has_mail.load(Ordering::Relaxed)
    }

    /// Takes the mail.
    pub(crate) fn collect(&self) -> Vec<Key> {
        let mut keys = lock(&self.keys);
        self.has_mail.store(false, Ordering::Relaxed);
        mem::take(&mut *keys)
    }
}

/// Locks; a panic elsewhere cannot have left these collections half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Arena;

    #[test]
    fn mail_is_kept_while_the_box_is_open_and_thrown_away_afterwards() {
        let (_, key) = Arena::<_, 0>::new().insert((), 0);
        let mailbox = Mailbox::open();
        assert!(!mailbox.has_mail());
        Mailbox::post(mailbox.id(), key);
        assert!(mailbox.has_mail());
        assert_eq!(mailbox.collect(), [key]);
        assert!(!mailbox.has_mail());
        mailbox.close();
        Mailbox::post(mailbox.id(), key);
        assert!(!mailbox.has_mail());
        assert_eq!(Arc::strong_count(&mailbox), 1, "the table forgot it");
    }

    #[test]
    fn the_end_of_the_timers_closes_their_box() {
        let timers = crate::Timers::new();
        let id = timers.inner.id();
        assert!(lock(&ALL).contains_key(&id));
        timers.close();
        assert!(!lock(&ALL).contains_key(&id));
        let timers = crate::Timers::new();
        let id = timers.inner.id();
        drop(timers);
        assert!(!lock(&ALL).contains_key(&id));
    }
}
