//! The owner's side of the pool: how many buffers there are, which the kernel has, and who waits for one.
//!
//! The kernel has a *level* of buffers to choose from. It is refilled at each turn, and doubled when a turn has used more than half of it, so that a burst
//! does not find it empty; what does all the same (`ENOBUFS`) takes a buffer along by itself ([`supply`](Buffers::supply)), and no byte is lost. At the bound it
//! waits on a [`Seat`], and buffers that come back go to the seats first, in order.
//!
//! Somebody sits only when the kernel has no buffer to choose, none is free and none can be made. So all are in somebody's hands, and the next to
//! come back ends the wait.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;

use super::home::Home;
use super::slab::Slab;
use super::{PoolConfig, PooledBuf};
use crate::kernel::{Below, Cqe, Kernel};
use crate::unpark::Unparker;

/// How many buffers are made at a time.
const SLAB: usize = 64;
/// The level that the kernel begins with, and the highest: a kernel that takes more at once than this asks again for some of it.
const FIRST_LEVEL: usize = 32;
const LAST_LEVEL: usize = 1024;

/// Where somebody waits for a buffer. One that is granted and not taken goes back with the seat.
#[derive(Default)]
pub(crate) struct Seat {
    granted: Cell<Option<PooledBuf>>,
    waker: Cell<Option<Waker>>,
}

impl Seat {
    pub(crate) fn take(&self) -> Option<PooledBuf> {
        self.granted.take()
    }

    /// Says who sits here; answers who did.
    #[must_use]
    pub(crate) fn set_waker(&self, waker: Waker) -> Option<Waker> {
        self.waker.replace(Some(waker))
    }
}

/// What a receive gets that has found something and no buffer for it.
pub(crate) enum Supply {
    /// This one, to take along.
    Own(PooledBuf),
    /// The kernel has some to choose from by now.
    Chosen,
    /// All are in use.
    None,
}

/// See the module's page.
pub(crate) struct Buffers {
    shift: u32,
    most: usize,
    /// Made with the first pooled read.
    home: Option<Arc<Home>>,
    /// Each has [`SLAB`] buffers, the last one fewer if the bound says so.
    slabs: Vec<Arc<Slab>>,
    free: Vec<u16>,
    /// Whether the kernel chooses buffers by itself.
    chooses: bool,
    /// How many it has, and how many it is to have.
    level: usize,
    wanted: usize,
    /// Whether it has found none since the last refill.
    dry: bool,
    seats: VecDeque<Weak<Seat>>,
    /// When the seats are looked through for those that were left.
    look_at: usize,
}

impl Buffers {
    pub(crate) fn new(config: PoolConfig) -> Self {
        Self {
            shift: config.size.trailing_zeros(),
            most: config.most,
            home: None,
            slabs: Vec::new(),
            free: Vec::new(),
            chooses: false,
            level: 0,
            wanted: 0,
            dry: false,
            seats: VecDeque::new(),
            look_at: SLAB,
        }
    }

    /// Begins, with the first pooled read; tells whether the kernel chooses buffers by itself.
    pub(crate) fn open(&mut self, kernel: &mut Below, unparker: &Arc<Unparker>) -> bool {
        if self.home.is_none() {
            self.home = Some(Arc::new(Home::new(Some(unparker.clone()))));
            let most = self.most.min(LAST_LEVEL);
            self.chooses = kernel.open_buffers(most.next_power_of_two() as u16);
            if self.chooses {
                self.wanted = most.min(FIRST_LEVEL);
                self.fill(kernel);
            }
        }
        self.chooses
    }

    /// Whether the kernel chooses buffers by itself, as it has said at the first pooled read.
    #[inline]
    pub(crate) fn chooses(&self) -> bool {
        self.chooses
    }

    /// Whether there has been a pooled read.
    #[inline]
    pub(crate) fn are_used(&self) -> bool {
        self.home.is_some()
    }

    fn size(&self) -> usize {
        1 << self.shift
    }

    /// Whether a buffer has room for all that a receive has brought. With MSG_TRUNC the kernel tells of more.
    #[inline]
    pub(crate) fn hold(&self, cqe: Cqe) -> bool {
        usize::try_from(cqe.res).is_ok_and(|len| len <= self.size())
    }

    fn slab(&self, number: u16) -> (&Arc<Slab>, usize) {
        let number = usize::from(number);
        (&self.slabs[number / SLAB], number % SLAB)
    }

    /// Takes what a completion names: the buffer that the kernel has chosen, with what it has put there.
    #[inline]
    pub(crate) fn adopt(&mut self, cqe: Cqe) -> Option<PooledBuf> {
        self.adopt_number(cqe.buffer()?, cqe)
    }

    #[inline]
    fn adopt_number(&mut self, number: u16, cqe: Cqe) -> Option<PooledBuf> {
        self.level -= 1;
        match usize::try_from(cqe.res) {
            Ok(len @ 1..) => {
                let (slab, at) = self.slab(number);
                Some(PooledBuf::first(slab.clone(), at, len.min(self.size())))
            }
            // The end of a stream, or an error: nothing was put there.
            _ => {
                self.free.push(number);
                None
            }
        }
    }

    /// A free buffer: one that has come back, or a new one.
    fn find(&mut self) -> Option<u16> {
        if self.free.is_empty() {
            self.collect();
        }
        if self.free.is_empty() {
            self.grow();
        }
        self.free.pop()
    }

    fn collect(&mut self) {
        let Some(home) = &self.home else { return };
        let slabs = &self.slabs;
        let next = |number: u16| {
            let number = usize::from(number);
            slabs[number / SLAB].link(number % SLAB)
        };
        home.take(next, |number| self.free.push(number));
    }

    fn grow(&mut self) {
        let first = self.slabs.iter().map(|slab| slab.count()).sum::<usize>();
        let count = SLAB.min(self.most - first);
        let (Some(home), 1..) = (&self.home, count) else {
            return;
        };
        let slab = Slab::new(first as u16, count, self.shift, home.clone());
        self.slabs.push(slab);
        // The lowest is taken first.
        self.free
            .extend((first..first + count).rev().map(|n| n as u16));
    }

    fn whole(&self, number: u16) -> PooledBuf {
        let (slab, at) = self.slab(number);
        PooledBuf::first(slab.clone(), at, self.size())
    }

    /// A buffer for a receive that has found something, and brings its own along.
    pub(crate) fn supply(&mut self) -> Supply {
        self.dry |= self.chooses && self.level == 0;
        match self.find() {
            Some(number) => Supply::Own(self.whole(number)),
            None if self.level > 0 => Supply::Chosen,
            None => Supply::None,
        }
    }

    /// Somebody waits for a buffer, behind those who do already. What has come back meanwhile is found by the [`refill`](Self::refill) that the
    /// caller makes next.
    pub(crate) fn sit(&mut self, seat: &Rc<Seat>) {
        if self.seats.len() >= self.look_at {
            self.seats.retain(|seat| seat.strong_count() > 0);
            self.look_at = SLAB.max(2 * self.seats.len());
        }
        self.seats.push_back(Rc::downgrade(seat));
        if let Some(home) = &self.home {
            home.set_awaited(true);
        }
    }

    /// Gives what has come back to those who wait, then to the kernel. Answers through `wake` whom that wakes.
    pub(crate) fn refill(&mut self, kernel: &mut Below, mut wake: impl FnMut(Waker)) {
        self.collect();
        while let Some(seat) = self.seats.pop_front() {
            let Some(seat) = seat.upgrade() else { continue };
            let Some(number) = self.find() else {
                self.seats.push_front(Rc::downgrade(&seat));
                return;
            };
            seat.granted.set(Some(self.whole(number)));
            seat.waker.take().map(&mut wake);
        }
        if let Some(home) = &self.home {
            home.set_awaited(false);
        }
        if self.chooses {
            self.fill(kernel);
        }
    }

    fn fill(&mut self, kernel: &mut Below) {
        if self.dry || self.level < self.wanted / 2 {
            self.wanted = (self.wanted * 2).min(LAST_LEVEL).min(self.most);
            self.dry = false;
        }
        if self.level >= self.wanted {
            return;
        }
        while self.level < self.wanted {
            let Some(number) = self.find() else { break };
            let (slab, at) = self.slab(number);
            kernel.lend(number, slab.address(slab.start(at)), self.size());
            self.level += 1;
        }
        kernel.show_lent();
    }

    /// Whether a buffer has come back that somebody waits for.
    pub(crate) fn has_awaited(&self) -> bool {
        self.home.as_ref().is_some_and(|home| home.has_awaited())
    }

    /// The driver goes with something in flight, which the kernel may yet put into one of them: they are never freed.
    pub(crate) fn leak(&mut self) {
        std::mem::forget(std::mem::take(&mut self.slabs));
    }

    /// Those who wait, so that they look once more as the runtime ends.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        let seats = self.seats.drain(..);
        seats
            .filter_map(|seat| seat.upgrade()?.waker.take())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_holds_its_size_and_neither_more_nor_an_error() {
        let buffers = Buffers::new(PoolConfig::new());
        let size = i32::try_from(buffers.size()).expect("a small one");
        for (res, holds) in [(0, true), (size, true), (size + 1, false), (-1, false)] {
            let cqe = Cqe {
                res,
                ..Cqe::default()
            };
            assert_eq!(buffers.hold(cqe), holds, "{res}");
        }
    }
}
