//! Lanes: one consuming op a descriptor and direction, and nothing lost when its future is dropped.
//!
//! A stream, a datagram socket or a listener has a lane in and a lane out. A future that wants to consume (or to write) first
//! *holds* the lane; others queue behind it in order. If the holder is dropped with its op in flight, the op becomes the lane's *orphan*:
//! what it brings is kept here as a *leftover*, and the next holder is served from the leftovers before it
//! submits anything. It never submits beside an orphan: with two consuming ops in flight the younger gets the first byte.
//!
//! States of a lane: free, held, held and waiting for the orphan, free with an orphan. Wakers: `queue`'s front is woken when the
//! lane becomes free; `watcher` is woken when the orphan has ended.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, Waker};

use super::table::Tag;
use crate::addr::SockAddr;

/// A direction of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What arrives: bytes, messages, connections.
    In,
    /// What is sent.
    Out,
}

/// A datagram that arrived for a future that had gone.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) data: Vec<u8>,
    pub(crate) from: SockAddr,
}

/// Something that arrived for a future that had gone.
#[derive(Debug)]
pub enum Leftover {
    /// Bytes of a stream, from the first one not served yet.
    #[doc(hidden)]
    Bytes(Bytes),
    /// The end of a stream.
    #[doc(hidden)]
    End,
    /// An error that the kernel tells only once.
    #[doc(hidden)]
    Error(i32),
    /// An accepted connection with its peer's address.
    #[doc(hidden)]
    Connection(OwnedFd, SockAddr),
    /// A whole datagram.
    #[doc(hidden)]
    Datagram(Datagram),
}

/// Bytes that wait to be served.
#[derive(Debug)]
pub struct Bytes {
    data: Vec<u8>,
    served: usize,
}

impl Bytes {
    pub(crate) fn new(data: Vec<u8>) -> Self {
        Self { data, served: 0 }
    }

    pub(crate) fn rest(&self) -> &[u8] {
        &self.data[self.served..]
    }
}

/// A whole message that waits to be served.
#[derive(Debug)]
pub struct Datagram(pub(crate) Message);

#[derive(Default)]
struct Cold {
    queue: VecDeque<(u64, Option<Waker>)>,
    next_ticket: u64,
    watcher: Option<Waker>,
    leftovers: VecDeque<Leftover>,
}

impl Cold {
    fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.watcher.is_none() && self.leftovers.is_empty()
    }
}

/// Where a future stands with its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    /// It has not asked yet.
    Fresh,
    /// It queues with this ticket.
    Queued(u64),
    /// The lane is its own.
    Holding,
    /// It has given the lane back.
    Left,
}

/// One direction of one descriptor.
#[derive(Default)]
pub struct Lane {
    held: Cell<bool>,
    orphan: Cell<Option<Tag>>,
    /// Boxed, because an idle connection has none of it.
    cold: RefCell<Option<Box<Cold>>>,
}

impl Lane {
    /// Takes the lane, or queues for it.
    pub(crate) fn poll_hold(&self, pass: &mut Pass, cx: &mut Context<'_>) -> Poll<()> {
        if *pass == Pass::Holding {
            return Poll::Ready(());
        }
        let mut cold = self.cold.borrow_mut();
        let queue_ahead = cold.as_ref().and_then(|cold| cold.queue.front()).map(|(ticket, _)| *ticket);
        let first = match (*pass, queue_ahead) {
            (_, None) => true,
            (Pass::Queued(mine), Some(front)) => mine == front,
            (_, Some(_)) => false,
        };
        if first && !self.held.get() {
            if let (Pass::Queued(_), Some(cold)) = (*pass, cold.as_mut()) {
                cold.queue.pop_front();
            }
            Self::trim(&mut cold);
            self.held.set(true);
            *pass = Pass::Holding;
            return Poll::Ready(());
        }
        let cold = cold.get_or_insert_default();
        match *pass {
            Pass::Queued(mine) => {
                if let Some((_, waker)) = cold.queue.iter_mut().find(|(ticket, _)| *ticket == mine) {
                    *waker = Some(cx.waker().clone());
                }
            }
            _ => {
                let ticket = cold.next_ticket;
                cold.next_ticket += 1;
                cold.queue.push_back((ticket, Some(cx.waker().clone())));
                *pass = Pass::Queued(ticket);
            }
        }
        Poll::Pending
    }

    /// Gives the lane, or the place in its queue, back; answers whom to wake.
    #[must_use]
    pub(crate) fn leave(&self, pass: &mut Pass) -> Option<Waker> {
        let was = std::mem::replace(pass, Pass::Left);
        let mut cold = self.cold.borrow_mut();
        match was {
            Pass::Fresh | Pass::Left => return None,
            Pass::Holding => {
                self.held.set(false);
                if let Some(cold) = cold.as_mut() {
                    cold.watcher = None;
                }
            }
            Pass::Queued(mine) => {
                if let Some(cold) = cold.as_mut() {
                    cold.queue.retain(|(ticket, _)| *ticket != mine);
                }
            }
        }
        Self::trim(&mut cold);
        if self.held.get() {
            return None;
        }
        let cold = cold.as_mut()?;
        cold.queue.front_mut().and_then(|(_, waker)| waker.take())
    }

    fn trim(cold: &mut Option<Box<Cold>>) {
        if cold.as_ref().is_some_and(|cold| cold.is_empty()) {
            *cold = None;
        }
    }

    pub(crate) fn is_held(&self) -> bool {
        self.held.get()
    }

    pub(crate) fn orphan(&self) -> Option<Tag> {
        self.orphan.get()
    }

    pub(crate) fn set_orphan(&self, tag: Tag) {
        self.orphan.set(Some(tag));
    }

    /// The orphan has ended: keeps what it brought, answers whom to wake.
    #[must_use]
    pub(crate) fn orphan_ended(&self, leftover: Option<Leftover>) -> Option<Waker> {
        self.orphan.set(None);
        if let Some(leftover) = leftover {
            self.keep(leftover);
        }
        let mut cold = self.cold.borrow_mut();
        let watcher = cold.as_mut().and_then(|cold| cold.watcher.take());
        Self::trim(&mut cold);
        watcher
    }

    /// Keeps something for the next holder.
    pub(crate) fn keep(&self, leftover: Leftover) {
        self.cold.borrow_mut().get_or_insert_default().leftovers.push_back(leftover);
    }

    /// Notes who is to be woken when the orphan has ended.
    pub(crate) fn watch_orphan(&self, waker: &Waker) {
        self.cold.borrow_mut().get_or_insert_default().watcher = Some(waker.clone());
    }

    pub(crate) fn has_leftovers(&self) -> bool {
        self.cold.borrow().as_ref().is_some_and(|cold| !cold.leftovers.is_empty())
    }

    /// Takes the oldest leftover.
    pub(crate) fn take(&self) -> Option<Leftover> {
        let mut cold = self.cold.borrow_mut();
        let leftover = cold.as_mut().and_then(|cold| cold.leftovers.pop_front());
        Self::trim(&mut cold);
        leftover
    }

    /// Puts a leftover back that was not used up.
    pub(crate) fn put_back(&self, leftover: Leftover) {
        self.cold.borrow_mut().get_or_insert_default().leftovers.push_front(leftover);
    }

    /// Serves bytes to `to`: how many, or the end, or the error that was kept. `None` if there is nothing to serve.
    ///
    /// With `peek` they stay.
    pub(crate) fn serve_bytes(&self, peek: bool, mut to: impl FnMut(&[u8]) -> usize) -> Option<std::io::Result<usize>> {
        match self.take()? {
            Leftover::Bytes(mut bytes) => {
                let n = to(bytes.rest());
                if !peek {
                    bytes.served += n;
                }
                if !bytes.rest().is_empty() {
                    self.put_back(Leftover::Bytes(bytes));
                }
                Some(Ok(n))
            }
            Leftover::End => {
                if peek {
                    self.put_back(Leftover::End);
                }
                Some(Ok(0))
            }
            Leftover::Error(errno) => Some(Err(std::io::Error::from_raw_os_error(errno))),
            other => {
                self.put_back(other);
                None
            }
        }
    }

    /// The descriptors that wait here.
    pub(crate) fn connections(&self) -> Vec<std::os::fd::RawFd> {
        use std::os::fd::AsRawFd;
        let cold = self.cold.borrow();
        let leftovers = cold.iter().flat_map(|cold| &cold.leftovers);
        leftovers
            .filter_map(|leftover| match leftover {
                Leftover::Connection(fd, _) => Some(fd.as_raw_fd()),
                _ => None,
            })
            .collect()
    }
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane")
            .field("held", &self.held.get())
            .field("orphan", &self.orphan.get())
            .finish_non_exhaustive()
    }
}
