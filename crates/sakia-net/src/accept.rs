//! Accepting: the driver's accept with the noun put on.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_driver::{Cancellable, Cancelling, Fd, Receipt, ops};

use crate::borrowed::Borrowed;
use crate::noun::{Address, Noun};
use crate::tcp::stream::TcpStream;

/// Waits for the next connection: the stream and its peer's address.
pub type Accept<'a, S = TcpStream> = Borrowed<'a, Accepting<S>>;

/// Waits for the next connection; [`Accept`] ties it to its listener.
#[must_use = "futures do nothing unless polled"]
pub struct Accepting<S> {
    accept: ops::Accept,
    noun: PhantomData<fn() -> S>,
}

#[track_caller]
pub(crate) fn accept<S: Noun>(listener: &Fd) -> Accept<'_, S> {
    Borrowed::new(Accepting {
        accept: ops::accept(listener, S::KIND),
        noun: PhantomData,
    })
}

impl<S: Noun> Future for Accepting<S> {
    type Output = io::Result<(S, S::Addr)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (fd, peer) = ready!(Pin::new(&mut self.accept).poll(cx))?;
        Poll::Ready(Ok((S::from_fd(fd), S::Addr::read(peer)?)))
    }
}

impl<S: Noun> Cancellable for Accepting<S> {
    type Value = (S, S::Addr);
    type Buf = ();

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<Self::Value>> {
        let receipt = ready!(self.accept.poll_cancel(cx));
        Poll::Ready(receipt.and_then(|(fd, peer)| Ok((S::from_fd(fd), S::Addr::read(peer)?))))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}

impl<S> fmt::Debug for Accepting<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepting").finish_non_exhaustive()
    }
}

/// Accepts one connection after the other; made by the `incoming` methods.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// use sakia::net::TcpListener;
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
/// let mut incoming = listener.incoming();
/// while let Some(stream) = incoming.next().await {
///     assert_eq!(stream?.peer_addr()?, peer.local_addr()?);
///     break;
/// }
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Incoming<'a, S = TcpStream> {
    listener: &'a Fd,
    noun: PhantomData<fn() -> S>,
}

impl<'a, S: Noun> Incoming<'a, S> {
    pub(crate) fn new(listener: &'a Fd) -> Self {
        Self {
            listener,
            noun: PhantomData,
        }
    }

    /// Waits for the next connection. It never ends: there is always a `Some`.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let _peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let stream = listener.incoming().next().await.unwrap()?;
    /// # drop(stream);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Nothing is lost: a connection that has arrived is given to the next call.
    ///
    /// # Errors
    ///
    /// As `accept`; the listener can be asked again.
    // Not an iterator, and `next` is what everybody calls it.
    #[allow(clippy::should_implement_trait)]
    #[track_caller]
    pub fn next(&mut self) -> Next<'a, S> {
        Next {
            accept: accept(self.listener),
        }
    }
}

/// Waits for the next connection: the future of [`Incoming::next`].
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Next<'a, S = TcpStream> {
    accept: Accept<'a, S>,
}

impl<S: Noun> Future for Next<'_, S> {
    type Output = Option<io::Result<S>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let accepted = ready!(Pin::new(&mut self.accept).poll(cx));
        Poll::Ready(Some(accepted.map(|(stream, _)| stream)))
    }
}

impl<S: Noun> Next<'_, S> {
    /// Asks the kernel to end the accept, and waits for its last word: a connection, an error, or neither.
    pub fn cancel(self) -> Cancelling<Accepting<S>> {
        Cancelling::new(self.accept.into_inner())
    }
}
