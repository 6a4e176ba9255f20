//! Descriptors: who owns one, and what happens when its last handle is dropped.
//!
//! An [`Fd`] is a user's handle; its clones (split halves) count as handles of one [`Descriptor`]. Each op in flight holds the descriptor too, or its
//! future does, but not as a handle: when the last handle goes, the ops that are left are cancelled and reaped, and the last of all to let go
//! closes it, at once (`close.rs` says how). So a number is never closed, and never used again, under an op that names it.

pub(crate) mod ledger;
mod origin;
mod owned;
mod record;
mod slot;

use std::cell::Cell;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::task::Waker;

use crate::driver::Driver;
use crate::kernel::KernelFd;
use crate::kernel::call::Call;
use crate::op::Refusal;
use crate::op::lane::{Lane, Side};
use crate::op::leftover::Leftover;

use owned::Owned;
use slot::Slot;

pub use ledger::{FdInfo, FdState};
pub use origin::Origin;

/// A descriptor, shared by its handles and the ops that name it.
pub type FdRef = Rc<Descriptor>;

/// What a descriptor is, as far as closing it and reporting it need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A file, or what open(2) gave that is not a directory.
    File,
    /// A directory.
    Directory,
    /// A pipe's end.
    Pipe,
    /// A listening TCP socket.
    TcpListener,
    /// A connected TCP socket.
    TcpStream,
    /// A UDP socket.
    UdpSocket,
    /// A listening Unix socket.
    UnixListener,
    /// A connected Unix socket.
    UnixStream,
    /// A Unix socket of datagrams.
    UnixDatagram,
    /// A connected Unix socket of records.
    UnixSeqpacket,
    /// A listening Unix socket of records.
    UnixSeqpacketListener,
    /// A socket on its way to become one of the others.
    Socket,
    /// What came with a message (SCM_RIGHTS), whatever it is.
    Passed,
    /// The ring of the driver, or the epoll instance that stands in for it.
    Ring,
    /// An eventfd by which other threads, or the kernel, wake the driver.
    Eventfd,
    /// The timerfd by which the emulated kernel wakes another loop.
    Timer,
}

impl Kind {
    /// Each at its own place: `kind as usize`.
    pub(crate) const ALL: [Self; 16] = [
        Self::File,
        Self::Directory,
        Self::Pipe,
        Self::TcpListener,
        Self::TcpStream,
        Self::UdpSocket,
        Self::UnixListener,
        Self::UnixStream,
        Self::UnixDatagram,
        Self::UnixSeqpacket,
        Self::UnixSeqpacketListener,
        Self::Socket,
        Self::Passed,
        Self::Ring,
        Self::Eventfd,
        Self::Timer,
    ];

    pub(crate) fn is_socket(self) -> bool {
        matches!(
            self,
            Self::TcpListener
                | Self::TcpStream
                | Self::UdpSocket
                | Self::UnixListener
                | Self::UnixStream
                | Self::UnixDatagram
                | Self::UnixSeqpacket
                | Self::UnixSeqpacketListener
                | Self::Socket
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Pipe => "pipe",
            Self::TcpListener => "TCP listener",
            Self::TcpStream => "TCP stream",
            Self::UdpSocket => "UDP socket",
            Self::UnixListener => "Unix listener",
            Self::UnixStream => "Unix stream",
            Self::UnixDatagram => "Unix datagram socket",
            Self::UnixSeqpacket => "Unix seqpacket socket",
            Self::UnixSeqpacketListener => "Unix seqpacket listener",
            Self::Socket => "socket",
            Self::Passed => "passed descriptor",
            Self::Ring => "ring",
            Self::Eventfd => "eventfd",
            Self::Timer => "timer",
        })
    }
}

/// What is told of a descriptor that its handles have left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct What {
    pub(crate) kind: Kind,
    pub(crate) origin: Origin,
}

impl From<Kind> for What {
    /// Of one that nobody has asked for.
    fn from(kind: Kind) -> Self {
        Self {
            kind,
            origin: Origin::default(),
        }
    }
}

/// What is known of SO_LINGER: a socket that has it may block its closer for seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linger {
    /// Never set: close(2) does not block.
    Unset,
    /// Set through us, or inherited from a listener that has it.
    Set,
    /// Somebody else has had the descriptor in hand: ask the kernel.
    Unknown,
}

/// See [`FdRef`]. There is one for each idle connection, so no byte of it is idle.
pub struct Descriptor {
    fd: Owned,
    /// By which the ring knows it, if it was registered.
    slot: Slot,
    kind: Cell<Kind>,
    origin: Cell<Origin>,
    /// None in a record that waits for the next descriptor.
    driver: Option<Rc<Driver>>,
    handles: Cell<u32>,
    linger: Cell<Linger>,
    /// Whether its file system has a server behind it; asked once.
    served: Cell<Option<bool>>,
    /// Whether reads of it may be answered on the spot; asked once, and again when somebody else may have changed its flags.
    answers: Cell<Option<bool>>,
    /// Whether there are places to read from and write to; asked once.
    places: Cell<Option<bool>>,
    /// Whether the peer is to be told the end (SHUT_WR) once the write that is under way has ended.
    fin: Cell<bool>,
    /// Who waits until no op names it any more.
    closer: Cell<Option<Box<Waker>>>,
    lanes: [Lane; 2],
    ledger: Cell<u32>,
}

impl Descriptor {
    /// The number, to be written into an SQE of an op that holds this reference.
    #[inline]
    pub(crate) fn raw(&self) -> RawFd {
        self.fd.raw()
    }

    #[inline]
    pub(crate) fn driver(&self) -> &Rc<Driver> {
        self.driver.as_ref().expect("a descriptor has a driver")
    }

    pub(crate) fn lane(&self, side: Side) -> &Lane {
        &self.lanes[side as usize]
    }

    pub(crate) fn has_handles(&self) -> bool {
        self.handles.get() > 0
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind.get()
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin.get()
    }

    pub(crate) fn what(&self) -> What {
        What {
            kind: self.kind(),
            origin: self.origin(),
        }
    }

    pub(crate) fn answers(&self) -> Option<bool> {
        self.answers.get()
    }

    pub(crate) fn note_answers(&self, may: bool) {
        self.answers.set(Some(may));
    }

    /// Whether it is something of which a place can be named.
    #[inline]
    pub(crate) fn has_places(&self) -> bool {
        self.places.get().unwrap_or_else(|| self.asks_for_places())
    }

    #[cold]
    fn asks_for_places(&self) -> bool {
        let asked = self
            .driver()
            .call(Call::Seek(self.raw(), 0, libc::SEEK_CUR));
        let errno = asked.err().and_then(|error| error.raw_os_error());
        let places = errno != Some(libc::ESPIPE);
        self.places.set(Some(places));
        places
    }

    /// Whether the ring's first op on it costs calls before: those that take O_NONBLOCK off.
    #[inline]
    pub(crate) fn is_hasty(&self) -> bool {
        self.fd.is_hasty()
    }

    /// The ring is about to be handed an op that names it. O_NONBLOCK would change what the kernel does with it, also where the file itself takes no
    /// notice: a splice gives up at once, and of a file that does not know how not to wait (those of /proc) io_uring believes that it does, and would
    /// read it on this thread.
    #[inline]
    pub(crate) fn calm(&self) {
        self.fd.calm();
    }

    pub(crate) fn linger(&self) -> Linger {
        self.linger.get()
    }

    pub(crate) fn set_linger(&self, linger: Linger) {
        self.linger.set(linger);
    }

    /// A future, or an orphan, of this side has ended: was it the last before the end that is to be told?
    #[inline]
    pub(crate) fn side_ended(&self, side: Side) {
        if side == Side::Out && self.fin.get() && self.lane(side).is_free() {
            self.fin.set(false);
            self.send_fin();
        }
    }

    #[cold]
    fn send_fin(&self) {
        // ENOTCONN: the peer has gone already, so there is nobody to tell.
        let _ = self
            .driver()
            .call(Call::Shutdown(self.raw(), libc::SHUT_WR));
    }

    /// Whether one of those who name it can let go of it, and nothing follows.
    #[inline]
    pub(crate) fn is_shared_and_unwatched(self: &Rc<Self>) -> bool {
        !self.is_watched() && Rc::strong_count(self) > 1
    }

    /// Whether anybody waits until no op names it any more.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        let closer = self.closer.take();
        let watched = closer.is_some();
        self.closer.set(closer);
        watched
    }

    /// Takes off what the kernel below has set on it for itself: code outside will see it.
    fn show(&self) {
        // A forked child shares the open file with its parent, whose kernel goes by what it has set.
        if !self.driver().is_forked() {
            // An error here would come again, and with better words, where the descriptor is used.
            let _ = self.driver().call(Call::Show(self.raw()));
        }
    }

    /// An op has let go of it: who waits for that?
    #[inline]
    pub(crate) fn take_closer(&self) -> Option<Waker> {
        self.closer.take().map(|closer| *closer)
    }

    /// What arrived and nobody took. A connection lingers if its listener did, so it may not be closed by a mere drop.
    #[cold]
    fn close_leftovers(&self) {
        while let Some(leftover) = self.lane(Side::In).take() {
            if let Leftover::Connection(connection) = leftover {
                self.driver().close_unseen(connection.fd);
            }
        }
    }

    /// Whether what is done with it may have to wait for a server that does not answer.
    #[inline]
    pub(crate) fn has_server(&self) -> bool {
        matches!(self.kind(), Kind::File | Kind::Directory)
            && self.served.get().unwrap_or_else(|| self.asks_for_server())
    }

    fn asks_for_server(&self) -> bool {
        let served = self.driver().is_served(self.raw());
        self.served.set(Some(served));
        served
    }

    /// Nobody names it any more: it is closed, and what is left in it. Once: there is nothing to do the second time.
    #[inline(always)]
    fn end(&self) {
        if let Some(fd) = self.fd.take() {
            let driver = self.driver();
            self.leave_slot();
            driver.forget_descriptor(self);
            let how = driver.how_to_close(self);
            driver.end_descriptor(fd, self.what(), how);
        }
        if !self.lane(Side::In).is_plain() {
            self.close_leftovers();
        }
    }
}

impl Drop for Descriptor {
    #[inline]
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.raw())
    }
}

/// A user's handle of a descriptor that a driver owns.
///
/// Dropping the last handle closes the descriptor with close(2) before `drop` returns, inside or outside the runtime and while unwinding; ops
/// of its own that are still in flight are cancelled and reaped first. The exceptions (a file on a network or user-space file system that was
/// opened for writing, a socket with SO_LINGER set, an op that cannot be cancelled) become pending closes, which
/// the end of the runtime drains.
///
/// A handle is `!Send`: its ring belongs to one thread.
pub struct Fd {
    inner: FdRef,
}

impl Fd {
    /// Gives a descriptor to the thread's current driver.
    ///
    /// # Errors
    /// If no driver is current, or its kernel does not know descriptors from outside; the descriptor is closed then.
    #[track_caller]
    pub fn new(fd: OwnedFd, kind: Kind) -> io::Result<Self> {
        let origin = Origin::caller();
        let driver = Driver::current().ok_or_else(|| io::Error::from(Refusal::Foreign))?;
        let fd = driver.take_in(fd)?;
        Ok(Self::on(&driver, fd, kind).asked_at(origin))
    }

    /// Gives what a kernel has just brought to the thread's current driver.
    pub(crate) fn adopt(fd: KernelFd, kind: Kind) -> io::Result<Self> {
        let driver = Driver::current().ok_or_else(|| io::Error::from(Refusal::Foreign))?;
        Ok(Self::on(&driver, fd, kind))
    }

    pub(crate) fn on(driver: &Rc<Driver>, fd: KernelFd, kind: Kind) -> Self {
        let inner = Descriptor::record(fd, kind, driver);
        let line = driver.enter_descriptor(Rc::downgrade(&inner));
        inner.ledger.set(line);
        Self { inner }
    }

    /// The descriptor, for an op to hold.
    pub(crate) fn inner(&self) -> &FdRef {
        &self.inner
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.inner.kind()
    }

    /// Notes the place in the source that asked for it.
    #[must_use]
    #[inline]
    pub fn asked_at(self, origin: Origin) -> Self {
        if self.inner.driver().tracks_origin() {
            self.inner.origin.set(origin);
        }
        self
    }

    /// Says what a socket has become: a listener, a stream.
    pub fn set_kind(&self, kind: Kind) {
        self.inner.kind.set(kind);
    }

    /// Notes that somebody else has, or has had, the descriptor in hand: what we know of its options may be wrong.
    pub fn came_from_outside(&self) {
        if self.kind().is_socket() {
            self.inner.set_linger(Linger::Unknown);
        }
    }

    /// Lends the descriptor to code outside, as `AsFd` does.
    ///
    /// # Errors
    /// When the handle was closed, or the descriptor is nothing outside: a simulated one.
    pub fn try_as_fd(&self) -> io::Result<BorrowedFd<'_>> {
        self.came_from_outside();
        self.inner.answers.set(None);
        let closed = || io::Error::other("the handle was closed");
        let mut fd = self.inner.fd.take().ok_or_else(closed)?;
        self.inner.show();
        let lent = fd.as_std().map(drop);
        self.inner.fd.put_back(fd);
        lent?;
        // SAFETY: the descriptor is open (it was lent just now) and owned by `self.inner`, which this borrow keeps alive; it is taken out
        // only by `take`, whose callers consume the handle.
        Ok(unsafe { BorrowedFd::borrow_raw(self.inner.raw()) })
    }

    /// Notes that SO_LINGER was set or cleared.
    pub(crate) fn note_linger(&self, set: bool) {
        self.inner
            .set_linger(if set { Linger::Set } else { Linger::Unset });
    }

    /// Whether this is the only handle.
    pub fn is_unique(&self) -> bool {
        self.inner.handles.get() == 1
    }

    /// Whether both are handles of one descriptor.
    pub fn same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.inner, &other.inner)
    }

    /// Whether an op in flight, or a future that was not dropped yet, still names it.
    pub(crate) fn is_busy(&self) -> bool {
        Rc::strong_count(&self.inner) > self.inner.handles.get() as usize
    }

    /// Tells the peer that no more will come (shutdown(2) SHUT_WR), at once or behind the writes that are still under way, awaited or not.
    pub fn finish_writes(&self) {
        self.inner.fin.set(true);
        self.inner.side_ended(Side::Out);
    }

    /// Sends at once what this poll has written to it and holds back until it is over, if there is any: answers of a stream that is read in pieces, of which more has arrived
    /// (`MSG_MORE`). What was written before is with the kernel already, and so is all that is written to anything else.
    #[inline]
    pub fn push(&self) {
        self.inner.driver().end_visit_of(self.inner.raw());
    }

    /// Cancels the ops that were abandoned on it, and reaps what ends at once.
    pub(crate) fn quiesce(&self) {
        self.inner
            .driver()
            .quiesce(&self.inner, &[Side::In, Side::Out]);
    }

    /// The same for what was to be received; writes are left to finish.
    pub(crate) fn quiesce_in(&self) {
        self.inner.driver().quiesce(&self.inner, &[Side::In]);
    }

    /// Notes who is to be woken when no op names the descriptor any more.
    pub(crate) fn watch_quiet(&self, waker: &Waker) {
        self.inner.closer.set(Some(Box::new(waker.clone())));
    }

    /// Takes the number out to hand it to code outside, if nobody else names the descriptor.
    pub(crate) fn take_to_show(&self) -> Option<KernelFd> {
        let fd = self.take()?;
        self.inner.show();
        Some(fd)
    }

    /// Takes the number out if nobody else names the descriptor. The handle is an empty shell afterwards.
    pub(crate) fn take(&self) -> Option<KernelFd> {
        if self.is_busy() || !self.is_unique() {
            return None;
        }
        let fd = self.inner.fd.take()?;
        self.inner.leave_slot();
        self.inner.driver().forget_descriptor(&self.inner);
        Some(fd)
    }
}

impl Clone for Fd {
    fn clone(&self) -> Self {
        self.inner.handles.set(self.inner.handles.get() + 1);
        Self {
            inner: self.inner.clone(),
        }
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        let handles = self.inner.handles.get() - 1;
        self.inner.handles.set(handles);
        if handles > 0 {
            return;
        }
        if Rc::strong_count(&self.inner) > 1 {
            return self.quiesce();
        }
        self.inner.end();
        Descriptor::leave_record(&mut self.inner);
    }
}

impl AsFd for Fd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.try_as_fd().unwrap_or_else(|error| panic!("{error}"))
    }
}

impl fmt::Debug for Fd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

#[cfg(test)]
mod tests;
