//! The seam: everything that sakia asks of a kernel passes through [`Kernel`].
//!
//! Above the seam there are SQEs, CQEs and [`Call`]s; below it somebody carries them out: Linux io_uring ([`uring`]), or epoll and
//! threads where that is denied ([`emulated`]); which one is chosen in [`choose`]. No op, no noun and no line of the facade may know which one it is: what they need to know is asked through the trait.

pub(crate) mod abi;
pub(crate) mod call;
pub(crate) mod choose;
pub(crate) mod clock;
#[cfg(all(test, not(loom)))]
mod differential;
pub(crate) mod emulated;
mod kernel_fd;
pub(crate) mod setup_error;
#[cfg(feature = "sim")]
pub(crate) mod simulated;
pub(crate) mod spot;
pub(crate) mod uring;

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::rc::Rc;
use std::thread::Thread;
use std::time::Duration;

pub(crate) use abi::{Cqe, Sqe};
pub(crate) use call::Call;
pub use clock::Clock;
pub(crate) use kernel_fd::KernelFd;
pub(crate) use spot::Answer;

use crate::fd::Kind;

/// How long an [`Kernel::enter`] may wait for a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Hand over what was pushed, fetch what is done, return.
    No,
    /// Until one completion is there, or the time is over.
    For(Duration),
    /// Until one completion is there.
    Forever,
}

/// What a kernel said about an enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// The kernel was entered; what it has to tell stands in the completions.
    Fine,
    /// The kernel is short of memory for requests: what was pushed is still there, try again later.
    Busy,
    /// A completion was lost: nothing in flight on this ring can be trusted any more.
    Dead,
}

/// Why an enter has failed, an errno: the thread is not the ring's, or the ring is gone. With an [`io::Error`] the result would not be in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EnterError(pub(crate) i32);

impl From<EnterError> for io::Error {
    fn from(EnterError(errno): EnterError) -> Self {
        Self::from_raw_os_error(errno)
    }
}

/// Why a file is to have a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Somebody has asked for it.
    Asked,
    /// It is busy. Such files leave a half of the slots to the others.
    Busy,
}

/// What lies below the seam. One thread owns it; [`crate::unpark`] is the only part that other threads touch.
pub(crate) trait Kernel {
    /// Queues a submission; `false` if the queue is full (enter, then push again).
    fn push(&mut self, sqe: &Sqe) -> bool;

    /// Hands over what was pushed and waits for a completion as long as `wait` allows.
    fn enter(&mut self, wait: Wait) -> Result<Entered, EnterError>;

    /// Fetches what an enter has left: some kernels do a bounded amount of deferred work a call.
    fn fetch_rest(&mut self) -> Result<Entered, EnterError> {
        Ok(Entered::Fine)
    }

    /// Takes the next completion, in the order in which they arrived.
    fn pop(&mut self) -> Option<Cqe>;

    /// Whether an enter would do something: submissions are waiting, or completions that only an enter fetches.
    fn wants_enter(&mut self) -> bool;

    /// Whether an enter would surely do nothing and a pop find nothing. A kernel that does not know says no.
    fn is_quiet(&mut self) -> bool {
        false
    }

    /// Whether an op of this opcode can be pushed at all.
    fn supports(&self, opcode: u8) -> bool;

    /// Whether a successful op can be told to post no completion.
    fn skips_success(&self) -> bool;

    /// Whether it is a ring: one enter carries many ops out that need not wait, at less than a call each, and a look without a call says what is done.
    fn has_ring(&self) -> bool {
        false
    }

    /// Whether an accept can be told to wait first.
    fn waits_to_accept(&self) -> bool {
        false
    }

    /// Gets ready to be lent buffers, at most so many at a time (a power of two), of which a receive chooses one when it has something
    /// (`IOSQE_BUFFER_SELECT`). `false`: this kernel cannot.
    fn open_buffers(&mut self, most: u16) -> bool {
        let _ = most;
        false
    }

    /// Lends a buffer under this number, until a completion names it or the kernel is gone. It is chosen once it is [shown](Self::show_lent).
    fn lend(&mut self, number: u16, address: *mut u8, len: usize) {
        let _ = (number, address, len);
    }

    /// Shows what was lent.
    fn show_lent(&mut self) {}

    /// Looks a descriptor's file up once for all ops: answers the slot by which they may name it (`IOSQE_FIXED_FILE`) until it is
    /// [forgotten](Self::forget_file). `None`: this kernel has no such slots.
    fn add_file(&mut self, fd: RawFd, want: Want) -> io::Result<Option<u16>> {
        let _ = (fd, want);
        Ok(None)
    }

    /// Empties a slot that no op names: what the kernel held of the file by it is gone when this returns.
    fn forget_file(&mut self, slot: u16) {
        let _ = slot;
    }

    /// Looks memory up once for all ops: answers the number by which they may name it (`buf_index`) until it is
    /// [forgotten](Self::forget_memory). `None`: this kernel has no such numbers.
    fn add_memory(&mut self, memory: *mut u8, len: usize) -> io::Result<Option<u16>> {
        let _ = (memory, len);
        Ok(None)
    }

    /// Lets go of memory that no op names.
    fn forget_memory(&mut self, slot: u16) {
        let _ = slot;
    }

    /// Tries to answer a submission on the spot, without waiting; see [`spot`].
    fn answer(&self, sqe: &Sqe) -> Answer {
        let _ = sqe;
        Answer::Later
    }

    /// Answers a request on the spot.
    fn call(&self, call: Call<'_>) -> io::Result<u64>;

    /// Takes a descriptor in that code outside has opened.
    fn take_in(&self, fd: OwnedFd) -> io::Result<KernelFd> {
        Ok(fd.into())
    }

    /// Whether code that calls this machine's kernel by itself (a resolver, std's `read_dir`) finds what this kernel's descriptors and names mean.
    fn is_this_machine(&self) -> io::Result<()> {
        Ok(())
    }

    /// The clock that its waits go by.
    fn clock(&self) -> Clock {
        Clock::default()
    }

    /// The thread that a wake unparks, if the kernel waits as std's threads do.
    fn sleeper(&self) -> Option<Thread> {
        None
    }

    /// The descriptor that another thread's wake goes to, and that a report lists.
    fn ring_fd(&self) -> RawFd;

    /// The descriptors that it has for itself, as a list of descriptors shows them.
    fn own_fds(&self) -> Vec<(Kind, RawFd)> {
        vec![(Kind::Ring, self.ring_fd())]
    }

    /// How many threads of this process carry something out for it right now.
    fn threads(&self) -> usize {
        0
    }

    /// Whether another thread can wake it by a message to its ring; else that thread writes the driver's eventfd.
    fn takes_messages(&self) -> bool;

    /// A descriptor that polls as readable while an enter would fetch something, for a loop that waits elsewhere; a timeout of
    /// the kernel's own counts too. Made when it is first asked for, and the same one from then on.
    fn wake_fd(&mut self) -> io::Result<Rc<OwnedFd>>;

    /// The owner is about to wait for the wake descriptor instead of entering: makes it unreadable if it is a counter, then
    /// looks, in this order, whether an enter would fetch something after all.
    fn rest(&mut self) -> bool;

    /// Makes the wake descriptor readable until the next [`rest`](Self::rest).
    fn alert(&mut self);
}

/// The kernel that a driver runs on. A match on it is all that choosing one costs; so its tag is a byte of its own, and none that is worked out.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one a thread, and the ring's queues are entered at every turn: no box between"
)]
#[repr(u8)]
pub(crate) enum Below {
    /// Linux io_uring.
    Uring(uring::Uring),
    /// epoll and threads.
    Emulated(emulated::Emulated),
    /// A model.
    #[cfg(feature = "sim")]
    Simulated(simulated::Simulated),
    /// The driver has ended and its ring is closed; only calls on descriptors that outlive it are answered.
    Gone,
}

impl Below {
    /// Closes the ring, and answers what is to be dropped for that; from here on only calls are answered.
    #[must_use]
    pub(crate) fn end(&mut self) -> Self {
        match self {
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => {
                simulated.close_ring();
                Self::Gone
            }
            _ => std::mem::replace(self, Self::Gone),
        }
    }
}

impl Kernel for Below {
    #[inline(always)]
    fn push(&mut self, sqe: &Sqe) -> bool {
        // The others are shown a copy: what a call is shown cannot stay in registers, and the ring's slot is filled from there.
        let copy = |sqe: &Sqe| *sqe;
        match self {
            Self::Uring(uring) => uring.push(sqe),
            Self::Emulated(emulated) => emulated.push(&copy(sqe)),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.push(&copy(sqe)),
            Self::Gone => false,
        }
    }

    #[inline]
    fn enter(&mut self, wait: Wait) -> Result<Entered, EnterError> {
        match self {
            Self::Uring(uring) => uring.enter(wait),
            Self::Emulated(emulated) => emulated.enter(wait),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.enter(wait),
            Self::Gone => Err(EnterError(libc::EBADF)),
        }
    }

    #[inline]
    fn fetch_rest(&mut self) -> Result<Entered, EnterError> {
        match self {
            Self::Uring(uring) => uring.fetch_rest(),
            _ => Ok(Entered::Fine),
        }
    }

    #[inline]
    fn pop(&mut self) -> Option<Cqe> {
        match self {
            Self::Uring(uring) => uring.pop(),
            Self::Emulated(emulated) => emulated.pop(),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.pop(),
            Self::Gone => None,
        }
    }

    #[inline]
    fn wants_enter(&mut self) -> bool {
        match self {
            Self::Uring(uring) => uring.wants_enter(),
            Self::Emulated(emulated) => emulated.wants_enter(),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.wants_enter(),
            Self::Gone => false,
        }
    }

    #[inline]
    fn is_quiet(&mut self) -> bool {
        match self {
            Self::Uring(uring) => uring.is_quiet(),
            _ => false,
        }
    }

    #[inline]
    fn supports(&self, opcode: u8) -> bool {
        match self {
            Self::Uring(uring) => uring.supports(opcode),
            Self::Emulated(emulated) => emulated.supports(opcode),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.supports(opcode),
            Self::Gone => false,
        }
    }

    fn skips_success(&self) -> bool {
        match self {
            Self::Uring(uring) => uring.skips_success(),
            Self::Emulated(emulated) => emulated.skips_success(),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.skips_success(),
            Self::Gone => false,
        }
    }

    fn has_ring(&self) -> bool {
        match self {
            Self::Uring(uring) => uring.has_ring(),
            _ => false,
        }
    }

    fn waits_to_accept(&self) -> bool {
        match self {
            Self::Uring(uring) => uring.waits_to_accept(),
            _ => false,
        }
    }

    fn open_buffers(&mut self, most: u16) -> bool {
        match self {
            Self::Uring(uring) => uring.open_buffers(most),
            _ => false,
        }
    }

    fn lend(&mut self, number: u16, address: *mut u8, len: usize) {
        if let Self::Uring(uring) = self {
            uring.lend(number, address, len);
        }
    }

    fn show_lent(&mut self) {
        if let Self::Uring(uring) = self {
            uring.show_lent();
        }
    }

    fn add_file(&mut self, fd: RawFd, want: Want) -> io::Result<Option<u16>> {
        match self {
            Self::Uring(uring) => uring.add_file(fd, want),
            _ => Ok(None),
        }
    }

    fn forget_file(&mut self, slot: u16) {
        if let Self::Uring(uring) = self {
            uring.forget_file(slot);
        }
    }

    fn add_memory(&mut self, memory: *mut u8, len: usize) -> io::Result<Option<u16>> {
        match self {
            Self::Uring(uring) => uring.add_memory(memory, len),
            _ => Ok(None),
        }
    }

    fn forget_memory(&mut self, slot: u16) {
        if let Self::Uring(uring) = self {
            uring.forget_memory(slot);
        }
    }

    #[inline(always)]
    fn answer(&self, sqe: &Sqe) -> Answer {
        match self {
            Self::Uring(uring) => uring.answer(sqe),
            Self::Emulated(emulated) => emulated.answer(sqe),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.answer(sqe),
            Self::Gone => Answer::Later,
        }
    }

    fn call(&self, call: Call<'_>) -> io::Result<u64> {
        match self {
            Self::Uring(uring) => uring.call(call),
            Self::Emulated(emulated) => emulated.call(call),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.call(call),
            Self::Gone => call::perform(call),
        }
    }

    fn take_in(&self, fd: OwnedFd) -> io::Result<KernelFd> {
        match self {
            Self::Uring(uring) => uring.take_in(fd),
            Self::Emulated(emulated) => emulated.take_in(fd),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.take_in(fd),
            Self::Gone => Ok(fd.into()),
        }
    }

    fn is_this_machine(&self) -> io::Result<()> {
        match self {
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.is_this_machine(),
            _ => Ok(()),
        }
    }

    fn clock(&self) -> Clock {
        match self {
            Self::Uring(uring) => uring.clock(),
            Self::Emulated(emulated) => emulated.clock(),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.clock(),
            Self::Gone => Clock::default(),
        }
    }

    fn sleeper(&self) -> Option<Thread> {
        match self {
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.sleeper(),
            _ => None,
        }
    }

    fn ring_fd(&self) -> RawFd {
        match self {
            Self::Uring(uring) => uring.ring_fd(),
            Self::Emulated(emulated) => emulated.ring_fd(),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.ring_fd(),
            Self::Gone => -1,
        }
    }

    fn own_fds(&self) -> Vec<(Kind, RawFd)> {
        match self {
            Self::Uring(uring) => uring.own_fds(),
            Self::Emulated(emulated) => emulated.own_fds(),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.own_fds(),
            Self::Gone => Vec::new(),
        }
    }

    fn threads(&self) -> usize {
        match self {
            Self::Emulated(emulated) => emulated.threads(),
            _ => 0,
        }
    }

    fn takes_messages(&self) -> bool {
        match self {
            Self::Uring(uring) => uring.takes_messages(),
            Self::Emulated(emulated) => emulated.takes_messages(),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.takes_messages(),
            Self::Gone => false,
        }
    }

    fn wake_fd(&mut self) -> io::Result<Rc<OwnedFd>> {
        match self {
            Self::Uring(uring) => uring.wake_fd(),
            Self::Emulated(emulated) => emulated.wake_fd(),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.wake_fd(),
            Self::Gone => Err(io::Error::from_raw_os_error(libc::EBADF)),
        }
    }

    fn rest(&mut self) -> bool {
        match self {
            Self::Uring(uring) => uring.rest(),
            Self::Emulated(emulated) => emulated.rest(),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.rest(),
            Self::Gone => false,
        }
    }

    fn alert(&mut self) {
        match self {
            Self::Uring(uring) => uring.alert(),
            Self::Emulated(emulated) => emulated.alert(),
            #[cfg(feature = "sim")]
            Self::Simulated(simulated) => simulated.alert(),
            Self::Gone => {}
        }
    }
}
