//! What the connections of one server share: whether it is stopping, who is connected, what is counted.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::activity::Activity;

#[derive(Debug, Default)]
pub(crate) struct Shared {
    stopping: Cell<bool>,
    requests: Cell<u64>,
    next: Cell<u64>,
    connections: RefCell<BTreeMap<u64, Rc<Activity>>>,
    /// Sockets that are open, those of upgrades included.
    open: Cell<usize>,
    /// Who waits for one of them to be closed.
    waiting: RefCell<Option<Waker>>,
}

impl Shared {
    fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.get()
    }

    pub(crate) fn count_request(&self) {
        self.requests.set(self.requests.get() + 1);
    }

    /// Waits until fewer than `limit` sockets are open.
    pub(crate) fn poll_place(&self, limit: usize, cx: &mut Context<'_>) -> Poll<()> {
        if self.open.get() < limit {
            return Poll::Ready(());
        }
        let old = self.waiting.replace(Some(cx.waker().clone()));
        drop(old);
        Poll::Pending
    }

    /// Tells every connection to end after the request that is under way.
    pub(crate) fn stop(&self) {
        self.stopping.set(true);
        let wakers: Vec<_> = {
            let connections = self.connections.borrow();
            connections
                .values()
                .filter_map(|activity| activity.take_waker())
                .collect()
        };
        wakers.into_iter().for_each(|waker| waker.wake());
    }
}

/// One of the sockets that may be open at a time. It goes with the socket, also to who asked for an upgrade.
#[derive(Debug)]
pub(crate) struct Place {
    shared: Rc<Shared>,
}

impl Place {
    pub(crate) fn take(shared: &Rc<Shared>) -> Self {
        shared.open.set(shared.open.get() + 1);
        Self {
            shared: shared.clone(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.open.set(self.shared.open.get() - 1);
        let waiting = self.shared.waiting.take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }
}

/// A connection in the list, for as long as it lasts, however it ends.
pub(crate) struct Registered {
    shared: Rc<Shared>,
    number: u64,
    pub(crate) activity: Rc<Activity>,
}

impl Registered {
    pub(crate) fn new(shared: &Rc<Shared>, now: Instant) -> Self {
        let number = shared.next.get();
        shared.next.set(number + 1);
        let activity = Rc::new(Activity::new(now));
        shared
            .connections
            .borrow_mut()
            .insert(number, activity.clone());
        Self {
            shared: shared.clone(),
            number,
            activity,
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.shared.is_stopping()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let gone = self.shared.connections.borrow_mut().remove(&self.number);
        // After the borrow: a waker goes with it.
        drop(gone);
    }
}
