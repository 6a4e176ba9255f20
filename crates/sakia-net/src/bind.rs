//! Binding to the first address that is free: the resolver, then socket(2), bind(2) and listen(2), which do not block.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_driver::ops::Patience;
use sakia_driver::{Fd, Origin};

use crate::connect::family;
use crate::lookup::{ToSocketAddrs, Walk, at, no_address};
use crate::noun::{Noun, become_a};

/// How many connections may wait to be accepted; the kernel cuts it to `net.core.somaxconn`, which is 4096 by default.
pub const BACKLOG: i32 = 4096;

/// A socket that is made by binding to an IP address.
pub trait BindTo: Noun {
    /// `SOCK_STREAM` or `SOCK_DGRAM`.
    const TYPE: i32;

    /// How many connections may wait, for a socket that listens.
    const BACKLOG: Option<i32>;
}

fn bind_to<N: BindTo>(addr: SocketAddr, origin: Origin) -> io::Result<N> {
    let fd = Fd::socket(family(addr), N::TYPE, 0)?.asked_at(origin);
    let bound = || {
        if N::BACKLOG.is_some() {
            // As std: connections of an earlier process in TIME_WAIT do not keep a server from starting.
            fd.set_option(libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        }
        fd.bind(&addr.into())?;
        N::BACKLOG.map_or(Ok(()), |backlog| fd.listen(backlog))
    };
    bound().map(|()| become_a(fd))
}

/// Binds to the first address that is free: the future of `TcpListener::bind` and `UdpSocket::bind`.
///
/// # Cancellation
///
/// Nothing is bound before the resolver has answered.
#[must_use = "futures do nothing unless polled"]
pub struct Bind<N> {
    walk: Walk,
    /// The address that is being tried.
    at: Option<SocketAddr>,
    patience: Patience,
    last: Option<io::Error>,
    origin: Origin,
    noun: PhantomData<fn() -> N>,
}

impl<N> Bind<N> {
    #[track_caller]
    pub(crate) fn new(target: &(impl ToSocketAddrs + ?Sized)) -> Self {
        Self {
            walk: Walk::of(target),
            at: None,
            patience: Patience::default(),
            last: None,
            origin: Origin::caller(),
            noun: PhantomData,
        }
    }
}

impl<N: BindTo> Future for Bind<N> {
    type Output = io::Result<N>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            if let Some(addr) = this.at {
                let bound = ready!(this.patience.poll(cx, || bind_to(addr, this.origin)));
                this.at = None;
                match bound {
                    Ok(noun) => return Poll::Ready(Ok(noun)),
                    Err(error) => this.last = Some(at("cannot bind to", addr, error)),
                }
            }
            this.at = ready!(this.walk.poll_next(cx))?;
            if this.at.is_none() {
                return Poll::Ready(Err(this.last.take().unwrap_or_else(no_address)));
            }
        }
    }
}

impl<N> fmt::Debug for Bind<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bind").field("walk", &self.walk).finish()
    }
}
