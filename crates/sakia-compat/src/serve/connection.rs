//! One connection, from accept to close: hyper's connection, polled beside its timeouts and the server's stop.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::{HttpService, Service};
use hyper::{Request, Response};

use super::activity::Limits;
#[cfg(feature = "http2")]
use super::preface::Preface;
use super::state::{Place, Registered, Shared};
use super::tracked::Tracked;
use super::watched::Watched;
use crate::{BoundIo, PollIo, Socket};

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// As HTTP says, or handed over to who asked for an upgrade.
    Closed,
    /// One of the timeouts was up.
    TimedOut,
    /// The peer broke off, spoke something else, or the service failed.
    Failed(hyper::Error),
}

/// What every connection of a server is served with.
pub(crate) struct Serving<S> {
    pub(crate) http1: http1::Builder,
    #[cfg(feature = "http2")]
    pub(crate) http2: Option<hyper::server::conn::http2::Builder<crate::SakiaExecutor>>,
    pub(crate) service: Rc<S>,
    pub(crate) shared: Rc<Shared>,
    pub(crate) limits: Limits,
}

/// A phase of a connection that can be asked to end.
pub(crate) trait Phase: Future {
    /// Asks it to end after what is under way.
    fn stop(self: Pin<&mut Self>);
}

impl<I, S> Phase for http1::UpgradeableConnection<I, S>
where
    I: Read + Write + Unpin + Send + 'static,
    S: HttpService<Incoming>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::ResBody: Body + 'static,
    <S::ResBody as Body>::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn stop(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S> Serving<S> {
    pub(crate) async fn connection<T, A, B>(
        self: Rc<Self>,
        stream: T,
        peer: A,
        place: Place,
    ) -> Ended
    where
        T: Socket,
        A: Clone + Send + Sync + 'static,
        S: Service<Request<Incoming>, Response = Response<B>>,
        S::Error: Into<Box<dyn Error + Send + Sync>>,
        S::Future: 'static,
        B: Body + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let registered = Registered::new(&self.shared, sakia::time::now());
        let activity = &registered.activity;
        let service = Tracked {
            service: self.service.clone(),
            shared: self.shared.clone(),
            activity: activity.clone(),
            peer,
        };
        let io = Watched::new(PollIo::new(stream), activity.clone(), place);
        let mut watch = Watch {
            limits: &self.limits,
            registered: &registered,
            timer: None,
        };
        #[cfg(feature = "http2")]
        let io = match &self.http2 {
            None => io,
            Some(http2) => {
                let mut preface = Preface::new(io);
                match watch.over(pin!(&mut preface)).await {
                    Err(ended) => return ended,
                    Ok(false) => preface.into_io(),
                    Ok(true) => {
                        activity.multiplexed();
                        let http2 = http2.serve_connection(preface.into_io(), service);
                        return Ended::of(watch.over(pin!(http2)).await);
                    }
                }
            }
        };
        // hyper asks for `Send` of what it may hand over to an upgrade.
        let http1 = self
            .http1
            .serve_connection(BoundIo::new(io), service)
            .with_upgrades();
        Ended::of(watch.over(pin!(http1)).await)
    }
}

impl Ended {
    fn of(outcome: Result<hyper::Result<()>, Self>) -> Self {
        match outcome {
            Ok(Ok(())) => Self::Closed,
            Ok(Err(error)) => Self::Failed(error),
            Err(ended) => ended,
        }
    }
}

/// What a connection is polled beside.
struct Watch<'a> {
    limits: &'a Limits,
    registered: &'a Registered,
    timer: Option<sakia::time::Sleep>,
}

impl Watch<'_> {
    /// Drives a phase to its end, or to the connection's.
    async fn over<P: Phase>(&mut self, mut phase: Pin<&mut P>) -> Result<P::Output, Ended> {
        let mut told = false;
        poll_fn(|cx| {
            self.registered.activity.watch(cx.waker());
            if self.registered.is_stopping() && !std::mem::replace(&mut told, true) {
                phase.as_mut().stop();
            }
            match phase.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(Ok(output)),
                Poll::Pending => self.poll_timeout(cx).map(Err),
            }
        })
        .await
    }

    /// One timer a connection, moved only when it fires too early: requests come and go without touching the wheel.
    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let now = sakia::time::now();
        let Some(deadline) = self.registered.activity.deadline(self.limits, now) else {
            // What is armed may stay: at worst it wakes the task once for nothing.
            return Poll::Pending;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| sakia::time::sleep_until(deadline));
        if timer.deadline() > deadline {
            timer.reset(deadline);
        }
        while Pin::new(&mut *timer).poll(cx).is_ready() {
            if deadline <= sakia::time::now() {
                return Poll::Ready(Ended::TimedOut);
            }
            timer.reset(deadline);
        }
        Poll::Pending
    }
}
