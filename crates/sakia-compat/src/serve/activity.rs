//! What a connection is doing, and since when: what its timeouts are counted from. No I/O, no clock of its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

/// How long a connection may stay in each phase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) header: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) write: Option<Duration>,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of a request's head.
    Head,
    /// The service, or the body of a request or response.
    Request,
    /// The peer, to take bytes.
    Write,
}

/// One connection, as its stream, its service and its timers see it.
#[derive(Debug)]
pub(crate) struct Activity {
    /// Requests whose response was not yet handed over whole.
    requests: Cell<usize>,
    /// Bytes of a head have arrived since the last request.
    head: Cell<bool>,
    /// It speaks HTTP/2: bytes need not be of a head. A head that does not end is an idle connection then.
    multiplexed: Cell<bool>,
    /// The peer takes no more for now.
    blocked: Cell<bool>,
    /// Bytes have moved since the clock was last looked at.
    moved: Cell<bool>,
    phase: Cell<Phase>,
    since: Cell<Instant>,
    /// The connection's task, for those who stop the server.
    waker: RefCell<Option<Waker>>,
}

impl Activity {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            requests: Cell::new(0),
            head: Cell::new(false),
            multiplexed: Cell::new(false),
            blocked: Cell::new(false),
            moved: Cell::new(false),
            phase: Cell::new(Phase::Idle),
            since: Cell::new(now),
            waker: RefCell::new(None),
        }
    }

    pub(crate) fn received(&self) {
        if self.requests.get() == 0 && !self.multiplexed.get() {
            // Only the first byte counts: a head that drips in is to be no slower than one that stops.
            self.head.set(true);
        }
    }

    /// The connection speaks HTTP/2.
    #[cfg(feature = "http2")]
    pub(crate) fn multiplexed(&self) {
        self.multiplexed.set(true);
        self.head.set(false);
    }

    /// The peer took something.
    pub(crate) fn sent(&self) {
        self.moved.set(true);
    }

    /// Whether what is to be sent waits for the peer.
    pub(crate) fn blocked(&self, blocked: bool) {
        if self.blocked.replace(blocked) && !blocked {
            self.moved.set(true);
        }
    }

    /// Where the connection stands now, and when that is too long; `None` if it may last for ever.
    pub(crate) fn deadline(&self, limits: &Limits, now: Instant) -> Option<Instant> {
        let phase = match (self.blocked.get(), self.requests.get(), self.head.get()) {
            (true, _, _) => Phase::Write,
            (false, 1.., _) => Phase::Request,
            (false, 0, true) => Phase::Head,
            (false, 0, false) => Phase::Idle,
        };
        let moved = self.moved.take();
        if self.phase.replace(phase) != phase || moved && phase != Phase::Head {
            self.since.set(now);
        }
        let limit = match phase {
            Phase::Idle => limits.idle,
            Phase::Head => limits.header,
            Phase::Request => None,
            Phase::Write => limits.write,
        };
        self.since.get().checked_add(limit?)
    }

    pub(crate) fn watch(&self, waker: &Waker) {
        let mut slot = self.waker.borrow_mut();
        if slot.as_ref().is_none_or(|old| !old.will_wake(waker)) {
            let old = slot.replace(waker.clone());
            drop(slot);
            drop(old);
        }
    }

    pub(crate) fn take_waker(&self) -> Option<Waker> {
        self.waker.borrow_mut().take()
    }
}

/// A request, from its head to the end of its response.
#[derive(Debug)]
pub(crate) struct Request {
    activity: Rc<Activity>,
}

impl Request {
    pub(crate) fn begin(activity: &Rc<Activity>) -> Self {
        activity.requests.set(activity.requests.get() + 1);
        activity.head.set(false);
        Self {
            activity: activity.clone(),
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let activity = &self.activity;
        activity.requests.set(activity.requests.get() - 1);
        activity.moved.set(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        header: Some(Duration::from_secs(30)),
        idle: Some(Duration::from_secs(60)),
        write: Some(Duration::from_secs(90)),
    };

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_head_is_timed_from_its_first_byte_however_it_drips() {
        let start = Instant::now();
        let activity = Activity::new(start);
        assert_eq!(activity.deadline(&LIMITS, start), Some(start + secs(60)));
        activity.received();
        let first = start + secs(10);
        assert_eq!(activity.deadline(&LIMITS, first), Some(first + secs(30)));
        activity.received();
        let later = start + secs(20);
        assert_eq!(activity.deadline(&LIMITS, later), Some(first + secs(30)));
        // The end of the response before it gives it no more time.
        activity.sent();
        assert_eq!(activity.deadline(&LIMITS, later), Some(first + secs(30)));
    }

    #[test]
    fn a_flush_that_has_nothing_to_do_is_no_sign_of_life() {
        let start = Instant::now();
        let activity = Activity::new(start);
        assert_eq!(activity.deadline(&LIMITS, start), Some(start + secs(60)));
        activity.blocked(false);
        assert_eq!(
            activity.deadline(&LIMITS, start + secs(9)),
            Some(start + secs(60))
        );
    }

    #[test]
    fn a_request_under_way_has_no_deadline_and_idleness_counts_from_its_end() {
        let start = Instant::now();
        let activity = Rc::new(Activity::new(start));
        activity.received();
        let request = Request::begin(&activity);
        assert_eq!(activity.deadline(&LIMITS, start), None);
        drop(request);
        let end = start + secs(500);
        assert_eq!(activity.deadline(&LIMITS, end), Some(end + secs(60)));
        assert_eq!(
            activity.deadline(&LIMITS, end + secs(5)),
            Some(end + secs(60))
        );
        // A whole request between two looks at the clock.
        drop(Request::begin(&activity));
        let next = end + secs(7);
        assert_eq!(activity.deadline(&LIMITS, next), Some(next + secs(60)));
    }

    #[test]
    fn a_peer_that_takes_nothing_is_timed_and_one_that_takes_slowly_is_not() {
        let start = Instant::now();
        let activity = Rc::new(Activity::new(start));
        let _request = Request::begin(&activity);
        activity.blocked(true);
        assert_eq!(activity.deadline(&LIMITS, start), Some(start + secs(90)));
        let later = start + secs(80);
        assert_eq!(activity.deadline(&LIMITS, later), Some(start + secs(90)));
        // It took something, and is full again.
        activity.sent();
        activity.blocked(true);
        assert_eq!(activity.deadline(&LIMITS, later), Some(later + secs(90)));
        activity.blocked(false);
        assert_eq!(activity.deadline(&LIMITS, later), None);
    }
}
