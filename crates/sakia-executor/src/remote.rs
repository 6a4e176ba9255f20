//! The part of an executor that other threads reach: its memory, the remote queue, the context. (The root's waker is in `root.rs`.)
//!
//! The remote queue is the intrusive queue of Dmitry Vyukov: many threads push, one pops. A push is a swap and a
//! store: wait-free, it allocates nothing and has no capacity, as the link lies in the task. The popping side is the
//! owner's thread; after the end of the executor it is whoever pushed too late (the *late* path), so that a wake that
//! raced with the end leaks no task.
//!
//! # No wake is lost
//!
//! A remote wake (a) links the task or sets the root flag, (b) passes a `SeqCst` fence, (c) calls `Unpark::unpark`,
//! which reads the owner's parked state. The owner (d) writes that it is parked, (e) passes a `SeqCst` fence in
//! `Executor::has_ready`, (f) looks at the queue and the flag. Either fence comes first: then (f) sees (a), or (c)
//! sees (d). A thread that has swapped but not yet linked hides itself and all behind it from (f); it is yet to do
//! (b) and (c), and when it does, all of them are seen. The end works alike, with `ended` in the place of (d).
//!
//! The count of references to the core has two halves, as a task's has (`task/state.rs`): tasks are made and freed
//! on the owner's thread without an atomic operation.

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

use crate::Unpark;
use crate::local::Local;
use crate::request::Request;
use crate::sync::{
    AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Thread, UnsafeCell, fence, thread, thread_key,
};
use crate::task::raw::TaskRef;

thread_key! {
    /// The core that this thread is inside, with one reference to it; null outside.
    ///
    /// Const and without a destructor, so that it works until the last instruction of the thread.
    static CURRENT: Cell<*const Core> = const { Cell::new(ptr::null()) };
}

#[inline]
fn current() -> *const Core {
    // A const thread-local without a destructor never fails; null is the right answer if it did.
    CURRENT.try_with(Cell::get).unwrap_or(ptr::null())
}

/// A place in the remote queue.
pub(crate) struct Link {
    next: AtomicPtr<Link>,
}

impl Link {
    pub(crate) fn new() -> Self {
        Self {
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }
}

/// The owner's fields, away from the cache line that other threads write.
#[repr(align(64))]
struct Apart<T>(T);

/// One executor's memory, shared with its tasks and with every thread in the middle of a remote wake.
pub(crate) struct Core {
    /// Where the next link goes; written by every push.
    head: AtomicPtr<Link>,
    /// The atomic half of the count, times two, and `MERGED`.
    refs: AtomicUsize,
    pub(crate) root_woken: AtomicBool,
    /// Who is or waits to be the popping side: the owner from birth to the end, then late pushers. The one that found
    /// zero pops, for all that came meanwhile.
    poppers: AtomicUsize,
    /// New tasks are refused.
    closed: AtomicBool,
    /// The executor has ended: its owner pops no more.
    pub(crate) ended: AtomicBool,
    /// Panics of destructors that ran off the loop.
    panics: AtomicU64,
    pub(crate) unpark: Arc<dyn Unpark>,
    request: Request,
    /// The owner.
    thread: Thread,
    stub: Link,
    /// The oldest link, or the stub; the popping side's.
    tail: UnsafeCell<*mut Link>,
    local: Apart<Local>,
    /// Stands for this memory: read by who uses it, written by who frees it.
    memory: UnsafeCell<()>,
    /// Stands for `local`.
    local_use: UnsafeCell<()>,
}

/// Set in `Core::refs` at the end: the owner's half is merged.
const MERGED: usize = 1;
const ONE: usize = 2;

fn count(refs: usize) -> isize {
    refs.cast_signed() >> 1
}

/// A counted reference to a core, which any thread may hold.
pub(crate) struct CoreRef(NonNull<Core>);

// SAFETY: off the owner's thread only the atomic fields, `unpark` (which is Sync) and, as the popping side, `tail` are
// touched; `local` only where `here` proves the thread. The last reference may be dropped anywhere: by then `Home::end`
// has emptied `local` of everything that belongs to the thread.
unsafe impl Send for CoreRef {}
// SAFETY: as above; all methods take `&self` already.
unsafe impl Sync for CoreRef {}

impl CoreRef {
    #[inline]
    pub(crate) fn core(&self) -> &Core {
        // SAFETY: self is a counted reference, and the core lives until the last of them is dropped.
        let core = unsafe { self.0.as_ref() };
        core.memory.to_read();
        core
    }

    /// # Safety
    /// This is the owner's thread, and self keeps the core.
    unsafe fn local(&self) -> &Local {
        let core = self.core();
        core.local_use.to_write();
        &core.local.0
    }

    /// The owner's fields, if this thread is inside the executor.
    #[inline]
    pub(crate) fn here(&self) -> Option<&Local> {
        // SAFETY: `CURRENT` holds a reference, so no other core can have this address; it is set by `Home::enter`
        // alone, and a Home never leaves its owner's thread. So this is the owner's thread.
        ptr::eq(current(), self.0.as_ptr()).then(|| unsafe { self.local() })
    }

    /// The owner's fields, if this is the owner's thread, be it inside the executor or not.
    pub(crate) fn at_home(&self) -> Option<&Local> {
        if let Some(local) = self.here() {
            return Some(local);
        }
        // SAFETY: ids of threads are never used twice, so this is the thread that made the core.
        (thread::current().id() == self.thread().id()).then(|| unsafe { self.local() })
    }

    /// The owner's thread.
    pub(crate) fn thread(&self) -> &Thread {
        &self.core().thread
    }

    /// Whether `local` is the owner's part of this very core.
    pub(crate) fn is_of(&self, local: &Local) -> bool {
        // SAFETY: only an address inside the live core is computed.
        ptr::eq(unsafe { &raw const (*self.0.as_ptr()).local.0 }, local)
    }

    /// Counts panics of destructors that ran off the loop.
    pub(crate) fn count_destructor_panics(&self, panics: u32) {
        self.core().panics.fetch_add(panics.into(), Relaxed);
    }

    /// Pushes `task`, for which the caller has claimed the way, to the remote queue of its executor, and wakes the
    /// owner.
    pub(crate) fn push(task: TaskRef) {
        // The task goes to the owner, and with it its reference to the core: we need one of our own.
        let this = task.core().clone();
        let core = this.core();
        core.push_link(task.into_link());
        fence(SeqCst);
        if core.ended.load(SeqCst) {
            core.pop_late();
        } else {
            core.unpark.unpark();
        }
    }

    /// Sends a newborn task to its executor, or refuses it if that is closed.
    pub(crate) fn send(task: TaskRef) {
        if task.core().is_closed() {
            let this = task.core().clone();
            // SAFETY: it is in no queue, so we are its popping side, and the executor has not seen it.
            this.count_destructor_panics(unsafe { task.refuse() });
        } else {
            Self::push(task);
        }
    }

    /// Whether new tasks are refused.
    pub(crate) fn is_closed(&self) -> bool {
        self.core().closed.load(SeqCst)
    }

    /// The request that the runtime shut down.
    pub(crate) fn request(&self) -> &Request {
        &self.core().request
    }

    /// The owner's own reference, if this thread is inside the executor and it has not ended.
    pub(crate) fn home(&self) -> Option<Home> {
        let local = self.here()?;
        if local.ended.get() {
            None
        } else {
            Home::current()
        }
    }

    /// Turns the reference into a bare pointer, to be given back to [`from_ptr`](Self::from_ptr).
    pub(crate) fn into_ptr(self) -> NonNull<Core> {
        ManuallyDrop::new(self).0
    }

    /// # Safety
    /// The caller hands over one counted reference, which came out of [`into_ptr`](Self::into_ptr).
    pub(crate) unsafe fn from_ptr(core: NonNull<Core>) -> Self {
        Self(core)
    }
}

impl Clone for CoreRef {
    fn clone(&self) -> Self {
        match self.here() {
            Some(local) if !local.ended.get() => local.refs.set(local.refs.get() + 1),
            _ => {
                if count(self.core().refs.fetch_add(ONE, Relaxed)) > isize::MAX >> 2 {
                    // A count that wraps would free memory in use.
                    std::process::abort();
                }
            }
        }
        Self(self.0)
    }
}

impl Drop for CoreRef {
    fn drop(&mut self) {
        if let Some(local) = self.here()
            && !local.ended.get()
        {
            // Not the last one: the executor itself has a reference until the halves are merged.
            local.refs.set(local.refs.get() - 1);
            return;
        }
        let old = self.core().refs.fetch_sub(ONE, AcqRel);
        if old & MERGED != 0 && count(old) == 1 {
            self.core().memory.to_write();
            // SAFETY: the merged count has gone to zero, so nobody else has a reference; the memory came from a Box.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

impl Core {
    /// Appends `link`, which stays valid until it is popped.
    fn push_link(&self, link: NonNull<Link>) {
        // SAFETY: the caller hands the link over; it is valid until popped.
        unsafe { (*link.as_ptr()).next.store(ptr::null_mut(), Relaxed) };
        let before = self.head.swap(link.as_ptr(), AcqRel);
        // SAFETY: `before` is not popped while it has no next (see `pop_link`), and only we give it one.
        unsafe { (*before).next.store(link.as_ptr(), Release) };
    }

    fn stub(&self) -> *mut Link {
        (&raw const self.stub).cast_mut()
    }

    /// Takes the oldest task that is linked.
    ///
    /// # Safety
    /// The caller is the popping side.
    unsafe fn pop(&self) -> Option<TaskRef> {
        // SAFETY: handed on; a link that is not the stub is a task's, put in by `CoreRef::push`, out for the first time.
        unsafe { Some(TaskRef::from_link(NonNull::new(self.pop_link()?)?)) }
    }

    /// # Safety
    /// The caller is the popping side.
    unsafe fn pop_link(&self) -> Option<*mut Link> {
        // SAFETY: `tail` is the popping side's. Links from the tail on are valid: each is a reference to its task, or
        // the stub. A link leaves only when its next is known, so that no push writes to it any more.
        unsafe {
            let tail_at = self.tail.to_write();
            let mut tail = *tail_at;
            let mut next = (*tail).next.load(Acquire);
            if ptr::eq(tail, self.stub()) {
                if next.is_null() {
                    return None;
                }
                *tail_at = next;
                tail = next;
                next = (*tail).next.load(Acquire);
            }
            if next.is_null() {
                if !ptr::eq(tail, self.head.load(Acquire)) {
                    // Somebody has swapped and not linked yet; it will unpark us.
                    return None;
                }
                self.push_link(NonNull::new_unchecked(self.stub()));
                next = (*tail).next.load(Acquire);
                if next.is_null() {
                    return None;
                }
            }
            *tail_at = next;
            Some(tail)
        }
    }

    /// Whether a pop may find something.
    ///
    /// # Safety
    /// The caller is the popping side.
    unsafe fn is_poppable(&self) -> bool {
        // SAFETY: as in `pop_link`.
        unsafe {
            let tail = *self.tail.to_read();
            !(*tail).next.load(Acquire).is_null()
                || (!ptr::eq(tail, self.stub()) && ptr::eq(tail, self.head.load(Acquire)))
        }
    }

    /// Drops what was pushed after the end. The futures have gone with the end, or are newborn, so any thread may.
    fn pop_late(&self) {
        if self.poppers.fetch_add(1, AcqRel) == 0 {
            // SAFETY: zero became one by our hand, so we are the popping side, counted once.
            unsafe { self.pop_all_and_leave() };
        }
    }

    /// Drops all that is queued and gives up the popping side.
    ///
    /// # Safety
    /// The caller is the popping side, counted once in `poppers`, and is not so afterwards.
    unsafe fn pop_all_and_leave(&self) {
        let mut counted = 1;
        loop {
            // SAFETY: the caller's right, which lasts until `poppers` is zero.
            while let Some(task) = unsafe { self.pop() } {
                // SAFETY: as above, and popped just now; the executor has ended.
                let panics = unsafe { task.refuse() };
                self.panics.fetch_add(panics.into(), Relaxed);
            }
            // Who came meanwhile has pushed before it counted itself; its RMW comes before ours, so we see the push.
            let left = self.poppers.fetch_sub(counted, AcqRel) - counted;
            if left == 0 {
                return;
            }
            counted = left;
        }
    }
}

/// The owner's reference to a core: it never leaves the thread, and so gives the owner's fields.
pub(crate) struct Home(ManuallyDrop<CoreRef>, PhantomData<*const ()>);

impl Home {
    /// Makes a new core, owned by this thread.
    pub(crate) fn new(unpark: Arc<dyn Unpark>) -> Self {
        let core = NonNull::from(Box::leak(Box::new(Core {
            head: AtomicPtr::new(ptr::null_mut()),
            refs: AtomicUsize::new(0),
            root_woken: AtomicBool::new(false),
            poppers: AtomicUsize::new(1),
            closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            panics: AtomicU64::new(0),
            unpark,
            request: Request::default(),
            thread: thread::current(),
            stub: Link::new(),
            tail: UnsafeCell::new(ptr::null_mut()),
            local: Apart(Local::new()),
            memory: UnsafeCell::new(()),
            local_use: UnsafeCell::new(()),
        })));
        // SAFETY: nobody else knows the core yet. `local.refs` is born as one: the reference that we return.
        unsafe {
            let stub = core.as_ref().stub();
            core.as_ref().head.store(stub, Relaxed);
            *core.as_ref().tail.to_write() = stub;
        }
        Self(ManuallyDrop::new(CoreRef(core)), PhantomData)
    }

    /// A reference for a task.
    #[inline]
    pub(crate) fn anchor(&self) -> CoreRef {
        if self.ended.get() {
            return CoreRef::clone(&self.0);
        }
        self.refs.set(self.refs.get() + 1);
        CoreRef(self.0.0)
    }

    /// Refuses what other threads spawn from here on.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.0.core().closed.store(true, SeqCst);
    }

    /// Whether a look at the remote queue may find something; without a fence, so it may see a push late.
    #[inline]
    pub(crate) fn seems_poppable(&self) -> bool {
        // SAFETY: as in `pop_remote`.
        !self.ended.get() && unsafe { self.0.core().is_poppable() }
    }

    /// Takes the oldest task out of the remote queue.
    pub(crate) fn pop_remote(&self) -> Option<TaskRef> {
        if self.ended.get() {
            return None;
        }
        // SAFETY: until the end the owner is the popping side, and a Home is on the owner's thread.
        unsafe { self.0.core().pop() }
    }

    /// Whether a remote wake has come; fenced against [`CoreRef::push`] and `wake_root`.
    pub(crate) fn has_remote(&self) -> bool {
        if self.ended.get() {
            return false;
        }
        fence(SeqCst);
        let core = self.0.core();
        // SAFETY: as in `pop_remote`.
        core.root_woken.load(Relaxed) || unsafe { core.is_poppable() }
    }

    /// Takes back the wakes of the root.
    pub(crate) fn take_root_wake(&self) -> bool {
        let core = self.0.core();
        let remote = core.root_woken.load(Relaxed) && core.root_woken.swap(false, AcqRel);
        self.root_woken.replace(false) || remote
    }

    /// The panics of destructors that ran off the loop.
    pub(crate) fn panics_elsewhere(&self) -> u64 {
        self.0.core().panics.load(Relaxed)
    }

    /// Makes this executor the thread's current one, until the guard is dropped.
    pub(crate) fn enter(&self) -> Entered {
        let ours: *const Core = self.anchor().into_ptr().as_ptr();
        let before = CURRENT
            .try_with(|current| current.replace(ours))
            .unwrap_or(ptr::null());
        Entered {
            before,
            here_only: PhantomData,
        }
    }

    /// Whether this executor is the thread's current one.
    #[inline]
    pub(crate) fn is_current(&self) -> bool {
        ptr::eq(current(), self.0.0.as_ptr())
    }

    /// The current executor of this thread.
    #[inline]
    pub(crate) fn current() -> Option<Self> {
        let core = NonNull::new(current().cast_mut())?;
        // SAFETY: `CURRENT` has a reference to the core; what is made here is a borrow of it, cloned at once. It was
        // set by `enter` on this thread, so this is the owner's thread.
        let borrowed = ManuallyDrop::new(Self(ManuallyDrop::new(CoreRef(core)), PhantomData));
        Some(Self::clone(&borrowed))
    }

    /// Ends the executor: its tasks have ended, its queues are empty but for what comes in this moment.
    ///
    /// From here on the owner's half of the count is merged, and late pushers pop for themselves.
    pub(crate) fn end(&self) {
        let core = self.0.core();
        if self.ended.replace(true) {
            return;
        }
        core.ended.store(true, SeqCst);
        fence(SeqCst);
        // SAFETY: the owner is the popping side since birth, counted once; `ended` keeps it from popping again.
        unsafe { core.pop_all_and_leave() };
        self.shelf.close();
        let half = self.refs.replace(0);
        let add = (half.cast_unsigned() << 1).wrapping_add(MERGED);
        core.refs.fetch_add(add, AcqRel);
    }
}

impl Clone for Home {
    #[inline]
    fn clone(&self) -> Self {
        Self(ManuallyDrop::new(self.anchor()), PhantomData)
    }
}

impl Drop for Home {
    #[inline]
    fn drop(&mut self) {
        if self.ended.get() {
            // SAFETY: a Home owns its reference, and is not used again.
            unsafe { ManuallyDrop::drop(&mut self.0) }
        } else {
            // As for a CoreRef, but there is no need to ask for the thread.
            self.refs.set(self.refs.get() - 1);
        }
    }
}

impl Deref for Home {
    type Target = Local;

    fn deref(&self) -> &Local {
        // SAFETY: a Home is made on the owner's thread and is neither Send nor Sync; its reference keeps the core.
        unsafe { self.0.local() }
    }
}

/// Keeps an executor the current one of its thread; dropping it brings the one before back.
///
/// Guards nest. They should be dropped in the reverse order of their making; if they are not, the current executor is
/// another than expected, and nothing worse.
///
/// ```
/// use std::sync::Arc;
/// use sakia_executor::{Executor, ThreadPark};
///
/// let executor = Executor::new(Arc::new(ThreadPark::new()));
/// let entered = executor.enter();
/// let handle = sakia_executor::spawn(async { 1 });
/// drop(entered);
/// executor.run(8, || {});
/// assert!(handle.is_finished());
/// ```
#[must_use = "the executor is left when the guard is dropped"]
#[derive(Debug)]
pub struct Entered {
    /// What was current before, with its reference.
    before: *const Core,
    here_only: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.before;
        let ours = CURRENT
            .try_with(|current| current.replace(before))
            .unwrap_or(ptr::null());
        if let Some(core) = NonNull::new(ours.cast_mut()) {
            // SAFETY: `CURRENT` owned a reference to whatever it held; it holds another core now.
            drop(CoreRef(core));
        }
    }
}

#[cfg(test)]
mod tests;
