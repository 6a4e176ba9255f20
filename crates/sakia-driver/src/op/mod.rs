//! The life of an op: one kernel request together with everything it owns.
//!
//! An op is *described* by a type that implements [`Op`] (one file each in `ops/`), *owned* by its future while somebody waits and by the
//! [`table`] once that future is dropped, *in flight* from its submission to its final completion, and *ended* by
//! [`dispatch`], the only place that reads a completion. [`flight`] keeps it meanwhile, [`future`] is the way in and out, [`lane`] the rule
//! that one descriptor has at most one consuming op at a time, [`laned`] the way of an op that keeps it, [`cancel`] what a
//! future offers that can be asked to end early, [`spot`] the short way of an op that need not wait.
//!
//! ```text
//! Submit<O>::poll ──prepare──▶ table entry ──push──▶ ring ──CQE──▶ dispatch ─┬─ somebody waits: keep the result, wake
//!        │                                                                  └─ abandoned: settle (leftover), close, release
//!        └─ drop while in flight: the op moves into one box, and into the table
//! ```

pub(crate) mod adopt;
pub(crate) mod ancillary;
pub(crate) mod cancel;
pub(crate) mod dispatch;
pub(crate) mod doubt;
pub(crate) mod flight;
pub(crate) mod future;
pub(crate) mod held;
pub(crate) mod lane;
pub(crate) mod laned;
pub(crate) mod leftover;
pub(crate) mod spot;
pub(crate) mod submit;
pub(crate) mod table;

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::OwnedFd;

use crate::fd::{Fd, FdRef, Kind};
use crate::kernel::KernelFd;
use crate::kernel::abi::{Sqe, opcode};
use crate::pooled::PooledBuf;
use ancillary::{Ancillary, Arrived};
use laned::LaneOp;
use leftover::Leftover;

/// What dropping the future of an op in flight does to the op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cancel {
    /// The kernel is asked to end it; the request goes out with the next turn.
    Eager,
    /// It stays armed for the next caller on the same descriptor, and is cancelled when nobody has come for a turn: for ops of sakia's that
    /// consume a stream. An op of your own is left to finish.
    Idle,
    /// It is left to finish; only the end of its descriptor's last handle, or of the runtime, cancels it.
    Never,
}

/// Whether a successful completion carries a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Yields {
    /// The result is a number.
    Nothing,
    /// The result is a new descriptor, adopted the moment the completion is read.
    Descriptor(Kind),
    /// The result is a number, and the `msghdr` that the SQE names tells of descriptors that a recvmsg(2) has brought; they are adopted
    /// the moment the completion is read.
    Message,
}

/// The descriptors that an op in flight names, each kept open until its final completion.
///
/// A descriptor that the op itself owns (an [`OwnedFd`], an `Rc<File>`) need not be here: the op lives as long.
///
/// Like a [`Completion`] it is dropped by hand and by value, so that it need not be in memory on its way into the table.
#[derive(Debug, Default)]
pub struct Holds {
    pub(crate) first: ManuallyDrop<Option<FdRef>>,
    pub(crate) second: ManuallyDrop<Option<FdRef>>,
}

impl Drop for Holds {
    #[inline(always)]
    fn drop(&mut self) {
        if self.first.is_some() || self.second.is_some() {
            drop_held(self.first.take(), self.second.take());
        }
    }
}

#[inline(never)]
fn drop_held(first: Option<FdRef>, second: Option<FdRef>) {
    drop((first, second));
}

impl Holds {
    /// The op names no descriptor.
    pub fn none() -> Self {
        Self::default()
    }

    /// The op names the descriptor of a handle.
    ///
    /// It does not keep the handle: when the last handle is dropped the op is abandoned, not waited for.
    pub fn of(fd: &Fd) -> Self {
        Self::one(fd.inner().clone())
    }

    /// The op names one descriptor.
    #[inline]
    pub fn one(fd: FdRef) -> Self {
        Self::two(Some(fd), None)
    }

    /// Lets go of what nobody waits for and somebody else still names. The rest is given back: to let go of that closes it, or wakes whoever
    /// waits to close it.
    #[inline]
    pub(crate) fn let_go_quietly(mut self) -> Option<Self> {
        if self
            .first
            .as_ref()
            .is_some_and(|fd| fd.is_shared_and_unwatched())
        {
            drop(self.first.take());
        }
        if self
            .second
            .as_ref()
            .is_some_and(|fd| fd.is_shared_and_unwatched())
        {
            drop(self.second.take());
        }
        (self.first.is_some() || self.second.is_some()).then_some(self)
    }

    /// Whoever is held.
    #[inline]
    pub(crate) fn into_held(mut self) -> impl Iterator<Item = FdRef> {
        [self.first.take(), self.second.take()]
            .into_iter()
            .flatten()
    }

    /// The op names two descriptors (splice, linkat, renameat2).
    #[inline]
    pub fn two(first: Option<FdRef>, second: Option<FdRef>) -> Self {
        Self {
            first: ManuallyDrop::new(first),
            second: ManuallyDrop::new(second),
        }
    }
}

/// A kernel request and what it owns.
///
/// Each of sakia's own operations is such a value, and so can yours be: [`submit`](crate::submit) makes its future, which is lazy, can be dropped at
/// any time, and can be cancelled for a [`Receipt`](crate::Receipt) if the output is a result.
///
/// The life of an op: `prepare` once, when the future is polled first; `more` for each completion that is not the last, at a later poll; `complete` with
/// the last. If the future is dropped in between, the value moves into a box and stays there until the last completion, which nobody is told of; what completions
/// carry is closed. If the op was never submitted (the runtime has ended, the kernel has no such opcode) `complete` tells the error. One of a lane
/// ([`LaneOp`](crate::LaneOp)) may go on after its last completion, and is prepared anew.
///
/// # Safety
/// An implementer promises that
/// * every address that [`prepare`](Op::prepare) puts into the SQE leads to memory that this value owns on the heap (or that is static), that
///   moving the value does not move that memory, and that nothing but the kernel touches it until `complete`, `settle` or the value's drop.
///   [`more`](Op::more) and [`abandon`](Op::abandon) touch at most what the kernel has said by then that it is done with;
/// * every descriptor that the SQE names is in the returned [`Holds`], or is owned by this value, which closes it in `complete` or its drop at the earliest (`AT_FDCWD` is no descriptor);
/// * [`YIELDS`](Op::YIELDS) tells the truth: a result that is a descriptor is declared, and nothing else is; [`Yields::Message`] says that
///   the SQE's address leads to a `msghdr` whose control buffer, if it has one, is memory of the same kind;
/// * the request does not meddle with what the driver owns: it closes no descriptor but its own, cancels, updates or messages no op and no ring, and
///   names no registered buffer, file or buffer group.
///
/// The driver promises in return that `complete` or `settle` is called after the final completion only, and
/// that the value is neither dropped nor touched between `prepare` and then but by `more` and `abandon`. It chooses the tag (`user_data`) itself.
pub unsafe trait Op: Sized + 'static {
    /// What awaiting the op gives.
    type Output;

    /// What becomes of the op when its future is dropped in flight.
    const CANCEL: Cancel;

    /// Whether its result is a descriptor.
    const YIELDS: Yields = Yields::Nothing;

    /// Whether it names a place of its first descriptor. What has no places refuses it.
    #[doc(hidden)]
    const PLACED: bool = false;

    /// Whether the kernel may choose the buffer that it fills.
    #[doc(hidden)]
    const CHOOSES: bool = false;

    /// Writes the submission, and names the descriptors that must stay open for it.
    fn prepare(&mut self, sqe: &mut Sqe) -> Holds;

    /// Turns the final completion into the output.
    fn complete(self, done: Completion) -> Self::Output;

    /// Takes note of a completion that is not the last (`IORING_CQE_F_MORE`): of a multishot op, or of a zero-copy send before its notification.
    ///
    /// Not called once the future is dropped. By default what the completion says is dropped, and a descriptor that it carries is closed.
    fn more(&mut self, done: Completion) {
        drop(done);
    }

    /// The future is being dropped with the op in flight: gives back what earlier rounds have brought already.
    #[doc(hidden)]
    fn abandon(&mut self) -> Option<Leftover> {
        None
    }

    /// Nobody waits any more and the final completion is here: says what of it must not be lost, beyond what
    /// [`abandon`](Op::abandon) has given back already.
    ///
    /// Runs inside dispatch: it must not run code of the user's.
    #[doc(hidden)]
    fn settle(&mut self, done: &mut Completion) -> Option<Leftover> {
        let _ = done;
        None
    }
}

/// Why an op was not handed to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The runtime of the descriptor has ended.
    Ended,
    /// The future was polled in another runtime than its descriptor's, or in none.
    Foreign,
    /// The process is a forked child of the one that owns the ring.
    Forked,
    /// The kernel has lost a completion of this ring.
    Lost,
    /// The kernel does not know the opcode.
    Unsupported(u8),
    /// 16 million ops are in flight.
    Full,
}

impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        use io::ErrorKind as Kind;
        match refusal {
            Refusal::Ended => Self::new(
                Kind::BrokenPipe,
                "the sakia runtime of this operation has ended",
            ),
            Refusal::Foreign => Self::other(
                "a handle was used outside the sakia runtime that it belongs to; move it with into_std() and from_std()",
            ),
            Refusal::Forked => Self::other(
                "this process was forked from the one that owns the sakia runtime; use exec, or a runtime of its own",
            ),
            Refusal::Lost => Self::other(
                "the kernel has lost a completion (EBADR), so the ring of this sakia runtime cannot be trusted any more; end it and make another",
            ),
            Refusal::Unsupported(code) => Self::new(
                Kind::Unsupported,
                format!(
                    "this kernel has no IORING_OP_{} ({code})",
                    opcode::name(code)
                ),
            ),
            Refusal::Full => Self::new(
                Kind::ResourceBusy,
                "more than 16 million operations are in flight",
            ),
        }
    }
}

/// A completion that carries nothing beside its numbers, as nearly all do: so few bytes travel in registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bare {
    pub(crate) res: i32,
    pub(crate) flags: u32,
}

impl Bare {
    /// Of a receive that has filled this.
    #[inline]
    fn of(buf: &PooledBuf, flags: u32) -> Self {
        let res = buf.len() as i32;
        Self { res, flags }
    }

    /// See [`Completion::errno`].
    #[inline]
    fn errno(self) -> i32 {
        match self.res {
            0.. => 0,
            // ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK.
            -516..=-512 => libc::ECANCELED,
            res => -res,
        }
    }

    /// Whether it says that the op was cancelled.
    #[inline]
    pub(crate) fn was_cancelled(self) -> bool {
        self.errno() == libc::ECANCELED
    }
}

impl From<Bare> for Completion {
    #[inline]
    fn from(bare: Bare) -> Self {
        let Bare { res, flags } = bare;
        Self {
            res,
            flags,
            load: ManuallyDrop::new(None),
            refusal: None,
        }
    }
}

/// How an op has ended. What is only numbers is kept as such: a record that is written in pieces and then copied whole has the processor wait for
/// its own writes.
#[derive(Debug)]
pub(crate) enum Done {
    Bare(Bare),
    /// With the buffer that the kernel has chosen, which holds as many bytes as were received, and the CQE's flags.
    Filled(PooledBuf, u32),
    /// With a descriptor, and the CQE's flags.
    Opened(KernelFd, u32),
    /// With anything else, which is rare.
    Laden(Bare, Box<Load>),
}

impl From<Completion> for Done {
    /// Of a completion that a kernel has made, and so no refusal.
    fn from(mut done: Completion) -> Self {
        let Completion { res, flags, .. } = done;
        let bare = Bare { res, flags };
        match done.load.take() {
            None => Self::Bare(bare),
            Some(Load { fd: Some(fd), .. }) => Self::Opened(fd, flags),
            Some(load) => Self::Laden(bare, Box::new(load)),
        }
    }
}

impl From<Done> for Completion {
    #[inline]
    fn from(done: Done) -> Self {
        match done {
            Done::Bare(bare) => bare.into(),
            Done::Filled(buf, flags) => Self::filled(Bare::of(&buf, flags), buf),
            Done::Opened(fd, flags) => Self::opened(fd, flags),
            Done::Laden(bare, load) => Self::with(bare, *load),
        }
    }
}

/// The end of an op: its result, and the descriptor that the result was, if it was one.
///
/// What it carries is dropped by hand, by value and out of the way, at the cost of one look: a completion that carries nothing, as most, is never
/// shown to a call by its address, and so need not be in memory.
#[derive(Debug)]
pub struct Completion {
    res: i32,
    flags: u32,
    load: ManuallyDrop<Option<Load>>,
    refusal: Option<Refusal>,
}

/// What a completion carries beside its numbers.
#[derive(Debug, Default)]
pub(crate) struct Load {
    pub(crate) fd: Option<KernelFd>,
    pub(crate) arrived: Option<Box<Arrived>>,
    /// The buffer that the kernel has chosen, with what was received.
    pub(crate) buf: Option<PooledBuf>,
}

impl Drop for Completion {
    #[inline(always)]
    fn drop(&mut self) {
        if self.load.is_some() {
            drop_load(self.load.take());
        }
    }
}

#[inline(never)]
fn drop_load(load: Option<Load>) {
    drop(load);
}

impl Completion {
    /// What it carries, to put something there.
    pub(crate) fn load(&mut self) -> &mut Load {
        self.load.get_or_insert_default()
    }

    /// What it carries, to look at.
    #[cfg(test)]
    pub(crate) fn loaded(&self) -> Option<&Load> {
        self.load.as_ref()
    }

    pub(crate) fn take_fd(&mut self) -> Option<KernelFd> {
        self.load.as_mut()?.fd.take()
    }

    pub(crate) fn take_arrived(&mut self) -> Option<Box<Arrived>> {
        self.load.as_mut()?.arrived.take()
    }

    #[inline]
    pub(crate) fn take_buf(&mut self) -> Option<PooledBuf> {
        let load = self.load.as_mut()?;
        let buf = load.buf.take();
        if load.fd.is_none() && load.arrived.is_none() {
            // It carries nothing any more, and what is dropped by hand needs no drop.
            self.load = ManuallyDrop::new(None);
        }
        buf
    }

    /// A completion that carries this.
    #[inline]
    fn with(Bare { res, flags }: Bare, load: Load) -> Self {
        Self {
            res,
            flags,
            load: ManuallyDrop::new(Some(load)),
            refusal: None,
        }
    }

    /// The end of a receive that has brought a buffer.
    #[inline]
    pub(crate) fn filled(bare: Bare, buf: PooledBuf) -> Self {
        let buf = Some(buf);
        Self::with(
            bare,
            Load {
                buf,
                ..Load::default()
            },
        )
    }

    pub(crate) fn refused(refusal: Refusal) -> Self {
        let mut done = Self::cancelled();
        done.refusal = Some(refusal);
        done
    }

    /// The end of an op that has brought a descriptor.
    #[inline]
    pub(crate) fn opened(fd: KernelFd, flags: u32) -> Self {
        let res = fd.raw();
        let fd = Some(fd);
        Self::with(
            Bare { res, flags },
            Load {
                fd,
                ..Load::default()
            },
        )
    }

    /// The end of an op that the kernel never had, and that was asked to end.
    pub(crate) fn cancelled() -> Self {
        Self::from(Bare {
            res: -libc::ECANCELED,
            flags: 0,
        })
    }

    /// The number that the kernel answered.
    ///
    /// # Errors
    /// The errno of the op. An op that was interrupted on its worker thread (`ERESTARTSYS` and its kin, which no
    /// system call ever shows) was cancelled and says `ECANCELED`.
    #[inline]
    pub fn result(&self) -> io::Result<u32> {
        if let Some(refusal) = self.refusal {
            return Err(refusal.into());
        }
        u32::try_from(self.res).map_err(|_| io::Error::from_raw_os_error(self.errno()))
    }

    /// A handle of the descriptor that the op made, on the thread's current driver.
    ///
    /// # Errors
    /// As [`result`](Self::result). If no driver is current; the descriptor is closed then.
    pub fn into_fd(mut self, kind: Kind) -> io::Result<Fd> {
        self.result()?;
        let fd = self.take_fd().ok_or_else(not_declared)?;
        Fd::adopt(fd, kind)
    }

    /// The descriptor that the op made, for code outside of the runtime's care.
    ///
    /// # Errors
    /// As [`result`](Self::result), and if it is a descriptor of the simulated kernel, which is nothing outside; it is closed then.
    pub fn into_owned_fd(mut self) -> io::Result<OwnedFd> {
        self.result()?;
        let fd = self.take_fd().ok_or_else(not_declared)?;
        fd.into_std()
    }

    /// Takes what a message brought beside its bytes; what is not taken is closed.
    ///
    /// Whether some was cut off stands in the flags of the `msghdr`, which the op owns.
    pub fn take_ancillary(&mut self) -> Ancillary {
        ancillary::hand_over(self.take_arrived(), false)
    }

    /// The CQE's flags.
    #[inline]
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// The errno, if the op failed; 0 if it did not.
    #[inline]
    pub(crate) fn errno(&self) -> i32 {
        let (res, flags) = (self.res, self.flags);
        Bare { res, flags }.errno()
    }

    /// Whether an op that was asked to end did so, with no effect of this round.
    #[inline]
    pub(crate) fn was_stopped(&self) -> bool {
        self.refusal.is_none() && matches!(self.errno(), libc::ECANCELED | libc::EINTR)
    }

    /// Whether it ended because it was cancelled (or never began).
    #[inline]
    pub(crate) fn was_cancelled(&self) -> bool {
        self.refusal.is_some() || self.errno() == libc::ECANCELED
    }
}

fn not_declared() -> io::Error {
    io::Error::other("the op was not declared to yield a descriptor")
}

/// An op whose future has gone: what the table keeps until the final completion.
pub(crate) trait Orphan {
    /// See [`Op::settle`].
    fn settle(&mut self, done: &mut Completion) -> Option<Leftover>;
}

impl<O: Op> Orphan for O {
    fn settle(&mut self, done: &mut Completion) -> Option<Leftover> {
        Op::settle(self, done)
    }
}

/// An op of a lane that was let go before it was submitted.
pub(crate) trait Detached: Orphan {
    /// See [`Op::YIELDS`].
    fn yields(&self) -> Yields;

    /// Aims it, and describes its submission.
    fn prepare(&mut self, fd: &FdRef, sqe: &mut Sqe) -> Holds;
}

impl<O: LaneOp> Detached for O {
    fn yields(&self) -> Yields {
        O::YIELDS
    }

    fn prepare(&mut self, fd: &FdRef, sqe: &mut Sqe) -> Holds {
        self.aim(fd);
        Op::prepare(self, sqe)
    }
}
