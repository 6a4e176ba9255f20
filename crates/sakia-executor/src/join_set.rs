//! A set of tasks that are waited for in the order in which they end.
//!
//! Built on `JoinHandle` alone: each task's handle is polled with a waker of its own, which notes in the set's inbox
//! that this task has news. So a set may be on another thread than its tasks, as a handle may.

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::{AbortHandle, Executor, JoinError, JoinHandle, TaskId};

/// Holds tasks of one output type; dropping it aborts them all.
///
/// ```
/// use sakia_executor::{JoinSet, block_on};
///
/// let sum: i32 = block_on(async {
///     let mut set = JoinSet::new();
///     for n in 0..4 {
///         set.spawn(async move { n });
///     }
///     let mut sum = 0;
///     while let Some(n) = set.join_next().await {
///         sum += n.unwrap();
///     }
///     sum
/// });
/// assert_eq!(sum, 6);
/// ```
pub struct JoinSet<T> {
    members: Vec<Option<Member<T>>>,
    /// Places in `members` that are free.
    free: Vec<usize>,
    len: usize,
    inbox: Arc<Inbox>,
}

struct Member<T> {
    handle: JoinHandle<T>,
    news: Arc<News>,
}

/// What the tasks' ends reach, on whatever thread.
#[derive(Default)]
struct Inbox(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    /// Places that have news; one of a place that was emptied or filled anew meanwhile does no harm.
    places: VecDeque<usize>,
    waker: Option<Waker>,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, place: usize) {
        // Outside the lock: it is user code.
        if let Some(waker) = self.put(place) {
            waker.wake();
        }
    }

    /// All that a note does under the lock, and nothing else: ThreadSanitizer is told of this function by name.
    fn put(&self, place: usize) -> Option<Waker> {
        let mut noted = self.lock();
        noted.places.push_back(place);
        noted.waker.take()
    }
}

/// The waker of one member.
struct News {
    inbox: Arc<Inbox>,
    place: usize,
    /// The place is in the inbox already.
    noted: AtomicBool,
}

impl Wake for News {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.noted.swap(true, AcqRel) {
            self.inbox.note(self.place);
        }
    }
}

impl<T> JoinSet<T> {
    /// Makes an empty set.
    ///
    /// ```
    /// let set = sakia_executor::JoinSet::<()>::new();
    /// assert!(set.is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            members: Vec::new(),
            free: Vec::new(),
            len: 0,
            inbox: Arc::default(),
        }
    }

    /// Counts the tasks whose outcome has not been taken.
    ///
    /// ```
    /// # use sakia_executor::{JoinSet, block_on};
    /// block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(async {});
    ///     assert_eq!(set.len(), 1);
    /// });
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Tells whether no task is left.
    ///
    /// ```
    /// assert!(sakia_executor::JoinSet::<()>::new().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Aborts all tasks; they stay in the set until their outcome is taken.
    ///
    /// ```
    /// # use sakia_executor::{JoinSet, block_on};
    /// block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     set.abort_all();
    ///     assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
    /// });
    /// ```
    pub fn abort_all(&self) {
        for member in self.members.iter().flatten() {
            member.handle.abort();
        }
    }

    /// Lets all tasks go on without the set, which is empty afterwards.
    ///
    /// ```
    /// # use sakia_executor::{JoinSet, block_on};
    /// block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(async {});
    ///     set.detach_all();
    ///     assert!(set.is_empty());
    /// });
    /// ```
    pub fn detach_all(&mut self) {
        self.free.clear();
        self.len = 0;
        self.inbox.lock().places.clear();
        self.members.clear();
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task on this thread's executor, into the set.
    ///
    /// ```
    /// # use sakia_executor::{JoinSet, block_on};
    /// block_on(async {
    ///     let mut set = JoinSet::new();
    ///     let abort = set.spawn(std::future::pending::<()>());
    ///     abort.abort();
    ///     assert!(set.join_next().await.unwrap().is_err());
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(crate::spawn(future))
    }

    /// Spawns a task on `executor`, into the set.
    ///
    /// ```
    /// # use sakia_executor::{JoinSet, LocalRuntime};
    /// let runtime = LocalRuntime::new();
    /// let mut set = JoinSet::new();
    /// set.spawn_on(async { 1 }, runtime.executor());
    /// assert_eq!(runtime.block_on(set.join_next()).unwrap().unwrap(), 1);
    /// ```
    #[cfg_attr(feature = "track-origin", track_caller)]
    pub fn spawn_on<F>(&mut self, future: F, executor: &Executor) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(executor.spawn(future))
    }
}

impl<T> JoinSet<T> {
    /// Waits for the next task that ends, and gives its outcome; `None` if the set is empty.
    ///
    /// ```
    /// # use sakia_executor::{JoinSet, block_on};
    /// block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(async { 1 });
    ///     assert_eq!(set.join_next().await.unwrap().unwrap(), 1);
    ///     assert!(set.join_next().await.is_none());
    /// });
    /// ```
    ///
    /// # Cancellation
    ///
    /// Safe: an outcome is taken out only as it is returned.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`join_next`](Self::join_next), with the id of a task that gave its output; a [`JoinError`] has its own.
    ///
    /// ```
    /// # use sakia_executor::{JoinSet, block_on};
    /// block_on(async {
    ///     let mut set = JoinSet::new();
    ///     let id = set.spawn(async { 1 }).id();
    ///     assert_eq!(set.join_next_with_id().await.unwrap().unwrap(), (id, 1));
    /// });
    /// ```
    ///
    /// # Cancellation
    ///
    /// Safe, as `join_next`.
    pub async fn join_next_with_id(&mut self) -> Option<Result<(TaskId, T), JoinError>> {
        poll_fn(|cx| self.poll_with_id(cx)).await
    }

    /// Gives the outcome of a task that has ended, if there is one.
    ///
    /// ```
    /// # use sakia_executor::{JoinSet, block_on, yield_now};
    /// block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(async { 1 });
    ///     assert!(set.try_join_next().is_none());
    ///     yield_now().await;
    ///     assert_eq!(set.try_join_next().unwrap().unwrap(), 1);
    /// });
    /// ```
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.take_noted()
            .map(|outcome| outcome.map(|(_, value)| value))
    }

    /// Polls for the next task that ends; `Ready(None)` if the set is empty.
    ///
    /// ```
    /// # use sakia_executor::{JoinSet, block_on};
    /// # use std::future::poll_fn;
    /// block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(async { 1 });
    ///     assert_eq!(poll_fn(|cx| set.poll_join_next(cx)).await.unwrap().unwrap(), 1);
    /// });
    /// ```
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_with_id(cx)
            .map(|next| next.map(|outcome| outcome.map(|(_, value)| value)))
    }

    /// Aborts all tasks and waits until each has ended; panics of theirs are ignored.
    ///
    /// ```
    /// # use sakia_executor::{JoinSet, block_on};
    /// block_on(async {
    ///     let mut set = JoinSet::new();
    ///     set.spawn(std::future::pending::<()>());
    ///     set.shutdown().await;
    ///     assert!(set.is_empty());
    /// });
    /// ```
    ///
    /// # Cancellation
    ///
    /// All tasks are aborted at the first poll; dropped half way, it has waited for some of them.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    fn insert(&mut self, handle: JoinHandle<T>) -> AbortHandle {
        let abort = handle.abort_handle();
        let place = self.free.pop().unwrap_or_else(|| {
            self.members.push(None);
            self.members.len() - 1
        });
        let news = Arc::new(News {
            inbox: self.inbox.clone(),
            place,
            noted: AtomicBool::new(true),
        });
        self.members[place] = Some(Member { handle, news });
        self.len += 1;
        // To be looked at once, at the next `join_next`, which leaves the member's waker with the task.
        self.inbox.note(place);
        abort
    }

    /// Looks at the members that have news, until one has ended.
    fn take_noted(&mut self) -> Option<Result<(TaskId, T), JoinError>> {
        loop {
            let place = self.inbox.lock().places.pop_front()?;
            let Some(Some(member)) = self.members.get_mut(place) else {
                continue;
            };
            // Before the poll, so that news of after it are noted anew.
            member.news.noted.swap(false, AcqRel);
            let id = member.handle.id();
            let waker = Waker::from(member.news.clone());
            let polled = Pin::new(&mut member.handle).poll(&mut Context::from_waker(&waker));
            if let Poll::Ready(outcome) = polled {
                self.members[place] = None;
                self.free.push(place);
                self.len -= 1;
                return Some(outcome.map(|value| (id, value)));
            }
        }
    }

    fn poll_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(TaskId, T), JoinError>>> {
        loop {
            if let Some(outcome) = self.take_noted() {
                return Poll::Ready(Some(outcome));
            }
            if self.is_empty() {
                return Poll::Ready(None);
            }
            // Cloned and dropped outside the lock: it is user code.
            let waker = cx.waker().clone();
            let mut noted = self.inbox.lock();
            if noted.places.is_empty() {
                let old = noted.waker.replace(waker);
                drop(noted);
                drop(old);
                return Poll::Pending;
            }
        }
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.abort_all();
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
