//! The memory of a task: one allocation with a header and a slot for the future, then its outcome.
//!
//! Everything here upholds three laws. (1) A [`TaskRef`] is one counted reference, and memory with a reference is
//! valid. (2) Fields of [`Own`] and the future are touched on the owner's thread alone, which is proved by a
//! [`Local`] of the task's own executor (it is `!Sync` and never leaves its thread). (3) The future is dropped or
//! leaked, by the owner, before `COMPLETE`; so whoever frees the memory, on whatever thread, finds no future in it.
//! What depends on the type of the future is in `cell.rs`, the join side of the slot in `outcome.rs`, the queues are
//! elsewhere; no policy here.

use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::ptr::{self, NonNull};
use std::task::{Context, Waker};

use super::cell::{self, Payload, Polled, VTable, VTableOf};
use super::guard::{drop_payload, guarded};
use super::join_waker::JoinPlace;
use super::list::NOWHERE;
use super::shelf::Shelf;
use super::state::{self, Word, own};
use super::waker::raw_waker;
use super::{TaskId, outcome};
use crate::local::Local;
use crate::remote::{CoreRef, Link};
use crate::sync::UnsafeCell;

/// What every task begins with, whatever its future.
///
/// `repr(C)` with `link` first, so that a pointer to the link is a pointer to the header.
#[repr(C)]
pub(crate) struct Header {
    /// The way through the remote queue; the queue's while `REMOTE` is set.
    pub(super) link: Link,
    pub(super) word: Word,
    /// Leads to a static, or to a [`Panicked`] that belongs to whom the outcome belongs to.
    vtable: Cell<NonNull<VTable>>,
    core: ManuallyDrop<CoreRef>,
    id: TaskId,
    pub(super) own: Own,
    /// Whose it is `JOIN_WAKER` tells.
    pub(super) join_waker: JoinPlace,
    /// Stands for this memory: read by who uses it, written by who frees it.
    pub(super) memory: UnsafeCell<()>,
    /// Stands for the slot.
    pub(super) slot_use: UnsafeCell<()>,
    #[cfg(feature = "track-origin")]
    origin: &'static std::panic::Location<'static>,
}

/// The fields of a task that only its owner's thread touches.
pub(crate) struct Own {
    /// The owner's half of the count, until `DONE`. What it cannot hold counts in the other half.
    refs: Cell<i16>,
    flags: Cell<u16>,
    /// The task's place in the list of all tasks; `list.rs` alone touches it.
    pub(super) place: Cell<u32>,
    /// Stands for these fields.
    used: UnsafeCell<()>,
}

impl Own {
    /// Whether any of `flags` is set.
    #[inline]
    pub(crate) fn has(&self, flags: u16) -> bool {
        self.used.to_write();
        self.flags.get() & flags != 0
    }

    /// Sets `flags`.
    #[inline]
    pub(crate) fn set(&self, flags: u16) {
        self.used.to_write();
        self.flags.set(self.flags.get() | flags);
    }

    /// Clears `flags`.
    #[inline]
    pub(crate) fn clear(&self, flags: u16) {
        self.used.to_write();
        self.flags.set(self.flags.get() & !flags);
    }

    /// Notes that the task is to be polled; true if the caller must push it to the ready queue. If not, it is there, or
    /// is being polled and the loop will put it there, or has ended.
    #[inline]
    pub(crate) fn queue(&self) -> bool {
        self.used.to_write();
        let flags = self.flags.get();
        if flags & (own::QUEUED | own::ENDING) != 0 {
            return false;
        }
        self.flags.set(flags | own::QUEUED);
        flags & (own::RUNNING | own::KEPT) != own::RUNNING
    }
}

/// What is written into the header of a new task.
pub(super) struct Birth {
    pub(super) word: Word,
    pub(super) id: TaskId,
    /// The owner's half of the count, and its flags.
    pub(super) refs: i16,
    pub(super) flags: u16,
}

/// What a task's `vtable` leads to once its poll has panicked.
#[repr(C)]
struct Panicked {
    /// As before.
    table: VTable,
    before: NonNull<VTable>,
    payload: Payload,
}

/// One counted reference to a task.
///
/// It may be made, used and dropped on every thread: see the laws at the top.
pub(crate) struct TaskRef(NonNull<Header>);

// SAFETY: what a TaskRef does off the owner's thread touches only `link`, `word`, `core` and the constant fields;
// `own` and the slot are reached through a proof of the thread alone (law 2, and `outcome.rs` for the slot), and the
// last reference frees memory that holds no future (law 3).
unsafe impl Send for TaskRef {}
// SAFETY: as above; no method gives out anything else by a shared reference.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    /// Puts `future` into a new task with three references: for the list, the ready queue and the handle.
    #[cfg_attr(feature = "track-origin", track_caller)]
    pub(super) fn new<F>(future: F, local: &Local, core: CoreRef) -> [Self; 3]
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        assert!(core.is_of(local));
        let birth = Birth {
            word: Word::new(),
            id: local.ids.take(),
            refs: 3,
            flags: 0,
        };
        let task = Self::write(future, core, birth, Some(&local.shelf));
        [Self(task), Self(task), Self(task)]
    }

    /// Writes a new task, at home with the owner's shelf; the caller gives out as many references as `birth` counts.
    #[cfg_attr(feature = "track-origin", track_caller)]
    #[inline]
    pub(super) fn write<F>(
        future: F,
        core: CoreRef,
        birth: Birth,
        shelf: Option<&Shelf>,
    ) -> NonNull<Header>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        #[cfg(feature = "track-origin")]
        let origin = std::panic::Location::caller();
        let header = move || Header {
            link: Link::new(),
            word: birth.word,
            vtable: Cell::new(NonNull::from(VTableOf::<F>::VTABLE)),
            core: ManuallyDrop::new(core),
            id: birth.id,
            own: Own {
                refs: Cell::new(birth.refs),
                flags: Cell::new(birth.flags),
                place: Cell::new(NOWHERE),
                used: UnsafeCell::new(()),
            },
            join_waker: JoinPlace::new(),
            memory: UnsafeCell::new(()),
            slot_use: UnsafeCell::new(()),
            #[cfg(feature = "track-origin")]
            origin,
        };
        cell::allocate(header, future, shelf)
    }

    #[inline]
    pub(super) fn header(&self) -> &Header {
        // SAFETY: law 1: the reference that self is keeps the memory valid for as long as self is borrowed.
        let header = unsafe { self.0.as_ref() };
        header.memory.to_read();
        header
    }

    /// What depends on the type of the future.
    #[inline]
    pub(super) fn vtable(&self) -> &VTable {
        // SAFETY: it is a static, or a box's that is freed by who owns the outcome and has the header lead elsewhere then; until
        // COMPLETE that is the owner, and after it whoever asks has the outcome, or the last reference.
        unsafe { self.header().vtable.get().as_ref() }
    }

    pub(super) fn as_ptr(&self) -> NonNull<Header> {
        self.0
    }

    /// # Safety
    /// The caller hands over one counted reference.
    pub(super) unsafe fn from_ptr(task: NonNull<Header>) -> Self {
        Self(task)
    }

    /// Turns the reference into a bare pointer, to be given back to [`from_ptr`](Self::from_ptr).
    pub(super) fn into_ptr(self) -> NonNull<Header> {
        ManuallyDrop::new(self).0
    }

    /// Turns the reference into a link of the remote queue.
    pub(crate) fn into_link(self) -> NonNull<Link> {
        self.into_ptr().cast()
    }

    /// # Safety
    /// `link` came out of [`into_link`](Self::into_link), once.
    pub(crate) unsafe fn from_link(link: NonNull<Link>) -> Self {
        Self(link.cast())
    }

    /// The task's id.
    #[inline]
    pub(crate) fn id(&self) -> TaskId {
        self.header().id
    }

    /// The place in the source that spawned the task.
    #[cfg(feature = "track-origin")]
    pub(crate) fn origin(&self) -> &'static std::panic::Location<'static> {
        self.header().origin
    }

    /// The executor of the task.
    #[inline]
    pub(crate) fn core(&self) -> &CoreRef {
        &self.header().core
    }

    /// Whether the end is published.
    pub(crate) fn is_complete(&self) -> bool {
        self.header().word.load() & state::COMPLETE != 0
    }

    /// The owner's fields, on the word of a `Local` of the task's executor.
    #[inline]
    pub(crate) fn own<'a>(&'a self, local: &'a Local) -> &'a Own {
        assert!(self.core().is_of(local));
        &self.header().own
    }

    /// The owner's fields and its `Local`, if this thread is inside the task's executor and may use them still.
    #[inline]
    pub(super) fn here(&self) -> Option<(&Own, &Local)> {
        let header = self.header();
        let local = header.core.here()?;
        (!header.own.has(own::DONE)).then_some((&header.own, local))
    }

    /// Whether every reference to the task is at home and known, for its handle, which is one of them: then nobody elsewhere can
    /// change the state word, of which `word` was loaded just now.
    #[inline]
    pub(super) fn is_all_at_home(&self, word: usize) -> bool {
        let Some((own, _)) = self.here() else {
            return false;
        };
        // The list has one until ENDING; so has the ready queue, or else the loop that polls.
        let queued = isize::from(own.has(own::QUEUED | own::RUNNING));
        !own.has(own::ENDING) && Word::is_sole(word, own.refs.get() as isize, 2 + queued)
    }

    /// Opens the way into the remote queue again, for the loop; tells whether the task was aborted from elsewhere.
    pub(crate) fn take_remote(&self) -> bool {
        self.header().word.take_remote()
    }

    /// Polls the future and, if it ends, drops it and puts its outcome into the slot.
    ///
    /// A task that is woken meanwhile has `QUEUED` afterwards, and is in no queue: the caller pushes it.
    #[inline]
    pub(crate) fn poll(&self, local: &Local) -> Polled {
        let header = self.header();
        header.own.clear(own::QUEUED);
        self.begin_use(local);
        // SAFETY: the waker borrows the reference that self is, and ManuallyDrop never gives it back.
        let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw_waker(self.0)) });
        let mut cx = Context::from_waker(&waker);
        // SAFETY: self keeps the task alive; `begin_use` proved the thread and that, without ENDING, the future is in
        // the slot; RUNNING, which was clear, keeps everybody else off it until the call returns. It never unwinds. (No flag is set in
        // there: the compiler writes one byte of the two, and the load of both below would wait for it, four nanoseconds.)
        let polled = unsafe { (self.vtable().poll)(self.0, &mut cx) };
        let flags = header.own.flags.get() & !own::RUNNING;
        header.own.flags.set(match &polled {
            Polled::Pending => flags,
            Polled::Ended(None) => flags | own::ENDING | own::VALUE,
            Polled::Ended(Some(fallout)) if fallout.payload.is_none() => {
                flags | own::ENDING | own::VALUE
            }
            Polled::Ended(Some(_)) => flags | own::ENDING,
        });
        local.running.set(local.running.get() - 1);
        polled
    }

    /// Keeps everybody from dropping the future, until [`end_use`](Self::end_use).
    #[inline]
    pub(super) fn begin_use(&self, local: &Local) {
        let own = self.own(local);
        assert!(!own.has(own::RUNNING | own::ENDING));
        own.set(own::RUNNING);
        local.running.set(local.running.get() + 1);
    }

    /// Ends the use of the future.
    #[inline]
    pub(crate) fn end_use(&self, local: &Local) {
        let own = self.own(local);
        if own.has(own::RUNNING) {
            own.clear(own::RUNNING);
            local.running.set(local.running.get() - 1);
        }
    }

    /// Gives back, at home, a reference that is not the last.
    #[inline]
    pub(crate) fn give_back(self, local: &Local) {
        let own = self.own(local);
        match own.refs.get().checked_sub(1) {
            Some(refs) if !own.has(own::DONE) => {
                own.refs.set(refs);
                mem::forget(self);
            }
            _ => drop(self),
        }
    }

    /// Drops the future unpolled; tells how many destructors panicked.
    pub(crate) fn drop_future(&self, local: &Local) -> u32 {
        let own = self.own(local);
        assert!(!own.has(own::RUNNING | own::ENDING));
        own.set(own::ENDING);
        // SAFETY: as in `poll`, with ENDING, set for ever, in the place of RUNNING.
        guarded(|| unsafe { (self.vtable().drop_future)(self.0) })
    }

    /// Leaves the future in its slot for ever, undropped.
    ///
    /// A pinned future that is not dropped must stay where it is, so the task's memory is leaked with it.
    pub(crate) fn leak_future(&self, local: &Local) {
        let own = self.own(local);
        assert!(!own.has(own::RUNNING | own::ENDING));
        own.set(own::ENDING);
        mem::forget(self.clone());
    }

    /// Keeps what a poll threw, for the handle; the task is out of the list.
    pub(crate) fn keep_payload(&self, payload: Payload, local: &Local) {
        let own = self.own(local);
        assert!(own.has(own::ENDING) && !own.has(own::DONE | own::VALUE | own::PANIC));
        let vtable = &self.header().vtable;
        let panicked = Box::new(Panicked {
            table: *self.vtable(),
            before: vtable.get(),
            payload,
        });
        vtable.set(NonNull::from(Box::leak(panicked)).cast());
        own.set(own::PANIC);
    }

    /// The payload of the poll that panicked, until [`finish`](Self::finish).
    pub(crate) fn payload(&self, local: &Local) -> Option<&(dyn Any + Send)> {
        let own = self.own(local);
        if !own.has(own::PANIC) || own.has(own::DONE) {
            return None;
        }
        // SAFETY: PANIC says that `keep_payload` left a `Panicked` there, and until DONE it is the owner's alone, who only looks.
        let panicked = unsafe { self.header().vtable.get().cast::<Panicked>().as_ref() };
        Some(&*panicked.payload)
    }

    /// Takes the payload.
    ///
    /// # Safety
    /// PANIC is or will be published with `COMPLETE`, and the outcome is the caller's, who takes it once.
    pub(super) unsafe fn take_payload(&self) -> Payload {
        let header = self.header();
        header.own.used.to_write();
        let at = header.vtable.get().cast::<Panicked>().as_ptr();
        // SAFETY: `keep_payload` leaked a box of this type, and left its address; the caller owns it.
        let panicked = unsafe { Box::from_raw(at) };
        header.vtable.set(panicked.before);
        panicked.payload
    }

    /// Publishes the end of a task that is out of the list, and wakes who waits; tells how many destructors panicked. Gives back the reference that
    /// the list had as well, if it is not self.
    #[inline]
    pub(crate) fn finish(self, listed: Option<Self>, local: &Local) -> u32 {
        let own = self.own(local);
        assert!(own.has(own::ENDING) && !own.has(own::DONE | own::RUNNING));
        let flags = own.flags.get();
        let outcome = outcome::bits(flags & own::VALUE != 0, flags & own::PANIC != 0);
        let header = self.header();
        let word = header.word.load();
        // Not by way of the count, for a store that is loaded again at once is waited for.
        let half = own.refs.get() as isize - isize::from(listed.is_some());
        mem::forget(listed);
        if Word::is_sole(word, half, 1) {
            // Nobody waits and nobody can: no handle is left, and no waker. Spare the atomics.
            // SAFETY: the outcome's bits tell what is in the slot, and nobody else is there to own it.
            let panics = unsafe { self.drop_outcome(outcome) };
            // SAFETY: self is the only reference, `is_sole` said; the slot is empty; only a handle leaves a join waker.
            unsafe { ManuallyDrop::new(self).free() };
            return panics;
        }
        own.flags.set(flags | own::DONE);
        let waker = header.join_waker.get();
        if flags & own::DETACHED == 0 && header.word.complete_and_leave(word, half, outcome) {
            // The reference that self was is given back, and so the memory is not ours any more.
            mem::forget(self);
            if word & state::JOIN_WAKER == 0 {
                return 0;
            }
            // SAFETY: JOIN_WAKER was set as COMPLETE came over `word`, so the waker is what was read, and the loop's.
            return unsafe { waker.wake() };
        }
        let before = header.word.complete(half, outcome);
        if before & state::JOIN == 0 || flags & own::DETACHED != 0 {
            // SAFETY: the outcome's bits tell what is in the slot; there is no handle, so it is ours.
            return unsafe { self.drop_outcome(outcome) };
        }
        self.wake_joiner(before)
    }

    /// Wakes who waits for the end, which has just been published; `before` is the word that it was published over.
    pub(super) fn wake_joiner(&self, before: usize) -> u32 {
        if before & state::JOIN_WAKER == 0 {
            return 0;
        }
        // SAFETY: JOIN_WAKER was set as COMPLETE came, so a waker was written and is the loop's from then on.
        unsafe { self.header().join_waker.get().wake() }
    }

    /// The slot, seen as a `T`.
    pub(super) fn slot<T>(&self) -> *mut T {
        self.header().slot_use.to_write();
        // SAFETY: the slot lies inside the allocation that self keeps alive, `slot` bytes from its start.
        unsafe { self.0.as_ptr().byte_add(self.vtable().slot).cast() }
    }

    /// Drops what `outcome` says is in the slot; tells how many destructors panicked.
    ///
    /// # Safety
    /// `outcome` holds the bits that were or will be published with `COMPLETE`, and the outcome is the caller's, who
    /// is on a thread that may drop it, and does not use it again.
    pub(super) unsafe fn drop_outcome(&self, outcome: usize) -> u32 {
        if outcome & state::VALUE != 0 {
            // SAFETY: the caller owns the output, and VALUE says that it is there.
            guarded(|| unsafe { (self.vtable().drop_value)(self.0) })
        } else if outcome & state::PANIC != 0 {
            // SAFETY: the caller owns the payload, and PANIC says that it is there.
            drop_payload(unsafe { self.take_payload() })
        } else {
            0
        }
    }

    /// # Safety
    /// No reference but self is left, the slot and the join waker are empty; self is not used again.
    #[inline]
    unsafe fn free(&self) {
        self.header().memory.to_write();
        let kind = self.vtable().kind;
        let (header, at) = (self.0.as_ptr(), self.0.cast::<u8>());
        // SAFETY: the header is ours alone; its reference to the core is taken out, and it is not used afterwards.
        let core = unsafe { ManuallyDrop::take(&mut (*header).core) };
        // SAFETY: as above, and dropped once. The slot, a union, has nothing to drop.
        unsafe { header.drop_in_place() };
        match core.here() {
            // SAFETY: the memory was written by `write`, so it is of this kind; nobody uses it any more.
            Some(local) => unsafe { local.shelf.put(at, kind) },
            // SAFETY: as above.
            None => unsafe { kind.deallocate(at) },
        }
    }

    /// Wakes the task and hands this reference to the queue.
    #[inline]
    pub(crate) fn wake(self) {
        if let Some(local) = self.core().here() {
            if self.header().own.queue() {
                let local = ptr::from_ref(local);
                // SAFETY: the core is this thread's current one, which is kept while the task moves into it.
                unsafe { &*local }.ready.push(self);
            }
        } else if self.header().word.claim_remote(0) {
            CoreRef::push(self);
        }
    }

    /// Wakes the task; makes a reference only if the queue needs one.
    #[inline]
    pub(crate) fn wake_by_ref(&self) {
        if let Some(local) = self.core().here() {
            if self.header().own.queue() {
                local.ready.push(self.clone());
            }
        } else if self.header().word.claim_remote(0) {
            CoreRef::push(self.clone());
        }
    }

    /// Marks the task as aborted and queues it; the loop drops the future.
    pub(crate) fn abort(&self) {
        if let Some(local) = self.core().here() {
            let own = &self.header().own;
            if own.has(own::ENDING) {
                return;
            }
            own.set(own::ABORT);
            if own.queue() {
                local.ready.push(self.clone());
            }
        } else if self.header().word.claim_remote(state::ABORT) {
            CoreRef::push(self.clone());
        }
    }
}

impl Clone for TaskRef {
    #[inline]
    fn clone(&self) -> Self {
        if let Some((own, _)) = self.here()
            && let Some(refs) = own.refs.get().checked_add(1)
        {
            own.refs.set(refs);
        } else {
            self.header().word.add_reference();
        }
        Self(self.0)
    }
}

impl Drop for TaskRef {
    #[inline]
    fn drop(&mut self) {
        // The owner's half never reaches the end of the memory: before DONE the list, or the one that finishes the
        // task, holds a reference as well.
        if let Some((own, _)) = self.here()
            && let Some(refs) = own.refs.get().checked_sub(1)
        {
            own.refs.set(refs);
        } else if self.header().word.drop_reference() {
            // SAFETY: `drop_reference` told that this was the last one; it says so after COMPLETE only, so the future
            // is gone (law 3), the outcome was taken or dropped by its owner, the join waker was moved out.
            unsafe { self.free() }
        }
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id().fmt(f)
    }
}

/// The header of a task without `track-origin`, in bytes.
#[cfg(all(test, not(feature = "track-origin")))]
const HEADER: usize = mem::size_of::<Header>();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(not(feature = "track-origin"), target_pointer_width = "64"))]
    fn a_header_is_fifty_six_bytes() {
        assert_eq!(HEADER, 56);
    }

    #[test]
    fn the_link_is_the_headers_first_field() {
        assert_eq!(mem::offset_of!(Header, link), 0);
    }
}
