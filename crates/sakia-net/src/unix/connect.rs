//! Connecting a Unix socket to a path or an abstract name.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_driver::ops::Patience;
use sakia_driver::{Cancellable, Cancelling, Fd, Origin, Receipt, Submit, ops};

use crate::borrowed::Borrowed;
use crate::noun::{Noun, become_a};
use crate::unix::addr::UnixAddr;
use crate::unix::stream::UnixStream;

/// A socket that is made by connecting to a [`UnixAddr`].
pub trait ConnectTo: Noun {
    /// `SOCK_STREAM` or `SOCK_SEQPACKET`.
    const TYPE: i32;
}

/// Connects to an address: the future of the `connect` methods of Unix sockets.
///
/// # Cancellation
///
/// As [`UnixStream::connect`].
#[must_use = "futures do nothing unless polled"]
pub struct UnixConnect<N = UnixStream> {
    /// The op comes first, so that a drop cancels it before the socket is closed.
    attempt: Option<(Submit<ops::Connect>, Fd)>,
    patience: Patience,
    addr: io::Result<UnixAddr>,
    origin: Origin,
    noun: PhantomData<fn() -> N>,
}

impl<N: ConnectTo> UnixConnect<N> {
    #[track_caller]
    pub(crate) fn new(addr: io::Result<UnixAddr>) -> Self {
        Self {
            attempt: None,
            patience: Patience::default(),
            addr,
            origin: Origin::caller(),
            noun: PhantomData,
        }
    }

    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Submit<ops::Connect>, Fd)>> {
        let addr = again(&self.addr)?;
        let make = || Fd::socket(libc::AF_UNIX, N::TYPE, 0);
        let fd = ready!(self.patience.poll(cx, make))?.asked_at(self.origin);
        Poll::Ready(Ok((ops::connect(&fd, addr.raw()), fd)))
    }
}

/// What an address came to; its error has a kind and a text of ours.
fn again(addr: &io::Result<UnixAddr>) -> io::Result<UnixAddr> {
    match addr {
        Ok(addr) => Ok(*addr),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    }
}

impl<N: ConnectTo> Future for UnixConnect<N> {
    type Output = io::Result<N>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (mut op, fd) = match self.attempt.take() {
            Some(attempt) => attempt,
            None => ready!(self.poll_begin(cx))?,
        };
        let Poll::Ready(result) = Pin::new(&mut op).poll(cx) else {
            self.attempt = Some((op, fd));
            return Poll::Pending;
        };
        Poll::Ready(result.map(|()| become_a(fd)))
    }
}

impl<N: ConnectTo> UnixConnect<N> {
    /// Asks the kernel to end the attempt, and waits for its last word, as [`Connect::cancel`](crate::Connect::cancel).
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl<N: ConnectTo> Cancellable for UnixConnect<N> {
    type Value = N;
    type Buf = ();

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<N>> {
        let Some((op, _)) = &mut self.attempt else {
            return Poll::Ready(Receipt::Cancelled(()));
        };
        let receipt = ready!(op.poll_cancel(cx));
        let attempt = self.attempt.take();
        Poll::Ready(match (receipt, attempt) {
            (Receipt::Completed(result, ()), Some((_, fd))) => {
                Receipt::Completed(result.map(|()| become_a(fd)), ())
            }
            _ => Receipt::Cancelled(()),
        })
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}

impl<N> fmt::Debug for UnixConnect<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixConnect")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

/// Names the peer of a socket that there is.
pub type UnixDatagramConnect<'a> = Borrowed<'a, UnixConnected>;

/// Names the peer of a socket that there is; [`UnixDatagramConnect`] ties it to its socket.
#[must_use = "futures do nothing unless polled"]
pub struct UnixConnected {
    attempt: io::Result<Submit<ops::Connect>>,
}

pub(crate) fn connect(fd: &Fd, addr: io::Result<UnixAddr>) -> UnixDatagramConnect<'_> {
    Borrowed::new(UnixConnected {
        attempt: addr.map(|addr| ops::connect(fd, addr.raw())),
    })
}

impl Future for UnixConnected {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.attempt {
            Ok(op) => Pin::new(op).poll(cx),
            Err(error) => Poll::Ready(Err(io::Error::new(error.kind(), error.to_string()))),
        }
    }
}

impl Cancellable for UnixConnected {
    type Value = ();
    type Buf = ();

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<()>> {
        match &mut self.attempt {
            Ok(op) => op.poll_cancel(cx),
            Err(_) => Poll::Ready(Receipt::Cancelled(())),
        }
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}

impl fmt::Debug for UnixConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixConnected").finish_non_exhaustive()
    }
}
