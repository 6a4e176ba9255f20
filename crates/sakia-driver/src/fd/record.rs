//! Where the record of a descriptor comes from: from the allocator, or from the one before it that has ended.
//!
//! A driver keeps one at most. The record that waits does not know it, or neither would ever go.

use std::cell::Cell;
use std::rc::Rc;

use super::owned::Owned;
use super::slot::Slot;
use super::{Descriptor, FdRef, Kind, Linger, Origin};
use crate::driver::Driver;
use crate::kernel::KernelFd;
use crate::op::lane::Lane;

impl Descriptor {
    /// A record of a descriptor with one handle; it is not in the ledger yet.
    #[inline(always)]
    pub(super) fn record(fd: KernelFd, kind: Kind, driver: &Rc<Driver>) -> FdRef {
        match driver.spare_descriptor().take() {
            Some(mut spare) => {
                let record = Rc::get_mut(&mut spare).expect("nobody else has it");
                record.renew(fd, kind, driver);
                spare
            }
            None => Rc::new(Self::new(fd, kind, driver)),
        }
    }

    /// Leaves the record of what has ended to the next one, if nobody else has it and nothing is in it that should go now.
    #[inline(always)]
    pub(super) fn leave_record(this: &mut FdRef) {
        if let Some(record) = Rc::get_mut(this)
            && record.keeps_nothing()
            && let Some(driver) = record.driver.take()
        {
            driver.spare_descriptor().set(Some(this.clone()));
        }
    }

    /// Whether no waker and no buffer of anybody's is left in it.
    #[inline]
    fn keeps_nothing(&mut self) -> bool {
        self.closer.get_mut().is_none() && self.lanes.iter().all(Lane::is_plain)
    }

    fn new(fd: KernelFd, kind: Kind, driver: &Rc<Driver>) -> Self {
        Self {
            fd: Owned::new(fd),
            slot: Slot::default(),
            kind: Cell::new(kind),
            origin: Cell::default(),
            driver: Some(driver.clone()),
            handles: Cell::new(1),
            linger: Cell::new(Linger::Unset),
            served: Cell::new(None),
            answers: Cell::new(None),
            places: Cell::new(None),
            fin: Cell::new(false),
            closer: Cell::new(None),
            lanes: [Lane::default(), Lane::default()],
            ledger: Cell::default(),
        }
    }

    /// The same in the place of one that has ended, field by field: what is made elsewhere in pieces and moved here whole costs more than the allocator.
    #[inline(always)]
    fn renew(&mut self, fd: KernelFd, kind: Kind, driver: &Rc<Driver>) {
        // All of them: who adds a field is asked what becomes of it.
        let Self {
            fd: owned,
            slot,
            kind: what,
            origin,
            driver: whose,
            handles,
            linger,
            served,
            answers,
            places,
            fin,
            closer,
            lanes,
            ledger: _,
        } = self;
        owned.renew(fd);
        *slot = Slot::default();
        what.set(kind);
        origin.set(Origin::default());
        *whose = Some(driver.clone());
        handles.set(1);
        linger.set(Linger::Unset);
        served.set(None);
        answers.set(None);
        places.set(None);
        fin.set(false);
        closer.set(None);
        lanes.iter_mut().for_each(Lane::renew);
    }
}
