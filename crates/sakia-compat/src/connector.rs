//! hyper-util's client on sakia: how it gets its connections.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use sakia::net::TcpStream;
use sakia::{Bound, bound};

use crate::{BoundIo, PollIo};

/// Connects hyper-util's pooling client by sakia's TCP, without TLS.
///
/// The client asks that everything is `Send`, and so each connection is in a [`BoundIo`]. It is used on the thread of its runtime alone.
///
/// ```
/// use http_body_util::Empty;
/// use hyper::body::Bytes;
/// use hyper_util::client::legacy::Client;
/// use sakia_compat::{SakiaConnector, SakiaExecutor, SakiaTimer};
///
/// # sakia::Runtime::new()?.block_on(async {
/// let client: Client<_, Empty<Bytes>> = Client::builder(SakiaExecutor)
///     .pool_timer(SakiaTimer)
///     .build(SakiaConnector);
/// // Nobody listens there.
/// let refused = client.get("http://127.0.0.1:1/".parse().unwrap()).await;
/// assert!(refused.unwrap_err().is_connect());
/// # });
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
///
/// As connect(2) and the look-up of the name; `Unsupported` for any scheme but `http`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SakiaConnector;

type Connects = io::Result<BoundIo<PollIo<TcpStream>>>;

impl tower_service::Service<Uri> for SakiaConnector {
    type Response = BoundIo<PollIo<TcpStream>>;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        Connecting {
            inner: bound(Box::pin(connect(uri))),
        }
    }
}

async fn connect(uri: Uri) -> Connects {
    if uri.scheme_str() != Some("http") {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the connector speaks http alone: https needs TLS around it",
        ));
    }
    let host = uri.host().unwrap_or_default();
    // An IPv6 address stands in brackets in a URI, and nowhere else.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await?;
    // A request is written in as few pieces as can be: to hold the last one back for an ACK would only delay it.
    stream.set_nodelay(true)?;
    Ok(BoundIo::new(PollIo::new(stream)))
}

/// Waits for a connection; made by [`SakiaConnector`].
pub struct Connecting {
    inner: Bound<Pin<Box<dyn Future<Output = Connects>>>>,
}

impl Future for Connecting {
    type Output = Connects;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

impl fmt::Debug for Connecting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").finish_non_exhaustive()
    }
}

impl Connection for BoundIo<PollIo<TcpStream>> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
