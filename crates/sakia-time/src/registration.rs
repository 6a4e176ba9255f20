//! One future's place in a wheel: taken at the first poll, given back at the drop, wherever that happens.
use std::mem;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::arena::Key;
use crate::context;
use crate::mailbox::Mailbox;

/// From when a timer counts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deadline {
    /// It is due at an instant.
    At(Instant),
    /// It is due so long after its first poll.
    After(Duration),
}

/// The life of a registration.
#[derive(Debug)]
enum State {
    /// No wheel knows it.
    Idle,
    /// An entry of the timers `home` holds its waker. When the entry is gone, the deadline has passed.
    Waiting { home: u64, key: Key },
    /// The deadline has passed, and the future has been told.
    Elapsed,
}

/// A place in a wheel, or the wish for one. It holds numbers only, and so is `Send` and `Sync`.
#[derive(Debug)]
pub(crate) struct Registration {
    state: State,
}

impl Registration {
    #[inline]
    pub(crate) const fn new() -> Self {
        Registration { state: State::Idle }
    }

    /// Completes once the deadline has passed; before that, sees to it that the task is woken then.
    ///
    /// # Panics
    /// If no timers are entered, or if those that are have been closed.
    #[inline]
    pub(crate) fn poll(&mut self, deadline: &Deadline, cx: &mut Context<'_>) -> Poll<()> {
        match self.state {
            State::Elapsed => return Poll::Ready(()),
            State::Idle => {
                // The clone is somebody else's code: it runs before anything is borrowed.
                let mut waker = Some(cx.waker().clone());
                let place =
                    context::with_current(|timers| timers.register_at_once(deadline, &mut waker));
                if let Some(Some((home, key))) = place {
                    self.state = State::Waiting { home, key };
                    return Poll::Pending;
                }
            }
            State::Waiting { .. } => {}
        }
        self.poll_thoroughly(deadline, cx)
    }

    /// Polls where more may be to do than to take a place.
    fn poll_thoroughly(&mut self, deadline: &Deadline, cx: &mut Context<'_>) -> Poll<()> {
        let Some(timers) = context::current() else {
            panic!("a timer was polled outside a runtime: no `Timers` are entered on this thread");
        };
        assert!(
            !timers.is_closed(),
            "a timer was polled after its runtime had ended: the `Timers` are closed"
        );
        if let State::Waiting { home, key } = self.state {
            if home != timers.id() {
                // It moved to another runtime, which will fire its own wheel and no other.
                self.release();
            } else if !timers.is_surely_done(deadline) && timers.refresh_waker(key, cx.waker()) {
                return Poll::Pending;
            } else {
                self.state = State::Elapsed;
                return Poll::Ready(());
            }
        }
        if timers.has_surely_passed(deadline) {
            self.state = State::Elapsed;
            return Poll::Ready(());
        }
        // The clone is somebody else's code: it runs before the wheel is borrowed.
        let key = timers.register(deadline, cx.waker().clone());
        self.state = State::Waiting {
            home: timers.id(),
            key,
        };
        Poll::Pending
    }

    /// Moves the deadline. The waker stays if the wheel can be reached from here; else the future must be polled again.
    pub(crate) fn reset(&mut self, deadline: Instant) {
        if let State::Waiting { home, key } = self.state
            && context::find(home).is_some_and(|timers| timers.reset(key, deadline))
        {
            return;
        }
        self.release();
    }

    /// Says whether the next poll would complete; `None` if no wheel knows.
    pub(crate) fn has_elapsed(&self) -> Option<bool> {
        match self.state {
            State::Idle => None,
            State::Elapsed => Some(true),
            State::Waiting { home, key } => {
                context::find(home).map(|timers| !timers.is_waiting(key))
            }
        }
    }

    /// Says whether the future has been told that its deadline passed.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Elapsed)
    }

    /// Leaves the wheel.
    fn release(&mut self) {
        if let State::Waiting { home, key } = mem::replace(&mut self.state, State::Idle) {
            leave(home, key);
        }
    }
}

impl Drop for Registration {
    #[inline]
    fn drop(&mut self) {
        // What never waited pays for a comparison, not for a call.
        if let State::Waiting { home, key } = self.state {
            leave(home, key);
        }
    }
}

/// Takes an entry out of the timers `home`, wherever they are.
fn leave(home: u64, key: Key) {
    match context::with(home, |timers| timers.remove(key)) {
        // The waker is somebody else's code: it is dropped when nothing is borrowed.
        Some(waker) => drop(waker),
        None => Mailbox::post(home, key),
    }
}
