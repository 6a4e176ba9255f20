//! Where the value of an op is while its future waits: [`Flight`], what [`Submit`](super::future::Submit) and [`Laned`](super::laned::Laned) are built on.
//!
//! While an op is in flight its value rests here, untouched, in a `MaybeUninit` (so that moving the future asserts nothing about the memory that
//! the kernel writes). Only a drop in flight moves it, into one box that the op table owns. In the steady state nothing is allocated.
//!
//! Which driver has the op its owner knows and says each time; it is the same from the start to the end. And it is its owner that
//! gives the op up when it is dropped: what is forgotten here is leaked, never freed.

use std::fmt;
use std::mem::MaybeUninit;
use std::task::{Context, Poll, Waker};

use super::leftover::Leftover;
use super::submit::{InLane, Sent};
use super::table::{Abandoned, Polled, Tag};
use super::{Bare, Completion, Op, Orphan, Refusal, Yields};
use crate::driver::Driver;
use crate::fd::FdRef;
use crate::kernel::KernelFd;
use crate::kernel::abi::Sqe;

/// Where the value of an op is, and whether the kernel knows of it: in the eight bytes of a tag, for tags have numbers to spare.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stage(u64);

impl Stage {
    /// Here, and nobody else's.
    const IDLE: Self = Self(0);
    /// Gone: completed, or given to the table.
    const GONE: Self = Self(1);

    /// Here, and lent to the kernel under this tag.
    #[inline]
    fn in_flight(tag: Tag) -> Self {
        debug_assert!(tag.0 > Self::GONE.0, "a tag has a generation");
        Self(tag.0)
    }

    #[inline]
    fn tag(self) -> Option<Tag> {
        (self.0 > Self::GONE.0).then_some(Tag(self.0))
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::IDLE => f.write_str("Idle"),
            Self::GONE => f.write_str("Gone"),
            Self(tag) => f.debug_tuple("InFlight").field(&tag).finish(),
        }
    }
}

/// What is known of an op at a poll of its future.
pub(super) enum Look {
    /// It is in flight.
    Pending,
    /// It is a receive of a hot stream that has run dry, and was not handed over.
    Dry,
    /// It is over, as most are: with nothing but numbers. The op is [here](Flight::finish) again.
    Bare(Bare),
    /// It is over: with a descriptor, and the CQE's flags. The op is here again.
    Opened(KernelFd, u32),
    /// [Ask further](Flight::poll_other). It is over with this, if there is something.
    Other(Option<Completion>),
}

impl Look {
    /// With what an op is over that has brought no mere number.
    #[inline]
    pub(super) fn done(self) -> Option<Completion> {
        match self {
            Self::Opened(fd, flags) => Some(Completion::opened(fd, flags)),
            Self::Other(done) => done,
            Self::Pending | Self::Dry | Self::Bare(_) => None,
        }
    }
}

/// See the module's page.
pub(crate) struct Flight<O: Op> {
    stage: Stage,
    op: MaybeUninit<O>,
}

// No field is ever pinned: what the kernel points to lies on the heap (the promise of `unsafe trait Op`).
impl<O: Op> Unpin for Flight<O> {}

impl<O: Op> Flight<O> {
    #[inline]
    pub(super) fn new(op: O) -> Self {
        Self {
            stage: Stage::IDLE,
            op: MaybeUninit::new(op),
        }
    }

    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.stage == Stage::IDLE
    }

    /// Whether the op is over, or somebody else has it.
    #[inline]
    pub(super) fn is_gone(&self) -> bool {
        self.stage == Stage::GONE
    }

    /// Takes the op out, if the kernel does not have it.
    #[inline]
    pub(crate) fn take_idle(&mut self) -> Option<O> {
        self.is_idle().then(|| self.finish())
    }

    #[inline]
    pub(crate) fn idle_mut(&mut self) -> Option<&mut O> {
        // SAFETY: at `IDLE` the value is initialised, and the borrow of `self` keeps it so.
        self.is_idle().then(|| unsafe { self.op.assume_init_mut() })
    }

    /// Puts it back after [`take_idle`](Self::take_idle).
    pub(super) fn put_idle(&mut self, op: O) {
        debug_assert_eq!(self.stage, Stage::GONE);
        self.op.write(op);
        self.stage = Stage::IDLE;
    }

    pub(super) fn tag(&self) -> Option<Tag> {
        self.stage.tag()
    }

    /// With what a receive is over that has brought a buffer, if it is one and has: it asks by itself, for a look that could carry a buffer would have to be in memory.
    #[inline(always)]
    pub(super) fn take_filled(&mut self, driver: &Driver) -> Option<Completion> {
        if !O::CHOOSES {
            return None;
        }
        let (bare, buf) = driver.take_filled(self.tag()?)?;
        self.land();
        Some(Completion::filled(bare, buf))
    }

    /// The op is ours again, where it lies: the caller has its last completion, or knows that there will be none, and has not taken it out.
    #[inline]
    fn land(&mut self) {
        assert!(!self.is_gone(), "{POLLED_AGAIN}");
        self.stage = Stage::IDLE;
    }

    /// Takes the op out, which is at `IDLE`: with the completion that it is over with, or unsubmitted.
    #[inline]
    pub(super) fn finish(&mut self) -> O {
        assert_idle(self.stage);
        self.stage = Stage::GONE;
        // SAFETY: at `IDLE`, as asserted, the value is initialised and nobody else's, and `GONE` keeps everybody from reading it again.
        unsafe { self.op.assume_init_read() }
    }

    /// Drops the op where it lies, at its end; `finish` says when that is. Tells what is asked of it before.
    #[inline]
    pub(super) fn end_here<T>(&mut self, ask: impl FnOnce(&O) -> T) -> T {
        assert_idle(self.stage);
        self.stage = Stage::GONE;
        // SAFETY: as in `finish`; if `ask` panics it is leaked.
        let told = ask(unsafe { self.op.assume_init_ref() });
        // SAFETY: as in `finish`: it is dropped once, for `GONE` keeps everybody from it.
        unsafe { self.op.assume_init_drop() };
        told
    }

    /// Hands over an op that is at `IDLE` to its driver, which takes it, and in its lane, if it goes in one; asks what became of one that was.
    #[inline(always)]
    pub(super) fn look(
        &mut self,
        driver: &Driver,
        lane: Option<InLane<'_>>,
        cx: &mut Context<'_>,
    ) -> Look {
        if let Some(tag) = self.tag() {
            if matches!(O::YIELDS, Yields::Descriptor(_))
                && let Some((fd, flags)) = driver.take_opened(tag)
            {
                self.land();
                return Look::Opened(fd, flags);
            }
            let Some(bare) = driver.take_bare(tag) else {
                return Look::Other(None);
            };
            self.land();
            return Look::Bare(bare);
        }
        if !self.is_idle() {
            return Look::Other(None);
        }
        let mut sqe = Sqe::default();
        // SAFETY: at `IDLE` the value is initialised. If `prepare` panics the stage is still `IDLE` and the value is dropped as usual.
        let holds = unsafe { self.op.assume_init_mut() }.prepare(&mut sqe);
        let kind = (O::YIELDS, O::PLACED);
        match driver.submit(sqe, holds, kind, lane, cx.waker()) {
            Ok(Sent::InFlight(tag)) => {
                self.stage = Stage::in_flight(tag);
                Look::Pending
            }
            Ok(Sent::Answered(bare)) => Look::Bare(bare),
            Ok(Sent::Dry) => Look::Dry,
            Ok(Sent::Opened(fd)) => Look::Opened(fd, 0),
            Err(refusal) => Look::Other(Some(Completion::refused(refusal))),
        }
    }

    /// What is left to ask, and to do, after a [`look`](Self::look) that has brought no mere number. With the completion that the op is over with it is here again.
    #[inline(never)]
    pub(super) fn poll_other(
        &mut self,
        driver: &Driver,
        done: Option<Completion>,
        cx: &mut Context<'_>,
    ) -> Poll<Completion> {
        if let Some(done) = done {
            self.land();
            return Poll::Ready(done);
        }
        let Some(tag) = self.tag() else {
            panic!("{POLLED_AGAIN}");
        };
        if let Some(done) = driver.take_ended(tag) {
            self.land();
            return Poll::Ready(done);
        }
        loop {
            match driver.poll_op(tag, cx.waker()) {
                Polled::Pending | Polled::OtherWaker => return Poll::Pending,
                Polled::More(list) => {
                    for done in list {
                        // SAFETY: in flight the value is initialised and stays so. What `more` may do while the kernel has the op's
                        // memory is a part of the promise of `unsafe trait Op`.
                        unsafe { self.op.assume_init_mut() }.more(done);
                    }
                }
                Polled::Ready(done) => {
                    self.land();
                    return Poll::Ready(done);
                }
                // The entry was removed after its final completion, as the runtime ended.
                Polled::Gone => {
                    self.land();
                    return Poll::Ready(Completion::refused(Refusal::Ended));
                }
            }
        }
    }

    /// Drives the op to its end: it is here again then.
    #[inline]
    pub(super) fn poll_end(&mut self, driver: &Driver, cx: &mut Context<'_>) -> Poll<Completion> {
        match self.look(driver, None, cx) {
            Look::Pending => Poll::Pending,
            Look::Bare(bare) => Poll::Ready(bare.into()),
            other => self.poll_other(driver, other.done(), cx),
        }
    }

    /// Ends the op before its time: the kernel is asked, and only the op's own final completion says what came of it.
    pub(super) fn poll_stop(
        &mut self,
        driver: Option<&Driver>,
        cx: &mut Context<'_>,
    ) -> Poll<Completion> {
        if self.is_idle() {
            return Poll::Ready(Completion::cancelled());
        }
        let (Some(tag), Some(driver)) = (self.tag(), driver) else {
            panic!("{POLLED_AGAIN}");
        };
        driver.cancel(tag);
        self.poll_end(driver, cx)
    }
}

const POLLED_AGAIN: &str = "an op was polled after it had completed";

/// An op that is taken out is here. A look tells so, and the compiler sees that it does.
#[inline(always)]
#[track_caller]
fn assert_idle(stage: Stage) {
    assert!(stage == Stage::IDLE, "{POLLED_AGAIN}");
}

/// An op that is being given up: its value, which the table drops after the final completion.
///
/// It stays in a `MaybeUninit` on the way into its box and there, for the same reason as in its future: a typed move would claim the
/// memory of a `Box` that the kernel still writes.
pub(super) struct Resting<O>(MaybeUninit<O>);

impl<O: Op> Orphan for Resting<O> {
    fn settle(&mut self, done: &mut Completion) -> Option<Leftover> {
        // SAFETY: `give_up`, which alone makes a `Resting`, puts an initialised value in, and only the drop takes it out. It is
        // settled with its final completion: the kernel has let go of its memory.
        Op::settle(unsafe { self.0.assume_init_mut() }, done)
    }
}

impl<O> Drop for Resting<O> {
    fn drop(&mut self) {
        // SAFETY: as in `settle`; the table drops it after the final completion, or never, and whoever else has it does so when the
        // kernel has not.
        unsafe { self.0.assume_init_drop() }
    }
}

/// What is left of an op whose future is being dropped.
///
/// The last two are dropped last of all, for that is code of the user's, which may turn the driver and so end the op, or panic.
pub(super) struct GivenUp<O> {
    /// Still in flight under this tag; the table owns the op.
    pub(super) in_flight: Option<Tag>,
    /// What it had brought already, in order.
    pub(super) leftovers: [Option<Leftover>; 2],
    /// Who waited.
    pub(super) waiter: Option<Waker>,
    /// The op, if the kernel does not have it.
    pub(super) op: Option<Resting<O>>,
}

impl<O> GivenUp<O> {
    fn here(op: Option<Resting<O>>, leftovers: [Option<Leftover>; 2]) -> Self {
        Self {
            in_flight: None,
            leftovers,
            waiter: None,
            op,
        }
    }
}

impl<O: Op> Flight<O> {
    /// Gives the op up, wherever it is; and if it is in flight in a lane, the descriptor that its future has kept open for it.
    pub(super) fn give_up(&mut self, driver: Option<&Driver>, kept: Option<&FdRef>) -> GivenUp<O> {
        if let Some(op) = self.idle_mut() {
            // It may have been served from leftovers in part, and wait for the lane's orphan.
            let served = op.abandon();
            let op = self.take_idle().map(|op| Resting(MaybeUninit::new(op)));
            return GivenUp::here(op, [served, None]);
        }
        let (Some(tag), Some(driver)) = (self.tag(), driver) else {
            return GivenUp::here(None, [None, None]);
        };
        self.stage = Stage::GONE;
        // SAFETY: the value is initialised (it was in flight). It stays in its `MaybeUninit` for this call, at the stage `GONE`, so
        // that a panic in it leaks the memory that the kernel may still have, and frees nothing.
        let mut leftovers = [unsafe { self.op.assume_init_mut() }.abandon(), None];
        // SAFETY: the value is initialised and is moved out exactly once, as bytes: into the table's box while the
        // kernel still has its memory, which does not move with it, or to be dropped below after the final completion.
        let mut op = Some(Resting(unsafe { std::ptr::read(&raw const self.op) }));
        let boxed = || Box::new(op.take().expect("the table asks once")) as Box<dyn Orphan>;
        let abandoned = driver.abandon(tag, kept, boxed);
        let mut waiter = None;
        match abandoned {
            Abandoned::InFlight(waker) => waiter = waker,
            Abandoned::Ended(mut done) => {
                leftovers[1] = op.as_mut().and_then(|op| op.settle(&mut done));
                driver.close_adopted(done);
            }
            Abandoned::Gone => {}
        }
        let in_flight = op.is_none().then_some(tag);
        GivenUp {
            in_flight,
            leftovers,
            waiter,
            op,
        }
    }
}

impl<O: Op> fmt::Debug for Flight<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stage.fmt(f)
    }
}
