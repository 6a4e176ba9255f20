//! Waiting for a buffer of a set: whoever comes first is given the first that is brought home.
//!
//! A buffer goes from the hands of whoever brings it straight to whoever has waited longest, and not by way of the list of those that are free: while somebody waits
//! that list is empty, and nobody who asks in between is served before. Who waited and went passes on what it was given.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::{RegisteredBuf, Set};

/// Who waits, by the number of its ticket.
#[derive(Default)]
pub(super) struct Queue {
    tickets: RefCell<BTreeMap<u64, Rc<Place>>>,
    next: Cell<u64>,
}

/// The place of one that waits.
#[derive(Default)]
struct Place {
    waker: Cell<Option<Waker>>,
    given: Cell<Option<u32>>,
}

impl Queue {
    /// Gives a buffer to whoever has waited longest, and answers its waker; gives it back if nobody waits.
    pub(super) fn give(&self, at: u32) -> Result<Option<Waker>, u32> {
        let (_, place) = self.tickets.borrow_mut().pop_first().ok_or(at)?;
        place.given.set(Some(at));
        Ok(place.waker.take())
    }

    fn join(&self, waker: Waker) -> Ticket {
        let number = self.next.get();
        self.next.set(number + 1);
        let place = Rc::new(Place {
            waker: Cell::new(Some(waker)),
            given: Cell::default(),
        });
        self.tickets.borrow_mut().insert(number, place.clone());
        Ticket { number, place }
    }
}

/// What one that waits has in hand.
struct Ticket {
    number: u64,
    place: Rc<Place>,
}

/// The future of [`RegisteredBufs::take`](super::RegisteredBufs::take).
///
/// # Cancellation
/// Dropping it gives its place up; a buffer that it was given and has not brought goes to the next.
#[must_use = "futures do nothing unless polled"]
pub struct Taking {
    set: Rc<Set>,
    ticket: Option<Ticket>,
}

impl Taking {
    pub(super) fn new(set: Rc<Set>) -> Self {
        Self { set, ticket: None }
    }

    /// The buffer that it was given, or one that is free.
    fn serve(&mut self) -> Option<RegisteredBuf> {
        let at = match &self.ticket {
            Some(ticket) => ticket.place.given.take(),
            None => self.set.free.borrow_mut().pop(),
        }?;
        self.ticket = None;
        Some(RegisteredBuf::new(self.set.clone(), at))
    }
}

impl Future for Taking {
    type Output = RegisteredBuf;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<RegisteredBuf> {
        let this = &mut *self;
        if let Some(buf) = this.serve() {
            return Poll::Ready(buf);
        }
        // The clone is code of the user's, which may bring a buffer home: look again.
        let waker = cx.waker().clone();
        if let Some(buf) = this.serve() {
            return Poll::Ready(buf);
        }
        let before = match &this.ticket {
            Some(ticket) => ticket.place.waker.replace(Some(waker)),
            None => {
                this.ticket = Some(this.set.queue.join(waker));
                None
            }
        };
        drop(before);
        Poll::Pending
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        if let Some(Ticket { number, place }) = self.ticket.take() {
            let waits = self.set.queue.tickets.borrow_mut().remove(&number);
            if let Some(at) = place.given.take() {
                self.set.bring_home(at);
            }
            // Last, for they are the user's.
            drop((waits, place));
        }
    }
}

impl fmt::Debug for Taking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waits = self.ticket.is_some();
        f.debug_struct("Taking").field("waits", &waits).finish()
    }
}
