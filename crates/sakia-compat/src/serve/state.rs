//! What the connections of one server share: whether it is stopping, who is connected, what is counted.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use super::activity::Activity;

#[derive(Debug, Default)]
pub(crate) struct Shared {
    stopping: Cell<bool>,
    requests: Cell<u64>,
    next: Cell<u64>,
    connections: RefCell<BTreeMap<u64, Rc<Activity>>>,
}

impl Shared {
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.get()
    }

    pub(crate) fn count_request(&self) {
        self.requests.set(self.requests.get() + 1);
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

/// A connection's place in the list, for as long as it lasts, however it ends.
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
}

impl Drop for Registered {
    fn drop(&mut self) {
        let gone = self.shared.connections.borrow_mut().remove(&self.number);
        // After the borrow: a waker goes with it.
        drop(gone);
    }
}
