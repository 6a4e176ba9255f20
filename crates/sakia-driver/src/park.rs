//! How a turn enters the kernel, and waits there: first it spins, if it is asked to, then it parks.
//!
//! A spin is a core's time, given so that nobody has to wake the core: that takes its time (tens of microseconds on a virtual machine), and whoever waits for an
//! answer waits for that too. A thread that spins makes no system call: it looks at the words of the ring that the kernel writes (the completion queue's tail, and
//! the flag by which the kernel tells that an enter would fetch something) and at what other threads have queued. It does not count as parked, so their wakes make
//! no call either, and the next look finds what they have queued; when the time is over it parks as ever, with the look behind the fence.

use std::time::Duration;

use crate::driver::{Driver, Park, Phase};
use crate::kernel::{EnterError, Entered, Kernel, Wait};

/// How many looks there are to one at the clock. Together they take some 2 microseconds, by which a timer may be late.
const LOOKS: u32 = 32;

impl Driver {
    /// Hands over what was pushed, and waits as long as `park` allows if nothing is ready.
    pub(crate) fn enter_for(
        &self,
        park: Park,
        mut ready: impl FnMut() -> bool,
    ) -> Result<Entered, EnterError> {
        let wait = match park {
            // What was lost would be waited for without end.
            _ if self.phase() == Phase::Dead => Wait::No,
            Park::No => Wait::No,
            Park::For(time) if time.is_zero() => Wait::No,
            Park::For(time) => Wait::For(time),
            Park::Forever => Wait::Forever,
        };
        let wait = self.spin(wait, &mut ready);
        let parks = wait != Wait::No;
        let asleep = parks && self.lies_down(ready);
        let core = &mut *self.core();
        if asleep {
            self.arm_eventfd(core);
        }
        let entered = match asleep && !core.must_not_sleep() {
            true => core.kernel.enter(wait),
            false => core.hand_over(),
        };
        if parks {
            self.unparker_ref().awake();
        }
        if std::mem::take(&mut core.lost) {
            return Ok(Entered::Dead);
        }
        // Whose op was done at the kernel's first try has passed by those who wait: they are to come now, not the first few of them. Where receives choose their
        // buffers each takes one as it is fetched, and few are to have one at a time; there it takes an answer on the spot, which passes by more of them.
        let answered = self.spot().turn();
        let fetches = answered || !core.buffers.chooses();
        match entered {
            Ok(Entered::Fine) if fetches => core.kernel.fetch_rest(),
            entered => entered,
        }
    }

    /// Announces that the thread parks, and looks once more. Is there nothing to do?
    fn lies_down(&self, mut ready: impl FnMut() -> bool) -> bool {
        // `ready` is code of the user's: not under the borrow, and it may have made an inner turn that left something to run, or that
        // parked and so took back that this one is parked: no wake would be heard.
        self.unparker_ref().park()
            && !ready()
            && !self.has_pending()
            && self.unparker_ref().is_parked()
    }

    /// Looks for something to do until it finds it, the time of the spin is over or `wait` is; answers what is left to wait.
    fn spin(&self, wait: Wait, ready: &mut impl FnMut() -> bool) -> Wait {
        // The end waits for what may be stuck, and nobody for the end's answer: it sleeps.
        if self.spin_time.is_zero() || self.phase() != Phase::Running {
            return wait;
        }
        let most = match wait {
            Wait::No => return wait,
            Wait::For(time) => time.min(self.spin_time),
            Wait::Forever => self.spin_time,
        };
        // An error stays: what was pushed is still there, and the enter that follows tells it.
        let _ = self.core().hand_over();
        let begin = self.clock.now();
        loop {
            for _ in 0..LOOKS {
                if self.has_work(ready) {
                    return Wait::No;
                }
                std::hint::spin_loop();
            }
            let spun = self.clock.now().saturating_duration_since(begin);
            if spun >= most {
                return less(wait, spun);
            }
        }
    }

    /// Whether there is a reason not to park. `ready` is code of the user's: it is not called under a borrow, and what it has made by a turn is seen after it.
    fn has_work(&self, ready: &mut impl FnMut() -> bool) -> bool {
        if ready() || self.has_pending() {
            return true;
        }
        let mut core = self.core();
        !core.kernel.is_quiet() || core.must_not_sleep()
    }
}

/// What is left of a wait.
fn less(wait: Wait, spun: Duration) -> Wait {
    match wait {
        Wait::For(time) => match time.saturating_sub(spun) {
            Duration::ZERO => Wait::No,
            left => Wait::For(left),
        },
        wait => wait,
    }
}
