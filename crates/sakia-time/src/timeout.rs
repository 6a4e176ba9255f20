//! To bound another future by a deadline.
use std::future::{Future, IntoFuture, poll_fn};
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
/// The future that comes back keeps `future` twice over in its own size, as every `async` block does with what it pins.
/// Where that counts, or where the inner future must survive, use [`Timeout::new`] with something `Unpin`.
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
    reason = "an async fn moves its arguments once more: 5.2 ns around a ready future instead of 2.1"
)]
#[inline]
fn bounded<F: Future>(
    deadline: Deadline,
    future: F,
) -> impl Future<Output = Result<F::Output, Elapsed>> {
    async move {
        let mut future = pin!(future);
        let mut registration = Registration::new();
        // Not by way of a `Timeout`, which would have to be moved into its place first.
        poll_fn(|cx| poll_both(future.as_mut(), &mut registration, deadline, cx)).await
    }
}

/// Polls the future, and only if it is not ready the deadline.
#[inline]
fn poll_both<F: Future>(
    future: Pin<&mut F>,
    registration: &mut Registration,
    deadline: Deadline,
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
/// is `Unpin`; so is `pin!(any_future)`.
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
        poll_both(inner, &mut this.registration, this.deadline, cx)
    }
}
