//! Which driver is current on this thread: a stack, so that a runtime may live inside another's task.
//!
//! The thread-local is const-initialised and has no destructor, so it can be read while the thread ends.

use std::cell::Cell;
use std::ptr;
use std::rc::Rc;

use crate::driver::Driver;

thread_local! {
    static CURRENT: Cell<*const Driver> = const { Cell::new(ptr::null()) };
}

/// Gives the place back that a driver took. It lives on the stack of [`Driver::within`] and nowhere else, so guards end in order.
struct Entered<'a> {
    driver: &'a Driver,
    previous: *const Driver,
}

impl Driver {
    /// Runs `f` with this driver as the current one of the thread.
    pub fn within<R>(self: &Rc<Self>, f: impl FnOnce() -> R) -> R {
        let alive = self.clone();
        let _entered = Entered {
            driver: &alive,
            previous: CURRENT.with(|current| current.replace(Rc::as_ptr(self))),
        };
        f()
    }

    /// The thread's current driver.
    #[inline]
    pub fn current() -> Option<Rc<Self>> {
        let current = CURRENT.try_with(Cell::get).unwrap_or(ptr::null());
        if current.is_null() {
            return None;
        }
        // SAFETY: a pointer stands in CURRENT only while the call of `within` that put it there is on this thread's stack, and that call
        // owns a strong count of the same Rc until after its guard has put the previous pointer back (locals are dropped in
        // reverse order); the same holds for that previous one, whose call lies further down. It came from `Rc::as_ptr`.
        unsafe {
            Rc::increment_strong_count(current);
            Some(Rc::from_raw(current))
        }
    }

    /// Whether this driver is the current one.
    #[inline]
    pub(crate) fn is_current(&self) -> bool {
        CURRENT
            .try_with(Cell::get)
            .is_ok_and(|current| ptr::eq(current, self))
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        // Behind the last poll comes no other, perhaps for long.
        self.driver.end_visit();
        let _ = CURRENT.try_with(|current| current.set(self.previous));
    }
}
