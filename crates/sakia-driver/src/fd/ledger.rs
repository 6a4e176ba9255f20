//! The ledger: every descriptor that a driver owns, keyed by identity and never by number.

use std::cell::Cell;
use std::fmt;
use std::os::fd::RawFd;
use std::panic::Location;
use std::rc::{Rc, Weak};
use std::time::Duration;

use slab::Slab;

use super::{Descriptor, Kind};
use crate::driver::Driver;
use crate::op::lane::Side;

/// What a descriptor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FdState {
    /// A handle owns it.
    Open,
    /// A handle or an op owns it, and an op in flight names it.
    OpInFlight,
    /// It arrived for a future that has gone, or has not looked yet.
    Arrived,
    /// It waits in the close table for the end of its close.
    Closing,
    /// The kernel took its close and was not heard of again: the number may be somebody else's by now.
    InDoubt,
}

impl fmt::Display for FdState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::OpInFlight => "op in flight",
            Self::Arrived => "arrived",
            Self::Closing => "closing",
            Self::InDoubt => "in doubt",
        })
    }
}

/// One line of the ledger.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FdInfo {
    /// What it is.
    pub kind: Kind,
    /// Its number.
    pub number: RawFd,
    /// What it is doing.
    pub state: FdState,
    /// How long the driver has owned it, to some milliseconds; zero for one that has just arrived.
    pub age: Duration,
    /// The place in the source that asked for it: with the feature `track-origin`, for what a handle, an op or the close table has.
    pub origin: Option<&'static Location<'static>>,
}

impl fmt::Display for FdInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} ({}, {:.1?}",
            self.kind, self.number, self.state, self.age
        )?;
        if let Some(origin) = self.origin {
            write!(f, ", from {origin}")?;
        }
        f.write_str(")")
    }
}

struct Line {
    descriptor: Weak<Descriptor>,
    /// By [`Clock::roughly`](crate::Clock), in nanoseconds, which is half as long as a `Duration`.
    since: u64,
}

/// The descriptors of one driver, and how many it has closed of each kind.
#[derive(Default)]
pub(crate) struct Ledger {
    lines: Slab<Line>,
    closed: [Cell<u64>; Kind::ALL.len()],
}

impl Ledger {
    pub(crate) fn count_close(&self, kind: Kind) {
        let closed = &self.closed[kind as usize];
        closed.set(closed.get() + 1);
    }

    pub(crate) fn closed(&self) -> Vec<(Kind, u64)> {
        let counts = Kind::ALL.iter().zip(&self.closed);
        counts
            .map(|(kind, n)| (*kind, n.get()))
            .filter(|(_, n)| *n > 0)
            .collect()
    }
}

/// A descriptor that a completion brought and that nobody has taken yet.
fn arrived((number, kind): (RawFd, Kind)) -> FdInfo {
    FdInfo {
        kind,
        number,
        state: FdState::Arrived,
        age: Duration::ZERO,
        origin: None,
    }
}

impl Driver {
    pub(crate) fn enter_descriptor(&self, descriptor: Weak<Descriptor>) -> u32 {
        let since = self.clock.roughly().as_nanos() as u64;
        let mut ledger = self.ledger();
        // There are not so many descriptors.
        ledger.lines.insert(Line { descriptor, since }) as u32
    }

    /// It is closed, or somebody else's, as soon as this has returned. A close would cut off what is held back if there was something unread.
    #[inline]
    pub(crate) fn forget_descriptor(&self, descriptor: &Descriptor) {
        self.end_visit_of(descriptor.raw());
        let line = descriptor.ledger.get() as usize;
        self.ledger().lines.remove(line);
    }

    /// Lists every descriptor that this driver owns, its own ring and eventfd among them.
    pub fn fds(&self) -> Vec<FdInfo> {
        let now = self.now();
        let mut list = self.own_fds();
        let ledger = self.ledger();
        let roughly = self.clock.roughly();
        for (_, line) in &ledger.lines {
            let Some(descriptor) = line.descriptor.upgrade() else {
                continue;
            };
            // One count is the upgrade's own.
            let in_flight = Rc::strong_count(&descriptor) - 1 > descriptor.handles.get() as usize;
            let age = roughly.saturating_sub(Duration::from_nanos(line.since));
            list.push(FdInfo {
                kind: descriptor.kind(),
                number: descriptor.raw(),
                state: if in_flight {
                    FdState::OpInFlight
                } else {
                    FdState::Open
                },
                age,
                origin: descriptor.origin().place(),
            });
            let kept = descriptor.lane(Side::In).descriptors(descriptor.kind());
            list.extend(kept.into_iter().map(arrived));
        }
        drop(ledger);
        let core = self.core();
        list.extend(core.table.adopted().into_iter().map(arrived));
        list.extend(core.closes.infos(now));
        list
    }
}
