//! Asking the kernel to end ops: orphans that nobody has come for, those of a descriptor that is going, and those whose cancel came too early.
//!
//! A cancel is asked for once. It can meet the kernel just as that hands the op to a worker thread (a connect to a full Unix listener) and then
//! finds nothing (`ENOENT`), although the op goes on, perhaps for ever. The answer to a cancel says nothing of the op's fate; that it
//! has found nothing is only the reason to look once more: if the op is still there at the next turn, the cancel is repeated after a wait in
//! the kernel, doubled each time, a few times in all. Nothing is waited for otherwise, and a loop that parks is woken for nothing else.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::Waker;

use crate::driver::{Core, Driver, Phase};
use crate::fd::{Descriptor, FdRef};
use crate::kernel::abi::{IOSQE_CQE_SKIP_SUCCESS, opcode};
use crate::kernel::{Kernel, Sqe};
use crate::op::adopt::Adopts;
use crate::op::lane::Side;
use crate::op::leftover::Leftover;
use crate::op::table::{Own, Tag};
use crate::op::{Completion, Holds, Orphan};

/// How often a cancel is asked for that finds nothing: with waits of 1 ms and on, doubled, a quarter of a second in all. The moment in
/// which it can be missed is some microseconds long.
const MOST: u8 = 8;

/// The cancels that the next turn may ask for.
#[derive(Default)]
pub(crate) struct Cancels {
    /// Orphans that nobody waited for when they were abandoned.
    idle: RefCell<Vec<IdleOrphan>>,
    /// Ops whose cancel has found nothing.
    missed: RefCell<Vec<Tag>>,
    /// How many have been answered.
    answers: Cell<u64>,
}

impl Cancels {
    /// Whether the next turn has something to look at.
    pub(crate) fn is_empty(&self) -> bool {
        self.idle.borrow().is_empty() && self.missed.borrow().is_empty()
    }

    /// How many cancels have been answered: they take room in the completion queue, and say nothing else.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.get()
    }

    pub(crate) fn count_answer(&self) {
        self.answers.set(self.answers.get() + 1);
    }
}

struct IdleOrphan {
    fd: Weak<Descriptor>,
    side: Side,
    tag: Tag,
}

impl Driver {
    /// Asks the kernel to end an op, once. The request goes out with the next turn; only the op's own completion says what came of it.
    pub(crate) fn cancel(&self, tag: Tag) {
        if self.phase() == Phase::Ended || self.is_forked() {
            return;
        }
        let mut core = self.core();
        if core.table.cancel_once(tag) {
            push_cancel(&mut core, tag.0);
            drop(core);
            self.stir();
        }
    }

    /// Cancels the orphan at the next turn, unless somebody has come for it by then.
    pub(crate) fn cancel_if_idle(&self, fd: &FdRef, side: Side, tag: Tag) {
        let fd = Rc::downgrade(fd);
        self.cancels()
            .idle
            .borrow_mut()
            .push(IdleOrphan { fd, side, tag });
        self.note_errand();
        self.stir();
    }

    /// At the start of a turn.
    pub(crate) fn sweep_cancels(&self) {
        let idle = std::mem::take(&mut *self.cancels().idle.borrow_mut());
        for IdleOrphan { fd, side, tag } in idle {
            let wanted = fd.upgrade().is_some_and(|fd| {
                let lane = fd.lane(side);
                lane.orphan() != Some(tag) || lane.is_held()
            });
            if !wanted {
                self.cancel(tag);
            }
        }
        let missed = std::mem::take(&mut *self.cancels().missed.borrow_mut());
        for tag in missed {
            self.ask_later(tag);
        }
    }

    /// A cancel has found nothing. `index` is that of its op in the table.
    pub(crate) fn cancel_missed(&self, index: u32) {
        let missed = self.core().table.asked_of(index);
        self.cancels().missed.borrow_mut().extend(missed);
        self.note_errand();
    }

    /// The op is still there: waits in the kernel, to ask once more.
    fn ask_later(&self, tag: Tag) {
        if self.phase() != Phase::Running {
            // The drain asks again by itself.
            return;
        }
        let Some(asked) = self.core().table.times_asked(tag).filter(|n| *n < MOST) else {
            return;
        };
        let again = Box::new(AskAgain {
            driver: self.downgrade(),
            tag,
            pause: Box::new([0, 1_000_000 << (asked - 1)]),
        });
        let sqe = Sqe::rw(opcode::TIMEOUT, -1, again.pause.as_ptr() as u64, 1, 0);
        let (holds, adopts) = (Holds::none(), Adopts::NOTHING);
        if let Ok(wait) = self.push(sqe, holds, adopts, None, Waker::noop()) {
            self.abandon(wait, None, || again);
        }
    }

    fn ask_again(&self, tag: Tag) {
        if self.phase() == Phase::Running {
            let mut core = self.core();
            if core.table.count_asked(tag) {
                push_cancel(&mut core, tag.0);
            }
        }
    }

    /// The last handle of a descriptor goes while ops still name it: cancels the orphans of its lanes, and reaps what ends at once.
    pub(crate) fn quiesce(&self, fd: &FdRef, sides: &[Side]) {
        if self.phase() != Phase::Running || self.is_forked() {
            // The drain cancels everything itself, in bulk; a forked child has no business in the ring.
            return;
        }
        for side in sides {
            let Some(tag) = fd.lane(*side).orphan() else {
                continue;
            };
            if !self.core().table.is_detached(tag) {
                self.cancel(tag);
            }
        }
        self.enter_now();
    }
}

/// The wait before a cancel is repeated: an op of the driver's own, whose end is what nobody waits for.
struct AskAgain {
    driver: Weak<Driver>,
    tag: Tag,
    /// `struct __kernel_timespec`.
    pause: Box<[i64; 2]>,
}

impl Orphan for AskAgain {
    fn settle(&mut self, _: &mut Completion) -> Option<Leftover> {
        if let Some(driver) = self.driver.upgrade() {
            driver.ask_again(self.tag);
        }
        None
    }
}

/// Pushes the cancel of a tag; an answer that it was found is skipped where the kernel can.
pub(crate) fn push_cancel(core: &mut Core, tag: u64) {
    let skip = if core.kernel.skips_success() {
        IOSQE_CQE_SKIP_SUCCESS
    } else {
        0
    };
    core.push(
        &Sqe::rw(opcode::ASYNC_CANCEL, -1, tag, 0, 0)
            .flags(skip)
            .tag(Tag::own(Own::Cancel(Tag(tag).index32()))),
    );
}
