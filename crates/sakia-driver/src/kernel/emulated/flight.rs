//! The requests in flight, and how each goes on: an attempt, a wait, another attempt, a completion.
//!
//! | stage | law | who moves it on |
//! |---|---|---|
//! | `Waits` | its descriptor was not ready | readiness, or a cancel |
//! | `Sleeps` | its time has not come | the clock, or a cancel |
//! | `Away` | a thread has it, or will | the thread's answer; a cancel, if no thread has begun; one that has is called back until it answers |

#[cfg(all(test, not(loom)))]
mod recalls;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;

use super::crews::{Crews, Letter};
use super::patience::Patience;
use super::plan;
use super::readiness::Readiness;
use super::recall::Ticket;
use super::request::{Attempt, Crew, Request};
use crate::kernel::abi::{IOSQE_CQE_SKIP_SUCCESS, opcode};
use crate::kernel::{Cqe, Sqe};

/// How often a request may find its descriptor ready and then not: after that it pauses, for it would spin.
const FUTILE: u32 = 8;
/// The first pause, and how often it is doubled.
const PAUSE: Duration = Duration::from_millis(1);
const DOUBLED: u32 = 5;

enum Stage {
    Waits(RawFd, u64),
    Sleeps(Instant),
    /// With the time of the next call, if its thread was called back.
    Away(Arc<Ticket>, Option<Instant>),
}

struct Flight {
    request: Request,
    stage: Stage,
    futile: u32,
    pauses: u32,
}

impl Flight {
    /// The next pause: each is longer than the one before, up to the last.
    fn pause(&mut self) -> Duration {
        let pause = PAUSE * (1 << self.pauses.min(DOUBLED));
        self.pauses += 1;
        pause
    }
}

/// See the module's page.
pub(super) struct Flights {
    flights: Slab<Flight>,
    /// By `user_data`, for cancels.
    tags: HashMap<u64, usize>,
    sleepers: BTreeSet<(Instant, usize)>,
    pub(super) readiness: Readiness,
    pub(super) crews: Crews,
    pub(super) patience: Patience,
    pub(super) done: VecDeque<Cqe>,
}

impl Flights {
    pub(super) fn new(readiness: Readiness, crews: Crews) -> Self {
        Self {
            flights: Slab::new(),
            tags: HashMap::new(),
            sleepers: BTreeSet::new(),
            readiness,
            crews,
            patience: Patience::default(),
            done: VecDeque::new(),
        }
    }

    /// Takes a submission.
    pub(super) fn begin(&mut self, sqe: Sqe) {
        if let Err(errno) = plan::check(&sqe) {
            return self.complete(&sqe, -errno);
        }
        match sqe.opcode {
            opcode::ASYNC_CANCEL => {
                let res = self.cancel(sqe.addr);
                return self.complete(&sqe, res);
            }
            opcode::CONNECT => self.patience.take(sqe.fd),
            _ => {}
        }
        let mut request = Request::new(sqe);
        match plan::attempt(&mut request) {
            Attempt::Done(res) => self.ended(&request, res),
            attempt => {
                // The stage is put right by `go_on`.
                let stage = Stage::Waits(-1, 0);
                let key = self.flights.insert(Flight {
                    request,
                    stage,
                    futile: 0,
                    pauses: 0,
                });
                self.tags.insert(sqe.user_data, key);
                self.go_on(key, attempt);
            }
        }
    }

    /// Requests whose descriptors were found ready.
    pub(super) fn woken(&mut self, keys: &mut Vec<usize>) {
        for key in keys.drain(..) {
            // An earlier one of the same batch may have brought this one to its end, but then nobody else can have its key yet.
            if let Some(flight) = self.flights.get_mut(key) {
                flight.request.ready = true;
                self.try_again(key);
            }
        }
    }

    /// The answer of a thread.
    pub(super) fn answered(&mut self, letter: Letter) {
        let Letter {
            key,
            request,
            mut attempt,
        } = letter;
        let Some(flight) = self.flights.get_mut(key) else {
            return;
        };
        if let Stage::Away(_, Some(at)) = flight.stage {
            self.sleepers.remove(&(at, key));
            // What it has done counts; a wait is not begun again.
            if !matches!(attempt, Attempt::Done(res) if res != -libc::EINTR) {
                attempt = request.fails(libc::ECANCELED);
            }
        }
        flight.request = request;
        flight.request.ready = false;
        self.go_on(key, attempt);
    }

    /// Requests whose time has come, and threads that have not heard a call.
    pub(super) fn wake_sleepers(&mut self) {
        if self.sleepers.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some((at, key)) = self.sleepers.first().copied()
            && at <= now
        {
            self.sleepers.pop_first();
            let flight = &mut self.flights[key];
            if let Stage::Away(..) = flight.stage {
                self.call_back(key, now);
            } else {
                flight.request.ready = false;
                self.try_again(key);
            }
        }
    }

    /// Calls the thread of a request back, and will again.
    fn call_back(&mut self, key: usize, now: Instant) {
        let flight = &mut self.flights[key];
        let at = now + flight.pause();
        if let Stage::Away(ticket, again) = &mut flight.stage {
            ticket.recall();
            *again = Some(at);
            self.sleepers.insert((at, key));
        }
    }

    pub(super) fn next_sleeper(&self) -> Option<Instant> {
        self.sleepers.first().map(|(at, _)| *at)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.flights.is_empty()
    }

    /// How many requests a thread carries out right now.
    pub(super) fn with_threads(&self) -> usize {
        let away =
            |flight: &Flight| matches!(&flight.stage, Stage::Away(ticket, _) if ticket.is_begun());
        self.flights
            .iter()
            .filter(|(_, flight)| away(flight))
            .count()
    }

    fn try_again(&mut self, key: usize) {
        let attempt = plan::attempt(&mut self.flights[key].request);
        self.go_on(key, attempt);
    }

    /// Does what an attempt has come to.
    fn go_on(&mut self, key: usize, mut attempt: Attempt) {
        loop {
            let flight = &mut self.flights[key];
            attempt = match attempt {
                Attempt::Done(res) => return self.finish(key, res),
                Attempt::When(fd, events) => {
                    flight.futile += u32::from(std::mem::take(&mut flight.request.ready));
                    if flight.futile > FUTILE {
                        flight.futile = 0;
                        Attempt::Later
                    } else {
                        match self.readiness.wait_for(fd, events, key) {
                            Ok(place) => {
                                flight.stage = Stage::Waits(fd, place);
                                return;
                            }
                            Err(libc::EPERM) => plan::unpollable(&flight.request),
                            Err(errno) => flight.request.fails(errno),
                        }
                    }
                }
                Attempt::Later => Attempt::At(Instant::now() + flight.pause()),
                Attempt::At(at) => {
                    flight.stage = Stage::Sleeps(at);
                    self.sleepers.insert((at, key));
                    return;
                }
                Attempt::Job(crew) => match self.send(crew, key) {
                    None => return,
                    Some(refused) => refused,
                },
            };
        }
    }

    /// Hands a request to a thread. If there is none, a close is made here and now (its number must not be lost), and all else
    /// is told that there is none.
    fn send(&mut self, crew: Crew, key: usize) -> Option<Attempt> {
        let flight = &mut self.flights[key];
        match self.crews.send(crew, key, flight.request.clone()) {
            Ok(ticket) => {
                flight.stage = Stage::Away(ticket, None);
                None
            }
            Err(_) if flight.request.sqe.opcode == opcode::CLOSE => {
                Some(plan::job(&mut flight.request))
            }
            Err(_) => Some(flight.request.fails(libc::EAGAIN)),
        }
    }

    /// Ends a request early, if it can be; answers as IORING_OP_ASYNC_CANCEL does.
    fn cancel(&mut self, tag: u64) -> i32 {
        let Some(key) = self.tags.get(&tag).copied() else {
            return -libc::ENOENT;
        };
        let flight = &self.flights[key];
        match &flight.stage {
            Stage::Waits(fd, place) => self.readiness.withdraw(*fd, *place),
            Stage::Sleeps(at) => {
                self.sleepers.remove(&(*at, key));
            }
            Stage::Away(ticket, None) if ticket.take_back() => self.crews.taken_back(),
            Stage::Away(_, again) => {
                // A close is never cut short: what its flush says would be lost.
                if again.is_none() && flight.request.sqe.opcode != opcode::CLOSE {
                    self.call_back(key, Instant::now());
                }
                return -libc::EALREADY;
            }
        }
        self.finish(key, -libc::ECANCELED);
        0
    }

    fn finish(&mut self, key: usize, res: i32) {
        let request = self.flights.remove(key).request;
        self.tags.remove(&request.sqe.user_data);
        let res = request.result_of(res);
        self.ended(&request, res);
    }

    fn ended(&mut self, request: &Request, res: i32) {
        if request.sqe.opcode == opcode::CONNECT {
            self.patience.give_back(request.sqe.fd);
        }
        self.complete(&request.sqe, res);
    }

    fn complete(&mut self, sqe: &Sqe, res: i32) {
        if res >= 0 && sqe.flags & IOSQE_CQE_SKIP_SUCCESS != 0 {
            return;
        }
        self.done.push_back(Cqe {
            user_data: sqe.user_data,
            res,
            flags: 0,
        });
    }
}
