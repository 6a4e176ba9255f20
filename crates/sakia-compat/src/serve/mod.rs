//! `serve`: what an HTTP server can be asked to be. The accept loop and the server's end are in `run`, one connection is in `connection`.

mod activity;
mod connection;
pub(crate) mod listener;
#[cfg(feature = "http2")]
mod preface;
mod run;
mod served;
mod state;
mod tracked;
mod watched;

use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
#[cfg(feature = "http2")]
use hyper::server::conn::http2;
use hyper::service::Service;
use hyper::{Request, Response};

use self::activity::Limits;
use crate::Listener;

pub use self::served::Served;

/// Names the peer of a connection; a request's extensions have it.
///
/// ```
/// use hyper::Request;
/// use sakia_compat::ConnectInfo;
/// use std::net::SocketAddr;
///
/// fn who<B>(request: &Request<B>) -> Option<SocketAddr> {
///     request.extensions().get::<ConnectInfo>().map(|ConnectInfo(peer)| *peer)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectInfo<A = SocketAddr>(
    /// The address that the listener told.
    pub A,
);

/// Serves HTTP on a listener: every request is given to the service.
///
/// It speaks HTTP/1.1; with the feature `http2` also HTTP/2, to clients that begin with it (prior knowledge).
///
/// It is awaited, by itself or in a task; without [`with_graceful_shutdown`](Serve::with_graceful_shutdown) it never ends. Each connection is a
/// task of its own: a service that panics ends its connection and no other. Accepting goes on at errors; one for want of
/// descriptors waits.
///
/// # Upgrades
///
/// A service may answer 101 and take the connection over by `hyper::upgrade::on`. What it gets is `Send`, as hyper asks, but must be used on this
/// thread: spawn a task of sakia's for it. The connection still counts for [`max_connections`](Serve::max_connections) until it is dropped;
/// timeouts are no longer the server's, and the stop does not wait for it.
///
/// ```
/// use std::time::Duration;
/// use http_body_util::Full;
/// use hyper::{Request, Response, body::{Bytes, Incoming}, service::service_fn};
/// use sakia::net::TcpListener;
///
/// # sakia::Runtime::new()?.block_on(async {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let hello = service_fn(async |_: Request<Incoming>| {
///     std::io::Result::Ok(Response::new(Full::new(Bytes::from("hello"))))
/// });
/// let served = sakia_compat::serve(listener, hello)
///     .max_connections(500)
///     .with_graceful_shutdown(sakia::time::sleep(Duration::from_millis(1)))
///     .await?;
/// assert_eq!(served.connections(), 0);
/// # std::io::Result::Ok(()) })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Cancellation
///
/// Dropping the awaited future closes the listener and ends every connection where it stands.
///
/// # Errors
///
/// Only if the listener is none, or its runtime has ended.
pub fn serve<L, S>(listener: L, service: S) -> Serve<L, S>
where
    L: Listener,
{
    Serve {
        listener,
        service,
        http1: http1::Builder::new(),
        #[cfg(feature = "http2")]
        http2: Some(http2::Builder::new(crate::SakiaExecutor)),
        limits: Limits {
            header: Some(Duration::from_secs(30)),
            idle: Some(Duration::from_secs(60)),
            write: Some(Duration::from_secs(60)),
        },
        max_connections: usize::MAX,
        stop: Box::pin(std::future::pending()),
        drain: None,
        on_error: Box::new(|_| {}),
    }
}

/// An HTTP server that was not started yet; made by [`serve`], started by `.await`.
#[must_use = "a server does nothing unless it is awaited"]
pub struct Serve<L, S> {
    listener: L,
    service: S,
    http1: http1::Builder,
    #[cfg(feature = "http2")]
    http2: Option<http2::Builder<crate::SakiaExecutor>>,
    limits: Limits,
    max_connections: usize,
    stop: Pin<Box<dyn Future<Output = ()>>>,
    drain: Option<Duration>,
    on_error: Box<dyn Fn(&hyper::Error)>,
}

impl<L: Listener, S> Serve<L, S> {
    /// Sets how long the head of a request may take, from its first byte (default 30 s; `None` is for ever). On HTTP/2 it holds until the
    /// protocol is known; from then on a head that does not come to an end is an idle connection.
    ///
    /// ```
    /// # use sakia::net::TcpListener;
    /// # use std::time::Duration;
    /// # fn example<S>(listener: TcpListener, service: S) -> sakia_compat::Serve<TcpListener, S> {
    /// sakia_compat::serve(listener, service).header_timeout(Duration::from_secs(10))
    /// # }
    /// ```
    pub fn header_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.limits.header = limit.into();
        self
    }

    /// Sets how long a connection is kept while no request is under way (default 60 s; `None` is for ever).
    ///
    /// ```
    /// # use sakia::net::TcpListener;
    /// # use std::time::Duration;
    /// # fn example<S>(listener: TcpListener, service: S) -> sakia_compat::Serve<TcpListener, S> {
    /// sakia_compat::serve(listener, service).idle_timeout(Duration::from_secs(15))
    /// # }
    /// ```
    pub fn idle_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.limits.idle = limit.into();
        self
    }

    /// Sets how long a peer may take no byte of a response (default 60 s; `None` is for ever).
    ///
    /// ```
    /// # use sakia::net::TcpListener;
    /// # use std::time::Duration;
    /// # fn example<S>(listener: TcpListener, service: S) -> sakia_compat::Serve<TcpListener, S> {
    /// sakia_compat::serve(listener, service).write_timeout(None)
    /// # }
    /// ```
    pub fn write_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.limits.write = limit.into();
        self
    }

    /// Sets how many connections are open at a time, upgraded ones included (default: any number). At the limit none is accepted: they wait in the listener's
    /// backlog.
    ///
    /// ```
    /// # use sakia::net::TcpListener;
    /// # use std::time::Duration;
    /// # fn example<S>(listener: TcpListener, service: S) -> sakia_compat::Serve<TcpListener, S> {
    /// sakia_compat::serve(listener, service).max_connections(500)
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If it is 0.
    pub fn max_connections(mut self, limit: usize) -> Self {
        assert!(
            limit > 0,
            "a server of no connection at all would serve nobody"
        );
        self.max_connections = limit;
        self
    }

    /// Sets hyper's own options for HTTP/1. The timer and the header timeout are the server's, whatever is set here.
    ///
    /// ```
    /// # use sakia::net::TcpListener;
    /// # fn example<S>(listener: TcpListener, service: S) -> sakia_compat::Serve<TcpListener, S> {
    /// sakia_compat::serve(listener, service).http1(|http| {
    ///     http.max_buf_size(64 * 1024);
    /// })
    /// # }
    /// ```
    pub fn http1(mut self, set: impl FnOnce(&mut http1::Builder)) -> Self {
        set(&mut self.http1);
        self
    }

    /// Sets hyper's own options for HTTP/2. The timer is the server's, whatever is set here.
    ///
    /// ```
    /// # use sakia::net::TcpListener;
    /// # fn example<S>(listener: TcpListener, service: S) -> sakia_compat::Serve<TcpListener, S> {
    /// sakia_compat::serve(listener, service).http2(|http| {
    ///     http.max_concurrent_streams(100);
    /// })
    /// # }
    /// ```
    #[cfg(feature = "http2")]
    #[cfg_attr(docsrs, doc(cfg(feature = "http2")))]
    pub fn http2(mut self, set: impl FnOnce(&mut http2::Builder<crate::SakiaExecutor>)) -> Self {
        set(self
            .http2
            .get_or_insert_with(|| http2::Builder::new(crate::SakiaExecutor)));
        self
    }

    /// Speaks HTTP/1 alone, also where another crate has turned the feature `http2` on.
    ///
    /// ```
    /// # use sakia::net::TcpListener;
    /// # fn example<S>(listener: TcpListener, service: S) -> sakia_compat::Serve<TcpListener, S> {
    /// sakia_compat::serve(listener, service).http1_only()
    /// # }
    /// ```
    #[cfg_attr(
        not(feature = "http2"),
        expect(unused_mut, reason = "there is no HTTP/2 to turn off")
    )]
    pub fn http1_only(mut self) -> Self {
        #[cfg(feature = "http2")]
        {
            self.http2 = None;
        }
        self
    }

    /// Stops the server when `signal` is ready: the listener is closed at once, idle connections end, requests under way finish.
    ///
    /// ```
    /// # use sakia::net::TcpListener;
    /// # fn example<S>(listener: TcpListener, service: S) -> sakia_compat::Serve<TcpListener, S> {
    /// sakia_compat::serve(listener, service).with_graceful_shutdown(async {
    ///     let _ = sakia::signal::ctrl_c().await;
    /// })
    /// # }
    /// ```
    pub fn with_graceful_shutdown(mut self, signal: impl Future<Output = ()> + 'static) -> Self {
        self.stop = Box::pin(signal);
        self
    }

    /// Sets how long requests under way may take after the stop (default: any time); then their connections are ended where they stand.
    ///
    /// ```
    /// # use sakia::net::TcpListener;
    /// # use std::time::Duration;
    /// # fn example<S>(listener: TcpListener, service: S) -> sakia_compat::Serve<TcpListener, S> {
    /// sakia_compat::serve(listener, service).drain_timeout(Duration::from_secs(10))
    /// # }
    /// ```
    pub fn drain_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.drain = limit.into();
        self
    }

    /// Calls `f` with the error of each connection that [failed](Served::failed) (default: nobody is told).
    ///
    /// ```
    /// # use sakia::net::TcpListener;
    /// # use std::time::Duration;
    /// # fn example<S>(listener: TcpListener, service: S) -> sakia_compat::Serve<TcpListener, S> {
    /// sakia_compat::serve(listener, service).on_error(|error| eprintln!("{error}"))
    /// # }
    /// ```
    pub fn on_error(mut self, f: impl Fn(&hyper::Error) + 'static) -> Self {
        self.on_error = Box::new(f);
        self
    }
}

impl<L: fmt::Debug, S> fmt::Debug for Serve<L, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("limits", &self.limits)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

impl<L, S, B> IntoFuture for Serve<L, S>
where
    L: Listener,
    S: Service<Request<Incoming>, Response = Response<B>> + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: 'static,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = io::Result<Served>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<Served>>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
