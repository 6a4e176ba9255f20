//! A ring with the flags that are best for one thread, and its two queues held open over a loop.

use io_uring::{CompletionQueue, IoUring, SubmissionQueue, Submitter, cqueue, squeue};

/// A ring of so many entries, for the thread that calls.
pub fn build(entries: u32) -> IoUring {
    let mut builder = IoUring::builder();
    builder
        .setup_cqsize(entries * 4)
        .setup_single_issuer()
        .setup_submit_all()
        .setup_coop_taskrun()
        .setup_defer_taskrun();
    // Without the array of indices, as Linux 6.6 can do it.
    let newest = builder.clone().setup_no_sqarray().build(entries);
    newest
        .or_else(|_| builder.build(entries))
        .expect("Linux 6.1 or newer, and room for a ring")
}

/// The two queues of a ring, and its registered descriptor.
pub struct Queues<'ring> {
    pub submitter: Submitter<'ring>,
    sq: SubmissionQueue<'ring>,
    cq: CompletionQueue<'ring>,
}

impl<'ring> Queues<'ring> {
    pub fn of(ring: &'ring mut IoUring) -> Self {
        let (mut submitter, sq, cq) = ring.split();
        submitter
            .register_ring_fd()
            .expect("the ring's descriptor can be registered");
        Self { submitter, sq, cq }
    }

    /// Queues an entry; what is queued goes in when there is no room.
    ///
    /// # Safety
    /// What the entry points at stays where it is, and nobody else writes to what the kernel reads or touches what it writes, until the op's last completion.
    #[inline]
    pub unsafe fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: the promise of the caller.
        while unsafe { self.sq.push(entry) }.is_err() {
            self.submit();
        }
    }

    /// Makes room for so many entries that are to go in together.
    #[inline]
    pub fn reserve(&mut self, entries: usize) {
        if self.sq.capacity() - self.sq.len() < entries {
            self.submit();
        }
    }

    /// Submits what is queued.
    pub fn submit(&mut self) {
        self.sq.sync();
        self.submitter.submit().expect("the ring takes entries");
        self.sq.sync();
    }

    /// Submits what is queued, and waits for so many completions. A signal may end it early: it is called in a loop.
    #[inline]
    pub fn turn(&mut self, completions: usize) {
        let _ = self.turn_by(|submitter| submitter.submit_and_wait(completions));
    }

    /// The same, by a call of one's own; an error is the caller's to notice.
    #[inline]
    pub fn turn_by<T>(&mut self, call: impl FnOnce(&Submitter<'ring>) -> T) -> T {
        self.sq.sync();
        self.cq.sync();
        let result = call(&self.submitter);
        self.sq.sync();
        self.cq.sync();
        result
    }

    /// The next completion of those that the last turn found.
    #[inline]
    pub fn next_completion(&mut self) -> Option<cqueue::Entry> {
        self.cq.next()
    }
}
