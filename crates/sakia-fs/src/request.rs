//! The one wrapper of the driver's futures: it ties them to the handle that they borrow, and carries an answer that needs no kernel.
//! What a request asks, and what its answer means, is said where it is made.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_driver::{Cancellable, Cancelling, Outcome, Receipt};

use crate::File;

/// Awaits one request to the kernel; made by the methods of [`File`] and by the functions on paths.
///
/// It is lazy: nothing happens before its first poll. `'a` is the borrow of the [`File`]; requests on paths borrow nothing
/// and say `'static`.
///
/// ```
/// # sakia::Runtime::new()?.block_on(async {
/// let file = sakia::fs::File::open("/proc/self/comm").await?;
/// let request: sakia::fs::ReadAt<'_, Vec<u8>> = file.read_at(Vec::with_capacity(64), 0);
/// let (result, name) = request.await;
/// assert_eq!(result?, name.len());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Cancellation
/// Dropping it is always safe: the kernel is asked to end the request, and its buffer is freed when the kernel has let go of it.
#[must_use = "futures do nothing unless polled"]
pub struct Request<'a, F: Future> {
    state: State<F>,
    handle: PhantomData<&'a File>,
}

enum State<F: Future> {
    Run(F),
    /// The answer, where the kernel is not asked: an empty buffer, a path with a NUL byte.
    Known(F::Output),
    Done,
}

// Neither the future, which is `Unpin` itself, nor its answer is ever pinned here.
impl<F: Future + Unpin> Unpin for Request<'_, F> {}

impl<'a, F: Future> Request<'a, F> {
    pub(crate) fn run(inner: F) -> Self {
        Self::with(State::Run(inner))
    }

    pub(crate) fn known(answer: F::Output) -> Self {
        Self::with(State::Known(answer))
    }

    fn with(state: State<F>) -> Self {
        Self {
            state,
            handle: PhantomData,
        }
    }

    fn known_answer(&mut self) -> F::Output {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Known(answer) => answer,
            _ => panic!("a request was polled after it had completed"),
        }
    }

    /// Unties the request from the borrow of its handle.
    ///
    /// The descriptor stays open for as long as the request lives, also when the handle is dropped before.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open("/proc/self/comm").await?;
    /// let request = file.read_at(Vec::with_capacity(64), 0).into_owned();
    /// drop(file);
    /// assert!(request.await.0? > 0);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_owned(self) -> Request<'static, F> {
        Request::with(self.state)
    }
}

impl<F, T> Request<'_, F>
where
    F: Future<Output = io::Result<T>>,
{
    /// A request that could not be written, for want of a proper path.
    pub(crate) fn attempt(inner: io::Result<F>) -> Self {
        match inner {
            Ok(inner) => Self::run(inner),
            Err(error) => Self::known(Err(error)),
        }
    }
}

impl<F: Future + Unpin> Future for Request<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match &mut this.state {
            // What has answered stays where it is, and says by itself if it is asked again: the answer need not wait here for its end.
            State::Run(inner) => Pin::new(inner).poll(cx),
            _ => Poll::Ready(this.known_answer()),
        }
    }
}

impl<F: Cancellable> Request<'_, F>
where
    F::Output: Outcome<Value = F::Value, Buf = F::Buf>,
{
    /// Asks the kernel to end the request, waits for its last word, and gives a [`Receipt`]: the result that it had after all, or the
    /// buffer as it was (`IORING_OP_ASYNC_CANCEL`, Linux 5.5).
    ///
    /// A request that a thread of the kernel's is carrying out on a disk is not ended early, but awaited.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// use sakia::fs::Receipt;
    ///
    /// let file = sakia::fs::File::open("/proc/self/comm").await?;
    /// match file.read_at(Vec::with_capacity(64), 0).cancel().await {
    ///     Receipt::Completed(n, name) => assert_eq!(n?, name.len()),
    ///     Receipt::Cancelled(buf) => assert_eq!(buf.capacity(), 64),
    /// }
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// The kernel is asked at the first poll. Dropping the receipt drops the request.
    #[doc(alias = "IORING_OP_ASYNC_CANCEL")]
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl<F: Cancellable> Cancellable for Request<'_, F>
where
    F::Output: Outcome<Value = F::Value, Buf = F::Buf>,
{
    type Value = F::Value;
    type Buf = F::Buf;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<F::Value, F::Buf>> {
        let receipt = match &mut self.state {
            State::Run(inner) => ready!(inner.poll_cancel(cx)),
            _ => Receipt::of(self.known_answer()),
        };
        self.state = State::Done;
        Poll::Ready(receipt)
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        let answer = match &mut self.state {
            State::Run(inner) => ready!(inner.poll_expire(cx)),
            _ => self.known_answer(),
        };
        self.state = State::Done;
        Poll::Ready(answer)
    }
}

impl<F: Future> fmt::Debug for Request<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Run(_) => "run",
            State::Known(_) => "known",
            State::Done => "done",
        };
        f.debug_tuple("Request").field(&state).finish()
    }
}
