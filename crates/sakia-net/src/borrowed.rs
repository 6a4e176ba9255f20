//! `Borrowed`: what ties the future of an op to the borrow of the handle that it was asked of.
//! The driver's futures own all they need; the tie is there for the reader, so that nothing is awaited of a closed socket.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use sakia_buf::{IoBuf, IoVecBuf};
use sakia_driver::{Cancellable, Cancelling, Laned, Receipt, ops};

/// Ties an operation to the handle that it was asked of.
///
/// Nothing happens before it is polled. It is `Unpin`, so `&mut op` can be awaited, put into a `select!`, and awaited again.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// use sakia::net::{Read, UnixStream, WriteAll};
///
/// let (a, b) = UnixStream::pair()?;
/// let write: WriteAll<'_, &'static str> = a.write_all("sakia");
/// write.await.0?;
/// let mut read: Read<'_, Vec<u8>> = b.read(Vec::with_capacity(8));
/// let (n, _buf) = (&mut read).await;
/// assert_eq!(n?, 5);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
///
/// # Cancellation
///
/// Dropping it is always safe and loses nothing. What was to be received stays with the socket and is served to the next call; what was
/// to be sent, and has been submitted, is sent while the handle lives, and the next write waits behind it.
#[must_use = "futures do nothing unless polled"]
pub struct Borrowed<'a, F> {
    inner: F,
    handle: PhantomData<&'a ()>,
}

impl<F> Borrowed<'_, F> {
    pub(crate) fn new(inner: F) -> Self {
        Self {
            inner,
            handle: PhantomData,
        }
    }

    /// Unties the operation from the handle, so that it can be kept beside it in one struct.
    ///
    /// The operation is no handle, but it names the descriptor: when the last handle is dropped first, the descriptor stays open until the
    /// operation has ended or was dropped.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::{Read, UnixStream};
    ///
    /// struct Reader {
    ///     stream: UnixStream,
    ///     read: Read<'static, Vec<u8>>,
    /// }
    ///
    /// let (stream, peer) = UnixStream::pair()?;
    /// let read = stream.read(Vec::with_capacity(8)).into_owned();
    /// let reader = Reader { stream, read };
    /// peer.write_all("sakia").await.0?;
    /// assert_eq!(reader.read.await.1, b"sakia");
    /// # drop(reader.stream);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn into_owned(self) -> Borrowed<'static, F> {
        Borrowed::new(self.inner)
    }

    /// Gives the driver's future, for those who build on sakia-driver themselves.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// a.write_all("sakia").await.0?;
    /// let op = b.read(Vec::with_capacity(8)).into_inner();
    /// assert_eq!(op.await.1, b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn into_inner(self) -> F {
        self.inner
    }
}

impl<F: Cancellable> Borrowed<'_, F> {
    /// Asks the kernel to end the operation, waits for its last word, and gives a [`Receipt`]: the result that it had after all, or the
    /// buffer as it was (`IORING_OP_ASYNC_CANCEL`, Linux 5.5).
    ///
    /// An effect in part is an effect: a write that had sent 3 bytes is `Completed(Ok(3), buf)`, and so is a `write_all` that came so far.
    /// Bytes, datagrams and connections that are received in a receipt are the caller's; those that are not stay with the socket.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use futures_util::future::{Either, ready, select};
    /// use sakia::net::Receipt;
    ///
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let mut read = b.read(Vec::with_capacity(8));
    /// let stop = ready(());
    /// if let Either::Right(_) = select(&mut read, stop).await {
    ///     match read.cancel().await {
    ///         Receipt::Completed(n, buf) => assert!(n? <= buf.len()),
    ///         Receipt::Cancelled(buf) => assert_eq!(buf.capacity(), 8),
    ///     }
    /// }
    /// # drop(a);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// The kernel is asked at the first poll. Dropping the receipt drops the operation, and nothing is lost.
    #[doc(alias = "IORING_OP_ASYNC_CANCEL")]
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl<F: Cancellable> Cancellable for Borrowed<'_, F> {
    type Value = F::Value;
    type Buf = F::Buf;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<F::Value, F::Buf>> {
        self.inner.poll_cancel(cx)
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.inner.poll_expire(cx)
    }
}

impl<F: Future + Unpin> Future for Borrowed<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

impl<F> fmt::Debug for Borrowed<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Borrowed<{}>", std::any::type_name::<F>())
    }
}

impl<B: IoBuf> Borrowed<'_, Laned<ops::Send<B>>> {
    /// Lets the write finish even if the socket is dropped: the close comes after it, and the end of the runtime waits for both within
    /// its deadline.
    ///
    /// A write that queues behind another one keeps its place, and is sent when its turn comes.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use std::future::{Future, poll_fn};
    /// use std::{pin::Pin, task::Poll};
    ///
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let mut write = a.write("sakia").into_owned();
    /// let sent = poll_fn(|cx| Poll::Ready(Pin::new(&mut write).poll(cx))).await;
    /// if sent.is_pending() {
    ///     write.detach();
    /// }
    /// drop(a);
    /// assert_eq!(b.read(Vec::with_capacity(8)).await.1, b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn detach(self) {
        self.inner.detach();
    }
}

impl<B: IoBuf> Borrowed<'_, ops::Whole<Laned<ops::Send<B>>>> {
    /// Lets the write finish even if the socket is dropped, as for a single [`Write`](crate::Write).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use std::future::{Future, poll_fn};
    /// use std::{pin::Pin, task::Poll};
    ///
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let mut write = a.write_all("sakia").into_owned();
    /// let sent = poll_fn(|cx| Poll::Ready(Pin::new(&mut write).poll(cx))).await;
    /// if sent.is_pending() {
    ///     write.detach();
    /// }
    /// drop(a);
    /// assert_eq!(b.read(Vec::with_capacity(8)).await.1, b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn detach(self) {
        self.inner.into_inner().detach();
    }
}

impl<V: IoVecBuf> Borrowed<'_, Laned<ops::SendMsg<V>>> {
    /// Lets the write finish even if the socket is dropped, as for a single [`Write`](crate::Write).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use std::future::{Future, poll_fn};
    /// use std::{pin::Pin, task::Poll};
    ///
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let mut write = a.writev(["sa", "kia"]).into_owned();
    /// let sent = poll_fn(|cx| Poll::Ready(Pin::new(&mut write).poll(cx))).await;
    /// if sent.is_pending() {
    ///     write.detach();
    /// }
    /// drop(a);
    /// assert_eq!(b.read(Vec::with_capacity(8)).await.1, b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn detach(self) {
        self.inner.detach();
    }
}
