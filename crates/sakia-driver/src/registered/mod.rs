//! Registered buffers: memory that the ring has looked up once, so that no read or write of a file does.
//!
//! A set is one piece of memory under one number of the ring's, cut into buffers of one size. A buffer has one owner at every instant: whoever took it (an
//! operation in flight included), or the list of those that are free. The set holds the memory, and each buffer holds the set: it is let go of by the ring, and
//! freed, with the last of them, and so never under an operation. How it is named in a submission is the affair of the ops; what the kernel does with it is behind the seam.

mod buf;
mod memory;
mod taking;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::rc::Rc;

use sakia_buf::Registration;

use crate::driver::Driver;
use crate::kernel::Kernel;
use crate::op::Refusal;
pub use buf::RegisteredBuf;
use memory::Memory;
use taking::Queue;
pub use taking::Taking;

/// The most that the ring knows by one number: 1 GiB.
const MOST: usize = 1 << 30;

/// A set of buffers that the runtime's ring knows (`IORING_REGISTER_BUFFERS2`, Linux 5.19).
///
/// Whatever a file reads into one of them at an offset, or writes from it, goes as `IORING_OP_READ_FIXED` or `IORING_OP_WRITE_FIXED`: the kernel does not look the memory up
/// again and pins no page for a direct read. The operations are those of any buffer, and give it back as they give any back. It pays where many operations are in
/// flight, and for direct I/O; more so together with a [registered file](crate::Fd::register).
///
/// The memory is pinned, and charged to RLIMIT_MEMLOCK, until the set and all its buffers are dropped. Where the kernel cannot do that (Linux before 5.19, or no
/// io_uring at all), and on another runtime than that of the set, its buffers are buffers as any others.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// # let driver = sakia_driver::Driver::new(&Default::default())?;
/// # driver.within(|| {
/// use sakia_buf::IoBufMut;
/// use sakia_driver::RegisteredBufs;
///
/// // 32 buffers of 4 KiB, for as many reads at a time.
/// let bufs = RegisteredBufs::new(32, 4096)?;
/// let mut buf = bufs.try_take().expect("none is taken");
/// assert_eq!((buf.len(), buf.capacity(), bufs.available()), (0, 4096, 31));
/// buf.fill_from(b"wheel");
/// assert_eq!(buf[..], *b"wheel");
/// drop(buf);
/// assert_eq!(bufs.available(), 32);
/// # std::io::Result::Ok(()) })?;
/// # driver.end(std::time::Instant::now());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RegisteredBufs {
    set: Rc<Set>,
}

/// What the clones of [`RegisteredBufs`], and its buffers, share.
struct Set {
    driver: Rc<Driver>,
    /// The ring's number of the memory, if it knows it.
    slot: Option<u16>,
    memory: Memory,
    size: usize,
    count: usize,
    free: RefCell<Vec<u32>>,
    /// Who waits for one, while none is free.
    queue: Queue,
}

impl RegisteredBufs {
    /// Makes `count` buffers of `size` bytes, and registers them with the ring of the current runtime.
    ///
    /// They lie side by side, the first at the beginning of a page: for direct I/O let the size be a multiple of 4096.
    ///
    /// # Errors
    /// `InvalidInput` if there is nothing to make, or more than 1 GiB; `OutOfMemory` if RLIMIT_MEMLOCK leaves no room for so much (the inner error is a
    /// [`SetupError`](crate::SetupError), which names cause and cure); `ResourceBusy` if 256 sets are registered already. Outside a runtime, and when it ends.
    #[doc(alias = "IORING_REGISTER_BUFFERS")]
    #[doc(alias = "io_uring_register_buffers")]
    pub fn new(count: usize, size: usize) -> io::Result<Self> {
        let bytes = count
            .checked_mul(size)
            .filter(|all| (1..=MOST).contains(all));
        let bytes = bytes.ok_or_else(|| {
            let why = "a set of buffers has 1 byte at least and 1 GiB at most";
            io::Error::new(io::ErrorKind::InvalidInput, why)
        })?;
        let driver = Driver::current().ok_or_else(|| io::Error::from(Refusal::Foreign))?;
        driver.takes_ops()?;
        let memory = Memory::new(bytes)?;
        let slot = driver.core().kernel.add_memory(memory.start(), bytes)?;
        let set = Set {
            driver,
            slot,
            memory,
            size,
            count,
            free: RefCell::new((0..count as u32).rev().collect()),
            queue: Queue::default(),
        };
        Ok(Self { set: Rc::new(set) })
    }

    /// Takes a buffer, of length 0; `None` if all are taken. It comes back when it is dropped.
    pub fn try_take(&self) -> Option<RegisteredBuf> {
        let at = self.set.free.borrow_mut().pop()?;
        Some(RegisteredBuf::new(self.set.clone(), at))
    }

    /// Takes a buffer, of length 0, as soon as there is one: whoever has waited longest gets it. It comes back when it is dropped.
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// # let driver = sakia_driver::Driver::new(&Default::default())?;
    /// # driver.within(|| {
    /// use std::pin::pin;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let bufs = sakia_driver::RegisteredBufs::new(1, 4096)?;
    /// let only = bufs.try_take().expect("none is taken");
    /// // In a task: `bufs.take().await`.
    /// let (mut taking, mut cx) = (pin!(bufs.take()), Context::from_waker(Waker::noop()));
    /// assert!(taking.as_mut().poll(&mut cx).is_pending());
    /// drop(only);
    /// assert!(bufs.try_take().is_none(), "it has an owner");
    /// assert!(taking.as_mut().poll(&mut cx).is_ready());
    /// # std::io::Result::Ok(()) })?;
    /// # driver.end(std::time::Instant::now());
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancellation
    /// Dropping the future gives its place up; a buffer that it was given and has not brought goes to the next.
    pub fn take(&self) -> Taking {
        Taking::new(self.set.clone())
    }

    /// How many can be taken right now.
    pub fn available(&self) -> usize {
        self.set.free.borrow().len()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.set.count
    }

    /// Whether the ring knows them. If not, they are buffers as any others.
    pub fn is_registered(&self) -> bool {
        self.set.slot.is_some()
    }
}

impl Set {
    fn registration(&self) -> Option<Registration> {
        self.slot.map(|slot| self.driver.registration(slot))
    }

    fn bring_home(&self, at: u32) {
        match self.queue.give(at) {
            Ok(waker) => {
                if let Some(waker) = waker {
                    // What its code does is no affair of whoever brings a buffer.
                    self.driver.guarded(|| waker.wake());
                }
            }
            Err(at) => self.free.borrow_mut().push(at),
        }
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        if let Some(slot) = self.slot
            && !self.driver.is_forked()
        {
            self.driver.core().kernel.forget_memory(slot);
        }
    }
}

impl Driver {
    /// What a buffer says of its memory that this driver's ring knows.
    #[inline]
    pub(crate) fn registration(&self, slot: u16) -> Registration {
        let driver = std::ptr::from_ref(self).addr();
        Registration { driver, slot }
    }
}

impl fmt::Debug for RegisteredBufs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredBufs")
            .field("count", &self.set.count)
            .field("size", &self.set.size)
            .field("available", &self.available())
            .field("is_registered", &self.is_registered())
            .finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
