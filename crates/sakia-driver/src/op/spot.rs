//! Ops that are over at their first poll: a submission that the kernel can answer without waiting is answered, and never enters the table.
//!
//! Here it is decided who may ask; how it is answered is the kernel's affair (`kernel/spot.rs`). Nothing is asked of a descriptor whose reads may
//! wait although they are told not to: one with a server behind it, one of O_DIRECT. And a task that finds all that it reads in the cache must
//! not keep the thread for itself: each answer is paid for from a budget that the loop refills before it polls the next task, and when that is spent
//! the op goes by the ring.

use std::cell::Cell;

use self::cork::Visit;
use super::Bare;
use crate::driver::Driver;
use crate::fd::{Descriptor, FdRef, Kind};
use crate::kernel::abi::opcode;
use crate::kernel::call::Call;
use crate::kernel::{Answer, Kernel, Sqe};

/// How many answers a task may have in one poll.
const BUDGET: u32 = 64;
/// An answer of this many bytes more costs as much as another one.
const PIECE: u32 = 16 << 10;

/// A turn with so many ops at places of files is a crowd: the ring is entered once for all of them, and what one of them costs there may be less than a call.
const CROWDED_TURN: u32 = 8;
/// The longest read for which it is less though the ring knows nothing of the memory. What is longer costs its copy in either way, and on the spot a task that reads
/// again and again fills the same buffer, which stays in the first cache; in a crowd all their buffers take turns.
const SHORT: u32 = 1024;

/// What is left of the budget, what was answered, and how many ops at places of files went by the ring.
#[derive(Debug)]
pub(crate) struct Spot {
    budget: Cell<u32>,
    answers: Cell<u64>,
    visit: Visit,
    /// Whether the kernel below is a ring, which is entered once for many.
    has_ring: bool,
    /// Since the last turn, and before it.
    passed: Cell<u32>,
    passed_before: Cell<u32>,
    /// How many answers there had been at the last turn.
    answered_before: Cell<u64>,
}

impl Spot {
    /// For a kernel that is a ring, or one that carries ops out one by one.
    pub(crate) fn new(has_ring: bool) -> Self {
        Self {
            budget: Cell::default(),
            answers: Cell::default(),
            visit: Visit::default(),
            has_ring,
            passed: Cell::default(),
            passed_before: Cell::default(),
            answered_before: Cell::default(),
        }
    }

    /// An op at a place of a file goes by the ring.
    #[inline]
    pub(crate) fn pass(&self) {
        self.passed.set(self.passed.get().wrapping_add(1));
    }

    /// A turn hands over what has come. Was anything answered on the spot since the last one?
    #[inline]
    pub(crate) fn turn(&self) -> bool {
        self.passed_before.set(self.passed.replace(0));
        let answers = self.answers.get();
        self.answered_before.replace(answers) != answers
    }

    #[inline]
    fn has_budget(&self) -> bool {
        self.budget.get() > 0
    }

    #[inline]
    fn is_crowded(&self) -> bool {
        self.has_ring && self.passed_before.get().max(self.passed.get()) >= CROWDED_TURN
    }

    /// Whether a read goes by the ring, for the company that it has there. Not the first ones of what was opened on the spot: many a file is read once, and closed.
    #[inline]
    fn joins(&self, sqe: &Sqe, fd: &Descriptor) -> bool {
        let cheaper = match sqe.opcode {
            opcode::READ => sqe.len <= SHORT,
            opcode::READ_FIXED => sqe.len <= SHORT || fd.has_slot(),
            _ => false,
        };
        cheaper && self.is_crowded() && !fd.is_hasty()
    }
}

impl Driver {
    /// A task is about to be polled: what of its ops can be done without waiting may be answered on the spot, up to a bound.
    ///
    /// Who never says so has every op go by the ring.
    #[inline]
    pub fn refill(&self) {
        self.end_visit();
        self.spot().budget.set(BUDGET);
    }

    /// How many ops were answered on the spot, over the driver's life.
    pub fn answered_on_the_spot(&self) -> u64 {
        self.spot().answers.get()
    }

    /// Takes the price of an answer off the budget, if there is one, for something that is not answered by a call but costs as much.
    pub(crate) fn pays_on_the_spot(&self) -> bool {
        let budget = &self.spot().budget;
        let left = budget.get().checked_sub(1);
        left.inspect(|left| budget.set(*left)).is_some()
    }

    /// The result of a submission that can be answered without waiting. If it is a descriptor, the caller adopts it at once.
    #[inline(always)]
    pub(crate) fn answer(&self, sqe: &Sqe, first: Option<&FdRef>) -> Answer {
        let fd = match (sqe.opcode, first) {
            (opcode::READ | opcode::READ_FIXED | opcode::READV, Some(fd))
                if sqe.off != u64::MAX && !self.spot().joins(sqe, fd) =>
            {
                Some(&**fd)
            }
            (opcode::OPENAT | opcode::OPENAT2, _) => None,
            _ => return Answer::Later,
        };
        let may = self.spot().has_budget() && fd.is_none_or(Descriptor::may_answer);
        // A copy, as in the kernel's push: the submission itself stays in registers.
        let copy = *sqe;
        match may {
            true => self.ask(&copy, fd),
            false => Answer::Later,
        }
    }

    #[inline(always)]
    fn ask(&self, sqe: &Sqe, fd: Option<&Descriptor>) -> Answer {
        let pieces = |n: i32| fd.map_or(1, |_| 1 + n.cast_unsigned() / PIECE);
        let answer = self.try_on_the_spot(sqe, pieces);
        if let (Answer::Never, Some(fd)) = (&answer, fd) {
            fd.note_answers(false);
        }
        answer
    }

    /// Asks the kernel, takes the price off the budget (of a result what `price` says, of another answer and of none 1), and counts what was answered.
    #[inline(always)]
    fn try_on_the_spot(&self, sqe: &Sqe, price: impl FnOnce(i32) -> u32) -> Answer {
        let mut core = self.core();
        if !core.kernel.supports(sqe.opcode) {
            return Answer::Later;
        }
        let answer = core.kernel.answer(sqe);
        let (price, answered) = match answer {
            Answer::Done(res) => (price(res), true),
            Answer::Hasty(_) => (1, true),
            Answer::Later | Answer::Never => (1, false),
        };
        let spot = self.spot();
        spot.budget.set(spot.budget.get().saturating_sub(price));
        if answered {
            spot.answers.set(spot.answers.get() + 1);
            core.table.count_answered();
        }
        answer
    }
}

/// What an op at a place is told that names something without places: a FIFO, a terminal, a socket. The ring would go on as if no place were named.
///
/// It is asked of what was not answered on the spot: an answer that names a place has shown that there are places.
#[inline]
pub(crate) fn refused_place(first: Option<&FdRef>) -> Option<Bare> {
    let fd = first?;
    let refused = Bare {
        res: -libc::ESPIPE,
        flags: 0,
    };
    (!fd.has_places()).then_some(refused)
}

impl Descriptor {
    /// Whether reads of it may be tried on the spot.
    #[inline]
    fn may_answer(&self) -> bool {
        self.answers().unwrap_or_else(|| self.asks_whether_it_may())
    }

    #[cold]
    fn asks_whether_it_may(&self) -> bool {
        // A direct read waits for the disk, told or not. Who may have set that is not known.
        let flags = self.driver().call(Call::StatusFlags(self.raw()));
        let direct = flags.map_or(true, |flags| flags & libc::O_DIRECT as u64 != 0);
        let may = self.kind() == Kind::File && !direct;
        self.note_answers(may);
        may
    }
}

mod cork;
pub(super) mod hot;
