//! Whose a job is, and how its thread is called back from a system call that waits for others.
//!
//! A job that no thread has begun is simply taken back. For one that has, its thread gets a signal, which ends a wait with `EINTR`: io_uring does the
//! same to its workers. A signal that comes in the instant before the wait is lost, so the loop sends another, after a pause, until the thread has
//! answered (`flight.rs`); each is sent under the lock that the thread takes to leave, so it never reaches a thread that does something else by then.
//!
//! The signal is SIGURG: it is ignored unless somebody asks for it, and whoever does must bear one that means nothing. A handler of the program's own
//! stays where it is. If that one restarts system calls (SA_RESTART), a thread cannot be called back, and the end goes by its deadline.

use std::sync::{Mutex, MutexGuard, PoisonError};

const SIGNAL: i32 = libc::SIGURG;

/// Whose a job is: its thread's, or the loop's that takes it back.
#[derive(Debug, Default)]
pub(super) struct Ticket(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    holder: Holder,
    recalled: bool,
}

#[derive(Debug, Default)]
enum Holder {
    /// It waits in the crew's queue.
    #[default]
    Queue,
    /// The thread of this number carries it out.
    Thread(libc::pid_t),
    /// It was carried out, or taken back.
    Nobody,
}

impl Holder {
    /// Sends the signal to the thread, which cannot have gone: the caller has the lock that it takes to leave.
    fn signal(&self) {
        if let Self::Thread(number) = self {
            prepare();
            // SAFETY: the call reads integers.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), *number, SIGNAL) };
        }
    }
}

impl Ticket {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This thread begins the job; `false` if it was taken back.
    pub(super) fn begin(&self) -> bool {
        let mut state = self.lock();
        let waits = matches!(state.holder, Holder::Queue);
        if waits {
            // SAFETY: gettid(2) reads nothing.
            state.holder = Holder::Thread(unsafe { libc::gettid() });
        }
        waits
    }

    /// Whether a thread carries the job out right now.
    pub(super) fn is_begun(&self) -> bool {
        matches!(self.lock().holder, Holder::Thread(_))
    }

    /// This thread has carried the job out.
    pub(super) fn end(&self) {
        self.lock().holder = Holder::Nobody;
    }

    /// Takes the job back; `false` if a thread has begun it.
    pub(super) fn take_back(&self) -> bool {
        let mut state = self.lock();
        let waits = matches!(state.holder, Holder::Queue);
        if waits {
            state.holder = Holder::Nobody;
        }
        waits
    }

    /// Calls the thread back, if there is one.
    pub(super) fn recall(&self) {
        let mut state = self.lock();
        state.recalled = true;
        state.holder.signal();
    }

    /// A signal that calls nobody back.
    #[cfg(all(test, not(loom)))]
    pub(super) fn disturb(&self) {
        self.lock().holder.signal();
    }

    /// Whether the thread was called back: what waits is not to be begun again.
    pub(super) fn is_recalled(&self) -> bool {
        self.lock().recalled
    }
}

extern "C" fn nothing(_: i32) {}

/// Gives the signal a handler, if it has none: what is ignored ends no wait.
fn prepare() {
    // SAFETY: sigaction is made of integers, a signal set and an address as an integer, for which all zeroes is a value; both calls
    // read and write locals. The handler does nothing, so it may run anywhere.
    unsafe {
        let mut found: libc::sigaction = std::mem::zeroed();
        let asked = libc::sigaction(SIGNAL, std::ptr::null(), &raw mut found);
        if asked == 0 && matches!(found.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) {
            let mut ours: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(i32) = nothing;
            ours.sa_sigaction = handler as usize;
            libc::sigaction(SIGNAL, &raw const ours, std::ptr::null_mut());
        }
    }
}

/// Keeps all other signals from this thread: their handlers run on the threads of the program's own.
pub(super) fn block_signals() {
    // SAFETY: a local set is filled and read; only this thread's mask changes.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigdelset(&raw mut all, SIGNAL);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
        let mut ours: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut ours);
        libc::sigaddset(&raw mut ours, SIGNAL);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const ours, std::ptr::null_mut());
    }
}
