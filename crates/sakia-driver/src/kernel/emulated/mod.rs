//! The emulated kernel: epoll and threads behind the seam, where io_uring is denied or not there.
//!
//! It reads the same submissions and answers with the same completions. Each submission is first tried on the spot; what would wait goes to
//! [`readiness`] (sockets, pipes, terminals) or to [`crews`] of threads (files and names). What a request is, and what an attempt to carry it out can
//! come to, is `request.rs`; which way each opcode goes, `plan.rs`; how requests go on until they are done, `flight.rs`.
//!
//! No descriptor of the user's is switched to O_NONBLOCK where anybody could see it: see `patience.rs`.

mod crews;
mod file;
mod flight;
mod iovecs;
mod patience;
mod plan;
mod readiness;
mod recall;
mod request;
mod socket;
mod splice;
mod sys;
mod transfer;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Instant;

use super::setup_error::SetupError;
use super::uring::Ask;
use super::{Answer, Call, Cqe, EnterError, Entered, Kernel, Sqe, Wait, call, spot};
use crate::fd::Kind;
use crews::Crews;
use flight::Flights;
use readiness::Readiness;

/// The most looks of one enter that does not wait: each fetches a batch.
const LOOKS: usize = 16;

/// See the module's page.
pub(crate) struct Emulated {
    queue: VecDeque<Sqe>,
    entries: usize,
    flights: RefCell<Flights>,
    woken: Vec<usize>,
    /// What tells a foreign loop of this kernel's own waits; made when it is first asked for.
    timer: Option<OwnedFd>,
}

impl Emulated {
    pub(crate) fn new(ask: &Ask) -> io::Result<Self> {
        let readiness = Readiness::new()
            .map_err(|error| SetupError::of_part("the epoll instance of the runtime", error))?;
        let crews = Crews::new(ask.workers)
            .and_then(|crews| readiness.watch_mailbox(crews.alert_fd()).map(|()| crews))
            .map_err(|error| SetupError::of_part("the eventfd of the runtime's threads", error))?;
        let entries = ask.entries as usize;
        Ok(Self {
            queue: VecDeque::with_capacity(entries),
            entries,
            flights: RefCell::new(Flights::new(readiness, crews)),
            woken: Vec::new(),
            timer: None,
        })
    }

    /// Looks once for what can go on, and lets it.
    fn look(&mut self, until: Option<Instant>) -> Result<readiness::Look, i32> {
        let flights = self.flights.get_mut();
        let until = match (until, flights.next_sleeper()) {
            (Some(until), Some(sleeper)) => Some(until.min(sleeper)),
            (one, other) => one.or(other),
        };
        let time = until.map(|until| until.saturating_duration_since(Instant::now()));
        let look = flights.readiness.look(time, &mut self.woken)?;
        flights.woken(&mut self.woken);
        if look.mailbox {
            flights.crews.calm();
        }
        if let (true, Some(timer)) = (look.timer, &self.timer) {
            sys::set_timer(timer.as_raw_fd(), None);
        }
        for letter in flights.crews.letters() {
            flights.answered(letter);
        }
        flights.wake_sleepers();
        Ok(look)
    }

    /// Whether an enter would fetch something at once.
    fn has_something(&mut self) -> bool {
        let flights = self.flights.get_mut();
        let due = flights
            .next_sleeper()
            .is_some_and(|at| at <= Instant::now());
        let epoll = flights.readiness.epoll().as_raw_fd();
        !self.queue.is_empty()
            || !flights.done.is_empty()
            || due
            || flights.crews.has_letters()
            || sys::ready_for(epoll, libc::POLLIN) != Ok(0)
    }
}

impl Kernel for Emulated {
    fn push(&mut self, sqe: &Sqe) -> bool {
        if self.queue.len() == self.entries {
            return false;
        }
        self.queue.push_back(*sqe);
        true
    }

    fn enter(&mut self, wait: Wait) -> Result<Entered, EnterError> {
        let now = Instant::now();
        while let Some(sqe) = self.queue.pop_front() {
            self.flights.get_mut().begin(sqe);
        }
        let waits = wait != Wait::No && self.flights.get_mut().done.is_empty();
        let until = match wait {
            Wait::For(time) if waits => now.checked_add(time),
            _ if waits => None,
            _ => Some(now),
        };
        let mut looks = 0;
        loop {
            let look = self.look(until).map_err(EnterError)?;
            looks += 1;
            let fetched = !self.flights.get_mut().done.is_empty();
            let over = until.is_some_and(|until| until <= Instant::now());
            // More may lie behind a full batch, but whoever has something to do is not kept from it for ever.
            if look.full && looks < LOOKS {
                continue;
            }
            if fetched || over || look.interrupted {
                return Ok(Entered::Fine);
            }
        }
    }

    fn pop(&mut self) -> Option<Cqe> {
        self.flights.get_mut().done.pop_front()
    }

    fn wants_enter(&mut self) -> bool {
        // What has become ready is known to epoll alone.
        !self.queue.is_empty() || !self.flights.get_mut().is_idle()
    }

    fn supports(&self, opcode: u8) -> bool {
        plan::supports(opcode)
    }

    fn skips_success(&self) -> bool {
        true
    }

    fn answer(&self, sqe: &Sqe) -> Answer {
        spot::answer(sqe)
    }

    fn call(&self, call: Call<'_>) -> io::Result<u64> {
        match call {
            Call::Listen(fd, _) => {
                let listens = call::perform(call)?;
                self.flights.borrow_mut().patience.take(fd);
                Ok(listens)
            }
            Call::Show(fd) => {
                self.flights.borrow_mut().patience.give_back(fd);
                Ok(0)
            }
            call => call::perform(call),
        }
    }

    fn ring_fd(&self) -> RawFd {
        self.flights.borrow().readiness.epoll().as_raw_fd()
    }

    fn own_fds(&self) -> Vec<(Kind, RawFd)> {
        let mailbox = self.flights.borrow().crews.alert_fd();
        let timer = self.timer.as_ref();
        let timer = timer.map(|timer| (Kind::Timer, timer.as_raw_fd()));
        [(Kind::Ring, self.ring_fd()), (Kind::Eventfd, mailbox)]
            .into_iter()
            .chain(timer)
            .collect()
    }

    fn threads(&self) -> usize {
        self.flights.borrow().with_threads()
    }

    fn takes_messages(&self) -> bool {
        false
    }

    fn wake_fd(&mut self) -> io::Result<Rc<OwnedFd>> {
        let flights = self.flights.get_mut();
        if self.timer.is_none() {
            let timer = sys::timerfd()?;
            flights.readiness.watch_timer(timer.as_raw_fd())?;
            self.timer = Some(timer);
        }
        Ok(flights.readiness.epoll().clone())
    }

    fn rest(&mut self) -> bool {
        let flights = self.flights.get_mut();
        flights.crews.calm();
        if let Some(timer) = &self.timer {
            let after = flights
                .next_sleeper()
                .map(|at| at.saturating_duration_since(Instant::now()));
            sys::set_timer(timer.as_raw_fd(), after);
        }
        self.has_something()
    }

    fn alert(&mut self) {
        self.flights.get_mut().crews.alert();
    }
}
