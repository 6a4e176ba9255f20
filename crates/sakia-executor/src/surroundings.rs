//! What else is current where an executor is: its driver, its clock. A value that is used on its thread, but outside the loop
//! (in a task of somebody else's executor, say), finds them here.

use std::rc::Rc;

use crate::Executor;
use crate::remote::CoreRef;

/// Makes everything current that a runtime's loop makes current around its tasks.
///
/// ```
/// use std::cell::Cell;
/// use std::rc::Rc;
/// use std::sync::Arc;
/// use sakia_executor::{Bound, Executor, Surroundings, ThreadPark};
///
/// struct Count(Cell<u32>);
///
/// impl Surroundings for Count {
///     fn within(&self, code: &mut dyn FnMut()) {
///         self.0.set(self.0.get() + 1);
///         code();
///     }
/// }
///
/// let executor = Executor::new(Arc::new(ThreadPark::new()));
/// let count = Rc::new(Count(Cell::new(0)));
/// executor.set_surroundings(count.clone());
/// let mut value = { let _inside = executor.enter(); Bound::new(5) };
/// assert_eq!(value.with(|five| *five + 1), 6);
/// assert_eq!(count.0.get(), 1);
/// ```
pub trait Surroundings {
    /// Calls `code` once, with all of it current.
    fn within(&self, code: &mut dyn FnMut());
}

impl Executor {
    /// Sets what the values of a [`Bound`](crate::Bound) find around them when they are used outside the loop. See [`Surroundings`].
    pub fn set_surroundings(&self, surroundings: Rc<dyn Surroundings>) {
        let _old = self.home().surroundings.replace(Some(surroundings));
    }
}

/// Runs `code` as the executor's own loop would, if this is its thread.
pub(crate) fn inside<R>(core: &CoreRef, code: impl FnOnce() -> R) -> R {
    if core.here().is_some() {
        return code();
    }
    let around = core
        .at_home()
        .and_then(|local| local.surroundings.borrow().clone());
    let Some(around) = around else {
        return code();
    };
    let (mut code, mut result) = (Some(code), None);
    around.within(&mut || result = code.take().map(|code| code()));
    match (result, code) {
        (Some(result), _) => result,
        // A runtime that is ending makes nothing current any more.
        (None, Some(code)) => code(),
        (None, None) => unreachable!("the code has run and given its result"),
    }
}
