//! The uring kernel: Linux io_uring behind the seam.
//!
//! One ring a thread. The queues are the io-uring crate's; how the kernel is entered is ours (`sys.rs`), because the crate
//! forgets a registered ring. Setting up, with everything that can go wrong there, is `setup.rs`. What the ops mean, who owns
//! what and who waits is none of this room's business: here are only queues.

mod buffers;
mod counter;
mod probe;
mod registered;
mod setup;
pub(crate) mod sys;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

use io_uring::IoUring;

use buffers::BufferRing;
use counter::Counter;
use probe::Opcodes;
use registered::Registered;

use super::{Answer, Call, Cqe, EnterError, Entered, Kernel, Sqe, Wait, Want, call, spot};
use crate::fd::Kind;

/// How many calls fetch what an enter has left: since Linux 6.14 each does 20 items of deferred work (`IO_LOCAL_TW_DEFAULT_MAX`).
const CALLS_MORE: u32 = 4;

/// What the builder asks of a ring.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// Entries of the submission queue, a power of two; the completion queue has four times as many.
    pub(crate) entries: u32,
    /// The most worker threads (bounded, unbounded) that the kernel may start for this thread's ops; 0 leaves its default.
    pub(crate) workers: [u32; 2],
}

/// A ring of Linux.
pub(crate) struct Uring {
    ring: IoUring,
    opcodes: Opcodes,
    /// By what the ring is entered: the index under which the thread knows it, or its descriptor; and the flags that say which, and what every enter asks.
    enter_by: RawFd,
    enter_flags: u32,
    /// Enter flags that this kernel knows and that every wait carries.
    wait_flags: u32,
    /// `cq.overflow` as last seen: a rise means that a completion was lost.
    lost: u32,
    /// The eventfd that a foreign loop waits for, once one asked: the ring's own descriptor never wakes epoll (DEFER_TASKRUN).
    wake: Option<Counter>,
    /// What receives choose their buffers from, once somebody asked for it. It comes after the ring: its memory is freed last.
    buffers: Option<BufferRing>,
    /// The files and the memory that ops may name by a slot.
    known: Registered,
}

impl Uring {
    /// Creates the ring with the best flags that this kernel takes.
    pub(crate) fn new(ask: &Ask) -> io::Result<Self> {
        Self::build(ask).map_err(setup::explain)
    }

    /// How many entries the submission queue has: fewer than were asked for, if memory was short.
    pub(crate) fn entries(&self) -> u32 {
        self.ring.params().sq_entries()
    }

    fn build(ask: &Ask) -> io::Result<Self> {
        let ring = setup::build(ask)?;
        let opcodes = Opcodes::of(&ring)?;
        if ask.workers != [0, 0] {
            // Linux 5.15. A kernel without it keeps its own bounds, which is no reason not to start.
            let _ = ring
                .submitter()
                .register_iowq_max_workers(&mut ask.workers.clone());
        }
        let no_iowait = ring.params().is_feature_no_iowait();
        let (enter_by, flags) = match sys::register_ring_fd(ring.as_raw_fd()) {
            Ok(index) => (index as RawFd, sys::ENTER_REGISTERED_RING),
            Err(_) => (ring.as_raw_fd(), 0),
        };
        let mut uring = Self {
            ring,
            opcodes,
            enter_by,
            enter_flags: flags | sys::ENTER_GETEVENTS,
            wait_flags: if no_iowait { sys::ENTER_NO_IOWAIT } else { 0 },
            lost: 0,
            wake: None,
            buffers: None,
            known: Registered::default(),
        };
        // A seccomp filter may let a ring be made and refuse to enter it.
        uring.syscall(0, Wait::No)?;
        Ok(uring)
    }

    #[inline(always)]
    fn syscall(&mut self, to_submit: u32, wait: Wait) -> Result<(), EnterError> {
        let (fd, flags) = (self.enter_by, self.enter_flags);
        match wait {
            Wait::No => sys::enter(fd, to_submit, 0, flags, None),
            Wait::Forever => sys::enter(fd, to_submit, 1, flags | self.wait_flags, None),
            Wait::For(time) => self.wait_for(to_submit, time),
        }
    }

    #[inline(never)]
    fn wait_for(&mut self, to_submit: u32, time: Duration) -> Result<(), EnterError> {
        let timespec = timespec(time);
        let arg = sys::GetEventsArg {
            timespec: std::ptr::from_ref(&timespec) as u64,
            ..sys::GetEventsArg::default()
        };
        let flags = self.enter_flags | sys::ENTER_EXT_ARG | self.wait_flags;
        sys::enter(self.enter_by, to_submit, 1, flags, Some(&arg))
    }

    /// What an enter that has failed comes to.
    #[cold]
    fn failed(error: EnterError) -> Result<Entered, EnterError> {
        match error.0 {
            // A signal, or the time of the wait is over: whoever waits looks at the clock and comes again.
            libc::EINTR | libc::ETIME => Ok(Entered::Fine),
            // No memory for a request, or (before 6.0) completions to be taken first: what was pushed stays queued.
            libc::EAGAIN | libc::EBUSY | libc::ENOMEM => Ok(Entered::Busy),
            // A completion was dropped.
            libc::EBADR => Ok(Entered::Dead),
            // The wrong thread (EEXIST), a ring that is gone (EBADF, EBADFD): the caller's error, and it is told.
            _ => Err(error),
        }
    }

    /// Whether there is deferred work that an enter would do.
    #[inline]
    fn has_rest(&mut self) -> bool {
        self.ring.submission().taskrun()
    }

    /// Enters until no deferred work is left, a few times at most.
    #[cold]
    fn enter_for_rest(&mut self) -> Result<Entered, EnterError> {
        for _ in 0..CALLS_MORE {
            let entered = self.enter(Wait::No)?;
            if entered != Entered::Fine || !self.has_rest() {
                return Ok(entered);
            }
        }
        Ok(Entered::Fine)
    }

    fn has_lost(&mut self) -> bool {
        let overflow = self.ring.completion().overflow();
        overflow != std::mem::replace(&mut self.lost, overflow)
    }
}

fn timespec(time: Duration) -> sys::Timespec {
    sys::Timespec {
        // A wait of more than a century is for ever; the kernel refuses larger numbers.
        seconds: time.as_secs().min(1 << 32) as i64,
        nanos: i64::from(time.subsec_nanos()),
    }
}

impl Kernel for Uring {
    #[inline]
    fn push(&mut self, sqe: &Sqe) -> bool {
        let mut queue = self.ring.submission();
        // SAFETY: Sqe has the layout of the crate's entry (const asserts in sys.rs); both are plain integers. That what it points
        // to stays valid until its final completion is what `unsafe trait Op` makes every op promise, and the op table keeps.
        unsafe {
            let entry = &*std::ptr::from_ref(sqe).cast::<io_uring::squeue::Entry>();
            queue.push(entry).is_ok()
        }
    }

    fn enter(&mut self, wait: Wait) -> Result<Entered, EnterError> {
        let waiting = self.ring.submission().len() as u32;
        // The count that a successful enter returns is ignored (a signal can hide behind it): the queues tell.
        let entered = match self.syscall(waiting, wait) {
            Ok(()) => Entered::Fine,
            Err(error) => Self::failed(error)?,
        };
        match self.has_lost() {
            true => Ok(Entered::Dead),
            false => Ok(entered),
        }
    }

    #[inline]
    fn fetch_rest(&mut self) -> Result<Entered, EnterError> {
        if !self.has_rest() {
            return Ok(Entered::Fine);
        }
        self.enter_for_rest()
    }

    #[inline]
    fn pop(&mut self) -> Option<Cqe> {
        let entry = self.ring.completion().next()?;
        Some(Cqe {
            user_data: entry.user_data(),
            res: entry.result(),
            flags: entry.flags(),
        })
    }

    #[inline]
    fn wants_enter(&mut self) -> bool {
        let queue = self.ring.submission();
        !queue.is_empty() || queue.taskrun() || queue.cq_overflow()
    }

    #[inline]
    fn is_quiet(&mut self) -> bool {
        self.ring.completion().is_empty() && !self.wants_enter()
    }

    #[inline]
    fn supports(&self, opcode: u8) -> bool {
        self.opcodes.has(opcode)
    }

    fn skips_success(&self) -> bool {
        self.ring.params().is_feature_skip_cqe_on_success()
    }

    fn has_ring(&self) -> bool {
        true
    }

    fn waits_to_accept(&self) -> bool {
        // IORING_ACCEPT_POLL_FIRST has no flag of its own; this one came with it, in Linux 6.10.
        self.ring.params().is_feature_recvsend_bundle()
    }

    fn open_buffers(&mut self, most: u16) -> bool {
        // An error (a kernel before 5.19, no memory to pin) is no reason to fail: receives take their buffers along then.
        self.buffers = BufferRing::register(&self.ring.submitter(), most).ok();
        self.buffers.is_some()
    }

    fn lend(&mut self, number: u16, address: *mut u8, len: usize) {
        if let Some(buffers) = &mut self.buffers {
            buffers.push(number, address, len);
        }
    }

    fn show_lent(&mut self) {
        if let Some(buffers) = &self.buffers {
            buffers.show();
        }
    }

    fn add_file(&mut self, fd: RawFd, want: Want) -> io::Result<Option<u16>> {
        // Linux 6.15, by whose flags it can be told from what was before 6.13.
        let prompt = self.ring.params().is_feature_no_iowait();
        let ring = &self.ring.submitter();
        self.known.add_file(ring, fd, want, prompt)
    }

    fn forget_file(&mut self, slot: u16) {
        self.known.forget_file(&self.ring.submitter(), slot);
    }

    fn add_memory(&mut self, memory: *mut u8, len: usize) -> io::Result<Option<u16>> {
        self.known.add_memory(&self.ring.submitter(), memory, len)
    }

    fn forget_memory(&mut self, slot: u16) {
        self.known.forget_memory(&self.ring.submitter(), slot);
    }

    #[inline(always)]
    fn answer(&self, sqe: &Sqe) -> Answer {
        spot::answer(sqe)
    }

    fn call(&self, call: Call<'_>) -> io::Result<u64> {
        call::perform(call)
    }

    fn ring_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }

    fn own_fds(&self) -> Vec<(Kind, RawFd)> {
        let wake = self.wake.as_ref();
        let wake = wake.map(|wake| (Kind::Eventfd, wake.fd().as_raw_fd()));
        [(Kind::Ring, self.ring_fd())]
            .into_iter()
            .chain(wake)
            .collect()
    }

    fn takes_messages(&self) -> bool {
        true
    }

    fn wake_fd(&mut self) -> io::Result<Rc<OwnedFd>> {
        if let Some(wake) = &self.wake {
            return Ok(wake.fd().clone());
        }
        let wake = Counter::new()?;
        self.ring
            .submitter()
            .register_eventfd(wake.fd().as_raw_fd())?;
        Ok(self.wake.insert(wake).fd().clone())
    }

    fn rest(&mut self) -> bool {
        if let Some(wake) = &self.wake {
            wake.clear();
        }
        // After the clear: what is posted from here on makes it readable again. The kernel tells deferred work only when there was none,
        // and the TASKRUN flag, which it sets first, says so.
        !self.ring.completion().is_empty() || self.wants_enter()
    }

    fn alert(&mut self) {
        if let Some(wake) = &self.wake {
            wake.raise();
        }
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        if self.buffers.is_some() {
            BufferRing::unregister(&self.ring.submitter());
        }
        self.known.end(&self.ring.submitter());
        // The thread's registration would keep the ring alive after its descriptor is closed.
        if self.enter_flags & sys::ENTER_REGISTERED_RING != 0 {
            let _ = sys::unregister_ring_fd(self.ring.as_raw_fd(), self.enter_by as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::kernel::KernelFd;
    use crate::kernel::abi::{First, opcode};

    const ASK: Ask = Ask {
        entries: 8,
        workers: [0, 0],
    };

    #[test]
    fn each_errno_of_an_enter_has_its_meaning() {
        let comes_to = |errno| Uring::failed(EnterError(errno));
        for errno in [libc::EINTR, libc::ETIME] {
            assert_eq!(comes_to(errno), Ok(Entered::Fine));
        }
        for errno in [libc::EAGAIN, libc::EBUSY, libc::ENOMEM] {
            assert_eq!(comes_to(errno), Ok(Entered::Busy));
        }
        assert_eq!(comes_to(libc::EBADR), Ok(Entered::Dead));
        for errno in [libc::EEXIST, libc::EBADF] {
            assert_eq!(comes_to(errno), Err(EnterError(errno)));
        }
    }

    #[test]
    fn a_thread_has_its_place_for_a_ring_back_when_the_ring_has_gone() {
        let is_registered =
            || Uring::new(&ASK).map(|ring| ring.enter_flags & sys::ENTER_REGISTERED_RING != 0);
        // Before Linux 5.18 none is.
        let Ok(first) = is_registered() else {
            eprintln!("skipped: io_uring is denied here");
            return;
        };
        // A thread has 16 places (IO_RINGFD_REG_MAX).
        for _ in 0..16 {
            assert_eq!(is_registered().expect("as the first"), first);
        }
    }

    #[test]
    fn an_accept_is_told_to_wait_first_by_kernels_that_know_how_and_by_no_others() {
        let Ok(mut ring) = Uring::new(&ASK) else {
            eprintln!("skipped: io_uring is denied here");
            return;
        };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let _peer = TcpStream::connect(address).expect("there is room");
        let accept = Sqe::rw(opcode::ACCEPT, listener.as_raw_fd(), 0, 0, 0).first(First::Wait);
        assert!(ring.push(&accept));
        ring.enter(Wait::Forever).expect("the ring is well");
        let done = ring.pop().expect("it was waited for");
        match ring.waits_to_accept() {
            true => {
                assert!(done.res > 0, "{done:?}");
                drop(KernelFd::adopt(done.res));
            }
            false => assert_eq!(done.res, -libc::EINVAL),
        }
    }
}
