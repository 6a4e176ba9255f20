//! Readiness: one registration a descriptor with epoll(7), armed for what its waiting requests ask, once.
//!
//! Requests hold their descriptors until their completion, so a number means one file as long as anybody waits for it; what epoll remembers
//! beyond that is a hint, which each arming puts right. A registration without a waiter fires at most once, into nothing.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use super::sys;

/// How many events one look fetches.
const BATCH: usize = 64;
/// The token of the mailbox; descriptors have their numbers.
const MAILBOX: u64 = u64::MAX;
/// The token of the timer that a foreign loop needs.
const TIMER: u64 = u64::MAX - 1;
/// Errors and the end of a peer wake every waiter: each finds out by itself.
const ALL: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;

#[derive(Debug, Default)]
struct Watch {
    /// Keys of requests, and what each waits for, in the order in which they came. A map, for 20 000 may be cancelled one by one.
    waiters: BTreeMap<u64, (usize, u32)>,
    /// What the registration is armed for; 0 when it has fired.
    armed: u32,
    /// Whether epoll has seen the number.
    known: bool,
}

/// What a look has found beside ready descriptors.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    /// There may be more.
    pub(super) full: bool,
    /// The mailbox was alerted.
    pub(super) mailbox: bool,
    /// The timer has run out.
    pub(super) timer: bool,
    /// A signal cut the wait short.
    pub(super) interrupted: bool,
}

pub(super) struct Readiness {
    epoll: Rc<OwnedFd>,
    watches: HashMap<RawFd, Watch>,
    events: Box<[libc::epoll_event; BATCH]>,
    /// The place of the next waiter.
    next: u64,
    /// Whether the kernel has epoll_pwait2(2) (Linux 5.11), which waits by the nanosecond.
    precise: bool,
}

impl Readiness {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: Rc::new(sys::epoll()?),
            watches: HashMap::new(),
            events: Box::new([libc::epoll_event { events: 0, u64: 0 }; BATCH]),
            next: 0,
            precise: true,
        })
    }

    /// The set itself: readable when a look would find something.
    pub(super) fn epoll(&self) -> &Rc<OwnedFd> {
        &self.epoll
    }

    fn control(&self, what: i32, fd: RawFd, events: u32, token: u64) -> Result<(), i32> {
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: a local is read.
        let done = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), what, fd, &raw mut event) };
        sys::answer(i64::from(done)).map(drop)
    }

    /// Watches the eventfd of the mailbox: readable as long as nobody empties it.
    pub(super) fn watch_mailbox(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN as u32, MAILBOX)
            .map_err(io::Error::from_raw_os_error)
    }

    /// Watches the timer that stands in for this kernel's own waits.
    pub(super) fn watch_timer(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN as u32, TIMER)
            .map_err(io::Error::from_raw_os_error)
    }

    /// The request `key` waits for one of `events`; answers its place among those who wait. `EPERM`: this file has no readiness.
    pub(super) fn wait_for(&mut self, fd: RawFd, events: u32, key: usize) -> Result<u64, i32> {
        let watch = self.watches.entry(fd).or_default();
        if watch.waiters.is_empty() {
            // The number may mean another file than it did.
            watch.armed = 0;
        }
        let wanted = watch.armed | events;
        if wanted != watch.armed {
            let known = watch.known;
            self.arm(fd, wanted, known)?;
        }
        let watch = self.watches.entry(fd).or_default();
        (watch.armed, watch.known) = (wanted, true);
        self.next += 1;
        watch.waiters.insert(self.next, (key, events));
        Ok(self.next)
    }

    fn arm(&self, fd: RawFd, events: u32, known: bool) -> Result<(), i32> {
        let events = events | libc::EPOLLONESHOT as u32;
        let (add, change) = (libc::EPOLL_CTL_ADD, libc::EPOLL_CTL_MOD);
        let (first, second) = if known { (change, add) } else { (add, change) };
        match self.control(first, fd, events, fd as u64) {
            Err(libc::ENOENT | libc::EEXIST) => self.control(second, fd, events, fd as u64),
            done => done,
        }
    }

    /// The request does not wait any more.
    pub(super) fn withdraw(&mut self, fd: RawFd, place: u64) {
        if let Some(watch) = self.watches.get_mut(&fd) {
            watch.waiters.remove(&place);
        }
    }

    /// Waits at most that long (`None`: for ever); the keys of requests that may go on are added to `woken`.
    pub(super) fn look(
        &mut self,
        time: Option<Duration>,
        woken: &mut Vec<usize>,
    ) -> Result<Look, i32> {
        let found = match self.fetch(time) {
            Ok(found) => found,
            Err(libc::EINTR) => {
                return Ok(Look {
                    interrupted: true,
                    ..Look::default()
                });
            }
            Err(errno) => return Err(errno),
        };
        let mut look = Look {
            full: found == BATCH,
            ..Look::default()
        };
        for at in 0..found {
            let libc::epoll_event { events, u64: token } = self.events[at];
            match token {
                MAILBOX => look.mailbox = true,
                TIMER => look.timer = true,
                fd => self.fired(fd as RawFd, events, woken),
            }
        }
        Ok(look)
    }

    fn fetch(&mut self, time: Option<Duration>) -> Result<usize, i32> {
        let (epoll, events) = (self.epoll.as_raw_fd(), self.events.as_mut_ptr());
        if self.precise {
            let spec = time.map(sys::timespec);
            let spec = spec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
            // SAFETY: room for BATCH events, a local timespec or null, no signal mask.
            let n = unsafe {
                let mask = std::ptr::null::<libc::sigset_t>();
                libc::syscall(
                    libc::SYS_epoll_pwait2,
                    epoll,
                    events,
                    BATCH as i32,
                    spec,
                    mask,
                    0usize,
                )
            };
            match sys::answer(n) {
                Err(libc::ENOSYS | libc::EPERM) => self.precise = false,
                found => return found.map(|n| n as usize),
            }
        }
        // Rounded up: a wait that ends before its time would be begun again, and again.
        let millis = time.map_or(-1, |time| {
            i32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
        });
        // SAFETY: room for BATCH events.
        let n = unsafe { libc::epoll_wait(epoll, events, BATCH as i32, millis) };
        sys::answer(i64::from(n)).map(|n| n as usize)
    }

    fn fired(&mut self, fd: RawFd, events: u32, woken: &mut Vec<usize>) {
        let Some(watch) = self.watches.get_mut(&fd) else {
            return;
        };
        watch.armed = 0;
        let mut left = 0;
        watch.waiters.retain(|_, (key, wanted)| {
            let wakes = events & (*wanted | ALL) != 0;
            if wakes {
                woken.push(*key);
            } else {
                left |= *wanted;
            }
            !wakes
        });
        if left != 0
            && self.arm(fd, left, true).is_ok()
            && let Some(watch) = self.watches.get_mut(&fd)
        {
            watch.armed = left;
        }
    }
}
