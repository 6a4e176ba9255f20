//! The executor: the loop that polls tasks, and the end that drops them.
//!
//! Policy only: who is polled when. One task's step is in `steps.rs`, memory and races are in `task/` and `remote.rs`.
//! No I/O, no clock but the deadline of [`Executor::clear`].

use std::fmt;
use std::future::Future;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::error::TaskPanic;
use crate::local::add;
use crate::remote::{Entered, Home};
use crate::steps::{cancel, leak, step, take_remote};
use crate::task::guard::guarded;
use crate::task::outcome::{Keeper, new_task};
use crate::task::raw::TaskRef;
use crate::task::state::own;
use crate::{Cleared, JoinHandle, Stats, Unpark};

/// How long a dropped executor goes on dropping what destructors spawn.
const DROP_WITHIN: Duration = Duration::from_secs(5);

/// Runs tasks on the thread that made it.
///
/// It has no loop of its own: whoever drives it calls [`run`](Self::run), then looks at [`has_ready`](Self::has_ready)
/// before it parks, and gives it an [`Unpark`] that ends the park. [`LocalRuntime`](crate::LocalRuntime) is the
/// smallest such driver.
///
/// Dropping it closes it and clears it; what destructors spawn is dropped for at most five seconds, then leaked. An
/// executor that is dropped while its own `run` or `clear` is on the stack (`process::exit` does that to one in a
/// thread-local) leaks everything and touches nothing: that is the one sound answer.
///
/// ```
/// use std::sync::Arc;
/// use sakia_executor::{Executor, ThreadPark};
///
/// let executor = Executor::new(Arc::new(ThreadPark::new()));
/// let handle = executor.spawn(async { 6 * 7 });
/// while executor.has_ready() {
///     executor.run(64, || {});
/// }
/// assert!(handle.is_finished());
/// ```
pub struct Executor {
    home: Home,
}

impl Executor {
    /// Makes an executor of this thread, which other threads wake by `unpark`.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use sakia_executor::{Executor, ThreadPark};
    ///
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// assert_eq!(executor.task_count(), 0);
    /// ```
    #[must_use]
    pub fn new(unpark: Arc<dyn Unpark>) -> Self {
        Self {
            home: Home::new(unpark),
        }
    }

    /// Makes this the executor that [`spawn`](crate::spawn) finds, until the guard is dropped. Guards nest.
    ///
    /// A wake on the owner's thread inside its executor touches no atomic; outside it goes the way of other threads.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use sakia_executor::{Executor, ThreadPark, spawn};
    ///
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// let entered = executor.enter();
    /// spawn(async {});
    /// drop(entered);
    /// assert_eq!(executor.task_count(), 1);
    /// ```
    pub fn enter(&self) -> Entered {
        self.home.enter()
    }

    /// Spawns a task; it is first polled by a later [`run`](Self::run).
    ///
    /// After [`close`](Self::close) the future is queued to be dropped, and the handle resolves to cancelled.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use sakia_executor::{Executor, ThreadPark};
    ///
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// drop(executor.spawn(async {})); // detached: it runs all the same
    /// assert_eq!(executor.run(8, || {}), 1);
    /// ```
    #[cfg_attr(feature = "track-origin", track_caller)]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        spawn_in(&self.home, future)
    }

    /// Polls the tasks that are ready now, at most `budget` of them, and tells how many polls there were.
    ///
    /// A task that is woken meanwhile, by itself too, waits for the next `run`, so that the caller can look at I/O and
    /// timers in between. `before_poll` is called before each task that is polled or dropped.
    ///
    /// Panics of tasks do not come out of it; one of `before_poll` does, and loses no task.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use sakia_executor::{Executor, ThreadPark, yield_now};
    ///
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// executor.spawn(async {
    ///     loop {
    ///         yield_now().await;
    ///     }
    /// });
    /// assert_eq!(executor.run(1000, || {}), 1);
    /// ```
    pub fn run(&self, budget: usize, mut before_poll: impl FnMut()) -> usize {
        let home = &self.home;
        let _entered = (!home.is_current()).then(|| home.enter());
        let _depth = Depth::enter(home);
        if home.seems_poppable() {
            take_remote(home, budget);
        }
        let ready = home.ready.begin_lap().min(budget);
        let mut polls = 0;
        for _ in 0..ready {
            let Some(task) = home.ready.pop() else {
                // A `run` within a poll has emptied the queue.
                break;
            };
            let task = Unpolled::new(home, task);
            before_poll();
            polls += usize::from(step(home, task.take()));
        }
        polls
    }

    /// Tells whether a task is ready or the root was woken, here or from another thread.
    ///
    /// To park, publish that the owner is parked, then ask this, and park if the answer is no. It passes a `SeqCst`
    /// fence between the two, as a remote wake does between its push and [`Unpark::unpark`]; so either this sees the
    /// wake, or `unpark` sees the parked owner.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use sakia_executor::{Executor, ThreadPark};
    ///
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// assert!(!executor.has_ready());
    /// executor.root_waker().wake();
    /// assert!(executor.has_ready());
    /// ```
    #[must_use]
    pub fn has_ready(&self) -> bool {
        if self.has_ready_here() || self.home.has_remote() {
            return true;
        }
        self.home.ready.rest();
        false
    }

    /// Tells whether this thread has made a task ready, or woken the root: a look without the fence, for whoever looks by
    /// [`has_ready`](Self::has_ready) before it parks.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use sakia_executor::{Executor, ThreadPark};
    ///
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// assert!(!executor.has_ready_here());
    /// executor.spawn(async {});
    /// assert!(executor.has_ready_here());
    /// ```
    #[must_use]
    #[inline]
    pub fn has_ready_here(&self) -> bool {
        self.home.root_woken.get() || self.home.ready.len() > 0
    }

    /// Gives a waker of the root, the future that `block_on` waits for. Make it once and keep it.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use sakia_executor::{Executor, ThreadPark};
    ///
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// let waker = executor.root_waker();
    /// std::thread::spawn(move || waker.wake()).join().unwrap();
    /// assert!(executor.take_root_wake());
    /// ```
    #[must_use]
    pub fn root_waker(&self) -> Waker {
        self.home.root_waker()
    }

    /// Tells whether the root was woken since the last call.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use sakia_executor::{Executor, ThreadPark};
    ///
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// executor.root_waker().wake();
    /// assert!(executor.take_root_wake());
    /// assert!(!executor.take_root_wake());
    /// ```
    #[must_use = "the wake is taken: poll the root"]
    pub fn take_root_wake(&self) -> bool {
        self.home.take_root_wake()
    }

    /// Counts the tasks that have not ended.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use sakia_executor::{Executor, ThreadPark};
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// executor.spawn(std::future::pending::<()>());
    /// assert_eq!(executor.task_count(), 1);
    /// ```
    #[must_use]
    pub fn task_count(&self) -> usize {
        self.home.list.len() - self.home.kept.get()
    }

    /// Refuses new tasks from now on: a later spawn gives a handle that resolves to cancelled, and its future is
    /// queued and dropped by the loop or by [`clear`](Self::clear), never inside the spawn.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use sakia_executor::{Executor, ThreadPark};
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// executor.close();
    /// let handle = executor.spawn(async {});
    /// assert_eq!(executor.run(8, || {}), 0);
    /// assert!(handle.is_finished());
    /// ```
    pub fn close(&self) {
        self.home.close();
    }

    /// Drops every task, suspended ones too and those that destructors spawn meanwhile; their handles resolve to
    /// cancelled.
    ///
    /// The tasks that are there at the call are dropped in any case, oldest first. Those that destructors spawn are
    /// dropped while `deadline` has not passed, and leaked after it: so a destructor that spawns itself for ever ends.
    /// Without a deadline it does not. A task whose poll is on the stack is passed over and goes on.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use sakia_executor::{Executor, ThreadPark};
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// let handle = executor.spawn(std::future::pending::<()>());
    /// let cleared = executor.clear(None);
    /// assert_eq!((cleared.dropped, cleared.panics, cleared.left), (1, 0, 0));
    /// assert!(handle.is_finished());
    /// ```
    pub fn clear(&self, deadline: Option<Instant>) -> Cleared {
        self.clear_while(|| deadline.is_none_or(|at| Instant::now() < at))
    }

    /// Drops every task as [`clear`](Self::clear) does, by the caller's own clock: those that destructors spawn are dropped while `in_time` says so.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use sakia_executor::{Executor, ThreadPark};
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// executor.spawn(std::future::pending::<()>());
    /// let cleared = executor.clear_while(|| false);
    /// assert_eq!((cleared.dropped, cleared.left), (1, 0), "what was there is dropped in any case");
    /// ```
    pub fn clear_while(&self, mut in_time: impl FnMut() -> bool) -> Cleared {
        let home = &self.home;
        let _entered = home.enter();
        let _depth = Depth::enter(home);
        let leaked_before = home.counters.leaked.get();
        let was_leaking = home.leaking.get();
        let mut cleared = Cleared::default();
        loop {
            take_remote(home, usize::MAX);
            clear_list(home, &mut in_time, &mut cleared);
            home.leaking.set(was_leaking);
            forget_ended(home);
            // What other threads had spawned before the close may have come just now; without a close more would come for ever.
            if !home.closed.get() || home.list.len() <= home.running.get() {
                break;
            }
        }
        home.shelf.clear();
        home.list.rest();
        let leaked = home.counters.leaked.get() - leaked_before;
        cleared.left = usize::try_from(leaked).unwrap_or(usize::MAX);
        cleared.running = home.running.get();
        cleared
    }

    /// Sets what is called, on this thread, with each panic of a task's poll, before its handle learns of it.
    ///
    /// A panic of the hook is caught and counted with those of destructors.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use sakia_executor::{Executor, ThreadPark};
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// let seen = Rc::new(RefCell::new(String::new()));
    /// let sink = seen.clone();
    /// executor.set_panic_hook(Box::new(move |panic| {
    ///     *sink.borrow_mut() = panic.message().unwrap_or("?").to_string();
    /// }));
    /// executor.spawn(async { panic!("boom") });
    /// executor.run(8, || {});
    /// assert_eq!(*seen.borrow(), "boom");
    /// ```
    pub fn set_panic_hook(&self, hook: Box<dyn Fn(&TaskPanic<'_>)>) {
        // The old hook is dropped with no borrow held: its destructor is user code.
        let _old = self.home.hook.replace(Some(Rc::from(hook)));
    }

    /// Tells what has happened so far.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use sakia_executor::{Executor, ThreadPark};
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// executor.spawn(async {});
    /// executor.run(8, || {});
    /// assert_eq!((executor.stats().spawned, executor.stats().completed), (1, 1));
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.home.counters;
        Stats {
            spawned: counters.spawned.get(),
            completed: counters.completed.get(),
            panicked: counters.panicked.get(),
            aborted: counters.aborted.get(),
            cleared: counters.cleared.get(),
            leaked: counters.leaked.get(),
            destructor_panics: counters.destructor_panics.get() + self.home.panics_elsewhere(),
        }
    }

    /// Tells whether a [`run`](Self::run) or [`clear`](Self::clear) of this executor is on the stack.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use sakia_executor::{Executor, ThreadPark};
    /// let executor = Executor::new(Arc::new(ThreadPark::new()));
    /// assert!(!executor.is_running());
    /// ```
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.home.depth.get() > 0
    }
}

impl Executor {
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }
}

#[cfg(test)]
impl Executor {
    pub(crate) fn ready(&self) -> &crate::queue::Ready {
        &self.home.ready
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if self.is_running() {
            return mem::forget(self.home.clone());
        }
        let entered = self.home.enter();
        self.close();
        let hooks = (self.home.hook.take(), self.home.surroundings.take());
        let panics = guarded(|| drop(hooks));
        #[cfg(feature = "watch")]
        let panics = panics + guarded(|| drop(self.home.watcher.take()));
        add(&self.home.counters.destructor_panics, panics.into());
        self.clear(Some(Instant::now() + DROP_WITHIN));
        if self.home.list.len() > 0 {
            // A task is on the stack without a `run` or `clear`: the same case, the same answer.
            return mem::forget(self.home.clone());
        }
        drop(self.home.ready.take_all());
        self.home.end();
        self.handle().request_shutdown();
        drop(entered);
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Executor").field(&*self.home).finish()
    }
}

/// Spawns into an executor that the caller knows by its home.
#[cfg_attr(feature = "track-origin", track_caller)]
pub(crate) fn spawn_in<F>(home: &Home, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    #[cfg(feature = "watch")]
    let future = crate::task::watched::watched(future);
    let (listed, queued, joiner) = new_task(future, home, home.anchor());
    add(&home.counters.spawned, 1);
    if home.leaking.get() || home.ended.get() {
        drop(queued);
        leak(home, listed);
        return JoinHandle::new(joiner);
    }
    let own = listed.own(home);
    own.set(own::QUEUED);
    if home.closed.get() {
        own.set(own::ABORT);
    }
    home.list.push(listed, home);
    home.ready.push(queued);
    JoinHandle::new(joiner)
}

/// Puts a value into the list of an executor that the caller knows by its home.
#[cfg_attr(feature = "track-origin", track_caller)]
pub(crate) fn keep_in<T: 'static>(home: &Home, value: T) -> Keeper<T> {
    let (listed, keeper) = Keeper::new(value, home, home.anchor());
    home.kept.set(home.kept.get() + 1);
    if home.leaking.get() || home.ended.get() {
        leak(home, listed);
    } else {
        home.list.push(listed, home);
    }
    keeper
}

/// Drops all tasks of the list but those on the stack, oldest first.
fn clear_list(home: &Home, in_time: &mut impl FnMut() -> bool, cleared: &mut Cleared) {
    let mut were_there = true;
    while home.list.len() > home.running.get() {
        let Some(youngest) = home.list.sort(home) else {
            break;
        };
        for place in 0..home.list.len() {
            // Younger ones are in places that were left meanwhile: they wait for the next round.
            let is_meant =
                |task: &TaskRef| task.id() <= youngest && !task.own(home).has(own::RUNNING);
            let Some(task) = home.list.remove_at(place, home, is_meant) else {
                continue;
            };
            cleared.panics += if !were_there && !in_time() {
                // From here on a spawn leaks at once, so this loop ends.
                home.leaking.set(true);
                leak(home, task)
            } else {
                if task.own(home).has(own::KEPT) {
                    cleared.bound += 1;
                } else {
                    cleared.dropped += 1;
                }
                cancel(home, task, &home.counters.cleared)
            } as usize;
        }
        were_there = false;
    }
}

/// Lets go of ended tasks that are still in a queue.
fn forget_ended(home: &Home) {
    take_remote(home, usize::MAX);
    for task in home.ready.take_all() {
        if !task.own(home).has(own::ENDING) {
            home.ready.push(task);
        }
    }
}

/// A task that has left the ready queue and goes back to its front if nobody takes it.
struct Unpolled<'a> {
    home: &'a Home,
    task: Option<TaskRef>,
}

impl<'a> Unpolled<'a> {
    #[inline]
    fn new(home: &'a Home, task: TaskRef) -> Self {
        Self {
            home,
            task: Some(task),
        }
    }

    #[inline]
    fn take(mut self) -> TaskRef {
        self.task.take().expect("it is taken once")
    }
}

impl Drop for Unpolled<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            self.home.ready.push_front(task);
        }
    }
}

/// Counts a `run` or `clear` on the stack.
struct Depth<'a>(&'a Home);

impl<'a> Depth<'a> {
    fn enter(home: &'a Home) -> Self {
        home.depth.set(home.depth.get() + 1);
        Self(home)
    }
}

impl Drop for Depth<'_> {
    fn drop(&mut self) {
        self.0.depth.set(self.0.depth.get() - 1);
    }
}
