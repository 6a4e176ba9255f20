//! Binding a Unix socket to a path or an abstract name: socket(2), bind(2) and listen(2), which do not block.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_driver::ops::Patience;
use sakia_driver::{Fd, Origin, SockAddr};

use crate::noun::{Noun, become_a};
use crate::unix::addr::UnixAddr;
use crate::unix::listener::UnixListener;

/// A socket that is made by binding to a [`UnixAddr`].
pub trait BindTo: Noun {
    /// `SOCK_STREAM`, `SOCK_DGRAM` or `SOCK_SEQPACKET`.
    const TYPE: i32;

    /// How many connections may wait, for a socket that listens.
    const BACKLOG: Option<i32>;
}

/// Binds to an address: the future of the `bind` methods of Unix sockets.
///
/// # Cancellation
///
/// Nothing is bound before it is polled.
#[must_use = "futures do nothing unless polled"]
pub struct UnixBind<N = UnixListener> {
    /// It is `None` once it was bound to.
    addr: Option<io::Result<UnixAddr>>,
    patience: Patience,
    origin: Origin,
    noun: PhantomData<fn() -> N>,
}

impl<N> UnixBind<N> {
    #[track_caller]
    pub(crate) fn new(addr: io::Result<UnixAddr>) -> Self {
        Self {
            addr: Some(addr),
            patience: Patience::default(),
            origin: Origin::caller(),
            noun: PhantomData,
        }
    }
}

impl<N: BindTo> Future for UnixBind<N> {
    type Output = io::Result<N>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(Ok(addr)) = &this.addr {
            let bound = ready!(this.patience.poll(cx, || bind(&addr.raw(), this.origin)));
            this.addr = None;
            return Poll::Ready(bound);
        }
        match this.addr.take() {
            Some(Err(error)) => Poll::Ready(Err(error)),
            _ => panic!("a bind was polled after it had completed"),
        }
    }
}

fn bind<N: BindTo>(addr: &SockAddr, origin: Origin) -> io::Result<N> {
    let fd = Fd::socket(libc::AF_UNIX, N::TYPE, 0)?.asked_at(origin);
    fd.bind(addr)?;
    if let Some(backlog) = N::BACKLOG {
        fd.listen(backlog)?;
    }
    Ok(become_a(fd))
}

impl<N> fmt::Debug for UnixBind<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixBind")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}
