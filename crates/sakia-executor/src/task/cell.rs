//! What of a task depends on the type of its future: the allocation, and the functions of its table.
//!
//! Each is called through the [`VTable`] alone, by `raw.rs`, which holds the laws and proves the thread.

use std::any::Any;
use std::future::Future;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

use super::guard::{drop_payload, guarded};
use super::raw::Header;
use super::shelf::{Kind, Shelf};
use super::state::own;

/// What depends on the type of the future.
#[derive(Clone, Copy)]
pub(super) struct VTable {
    pub(super) poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> Polled,
    pub(super) drop_future: unsafe fn(NonNull<Header>),
    pub(super) drop_value: unsafe fn(NonNull<Header>),
    /// What its memory is.
    pub(super) kind: Kind,
    /// From the header to the slot.
    pub(super) slot: usize,
}

/// What one poll came to.
#[derive(Debug)]
pub(crate) enum Polled {
    /// The future pends.
    Pending,
    /// The future is gone. If all went well its output is in the slot.
    Ended(Option<Box<Fallout>>),
}

/// What panics a poll threw, in a box, so that those who do not panic pay for a word.
#[derive(Debug)]
pub(crate) struct Fallout {
    /// So many destructors panicked.
    pub(crate) panics: u32,
    /// What the poll itself threw; the slot is empty then.
    pub(crate) payload: Option<Payload>,
}

/// What a panic threw.
pub(super) type Payload = Box<dyn Any + Send>;

/// Header and slot.
#[repr(C)]
struct TaskCell<F: Future> {
    header: Header,
    slot: std::cell::UnsafeCell<Slot<F>>,
}

/// The future until it ends, then what the `JoinHandle` wants, then nothing. The flags tell which.
#[repr(C)]
union Slot<F: Future> {
    future: ManuallyDrop<F>,
    value: ManuallyDrop<F::Output>,
}

/// Names the table of a type.
pub(super) struct VTableOf<F>(F);

impl<F: Future> VTableOf<F> {
    pub(super) const VTABLE: &'static VTable = &VTable {
        poll: poll::<F>,
        drop_future: drop_future::<F>,
        drop_value: drop_value::<F>,
        kind: Kind::of::<TaskCell<F>>(),
        slot: mem::offset_of!(TaskCell<F>, slot),
    };
}

/// # Safety
/// `task` is a live task of type `F`, on its owner's thread, its future in the slot and not being polled.
unsafe fn poll<F: Future>(task: NonNull<Header>, cx: &mut Context<'_>) -> Polled {
    let cell = task.cast::<TaskCell<F>>();
    // SAFETY: the caller promises a live task of type F and that nobody else touches the slot during the call. The
    // future was written at birth, never moves, and is dropped in place before anything else is written there.
    let (header, slot) = unsafe { (task.as_ref(), (*cell.as_ptr()).slot.get()) };
    header.slot_use.to_write();
    let mut output = None;
    // One guard around the poll and the drop that follows it; which of them threw, `output` tells.
    // SAFETY: as above; the pin holds since the cell never moves. The drop is part of the call, so nobody else is at the future.
    let caught = catch_unwind(AssertUnwindSafe(|| unsafe {
        let future = Pin::new_unchecked(&mut *(&raw mut (*slot).future).cast::<F>());
        if let Poll::Ready(value) = future.poll(cx) {
            output = Some(value);
            header.slot_use.to_write();
            ManuallyDrop::drop(&mut (*slot).future);
        }
    }));
    let fallout = match caught {
        Ok(()) if output.is_none() => return Polled::Pending,
        Ok(()) => None,
        // SAFETY: without an output it was the poll that threw, so the future is still there, and ours.
        Err(payload) => Some(unsafe { fallout::<F>(task, payload, output.is_some()) }),
    };
    if let Some(value) = output {
        // SAFETY: the slot is empty and still ours alone; it is large enough, being a union with this field.
        unsafe { (*slot).value = ManuallyDrop::new(value) };
    }
    Polled::Ended(fallout)
}

/// Sorts out a panic: of the destructor of a future that was ready, or of the poll of one that is still to be dropped.
///
/// # Safety
/// As for [`poll`]; the future is in the slot if it was not `ready`.
#[cold]
unsafe fn fallout<F: Future>(
    task: NonNull<Header>,
    payload: Payload,
    was_ready: bool,
) -> Box<Fallout> {
    if was_ready {
        return Box::new(Fallout {
            panics: 1 + drop_payload(payload),
            payload: None,
        });
    }
    // SAFETY: the caller promises a live task.
    unsafe { task.as_ref() }.own.set(own::ENDING);
    // SAFETY: handed on.
    let panics = guarded(|| unsafe { drop_future::<F>(task) });
    Box::new(Fallout {
        panics,
        payload: Some(payload),
    })
}

/// # Safety
/// As for [`poll`]; the future is gone afterwards, even if this unwinds.
unsafe fn drop_future<F: Future>(task: NonNull<Header>) {
    let cell = task.cast::<TaskCell<F>>();
    // SAFETY: the caller promises a live task of type F with its future in the slot, and exclusive use of the slot.
    unsafe { task.as_ref().slot_use.to_write() };
    // SAFETY: as above.
    unsafe { ManuallyDrop::drop(&mut (*(*cell.as_ptr()).slot.get()).future) }
}

/// # Safety
/// `task` is a live task of type `F`, its output is in the slot and the caller's to drop; it is gone afterwards.
unsafe fn drop_value<F: Future>(task: NonNull<Header>) {
    let cell = task.cast::<TaskCell<F>>();
    // SAFETY: the caller promises that the slot holds the output and that it owns it.
    unsafe { task.as_ref().slot_use.to_write() };
    // SAFETY: as above.
    unsafe { ManuallyDrop::drop(&mut (*(*cell.as_ptr()).slot.get()).value) }
}

/// Puts a header and a future into memory off the owner's shelf, or elsewhere into fresh memory. The header is made there: one that is copied in
/// wide steps, just written in narrow ones, stalls the processor.
#[inline]
pub(super) fn allocate<F: Future>(
    header: impl FnOnce() -> Header,
    future: F,
    shelf: Option<&Shelf>,
) -> NonNull<Header> {
    let kind = const { Kind::of::<TaskCell<F>>() };
    let task = match shelf {
        Some(shelf) => shelf.take(kind),
        None => kind.allocate(),
    };
    let cell = task.cast::<TaskCell<F>>().as_ptr();
    // SAFETY: `cell` points to unused memory that is large and aligned enough for this type; both fields are written, so it is
    // initialised. The pointer keeps the provenance of all of it.
    unsafe {
        (&raw mut (*cell).header).write(header());
        (*cell).slot.get().write(Slot {
            future: ManuallyDrop::new(future),
        });
    }
    task.cast()
}
