//! Which HTTP a connection speaks: whoever begins with the preface of HTTP/2 speaks that, with prior knowledge.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::http2;
use hyper::service::HttpService;

use super::connection::Phase;
use super::watched::Watched;
use crate::{SakiaExecutor, Socket};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Waits until it is known whether the peer speaks HTTP/2.
pub(crate) struct Preface<S: Socket> {
    io: Watched<S>,
    stopped: bool,
}

impl<S: Socket> Preface<S> {
    pub(crate) fn new(io: Watched<S>) -> Self {
        Self { io, stopped: false }
    }

    /// Gives the connection, from its first byte.
    pub(crate) fn into_io(self) -> Watched<S> {
        self.io
    }
}

impl<S: Socket> Future for &mut Preface<S> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        if self.stopped {
            // HTTP/1 knows how to end a connection that has not begun.
            return Poll::Ready(false);
        }
        loop {
            match is_http2(self.io.seen()) {
                Some(answer) => return Poll::Ready(answer),
                None => match ready!(self.io.poll_see(cx)) {
                    Ok(1..) => {}
                    // An end or an error comes again when it is read.
                    Ok(0) | Err(_) => return Poll::Ready(false),
                },
            }
        }
    }
}

impl<S: Socket> Phase for &mut Preface<S> {
    fn stop(mut self: Pin<&mut Self>) {
        self.stopped = true;
    }
}

impl<I, S> Phase for http2::Connection<I, S, SakiaExecutor>
where
    Self: Future<Output = hyper::Result<()>>,
    I: Read + Write + Unpin,
    S: HttpService<Incoming>,
    S::Future: 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::ResBody: Body + 'static,
    <S::ResBody as Body>::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn stop(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Whether this is the beginning of HTTP/2; `None` if more must be seen.
fn is_http2(seen: &[u8]) -> Option<bool> {
    if seen.len() < PREFACE.len() && PREFACE.starts_with(seen) {
        return None;
    }
    Some(seen.starts_with(PREFACE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_decides_against_http2_and_only_the_whole_preface_for_it() {
        assert_eq!(is_http2(b""), None);
        assert_eq!(is_http2(b"G"), Some(false));
        assert_eq!(is_http2(b"P"), None);
        assert_eq!(is_http2(b"PU"), Some(false));
        assert_eq!(is_http2(&PREFACE[..23]), None);
        assert_eq!(is_http2(PREFACE), Some(true));
        assert_eq!(
            is_http2(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore"),
            Some(true)
        );
        assert_eq!(is_http2(b"PRI * HTTP/2.0\r\n\r\nSN"), Some(false));
    }
}
