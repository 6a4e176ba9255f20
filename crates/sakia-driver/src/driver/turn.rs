//! One lap: what is rare first, then hand over and wait (`park.rs`), dispatch, and last the wakes and releases, which the outermost turn alone runs.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use super::{Driver, Phase};
use crate::kernel::Entered;
use crate::op::Refusal;

/// How long a turn may park.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Park {
    /// Not at all.
    No,
    /// Until something completes, another thread wakes it, or the time is over.
    For(Duration),
    /// Until something completes or another thread wakes it.
    Forever,
}

/// How deep turns are nested; gives its level back when a turn unwinds as well, or no later turn would run what waits for the outermost.
struct Depth<'a>(&'a Cell<u32>);

impl<'a> Depth<'a> {
    fn enter(depth: &'a Cell<u32>) -> Self {
        depth.set(depth.get() + 1);
        Self(depth)
    }
}

impl Drop for Depth<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Driver {
    /// An inner turn: hands over what was pushed, reads what is done. Wakes and releases wait for the outermost turn.
    pub(crate) fn enter_now(&self) {
        let entered = {
            let mut core = self.core();
            core.flush_backlog();
            core.enter_aside()
        };
        // An error here comes again at the outermost turn, which has somebody to tell.
        if entered.is_ok() {
            self.dispatch();
        }
        if self.has_pending() {
            self.stir();
        }
    }

    /// One lap: hands over what was pushed, waits as long as `park` allows, reads what is done, then wakes and releases.
    ///
    /// `ready` is asked after the thread was announced as parked, passes a `SeqCst` fence, and says whether there is something to run after all: what
    /// other threads have queued before their [`unpark`](crate::Unparker::unpark) is seen either there or by the wake.
    ///
    /// # Errors
    /// When the ring is dead: the kernel has lost a completion, or the thread is not the ring's.
    pub fn turn(&self, park: Park, ready: impl FnMut() -> bool) -> io::Result<()> {
        if park == Park::No && self.turns_for_nothing() {
            return Ok(());
        }
        if self.phase() == Phase::Ended {
            return Err(Refusal::Ended.into());
        }
        if self.is_forked() {
            return Err(Refusal::Forked.into());
        }
        if self.errands.get() {
            self.run_errands();
        }
        let depth = Depth::enter(&self.depth);
        let entered = self.enter_for(park, ready);
        self.dispatch();
        drop(depth);
        if self.depth.get() == 0 {
            self.run_pending();
        }
        match entered? {
            Entered::Busy => {
                // Out of memory for requests. They stay queued; the loop goes on, but not as fast as it can.
                self.clock.sleep(Duration::from_millis(1));
                Ok(())
            }
            Entered::Fine if self.phase() != Phase::Dead => Ok(()),
            Entered::Fine | Entered::Dead => {
                if self.phase() == Phase::Running {
                    self.set_phase(Phase::Dead);
                }
                Err(Refusal::Lost.into())
            }
        }
    }

    /// There is something for the next turn to begin with.
    #[inline]
    pub(crate) fn note_errand(&self) {
        self.errands.set(true);
    }

    /// Whether a turn has more to begin with than to enter.
    #[inline]
    pub(crate) fn has_errands(&self) -> bool {
        self.errands.get()
    }

    #[inline(never)]
    fn run_errands(&self) {
        self.errands.set(false);
        self.end_visit();
        self.rise();
        self.sweep_cancels();
        self.refill_buffers();
    }
}
