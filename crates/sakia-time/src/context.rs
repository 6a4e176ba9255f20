//! Which timers are current on this thread. Holds no borrow while anybody else's code runs.
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::mem::{self, ManuallyDrop};
use std::rc::Rc;

use crate::timers::Inner;

/// One call of `enter`, from the guard's birth to its drop.
struct Frame {
    number: u64,
    timers: Rc<Inner>,
}

struct Stack {
    frames: Vec<Frame>,
    last_number: u64,
}

thread_local! {
    /// The timers that were entered, the current ones last. `ManuallyDrop`, so that there is no destructor to be late for:
    /// a `Sleep` in another thread-local may be dropped after this one. Nothing leaks, for an empty stack owns no memory.
    static STACK: ManuallyDrop<RefCell<Stack>> = const {
        ManuallyDrop::new(RefCell::new(Stack { frames: Vec::new(), last_number: 0 }))
    };
}

/// Keeps timers current on this thread until it is dropped; made by [`Timers::enter`](crate::Timers::enter).
///
/// # Examples
/// ```
/// let timers = sakia_time::Timers::new();
/// let entered = timers.enter();
/// // Futures that are polled here wait on `timers`.
/// drop(entered);
/// ```
#[must_use = "the timers are current only as long as this guard lives"]
pub struct Entered {
    number: u64,
    /// The guard undoes what was done on this thread, and nowhere else.
    not_send: PhantomData<*const ()>,
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}

/// Makes timers current.
pub(crate) fn enter(timers: Rc<Inner>) -> Entered {
    let number = STACK
        .try_with(|stack| {
            let stack = &mut *stack.borrow_mut();
            stack.last_number += 1;
            let number = stack.last_number;
            stack.frames.push(Frame { number, timers });
            number
        })
        .unwrap_or(0);
    Entered {
        number,
        not_send: PhantomData,
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let frame = STACK.try_with(|stack| {
            let frames = &mut stack.borrow_mut().frames;
            // Not simply the last one: guards may be dropped in any order.
            let at = frames.iter().rposition(|f| f.number == self.number)?;
            let frame = frames.remove(at);
            if frames.is_empty() {
                mem::take(frames);
            }
            Some(frame)
        });
        // Only now, for it may be the last handle, and the wakers in it are other people's code.
        drop(frame);
    }
}

/// Returns the current timers.
#[inline]
pub(crate) fn current() -> Option<Rc<Inner>> {
    STACK
        .try_with(|stack| Some(Rc::clone(&stack.borrow().frames.last()?.timers)))
        .ok()
        .flatten()
}

/// Shows the current timers to `look`, which runs nobody else's code.
#[inline]
pub(crate) fn with_current<R>(look: impl FnOnce(&Inner) -> R) -> Option<R> {
    STACK
        .try_with(|stack| Some(look(&stack.borrow().frames.last()?.timers)))
        .ok()
        .flatten()
}

/// Returns the timers of a number, if they were entered on this thread.
#[inline]
pub(crate) fn find(id: u64) -> Option<Rc<Inner>> {
    STACK
        .try_with(|stack| Some(Rc::clone(find_in(&stack.borrow(), id)?)))
        .ok()
        .flatten()
}

/// Shows the timers of a number to `look`, which runs nobody else's code, if they were entered on this thread.
#[inline]
pub(crate) fn with<R>(id: u64, look: impl FnOnce(&Inner) -> R) -> Option<R> {
    STACK
        .try_with(|stack| find_in(&stack.borrow(), id).map(|timers| look(timers)))
        .ok()
        .flatten()
}

#[inline]
fn find_in(stack: &Stack, id: u64) -> Option<&Rc<Inner>> {
    let frame = stack.frames.iter().rev().find(|f| f.timers.id() == id)?;
    Some(&frame.timers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timers;

    #[test]
    fn an_empty_stack_owns_no_memory_that_the_end_of_the_thread_could_leak() {
        let timers = Timers::new();
        let guards = [timers.enter(), timers.enter()];
        assert!(STACK.with(|stack| stack.borrow().frames.capacity()) > 0);
        drop(guards);
        assert_eq!(STACK.with(|stack| stack.borrow().frames.capacity()), 0);
    }
}
