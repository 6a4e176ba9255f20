//! A task: one allocation, which holds the count, the future, then its output, and the waker of whoever waits for it.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::future::Future;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, replace};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use crate::queue;
use crate::refs::Refs;

/// What does not depend on the future.
struct Header<R> {
    refs: R,
    queued: Cell<bool>,
    done: Cell<bool>,
    joiner: RefCell<Option<Waker>>,
    poll: unsafe fn(NonNull<Header<R>>),
    free: unsafe fn(NonNull<Header<R>>),
    /// Moves the output to an `Option<Output>`.
    take: unsafe fn(NonNull<Header<R>>, *mut ()),
}

#[repr(C)]
struct Task<R, F: Future> {
    header: Header<R>,
    stage: UnsafeCell<Stage<F>>,
}

enum Stage<F: Future> {
    Running(F),
    Done(F::Output),
    Taken,
}

/// Wakes from other threads: looked at before the executor sleeps. The modes have none, so nothing interrupts a sleep.
static FOREIGN: Mutex<Vec<usize>> = Mutex::new(Vec::new());

pub fn spawn<R: Refs, F: Future + 'static>(future: F) -> Join<R, F::Output> {
    let task = Box::leak(Box::new(Task {
        header: Header {
            refs: R::new(),
            queued: Cell::new(false),
            done: Cell::new(false),
            joiner: RefCell::new(None),
            poll: poll::<R, F>,
            free: free::<R, F>,
            take: take::<R, F>,
        },
        stage: UnsafeCell::new(Stage::Running(future)),
    }));
    let task = NonNull::from(task).cast();
    // SAFETY: the task was just made; its one reference becomes the handle's.
    unsafe { enqueue::<R>(task) };
    Join(task, PhantomData)
}

/// Polls those that are queued now, once each.
#[inline]
pub fn run_those_queued<R: Refs>() {
    for _ in 0..queue::len() {
        let Some(task) = queue::pop() else { break };
        let task = task.cast::<Header<R>>();
        // SAFETY: what is in the queue holds a reference, which is given back here; all tasks of the program are of one `R`, and `poll` is of the
        // task's own future.
        unsafe {
            task.as_ref().queued.set(false);
            (task.as_ref().poll)(task);
            give_back(task);
        }
    }
}

/// Queues what other threads have woken. Was there any?
pub fn drain_foreign<R: Refs>() -> bool {
    let woken = std::mem::take(&mut *FOREIGN.lock().expect("no thread panics with the lock"));
    let any = !woken.is_empty();
    for task in woken {
        let task = NonNull::new(std::ptr::with_exposed_provenance_mut::<Header<R>>(task));
        let task = task.expect("only tasks are pushed");
        // SAFETY: what is in the list holds a reference, which is given back here, on the task's own thread.
        unsafe {
            enqueue(task);
            give_back(task);
        }
    }
    any
}

/// # Safety
/// The caller holds a reference to the task.
#[inline]
unsafe fn enqueue<R: Refs>(task: NonNull<Header<R>>) {
    // SAFETY: the promise of the caller: the task is not freed yet. Of another thread's task only the count is touched, which is atomic then.
    let header = unsafe { &*task.as_ptr() };
    if !header.refs.is_here() {
        return push_foreign(task);
    }
    if !header.queued.replace(true) {
        header.refs.take();
        queue::push(task.cast());
    }
}

#[cold]
#[inline(never)]
fn push_foreign<R: Refs>(task: NonNull<Header<R>>) {
    // SAFETY: the caller of `enqueue` holds a reference.
    unsafe { task.as_ref() }.refs.take();
    let mut list = FOREIGN.lock().expect("no thread panics with the lock");
    list.push(task.as_ptr().expose_provenance());
}

/// # Safety
/// The caller gives up a reference that it holds.
#[inline]
unsafe fn give_back<R: Refs>(task: NonNull<Header<R>>) {
    // SAFETY: the promise of the caller; when it was the last one, nobody else can reach the task.
    unsafe {
        if task.as_ref().refs.give_back() {
            (task.as_ref().free)(task);
        }
    }
}

/// # Safety
/// The task is of this future, not freed, and not being polled.
unsafe fn poll<R: Refs, F: Future>(task: NonNull<Header<R>>) {
    // SAFETY: the promise of the caller; the header is the task's first field.
    let whole = unsafe { task.cast::<Task<R, F>>().as_ref() };
    if whole.header.done.get() {
        return;
    }
    // SAFETY: the pointer and the table belong together; the waker is not dropped, so it takes no reference and gives none back.
    let waker = ManuallyDrop::new(unsafe { Waker::from_raw(raw_waker(task)) });
    // SAFETY: only `poll` and `take` touch the stage: a task is polled by one caller at a time, and taken when it is done.
    let stage = unsafe { &mut *whole.stage.get() };
    let Stage::Running(future) = stage else {
        return;
    };
    // SAFETY: the future is in the task's allocation and is dropped there.
    let future = unsafe { Pin::new_unchecked(future) };
    if let Poll::Ready(output) = future.poll(&mut Context::from_waker(&waker)) {
        *stage = Stage::Done(output);
        whole.header.done.set(true);
        if let Some(joiner) = whole.header.joiner.borrow_mut().take() {
            joiner.wake();
        }
    }
}

/// # Safety
/// The task is of this future, and this is the last that is done with it.
unsafe fn free<R: Refs, F: Future>(task: NonNull<Header<R>>) {
    // SAFETY: it was a box of this type; the promise of the caller.
    drop(unsafe { Box::from_raw(task.cast::<Task<R, F>>().as_ptr()) });
}

/// # Safety
/// The task is of this future and done; `output` leads to an `Option<F::Output>`.
unsafe fn take<R: Refs, F: Future>(task: NonNull<Header<R>>, output: *mut ()) {
    // SAFETY: the promises of the caller; what is done is not polled any more, so nobody else has the stage.
    unsafe {
        let stage = &mut *task.cast::<Task<R, F>>().as_ref().stage.get();
        if let Stage::Done(value) = replace(stage, Stage::Taken) {
            *output.cast::<Option<F::Output>>() = Some(value);
        }
    }
}

fn raw_waker<R: Refs>(task: NonNull<Header<R>>) -> RawWaker {
    RawWaker::new(task.as_ptr().cast_const().cast(), Table::<R>::WAKER)
}

/// A table for each way of counting.
struct Table<R>(PhantomData<R>);

impl<R: Refs> Table<R> {
    const WAKER: &'static RawWakerVTable =
        &RawWakerVTable::new(Self::clone, Self::wake, Self::wake_by_ref, Self::drop);

    /// The task behind a waker's pointer.
    #[inline]
    fn task(pointer: *const ()) -> NonNull<Header<R>> {
        // SAFETY: wakers of this table are made of a task alone, which is at no null address.
        unsafe { NonNull::new_unchecked(pointer.cast_mut().cast()) }
    }

    unsafe fn clone(pointer: *const ()) -> RawWaker {
        let task = Self::task(pointer);
        // SAFETY: the waker that is cloned holds a reference.
        unsafe { task.as_ref() }.refs.take();
        raw_waker(task)
    }

    unsafe fn wake(pointer: *const ()) {
        // SAFETY: the waker's reference is given up.
        unsafe {
            enqueue(Self::task(pointer));
            give_back(Self::task(pointer));
        }
    }

    unsafe fn wake_by_ref(pointer: *const ()) {
        // SAFETY: the waker holds a reference.
        unsafe { enqueue(Self::task(pointer)) }
    }

    unsafe fn drop(pointer: *const ()) {
        // SAFETY: the waker's reference is given up.
        unsafe { give_back(Self::task(pointer)) }
    }
}

/// Waits for a task's output.
pub struct Join<R: Refs, T>(NonNull<Header<R>>, PhantomData<T>);

impl<R: Refs, T> Future for Join<R, T> {
    type Output = T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        // SAFETY: the handle holds a reference.
        let header = unsafe { self.0.as_ref() };
        if !header.done.get() {
            *header.joiner.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut output: Option<T> = None;
        // SAFETY: `T` is the output of the future with which the task was spawned, and it is done.
        unsafe { (header.take)(self.0, (&raw mut output).cast()) };
        Poll::Ready(output.expect("the output is taken once"))
    }
}

impl<R: Refs, T> Drop for Join<R, T> {
    fn drop(&mut self) {
        // SAFETY: the handle's reference is given up.
        unsafe { give_back(self.0) }
    }
}
