//! To bound another future by a deadline.
use std::future::{Future, IntoFuture, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::error::Elapsed;
use crate::registration::{Deadline, Registration};

/// Awaits a future, but not for longer than `duration`.
///
/// The time counts from the first poll of the future, if it is not ready then: from that turn of the runtime's loop, to be exact, because the
/// clock is not read for it. A future that is ready at its first poll touches neither clock nor timers. When the future is ready and the
/// time is up at once, the future wins. A duration of zero polls the future once.
///
/// # Which form where
/// - To be awaited at once: `timeout(limit, future).await`.
/// - To go on with the same future when it is late, or again and again in a loop: pin it, and bound the pin, `timeout(limit, future.as_mut()).await`. It is
///   not begun anew, and what it has done so far is not lost.
/// - For one time limit over several rounds of a `select!`: pin the bounded future and give `&mut bounded` to each round. Its time goes on counting.
/// - To be kept in a struct, or moved about once it was polled: [`Timeout::new`] of something `Unpin`: an operation of sakia's, a `pin!`, a `Box::pin`.
///
/// What this function returns has no name and is not `Unpin`, whatever `future` is: to pin a future inside a struct of ours takes unsafe code, which this crate has none of,
/// or a box, which costs an allocation, and so it is a block of async code that pins it. Such a block keeps what it pins twice over in its size; where that counts, bound a pin.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// # async fn example() {
/// let nothing = std::future::pending::<()>();
/// assert!(sakia_time::timeout(Duration::from_millis(1), nothing).await.is_err());
/// # }
/// ```
/// A future that is never begun anew, and a word at each second that it takes:
/// ```
/// use std::pin::pin;
/// use std::time::Duration;
/// use sakia_time::timeout;
///
/// # async fn fetch() -> u32 { 7 }
/// # async fn example() -> u32 {
/// let mut fetching = pin!(fetch());
/// loop {
///     match timeout(Duration::from_secs(1), fetching.as_mut()).await {
///         Ok(answer) => return answer,
///         Err(_) => println!("still at it"),
///     }
/// }
/// # }
/// ```
///
/// # Cancellation
/// Dropping it drops the inner future and takes the timer out.
///
/// # Errors
/// [`Elapsed`] if the time was up first; the inner future is dropped then.
///
/// # Panics
/// The future panics if it has to wait outside a runtime.
pub fn timeout<F: IntoFuture>(
    duration: Duration,
    future: F,
) -> impl Future<Output = Result<F::Output, Elapsed>> {
    bounded(Deadline::After(duration), future.into_future())
}

/// Awaits a future, but not beyond `deadline`.
///
/// It is [`timeout`] with an instant instead of a duration.
///
/// # Examples
/// ```
/// use sakia_time::{now, timeout_at};
/// use std::time::Duration;
///
/// # async fn example() {
/// let deadline = now() + Duration::from_secs(1);
/// assert_eq!(timeout_at(deadline, async { 7 }).await, Ok(7));
/// # }
/// ```
///
/// # Cancellation
/// Dropping it drops the inner future and takes the timer out.
///
/// # Errors
/// [`Elapsed`] if the deadline passed first; the inner future is dropped then.
///
/// # Panics
/// The future panics if it has to wait outside a runtime.
pub fn timeout_at<F: IntoFuture>(
    deadline: Instant,
    future: F,
) -> impl Future<Output = Result<F::Output, Elapsed>> {
    bounded(Deadline::At(deadline), future.into_future())
}

/// Pins the future in a block: the way to do so for any future without a line of unsafe code.
#[expect(
    clippy::manual_async_fn,
    reason = "an async fn moves its arguments once more"
)]
#[inline]
fn bounded<F: Future>(
    deadline: Deadline,
    future: F,
) -> impl Future<Output = Result<F::Output, Elapsed>> {
    async move {
        let mut future = pin!(future);
        // What is ready at once knows nothing of the deadline. (In a variable its output would have a place in this block's state, and take its `Send`.)
        if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Ok(output);
        }
        // Not by way of a `Timeout`, which would have to be moved into its place first.
        let (mut registration, mut was_polled) = (Registration::new(), true);
        poll_fn(|cx| {
            if mem::take(&mut was_polled) {
                return registration.poll(&deadline, cx).map(|()| Err(Elapsed {}));
            }
            poll_both(future.as_mut(), &mut registration, &deadline, cx)
        })
        .await
    }
}

/// Polls the future, and only if it is not ready the deadline.
#[inline]
fn poll_both<F: Future>(
    future: Pin<&mut F>,
    registration: &mut Registration,
    deadline: &Deadline,
    cx: &mut Context<'_>,
) -> Poll<Result<F::Output, Elapsed>> {
    if let Poll::Ready(output) = future.poll(cx) {
        return Poll::Ready(Ok(output));
    }
    registration.poll(deadline, cx).map(|()| Err(Elapsed {}))
}

/// Bounds a future that is `Unpin`, and gives it back.
///
/// This is [`timeout`] with a name: for futures that are kept in a struct, and for those that are needed after the time is up. Everything in sakia that reaches the kernel
/// is `Unpin`; so are `pin!(any_future)`, `&mut` of what is `Unpin`, and `Box::pin(any_future)`.
///
/// After it has said that the time is up it may be polled on: it gives the future's output when that is ready, and says again that it is late if not.
///
/// # Examples
/// ```
/// use sakia_time::{Timeout, sleep};
/// use std::time::Duration;
///
/// # async fn example() {
/// let mut bounded = Timeout::new(Duration::from_millis(1), sleep(Duration::from_secs(1)));
/// if (&mut bounded).await.is_err() {
///     // Late, but not lost.
///     bounded.into_inner().await;
/// }
/// # }
/// ```
/// In a struct, of any future:
/// ```
/// use sakia_time::Timeout;
/// use std::pin::Pin;
/// use std::time::Duration;
///
/// struct Job {
///     work: Timeout<Pin<Box<dyn Future<Output = u32>>>>,
/// }
///
/// let work = Box::pin(async { 7 });
/// let job = Job { work: Timeout::new(Duration::from_secs(1), work) };
/// # async fn example(job: Job) {
/// assert_eq!(job.work.await, Ok(7));
/// # }
/// ```
///
/// # Cancellation
/// Dropping it drops the inner future and takes the timer out.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are polled"]
pub struct Timeout<F> {
    inner: F,
    deadline: Deadline,
    registration: Registration,
}

impl<F> Timeout<F> {
    /// Bounds a future by a duration, counted as [`timeout`] counts it.
    ///
    /// # Examples
    /// ```
    /// use std::{future::ready, time::Duration};
    ///
    /// # async fn example() {
    /// let bounded = sakia_time::Timeout::new(Duration::from_secs(1), ready(7));
    /// assert_eq!(bounded.await, Ok(7));
    /// # }
    /// ```
    pub fn new(duration: Duration, inner: F) -> Self {
        Self::bound(Deadline::After(duration), inner)
    }

    /// Bounds a future by a deadline.
    ///
    /// # Examples
    /// ```
    /// use std::future::ready;
    ///
    /// # async fn example() {
    /// let bounded = sakia_time::Timeout::at(sakia_time::now(), ready(7));
    /// assert_eq!(bounded.await, Ok(7), "what is ready wins");
    /// # }
    /// ```
    pub fn at(deadline: Instant, inner: F) -> Self {
        Self::bound(Deadline::At(deadline), inner)
    }

    fn bound(deadline: Deadline, inner: F) -> Self {
        Timeout {
            inner,
            deadline,
            registration: Registration::new(),
        }
    }

    /// Looks at the inner future.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// let bounded = sakia_time::Timeout::new(Duration::ZERO, 7);
    /// assert_eq!(*bounded.get_ref(), 7);
    /// ```
    pub fn get_ref(&self) -> &F {
        &self.inner
    }

    /// Looks at the inner future, to change it.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// let mut bounded = sakia_time::Timeout::new(Duration::ZERO, 7);
    /// *bounded.get_mut() = 8;
    /// assert_eq!(bounded.into_inner(), 8);
    /// ```
    pub fn get_mut(&mut self) -> &mut F {
        &mut self.inner
    }

    /// Gives the inner future back and takes the timer out.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// assert_eq!(sakia_time::Timeout::new(Duration::ZERO, 7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> F {
        self.inner
    }
}

impl<F: Future + Unpin> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let inner = Pin::new(&mut this.inner);
        poll_both(inner, &mut this.registration, &this.deadline, cx)
    }
}
