//! The join side of a task: what its `JoinHandle` waits for, takes, or drops.
//!
//! The slot changes hands once, at `COMPLETE`: before it belongs to the loop, after it to the handle, if there is one
//! (`state.rs` has the law of each bit). The handle may be on another thread; it is `Send` for a sendable output only.
//!
//! Also the inside of `Bound`: a value that lies in a task's slot instead of a future, so that the list of all tasks
//! drops it at the end, and an abort from another thread brings it home.

use std::any::Any;
use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use super::join_waker::JoinWaker;
use super::raw::{Header, TaskRef};
use super::state::{self, Detach, own};
use crate::local::Local;
use crate::remote::CoreRef;

/// How a task ended.
pub(crate) enum Outcome<T> {
    /// The future gave its output.
    Value(T),
    /// The poll panicked.
    Panic(Box<dyn Any + Send>),
    /// The future was dropped before it was ready.
    Cancelled,
}

/// The bits that tell the outcome.
pub(super) fn bits(value: bool, panic: bool) -> usize {
    if value {
        state::VALUE
    } else if panic {
        state::PANIC
    } else {
        0
    }
}

/// The one that may take the outcome: one word, so that a handle moves in one step.
pub(crate) struct Joiner<T> {
    /// A reference to the task; the lowest bit says that the outcome was taken.
    task: NonNull<Header>,
    output: PhantomData<T>,
}

/// See [`Joiner::task`].
const TAKEN: usize = 1;

// SAFETY: a TaskRef may go anywhere; all that a Joiner adds is to take or drop the T, which needs `&mut` or the end of
// the Joiner, and a `T: Send` may be taken and dropped on another thread. The hand-over is ordered by COMPLETE.
unsafe impl<T: Send> Send for Joiner<T> {}
// SAFETY: by a shared reference nothing but the TaskRef is reached, which is Sync.
unsafe impl<T: Send> Sync for Joiner<T> {}

/// Makes a task of `future`: a reference for the list, one for the ready queue, and the one that joins.
#[cfg_attr(feature = "track-origin", track_caller)]
pub(crate) fn new_task<F>(
    future: F,
    local: &Local,
    core: CoreRef,
) -> (TaskRef, TaskRef, Joiner<F::Output>)
where
    F: Future + 'static,
    F::Output: 'static,
{
    let [listed, queued, joining] = TaskRef::new(future, local, core);
    (listed, queued, Joiner::new(joining))
}

impl<T> Joiner<T> {
    /// The only Joiner of a task there will ever be, with the type of its output: `poll` relies on both.
    pub(super) fn new(task: TaskRef) -> Self {
        Self {
            task: task.into_ptr(),
            output: PhantomData,
        }
    }

    /// The task, borrowed for as long as the Joiner lives.
    #[inline]
    pub(crate) fn task(&self) -> ManuallyDrop<TaskRef> {
        let task = self.task.as_ptr().map_addr(|at| at & !TAKEN);
        // SAFETY: without the bit, which an aligned address does not have, it is the reference that `new` was given. ManuallyDrop
        // makes it a borrow; no caller keeps it.
        ManuallyDrop::new(unsafe { TaskRef::from_ptr(NonNull::new_unchecked(task)) })
    }

    #[inline]
    fn is_taken(&self) -> bool {
        self.task.addr().get() & TAKEN != 0
    }

    /// Takes the outcome, or leaves `waker` to be woken when it is there.
    ///
    /// # Panics
    /// If the outcome has been taken.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<Outcome<T>> {
        assert!(
            !self.is_taken(),
            "a JoinHandle was polled after it gave its result"
        );
        if !self.register(waker) {
            return Poll::Pending;
        }
        let task = self.task();
        self.task = self.task.map_addr(|at| at | TAKEN);
        let word = task.header().word.load();
        Poll::Ready(if word & state::VALUE != 0 {
            // SAFETY: COMPLETE and VALUE are set, so the slot holds the output; JOIN made it ours, `new_task` fixed its
            // type, and TAKEN was clear, so nobody has read it. The load ordered its writing before this.
            Outcome::Value(unsafe { task.slot::<T>().read() })
        } else if word & state::PANIC != 0 {
            // SAFETY: as above, for the payload.
            Outcome::Panic(unsafe { task.take_payload() })
        } else {
            Outcome::Cancelled
        })
    }

    /// Sees that `waker` will be woken; true if there is nothing to wait for.
    fn register(&mut self, waker: &Waker) -> bool {
        let task = self.task();
        let header = task.header();
        let word = header.word.load();
        if word & state::COMPLETE != 0 {
            return true;
        }
        let set = word & state::JOIN_WAKER != 0;
        let place = &header.join_waker;
        let at_home = task.here().is_some();
        // SAFETY: at home the loop is this thread, so nobody wakes it meanwhile. Elsewhere a foreign one is not looked into.
        if set && (place.get().is_surely(waker) || at_home && unsafe { place.get().is(waker) }) {
            return false;
        }
        // User code, which may panic: before anything changes.
        let new = JoinWaker::of(waker);
        let old = if set {
            if !header.word.unset_join_waker(!at_home) {
                // SAFETY: it was made just now, and nobody else knows it.
                unsafe { new.discard() };
                return true;
            }
            // JOIN_WAKER is clear again and COMPLETE was not there: the waker in its place is ours.
            Some(place.get())
        } else {
            None
        };
        // With JOIN_WAKER clear the place is ours until it is set, even if COMPLETE comes.
        place.put(new);
        let complete = !self.publish();
        if complete {
            // SAFETY: JOIN_WAKER was not set, so the place stayed ours, with the waker just written.
            unsafe { new.discard() };
        }
        if let Some(old) = old {
            // SAFETY: it was taken out above.
            unsafe { old.discard() };
        }
        complete
    }

    /// Publishes the join waker; false if the task is complete.
    #[inline]
    fn publish(&self) -> bool {
        let task = self.task();
        let shared = &task.header().word;
        let word = shared.load();
        if word & state::COMPLETE == 0 && task.is_all_at_home(word) {
            shared.set_join_waker_alone(word);
            return true;
        }
        shared.set_join_waker()
    }

    /// Gives up the outcome; drops it if it is there.
    fn detach(&self) -> u32 {
        let task = self.task();
        let header = task.header();
        if let Some((own, _)) = task.here() {
            // The loop is this thread: nothing completes meanwhile, and the flag needs no atomic.
            own.set(own::DETACHED);
            if header.word.load() & state::JOIN_WAKER == 0 {
                return 0;
            }
        }
        match header.word.detach() {
            Detach::Alive { waker: false } => 0,
            Detach::Alive { waker: true } => {
                // SAFETY: JOIN_WAKER was cleared by us and COMPLETE was not there: the waker in its place is ours.
                unsafe { header.join_waker.get().discard() }
            }
            // SAFETY: the word tells what is in the slot; JOIN made it ours, and it was not taken. A Joiner of a T
            // that is not Send is on the thread where the T was made.
            Detach::Complete { word } => unsafe { task.drop_outcome(word) },
        }
    }
}

impl<T> Drop for Joiner<T> {
    fn drop(&mut self) {
        let task = self.task();
        if !self.is_taken() {
            let panics = self.detach();
            if panics > 0 {
                task.core().count_destructor_panics(panics);
            }
        }
        drop(ManuallyDrop::into_inner(task));
    }
}

/// The value of a `Bound`, in the place of a task's future: it is never polled as one.
pub(crate) struct Resting<T> {
    value: T,
    /// How many borrows there are; the first sets `RUNNING`, the last clears it.
    borrows: Cell<usize>,
}

impl<T> Future for Resting<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// Why a value cannot be had.
pub(crate) enum Lost {
    /// This is another thread than the owner's.
    Elsewhere,
    /// The value has been dropped.
    Gone,
}

/// The one that may reach the value of a `Bound`, from the owner's thread alone.
pub(crate) struct Keeper<T> {
    task: TaskRef,
    value: PhantomData<T>,
}

// SAFETY: the value is reached by `resting` alone, which asks for the owner's thread first; elsewhere only the
// TaskRef is used, which may be.
unsafe impl<T> Send for Keeper<T> {}
// SAFETY: as above; on the owner's thread shared references give shared references.
unsafe impl<T> Sync for Keeper<T> {}

impl<T: 'static> Keeper<T> {
    /// Puts `value` into a task; gives the reference for the list too.
    #[cfg_attr(feature = "track-origin", track_caller)]
    pub(crate) fn new(value: T, local: &Local, core: CoreRef) -> (TaskRef, Self) {
        let resting = Resting {
            value,
            borrows: Cell::new(0),
        };
        let (listed, queued, _joiner) = new_task(resting, local, core);
        listed.own(local).set(own::KEPT);
        let keeper = Self {
            task: queued,
            value: PhantomData,
        };
        (listed, keeper)
    }
}

impl<T> Keeper<T> {
    /// The task that holds the value.
    pub(crate) fn task(&self) -> &TaskRef {
        &self.task
    }

    /// The value in its slot.
    fn resting(&self) -> Result<(&Local, *mut Resting<T>), Lost> {
        let local = self.task.core().at_home().ok_or(Lost::Elsewhere)?;
        if self.task.own(local).has(own::ENDING) {
            return Err(Lost::Gone);
        }
        Ok((local, self.task.slot()))
    }

    /// Borrows the value; the caller calls `unborrow`, on this thread, when it is done.
    pub(crate) fn borrow(&self) -> Result<&T, Lost> {
        let (local, resting) = self.resting()?;
        // SAFETY: without ENDING the value is in its slot, of the type that `new` wrote. RUNNING keeps it there while
        // it is borrowed; a `&mut` to it is made with `&mut Keeper` alone, which cannot be while self is borrowed.
        let resting = unsafe { &*resting };
        if resting.borrows.get() == 0 {
            self.task.begin_use(local);
        }
        resting.borrows.set(resting.borrows.get() + 1);
        Ok(&resting.value)
    }

    /// Ends one borrow.
    pub(crate) fn unborrow(&self) {
        let Ok((local, resting)) = self.resting() else {
            return;
        };
        // SAFETY: as in `borrow`.
        let borrows = unsafe { &(*resting).borrows };
        borrows.set(borrows.get() - 1);
        if borrows.get() == 0 {
            self.task.end_use(local);
        }
    }

    /// Shows the value, pinned, to `code`.
    pub(crate) fn with<R>(&mut self, code: impl FnOnce(Pin<&mut T>) -> R) -> Result<R, Lost> {
        self.forget_borrows();
        let (local, resting) = self.resting()?;
        self.task.begin_use(local);
        let using = Using(&self.task, local);
        // SAFETY: as in `borrow`; `&mut self` says that nothing is borrowed, and RUNNING keeps the loop off. The value
        // never moves once it is written.
        let value = unsafe { Pin::new_unchecked(&mut (*resting).value) };
        let result = code(value);
        drop(using);
        Ok(result)
    }

    /// Ends borrows whose guards were forgotten: with `&mut self` there are none any more.
    pub(crate) fn forget_borrows(&mut self) {
        if let Ok((local, resting)) = self.resting() {
            // SAFETY: as in `borrow`.
            unsafe { (*resting).borrows.set(0) };
            self.task.end_use(local);
        }
    }
}

/// Ends the use of a task's future, even by a panic.
struct Using<'a>(&'a TaskRef, &'a Local);

impl Drop for Using<'_> {
    fn drop(&mut self) {
        self.0.end_use(self.1);
    }
}
