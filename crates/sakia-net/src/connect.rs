//! Connecting to the first address that answers: a state machine over the resolver, socket(2) and connect(2).

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_driver::ops::Patience;
use sakia_driver::{Cancellable, Cancelling, Fd, Origin, Receipt, Submit, ops};

use crate::lookup::{ToSocketAddrs, Walk, at, no_address};
use crate::noun::{Noun, become_a};
use crate::tcp::stream::TcpStream;

/// One connect(2) in flight. The op comes first, so that a drop cancels it before the socket is closed.
struct Attempt {
    op: Submit<ops::Connect>,
    fd: Fd,
    addr: SocketAddr,
}

/// Tries one address after the other, on a new socket each or on one that was given.
pub struct Connecting {
    attempt: Option<Attempt>,
    /// The address that a socket is being made for.
    at: Option<SocketAddr>,
    patience: Patience,
    walk: Walk,
    given: Option<Fd>,
    last: Option<io::Error>,
    origin: Origin,
}

impl Connecting {
    /// With a new TCP socket for each address.
    #[track_caller]
    pub(crate) fn anew(target: &(impl ToSocketAddrs + ?Sized)) -> Self {
        Self {
            attempt: None,
            at: None,
            patience: Patience::default(),
            walk: Walk::of(target),
            given: None,
            last: None,
            origin: Origin::caller(),
        }
    }

    /// Always with this socket.
    #[track_caller]
    pub(crate) fn with(fd: Fd, target: &(impl ToSocketAddrs + ?Sized)) -> Self {
        Self {
            given: Some(fd),
            ..Self::anew(target)
        }
    }

    /// Begins with the address that is next, if there is one.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Attempt>>> {
        if self.at.is_none() {
            self.at = ready!(self.walk.poll_next(cx))?;
        }
        let Some(addr) = self.at else {
            return Poll::Ready(Ok(None));
        };
        let made = match &self.given {
            Some(fd) => Ok(fd.clone()),
            None => {
                let make = || Fd::socket(family(addr), libc::SOCK_STREAM, 0);
                let made = ready!(self.patience.poll(cx, make));
                made.map(|fd| fd.asked_at(self.origin))
            }
        };
        self.at = None;
        Poll::Ready(made.map(|fd| {
            Some(Attempt {
                op: ops::connect(&fd, addr.into()),
                fd,
                addr,
            })
        }))
    }
}

impl Future for Connecting {
    type Output = io::Result<Fd>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            if let Some(attempt) = &mut this.attempt {
                let result = ready!(Pin::new(&mut attempt.op).poll(cx));
                let Some(Attempt { fd, addr, .. }) = this.attempt.take() else {
                    continue;
                };
                match result {
                    Ok(()) => return Poll::Ready(Ok(fd)),
                    Err(error) => this.last = Some(at("cannot connect to", addr, error)),
                }
            }
            this.attempt = ready!(this.poll_begin(cx))?;
            if this.attempt.is_none() {
                return Poll::Ready(Err(this.last.take().unwrap_or_else(no_address)));
            }
        }
    }
}

impl Cancellable for Connecting {
    type Value = Fd;
    type Buf = ();

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<Fd>> {
        let Some(attempt) = &mut self.attempt else {
            // The resolver is asked still, or nobody was.
            return Poll::Ready(Receipt::Cancelled(()));
        };
        let receipt = ready!(attempt.op.poll_cancel(cx));
        let attempt = self.attempt.take();
        Poll::Ready(match (receipt, attempt) {
            (Receipt::Completed(result, ()), Some(Attempt { fd, addr, .. })) => {
                let result = result.map_err(|error| at("cannot connect to", addr, error));
                Receipt::Completed(result.map(|()| fd), ())
            }
            _ => Receipt::Cancelled(()),
        })
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.attempt.as_ref().map(|attempt| attempt.addr);
        f.debug_struct("Connecting")
            .field("at", &at)
            .field("rest", &self.walk)
            .finish()
    }
}

/// The family of an address, as socket(2) calls it.
pub fn family(addr: SocketAddr) -> i32 {
    if addr.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    }
}

/// Connects to the first address that answers: the future of [`TcpStream::connect`].
///
/// # Cancellation
///
/// The attempt that is under way is cancelled, and its socket is closed before the drop returns.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Connect<S = TcpStream> {
    connecting: Connecting,
    noun: PhantomData<fn() -> S>,
}

impl<S> Connect<S> {
    pub(crate) fn new(connecting: Connecting) -> Self {
        Self {
            connecting,
            noun: PhantomData,
        }
    }
}

impl<S: Noun> Connect<S> {
    /// Asks the kernel to end the attempt that is under way, and waits for its last word: a stream, an error, or neither.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let connect = sakia::net::TcpStream::connect(listener.local_addr()?);
    /// assert!(connect.cancel().await.is_cancelled(), "it was not even begun");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl<S: Noun> Cancellable for Connect<S> {
    type Value = S;
    type Buf = ();

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<S>> {
        let receipt = ready!(self.connecting.poll_cancel(cx));
        Poll::Ready(receipt.and_then(|fd| Ok(become_a(fd))))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}

impl<S: Noun> Future for Connect<S> {
    type Output = io::Result<S>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.connecting).poll(cx).map_ok(become_a)
    }
}
