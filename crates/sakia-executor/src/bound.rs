//! `Bound`: a value that is bound to its runtime's thread inside a shell that may go anywhere.
//!
//! The value lies in the list of all tasks (`task/outcome.rs`), which is what drops it at home. Here is only what users
//! see of it.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::executor::keep_in;
use crate::remote::Home;
use crate::steps::cancel;
use crate::surroundings::inside;
use crate::sync::thread;
use crate::task::outcome::{Keeper, Lost};
use crate::task::state::own;

/// Makes a value `Send` and `Sync` for libraries that ask for it, and keeps it on its thread all the same.
///
/// It is used on the thread of the runtime in which it was made, nowhere else. Dropped on that thread, it drops the
/// value at once; dropped elsewhere, it sends the value home, and the runtime's loop drops it. The end of the runtime
/// drops the value in any case, like a task.
///
/// Where it is polled, used by [`with`](Self::with) or dropped on its thread but outside the runtime's loop, as in a task of another executor
/// there, the runtime is entered for that time.
///
/// ```
/// use std::rc::Rc;
/// use sakia_executor::{Bound, block_on};
///
/// fn is_send<T: Send + Sync>(_: &T) {}
///
/// block_on(async {
///     let value = Bound::new(Rc::new(5));
///     is_send(&value);
///     assert_eq!(**value.get(), 5);
/// });
/// ```
///
/// # Panics
///
/// Each use on another thread panics and names both threads; so does a use after the end of the runtime.
pub struct Bound<T: 'static> {
    keeper: Keeper<T>,
}

/// Makes a future `Send` for libraries that ask for it; it must be polled on the thread of its runtime.
///
/// ```
/// use std::rc::Rc;
/// use sakia_executor::{block_on, bound};
///
/// fn is_send<T: Send>(future: T) -> T {
///     future
/// }
///
/// let five = block_on(async {
///     is_send(bound(async {
///         let five = Rc::new(5);
///         sakia_executor::yield_now().await;
///         *five
///     }))
///     .await
/// });
/// assert_eq!(five, 5);
/// ```
///
/// # Panics
///
/// Outside a runtime; and the poll of the result, on another thread or after the end of the runtime.
#[track_caller]
pub fn bound<F: Future + 'static>(future: F) -> Bound<F> {
    Bound::new(future)
}

impl<T: 'static> Bound<T> {
    /// Binds `value` to this thread's runtime.
    ///
    /// ```
    /// # use sakia_executor::{Bound, block_on};
    /// block_on(async {
    ///     let value = Bound::new(std::cell::Cell::new(1));
    ///     value.get().set(2);
    ///     assert_eq!(value.get().get(), 2);
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn new(value: T) -> Self {
        let Some(home) = Home::current() else {
            panic!("there is no runtime on this thread to bind a value to")
        };
        Self {
            keeper: keep_in(&home, value),
        }
    }

    /// Borrows the value. While it is borrowed, the end of the runtime passes it over.
    ///
    /// ```
    /// # use sakia_executor::{Bound, block_on};
    /// block_on(async {
    ///     let value = Bound::new(1);
    ///     assert_eq!(*value.get(), 1);
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// On another thread than the runtime's, and after the end of the runtime.
    #[track_caller]
    pub fn get(&self) -> BoundRef<'_, T> {
        match self.keeper.borrow() {
            Ok(value) => BoundRef {
                value,
                keeper: &self.keeper,
                here_only: PhantomData,
            },
            Err(lost) => self.refuse(&lost),
        }
    }

    /// Uses the value, which does not move, through `&mut`.
    ///
    /// ```
    /// # use sakia_executor::{Bound, block_on};
    /// block_on(async {
    ///     let mut value = Bound::new(vec![1]);
    ///     value.with(|mut list| list.push(2));
    ///     assert_eq!(*value.get(), [1, 2]);
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// On another thread than the runtime's, and after the end of the runtime.
    #[track_caller]
    pub fn with<R>(&mut self, code: impl FnOnce(Pin<&mut T>) -> R) -> R {
        let core = self.keeper.task().core();
        let used = if core.here().is_some() {
            self.keeper.with(code)
        } else {
            let core = core.clone();
            inside(&core, || self.keeper.with(code))
        };
        match used {
            Ok(result) => result,
            Err(lost) => self.refuse(&lost),
        }
    }

    /// Tells whether this is the thread of the value's runtime.
    ///
    /// ```
    /// # use sakia_executor::{Bound, block_on};
    /// block_on(async {
    ///     let value = Bound::new(1);
    ///     assert!(value.is_home());
    ///     assert!(!std::thread::spawn(move || value.is_home()).join().unwrap());
    /// });
    /// ```
    #[must_use]
    pub fn is_home(&self) -> bool {
        self.keeper.task().core().at_home().is_some()
    }

    #[track_caller]
    fn refuse(&self, lost: &Lost) -> ! {
        match lost {
            Lost::Gone => panic!("a Bound was used after the end of its runtime"),
            Lost::Elsewhere => {
                let home = self.keeper.task().core().thread();
                let here = thread::current();
                panic!(
                    "a Bound of thread {} ({:?}) was used on thread {} ({:?})",
                    home.name().unwrap_or("without a name"),
                    home.id(),
                    here.name().unwrap_or("without a name"),
                    here.id(),
                )
            }
        }
    }
}

impl<F: Future + 'static> Future for Bound<F> {
    type Output = F::Output;

    /// # Panics
    ///
    /// On another thread than the runtime's, and after the end of the runtime.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.with(|future| future.poll(cx))
    }
}

// The value does not lie in the Bound.
impl<T: 'static> Unpin for Bound<T> {}

impl<T: 'static> Drop for Bound<T> {
    fn drop(&mut self) {
        self.keeper.forget_borrows();
        let task = self.keeper.task();
        let Some(local) = task.core().at_home() else {
            return task.abort();
        };
        if !task.own(local).has(own::ENDING)
            && let Some(listed) = local.list.remove(task, local)
        {
            inside(task.core(), || {
                cancel(local, listed, &local.counters.cleared);
            });
        }
    }
}

impl<T: 'static> fmt::Debug for Bound<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("home", &self.keeper.task().core().thread().id())
            .finish_non_exhaustive()
    }
}

/// Borrows the value of a [`Bound`]; it stays on the thread.
///
/// An executor that is dropped while a value of its is borrowed drops its tasks and leaks its own memory.
///
/// ```
/// # use sakia_executor::{Bound, block_on};
/// block_on(async {
///     let value = Bound::new(String::from("five"));
///     let borrowed = value.get();
///     assert_eq!(borrowed.len(), 4);
/// });
/// ```
pub struct BoundRef<'a, T: 'static> {
    value: &'a T,
    keeper: &'a Keeper<T>,
    here_only: PhantomData<*const ()>,
}

impl<T: 'static> Deref for BoundRef<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
    }
}

impl<T: 'static> Drop for BoundRef<'_, T> {
    fn drop(&mut self) {
        self.keeper.unborrow();
    }
}

impl<T: fmt::Debug + 'static> fmt::Debug for BoundRef<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}
