//! One submission under way, and what an attempt to carry it out came to.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Instant;

use super::recall::Ticket;
use super::sys::{self, Answer};
use crate::kernel::Sqe;

/// A submission, and how far it has come.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) sqe: Sqe,
    /// Bytes that earlier attempts have moved.
    pub(super) moved: u32,
    /// What cannot be begun twice has begun: a connect, a timeout.
    pub(super) begun: bool,
    /// The descriptor was found ready since it was last tried.
    pub(super) ready: bool,
    /// On a thread: by what it may be called back.
    pub(super) ticket: Option<Arc<Ticket>>,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// It is over, with this result.
    Done(i32),
    /// To be tried again when the descriptor is ready for one of these (`EPOLL*`).
    When(RawFd, u32),
    /// To be tried again then.
    At(Instant),
    /// To be tried again after a pause, which grows each time.
    Later,
    /// To be carried out by a thread, for it may block.
    Job(Crew),
}

/// Who carries a job out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crew {
    /// Few threads, for what ends in bounded time: files.
    Files,
    /// More threads, for what may wait for somebody: closes, opens of FIFOs, accepts that may find the connection gone.
    Waits,
}

impl Request {
    pub(super) fn new(sqe: Sqe) -> Self {
        Self {
            sqe,
            moved: 0,
            begun: false,
            ready: false,
            ticket: None,
        }
    }

    /// Calls again while the answer is `EINTR`, unless that is how this thread was called back.
    pub(super) fn retry(&self, call: impl FnMut() -> i64) -> Answer {
        let ticket = self.ticket.as_ref();
        sys::retry_unless(|| ticket.is_some_and(|ticket| ticket.is_recalled()), call)
    }

    /// The end with an error: what was moved before counts more.
    pub(super) fn fails(&self, errno: i32) -> Attempt {
        Attempt::Done(self.result_of(-errno))
    }

    /// What the completion says, if it ends with `res`: an error after a part is the part.
    pub(super) fn result_of(&self, res: i32) -> i32 {
        if res < 0 && self.moved > 0 {
            return self.moved as i32;
        }
        res
    }

    /// The end with all that was moved.
    pub(super) fn moved(&self) -> Attempt {
        Attempt::Done(self.moved as i32)
    }
}
