//! The threads that carry out what may block, and the mailbox by which they answer.
//!
//! A job may be taken back as long as no thread has begun it. One that has begun ends when its system call does, which a call to its thread may
//! hasten (`recall.rs`): its op is in flight until then, so its memory stays lent and its descriptors open. After the end of the kernel the mailbox is closed: an answer that comes
//! later is dropped, and a descriptor in it closed, by the thread itself.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::recall::{self, Ticket};
use super::request::{Attempt, Crew, Request};
use super::{plan, sys};
use crate::kernel::Clock;
use crate::pool::{Job, Pool};

/// How many threads a crew has if nobody says: as many as io_uring starts for files on two processors.
const FILES: usize = 8;
const WAITS: usize = 64;
/// How long idle threads have for their last instructions.
const GRACE: Duration = Duration::from_secs(1);

/// The answer to a job.
pub(super) struct Letter {
    pub(super) key: usize,
    pub(super) request: Request,
    pub(super) attempt: Attempt,
}

#[derive(Default)]
struct Letters {
    /// None after the end.
    alert: Option<OwnedFd>,
    waiting: Vec<Letter>,
}

struct Mailbox {
    letters: Mutex<Letters>,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, letter: Letter) {
        let mut letters = self.lock();
        let Some(alert) = letters.alert.as_ref().map(AsRawFd::as_raw_fd) else {
            drop(letters);
            discard(&letter);
            return;
        };
        letters.waiting.push(letter);
        if letters.waiting.len() == 1 {
            // Under the lock: the end closes it under the lock, too.
            sys::count_up(alert);
        }
    }
}

/// Closes what nobody will ever know of.
fn discard(letter: &Letter) {
    if let Attempt::Done(fd @ 0..) = letter.attempt
        && plan::yields(letter.request.sqe.opcode)
    {
        let _ = sys::close(fd);
    }
}

struct Errand {
    key: usize,
    request: Request,
    ticket: Arc<Ticket>,
    mailbox: Arc<Mailbox>,
}

impl Job for Errand {
    fn run(mut self: Box<Self>) {
        if self.ticket.begin() {
            self.request.ticket = Some(self.ticket.clone());
            let attempt = plan::job(&mut self.request);
            self.request.ticket = None;
            self.ticket.end();
            self.mailbox.post(Letter {
                key: self.key,
                request: self.request,
                attempt,
            });
        }
    }
}

pub(super) struct Crews {
    files: Pool,
    waits: Pool,
    mailbox: Arc<Mailbox>,
    alert: RawFd,
    /// Jobs that were neither answered nor taken back.
    out: usize,
}

impl Crews {
    /// `most` threads for files and for what waits, 0 for as many as are good.
    pub(super) fn new(most: [u32; 2]) -> io::Result<Self> {
        let alert = sys::eventfd()?;
        let number = alert.as_raw_fd();
        let crew = |asked: u32, usual: usize| {
            let most = if asked == 0 { usual } else { asked as usize };
            Pool::new("sakia-kernel", most, recall::block_signals)
        };
        Ok(Self {
            files: crew(most[0], FILES),
            waits: crew(most[1], WAITS),
            mailbox: Arc::new(Mailbox {
                letters: Mutex::new(Letters {
                    alert: Some(alert),
                    waiting: Vec::new(),
                }),
            }),
            alert: number,
            out: 0,
        })
    }

    /// What becomes readable when an answer comes, or by [`alert`](Self::alert).
    pub(super) fn alert_fd(&self) -> RawFd {
        self.alert
    }

    pub(super) fn alert(&self) {
        sys::count_up(self.alert);
    }

    pub(super) fn calm(&self) {
        sys::count_down(self.alert);
    }

    /// Gives a job to a thread.
    ///
    /// # Errors
    /// When no thread lives and none can be started: the job was not begun and will not be.
    pub(super) fn send(
        &mut self,
        crew: Crew,
        key: usize,
        request: Request,
    ) -> io::Result<Arc<Ticket>> {
        let ticket = Arc::new(Ticket::default());
        let errand = Box::new(Errand {
            key,
            request,
            ticket: ticket.clone(),
            mailbox: self.mailbox.clone(),
        });
        match crew {
            Crew::Files => self.files.push(errand)?,
            Crew::Waits => self.waits.push(errand)?,
        }
        self.out += 1;
        Ok(ticket)
    }

    /// A job was taken back.
    pub(super) fn taken_back(&mut self) {
        self.out -= 1;
    }

    pub(super) fn has_letters(&self) -> bool {
        self.out > 0 && !self.mailbox.lock().waiting.is_empty()
    }

    /// The answers that have come.
    pub(super) fn letters(&mut self) -> Vec<Letter> {
        if self.out == 0 {
            return Vec::new();
        }
        let letters = std::mem::take(&mut self.mailbox.lock().waiting);
        self.out -= letters.len();
        letters
    }
}

impl Drop for Crews {
    fn drop(&mut self) {
        let Letters { alert, waiting } = std::mem::take(&mut *self.mailbox.lock());
        drop(alert);
        waiting.iter().for_each(discard);
        // A thread in a system call that does not end would hold us up: it is left behind, and finds the mailbox closed.
        let grace = if self.out > waiting.len() {
            Duration::ZERO
        } else {
            GRACE
        };
        let clock = Clock::default();
        let until = clock.now() + grace;
        self.files.join(until, &clock);
        self.waits.join(until, &clock);
    }
}
