//! What receives ask of their driver's pool, and what a turn does for it.

use std::rc::Rc;
use std::task::{Context, Poll};

use super::{PooledBuf, Seat, Supply};
use crate::driver::{Core, Driver};

/// How a receive came by a buffer.
pub(crate) enum Supplied {
    /// It takes this one along.
    Own(PooledBuf),
    /// It asks once more, and the kernel chooses.
    Chosen,
}

impl Driver {
    /// Whether the kernel chooses buffers for receives. Begins to lend it some at the first call.
    #[inline]
    pub(crate) fn lends_buffers(&self) -> bool {
        self.core().buffers.chooses() || self.begins_to_lend()
    }

    #[inline(never)]
    fn begins_to_lend(&self) -> bool {
        self.note_errand();
        let mut core = self.core();
        let Core {
            kernel, buffers, ..
        } = &mut *core;
        buffers.open(kernel, self.unparker_ref())
    }

    /// A buffer for a receive that has found something to receive, and none to put it in. At the bound it waits, on a seat that it keeps.
    pub(crate) fn poll_supply(
        &self,
        kept: &mut Option<Rc<Seat>>,
        cx: &mut Context<'_>,
    ) -> Poll<Supplied> {
        let seat = match kept {
            Some(seat) => seat,
            None => {
                match self.core().buffers.supply() {
                    Supply::Own(buf) => return Poll::Ready(Supplied::Own(buf)),
                    Supply::Chosen => return Poll::Ready(Supplied::Chosen),
                    Supply::None => {}
                }
                let seat = Rc::new(Seat::default());
                self.core().buffers.sit(&seat);
                kept.insert(seat)
            }
        };
        // A waker's clone and drop may run code of the user's, which may turn the driver: nothing is borrowed, and the seat is looked at afterwards.
        drop(seat.set_waker(cx.waker().clone()));
        // What has come back before the seat was known to other threads.
        self.refill_buffers();
        match seat.take() {
            Some(buf) => {
                *kept = None;
                Poll::Ready(Supplied::Own(buf))
            }
            None => Poll::Pending,
        }
    }

    /// Gives what has come back to those who wait for it, and to the kernel; each turn does so from the first pooled read on.
    pub(crate) fn refill_buffers(&self) {
        let mut woken = Vec::new();
        let mut core = self.core();
        if !core.buffers.are_used() {
            return;
        }
        self.note_errand();
        let Core {
            kernel, buffers, ..
        } = &mut *core;
        buffers.refill(kernel, |waker| woken.push(waker));
        drop(core);
        for waker in woken {
            self.wake_later(waker);
        }
    }
}
