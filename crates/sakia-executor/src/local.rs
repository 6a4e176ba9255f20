//! What the owner's thread alone touches of an executor: the queue, the list, the counters.
//!
//! Plain data and no policy; the loop is in `executor.rs`.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use crate::Surroundings;
use crate::error::TaskPanic;
use crate::queue::Ready;
use crate::task::list::List;
use crate::task::shelf::Shelf;
use crate::task::{TaskId, TaskIds};

/// What is called with each task's panic.
pub(crate) type PanicHook = Rc<dyn Fn(&TaskPanic<'_>)>;

/// The owner's part of an executor. It is `!Sync` and pinned to its thread, so a reference to one proves the thread.
pub(crate) struct Local {
    pub(crate) ready: Ready,
    pub(crate) list: List,
    pub(crate) ids: TaskIds,
    pub(crate) shelf: Shelf,
    pub(crate) counters: Counters,
    pub(crate) hook: RefCell<Option<PanicHook>>,
    pub(crate) surroundings: RefCell<Option<Rc<dyn Surroundings>>>,
    #[cfg(feature = "watch")]
    pub(crate) watcher: RefCell<Option<Rc<crate::Watcher>>>,
    /// The owner's half of the count of references to the core.
    pub(crate) refs: Cell<isize>,
    /// The root was woken on this thread.
    pub(crate) root_woken: Cell<bool>,
    /// New tasks are aborted before their first poll.
    pub(crate) closed: Cell<bool>,
    /// Time is up: new futures are leaked instead of dropped.
    pub(crate) leaking: Cell<bool>,
    /// The executor has ended, and the halves of the count are merged.
    pub(crate) ended: Cell<bool>,
    /// How many `run` and `clear` are on the stack.
    pub(crate) depth: Cell<usize>,
    /// How many entries of the list are values of a `Bound`, not tasks.
    pub(crate) kept: Cell<usize>,
    /// How many tasks are being polled, and values of a `Bound` borrowed.
    pub(crate) running: Cell<usize>,
    /// The task whose code runs.
    pub(crate) task: Cell<Option<TaskId>>,
}

impl Local {
    /// The part of a new executor, with one reference counted.
    pub(crate) fn new() -> Self {
        Self {
            ready: Ready::default(),
            list: List::default(),
            ids: TaskIds::default(),
            shelf: Shelf::default(),
            counters: Counters::default(),
            hook: RefCell::new(None),
            surroundings: RefCell::new(None),
            #[cfg(feature = "watch")]
            watcher: RefCell::new(None),
            refs: Cell::new(1),
            root_woken: Cell::new(false),
            closed: Cell::new(false),
            leaking: Cell::new(false),
            ended: Cell::new(false),
            depth: Cell::new(0),
            kept: Cell::new(0),
            running: Cell::new(0),
            task: Cell::new(None),
        }
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("tasks", &(self.list.len() - self.kept.get()))
            .field("ready", &self.ready.len())
            .field("closed", &self.closed.get())
            .finish_non_exhaustive()
    }
}

/// What happened so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) spawned: Cell<u64>,
    pub(crate) completed: Cell<u64>,
    pub(crate) panicked: Cell<u64>,
    pub(crate) aborted: Cell<u64>,
    pub(crate) cleared: Cell<u64>,
    pub(crate) leaked: Cell<u64>,
    pub(crate) destructor_panics: Cell<u64>,
}

/// Adds to a counter.
pub(crate) fn add(counter: &Cell<u64>, more: u64) {
    counter.set(counter.get() + more);
}
