//! The ring of a simulation: its queues, the ops in flight, cancels, and when a completion is posted.
//!
//! | phase | law | who moves it on |
//! |---|---|---|
//! | `Scheduled` | not begun: a cancel ends it, or comes too late for a worker that has it already | its `Try` event |
//! | `Armed` | waits for its descriptor: a cancel ends it | whatever happens to the descriptor |
//! | `Finished` | the effect has happened, the completion is not posted: a cancel finds nothing, whatever it answers | its `Post` event |
//!
//! Only enters let time pass and post completions, as on a ring with DEFER_TASKRUN.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::RawFd;

use super::exec::{Effect, Progress};
use super::lent::Lent;
use super::socket::Id;
use super::world::{Event, Thing, World};
use crate::kernel::abi::{Cqe, IOSQE_ASYNC, IOSQE_CQE_SKIP_SUCCESS, Sqe, opcode};
use crate::kernel::{Entered, Wait};

/// How long an op takes that is stuck.
const MINUTE: u64 = 60_000_000_000;

pub(super) enum Phase {
    Scheduled,
    Armed,
    Finished(Effect),
}

/// An op in flight.
pub(super) struct Flight {
    pub(super) sqe: Sqe,
    pub(super) object: Option<Id>,
    pub(super) phase: Phase,
    pub(super) lent: Lent,
    /// Arguments that the op keeps until its final completion, and what they were.
    pub(super) paths: Vec<(u64, Vec<u8>)>,
    /// Bytes that a MSG_WAITALL has moved, or how often a connect has knocked.
    pub(super) done: usize,
    pub(super) data: Vec<u8>,
    pub(super) fault: Option<i32>,
    stuck: bool,
}

/// See the module's page.
pub(super) struct Ring {
    entries: usize,
    completions: usize,
    submitted: VecDeque<Sqe>,
    completed: VecDeque<Cqe>,
    overflown: VecDeque<Cqe>,
    flights: BTreeMap<u64, Flight>,
    next: u64,
    pub(super) closed: bool,
    /// A completion was lost, and the next enter says so.
    lost: bool,
}

impl Ring {
    pub(super) fn new(entries: usize, completions: usize) -> Self {
        Self {
            entries,
            completions,
            submitted: VecDeque::new(),
            completed: VecDeque::new(),
            overflown: VecDeque::new(),
            flights: BTreeMap::new(),
            next: 1,
            closed: false,
            lost: false,
        }
    }

    pub(super) fn push(&mut self, sqe: &Sqe) -> bool {
        let fits = self.submitted.len() < self.entries;
        if fits {
            self.submitted.push_back(*sqe);
        }
        fits
    }

    pub(super) fn pop(&mut self) -> Option<Cqe> {
        self.completed.pop_front()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Which op in flight names this number, other than a close, which is its end.
    pub(super) fn names(&self, fd: RawFd) -> Option<&'static str> {
        let pushed = self.submitted.iter();
        let mut all = self
            .flights
            .values()
            .filter(|flight| flight.object.is_some() || flight.sqe.opcode == opcode::OPENAT)
            .map(|flight| &flight.sqe)
            .chain(pushed);
        all.find(|sqe| sqe.fd == fd && sqe.opcode != opcode::CLOSE)
            .map(|sqe| opcode::name(sqe.opcode))
    }

    fn post(&mut self, cqe: Cqe) {
        if self.overflown.is_empty() && self.completed.len() < self.completions {
            self.completed.push_back(cqe);
        } else {
            self.overflown.push_back(cqe);
        }
    }

    fn flush_overflow(&mut self) {
        while self.completed.len() < self.completions
            && let Some(cqe) = self.overflown.pop_front()
        {
            self.completed.push_back(cqe);
        }
    }
}

/// Whether the op is one of files and names, which a worker thread of the kernel carries out.
fn is_workers(code: u8, thing: Option<&Thing>) -> bool {
    match code {
        opcode::READ | opcode::WRITE | opcode::READV | opcode::WRITEV => {
            matches!(thing, Some(Thing::File { .. }))
        }
        opcode::OPENAT
        | opcode::OPENAT2
        | opcode::STATX
        | opcode::FSYNC
        | opcode::FTRUNCATE
        | opcode::FALLOCATE
        | opcode::FADVISE
        | opcode::UNLINKAT
        | opcode::RENAMEAT
        | opcode::MKDIRAT
        | opcode::SYMLINKAT
        | opcode::LINKAT
        | opcode::CLOSE => true,
        _ => false,
    }
}

/// Whether an opcode's `fd` is a descriptor that must be open.
fn names_descriptor(sqe: &Sqe) -> bool {
    match sqe.opcode {
        opcode::NOP | opcode::TIMEOUT | opcode::SOCKET | opcode::ASYNC_CANCEL | opcode::CLOSE => {
            false
        }
        _ => sqe.fd != libc::AT_FDCWD,
    }
}

impl World {
    pub(super) fn wants_enter(&mut self) -> bool {
        // A thread that is busy does not stop the world.
        self.set_now(self.now() + 100);
        !self.ring.submitted.is_empty()
            || !self.ring.overflown.is_empty()
            || self.next_event().is_some_and(|at| at <= self.now())
    }

    /// Enters the kernel; `None` if nothing will ever happen again and the wait is for ever.
    pub(super) fn enter(&mut self, wait: Wait) -> Option<Entered> {
        let entered = self.enter_for(wait);
        match std::mem::take(&mut self.ring.lost) {
            true => Some(Entered::Dead),
            false => entered,
        }
    }

    fn enter_for(&mut self, wait: Wait) -> Option<Entered> {
        let cost = 200 + self.random.below(800);
        self.set_now(self.now() + cost);
        if !self.ring.submitted.is_empty() && self.random.happens(self.config.busy) {
            self.note(format_args!("enter: out of memory"));
            return Some(Entered::Busy);
        }
        self.ring.flush_overflow();
        while let Some(sqe) = self.ring.submitted.pop_front() {
            self.start(sqe);
        }
        self.run_due();
        let until = match wait {
            Wait::No => return Some(Entered::Fine),
            Wait::For(time) => Some(self.now().saturating_add(time.as_nanos() as u64)),
            Wait::Forever => None,
        };
        while self.ring.completed.is_empty() && !self.ring.lost {
            if self.random.happens(self.config.spurious) {
                break;
            }
            match (self.next_event(), until) {
                (Some(next), Some(until)) if next > until => {
                    self.set_now(until);
                    break;
                }
                (Some(next), _) => self.set_now(next.max(self.now())),
                (None, Some(until)) => {
                    self.set_now(until);
                    break;
                }
                (None, None) => return None,
            }
            self.run_due();
        }
        Some(Entered::Fine)
    }

    /// Lets everything happen whose time has come.
    pub(super) fn run_due(&mut self) {
        while let Some(event) = self.due() {
            match event {
                Event::Try(op) => self.try_op(op),
                Event::Post(op) => self.post_op(op),
                packet => self.arrived(packet),
            }
        }
    }

    fn start(&mut self, sqe: Sqe) {
        if sqe.opcode == opcode::ASYNC_CANCEL {
            self.cancel(&sqe);
            return;
        }
        let op = self.ring.next;
        self.ring.next += 1;
        let fd = self.short(sqe.fd);
        // Addresses are another run's: only an offset is shown.
        let at = match sqe.opcode {
            opcode::READ | opcode::WRITE | opcode::READV | opcode::WRITEV => sqe.off as i64,
            _ => 0,
        };
        let fd = if names_descriptor(&sqe) { fd } else { -1 };
        let (name, len) = (opcode::name(sqe.opcode), sqe.len);
        self.note(format_args!("op {op}: {name} of {fd}, {len} at {at}"));
        let mut flight = Flight {
            sqe,
            object: None,
            phase: Phase::Scheduled,
            lent: Lent::Nothing,
            paths: Vec::new(),
            done: 0,
            data: Vec::new(),
            fault: self.some_fault(sqe.opcode),
            stuck: false,
        };
        if names_descriptor(&sqe) {
            match self.lookup(sqe.fd) {
                Ok(id) => {
                    self.hold(id);
                    flight.object = Some(id);
                }
                Err(errno) => {
                    self.violation(format!("op {op} names {fd}, which is not open"));
                    flight.fault = Some(errno);
                }
            }
        }
        let object = flight.object;
        let workers = is_workers(sqe.opcode, object.and_then(|id| self.thing(id)).as_deref());
        self.take_loan(&mut flight);
        flight.stuck = workers && self.random.happens(self.config.stuck);
        let delay = match sqe.opcode {
            _ if flight.stuck => MINUTE,
            opcode::TIMEOUT => super::lent::timespec(sqe.addr),
            // What can be done at once is done within the enter, as often as not.
            _ if self.random.one_in(2) && sqe.flags & IOSQE_ASYNC == 0 => 0,
            _ => self.some_time(),
        };
        self.ring.flights.insert(op, flight);
        if delay == 0 {
            self.try_op(op);
        } else {
            let time = self.now().saturating_add(delay);
            self.at(time, Event::Try(op));
        }
    }

    fn some_fault(&mut self, code: u8) -> Option<i32> {
        for at in 0..self.config.faults.len() {
            let fault = self.config.faults[at];
            if fault.opcode == code && self.random.happens(fault.chance) {
                return Some(fault.errno);
            }
        }
        None
    }

    /// Something has happened to an open file description: who waits for it tries again, in any order.
    pub(super) fn touched(&mut self, id: Id) {
        let waiting: Vec<u64> = self
            .ring
            .flights
            .iter()
            .filter(|(_, flight)| flight.object == Some(id) && matches!(flight.phase, Phase::Armed))
            .map(|(op, _)| *op)
            .collect();
        for op in waiting {
            let time = self.now() + self.random.below(2000);
            self.at(time, Event::Try(op));
        }
    }

    /// The same for everything that is open.
    pub(super) fn all_touched(&mut self) {
        let flights = self.ring.flights.values();
        let waited: std::collections::BTreeSet<Id> =
            flights.filter_map(|flight| flight.object).collect();
        for id in waited {
            self.touched(id);
        }
    }

    fn try_op(&mut self, op: u64) {
        let Some(mut flight) = self.ring.flights.remove(&op) else {
            return;
        };
        if matches!(flight.phase, Phase::Finished(_)) {
            self.ring.flights.insert(op, flight);
            return;
        }
        let progress = self.carry_out(&mut flight);
        match progress {
            Progress::Armed => flight.phase = Phase::Armed,
            Progress::Again(delay) => {
                let time = self.now() + delay;
                self.at(time, Event::Try(op));
            }
            Progress::Done(effect) => {
                flight.phase = Phase::Finished(effect);
                self.ring.flights.insert(op, flight);
                self.finished(op);
                return;
            }
        }
        self.ring.flights.insert(op, flight);
    }

    /// The completion is posted at once, or later.
    fn finished(&mut self, op: u64) {
        if self.random.one_in(3) {
            self.soon(Event::Post(op));
        } else {
            self.post_op(op);
        }
    }

    fn post_op(&mut self, op: u64) {
        let Some(flight) = self.ring.flights.remove(&op) else {
            return;
        };
        let Phase::Finished(effect) = flight.phase else {
            self.ring.flights.insert(op, flight);
            return;
        };
        let name = opcode::name(flight.sqe.opcode);
        if !flight.lent.is_untouched() {
            self.violation(format!("what {name}, op {op}, had lent was touched"));
        }
        for (addr, before) in &flight.paths {
            if super::lent::path(*addr) != *before {
                self.violation(format!(
                    "the path that {name}, op {op}, had lent was touched"
                ));
            }
        }
        flight.lent.give_back(&effect.data);
        if let Some(write) = effect.write {
            write();
        }
        let shown = match effect.yields {
            true => self.short(effect.res),
            false => i64::from(effect.res),
        };
        self.note(format_args!("op {op}: {name} gives {shown}"));
        let silent = flight.sqe.flags & IOSQE_CQE_SKIP_SUCCESS != 0 && effect.res >= 0;
        let lost = self.config.lost;
        if lost.is_some_and(|lost| self.random.happens(lost)) {
            self.note(format_args!("op {op}: its completion is lost"));
            self.ring.lost = true;
        } else if !silent {
            self.ring.post(Cqe {
                user_data: flight.sqe.user_data,
                res: effect.res,
                flags: 0,
            });
        }
        if let Some(id) = flight.object {
            self.release(id);
        }
    }

    fn cancel(&mut self, sqe: &Sqe) {
        let target = sqe.addr;
        let found = self
            .ring
            .flights
            .iter()
            .find(|(_, flight)| flight.sqe.user_data == target)
            .map(|(op, _)| *op);
        let answer = match found {
            None => -libc::ENOENT,
            Some(op) => self.cancel_op(op),
        };
        self.note(format_args!("cancel of {found:?} gives {answer}"));
        if answer < 0 || sqe.flags & IOSQE_CQE_SKIP_SUCCESS == 0 {
            self.ring.post(Cqe {
                user_data: sqe.user_data,
                res: answer,
                flags: 0,
            });
        }
    }

    fn cancel_op(&mut self, op: u64) -> i32 {
        let too_late = [-libc::EALREADY, -libc::ENOENT][self.random.below(2) as usize];
        let Some(flight) = self.ring.flights.get(&op) else {
            return -libc::ENOENT;
        };
        let (code, stuck, thing) = (flight.sqe.opcode, flight.stuck, flight.object);
        if code == opcode::CLOSE {
            self.violation(format!("a cancel of op {op}, which is a close"));
        }
        let workers = is_workers(code, thing.and_then(|id| self.thing(id)).as_deref());
        let Some(flight) = self.ring.flights.get_mut(&op) else {
            return -libc::ENOENT;
        };
        match flight.phase {
            // The answer says nothing: 0 is one that was seen.
            Phase::Finished(_) => return [too_late, 0][self.random.below(2) as usize],
            // A worker has it: it goes on.
            Phase::Scheduled if stuck || workers && self.random.one_in(2) => return too_late,
            _ => {}
        }
        if code == opcode::CONNECT && self.random.one_in(2) {
            // The peer may have it all the same.
            if let Some(mut flight) = self.ring.flights.remove(&op) {
                let _ = self.carry_out(&mut flight);
                self.ring.flights.insert(op, flight);
            }
        }
        let Some(flight) = self.ring.flights.get_mut(&op) else {
            return -libc::ENOENT;
        };
        let moved = if code == opcode::CONNECT {
            0
        } else {
            flight.done
        };
        let interrupted = [-libc::ECANCELED, -512][usize::from(workers)];
        let effect = if moved > 0 {
            Effect::moved(moved, std::mem::take(&mut flight.data))
        } else {
            Effect::result(interrupted)
        };
        flight.phase = Phase::Finished(effect);
        self.finished(op);
        0
    }
}
