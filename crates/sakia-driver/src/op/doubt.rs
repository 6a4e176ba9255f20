//! What is known of a write whose future has gone: how much of it was sent.
//!
//! The op tells, through a [`Teller`] that it owns; the stream keeps the last [`InDoubt`], which whoever asks may keep, too.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;

use super::Completion;

#[derive(Debug)]
struct Progress {
    len: usize,
    sent: Cell<usize>,
    errno: Cell<i32>,
    /// Whether the kernel still has it.
    pending: Cell<bool>,
}

/// How much of a write was sent whose future was dropped, or whose time was over.
///
/// Such a write is left to finish while its stream lives, so what this says grows until [`is_pending`](Self::is_pending) is false.
#[derive(Clone)]
pub struct InDoubt(Rc<Progress>);

#[allow(
    clippy::len_without_is_empty,
    reason = "it is the length of a write, not of a collection"
)]
impl InDoubt {
    /// How many bytes the write was to send.
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// How many of them, from the first on, are known to be sent: in the kernel's hands, and in order.
    pub fn sent(&self) -> usize {
        self.0.sent.get()
    }

    /// Whether the write is still under way. Once it is not, [`sent`](Self::sent) is the whole truth.
    pub fn is_pending(&self) -> bool {
        self.0.pending.get()
    }

    /// The error that ended the write, which nobody else was told.
    pub fn error(&self) -> Option<io::Error> {
        match self.0.errno.get() {
            0 => None,
            errno => Some(io::Error::from_raw_os_error(errno)),
        }
    }
}

impl fmt::Debug for InDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InDoubt")
            .field("len", &self.len())
            .field("sent", &self.sent())
            .field("pending", &self.is_pending())
            .field("error", &self.error())
            .finish()
    }
}

/// The write's end of it. It lives in the op, whose memory goes only when the kernel has let go: the write is pending for as long.
#[derive(Debug)]
pub(crate) struct Teller(Rc<Progress>);

impl Teller {
    /// Begins to tell of a write of `len` bytes, `sent` of which earlier rounds have sent.
    pub(crate) fn new(len: usize, sent: usize) -> (Self, InDoubt) {
        let progress = Rc::new(Progress {
            len,
            sent: Cell::new(sent),
            errno: Cell::new(0),
            pending: Cell::new(true),
        });
        (Self(progress.clone()), InDoubt(progress))
    }

    /// The last round has ended.
    pub(crate) fn ended(&self, done: &Completion) {
        match done.result() {
            Ok(n) => self.0.sent.set(self.0.sent.get() + n as usize),
            Err(_) if done.was_cancelled() => {}
            Err(_) => self.0.errno.set(done.errno()),
        }
        self.0.pending.set(false);
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.0.pending.set(false);
    }
}
