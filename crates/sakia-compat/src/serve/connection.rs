//! One connection, from accept to close: hyper's connection, polled beside its timeouts and the server's stop.

use std::error::Error;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper::{Request, Response};

use super::activity::Limits;
use super::state::{Registered, Shared};
use super::tracked::Tracked;
use super::watched::Watched;
use crate::{PollIo, Socket};

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// As HTTP says.
    Closed,
    /// One of the timeouts was up.
    TimedOut,
    /// The peer broke off, spoke something else, or the service failed.
    Failed(hyper::Error),
}

/// What every connection of a server is served with.
pub(crate) struct Serving<S> {
    pub(crate) http: http1::Builder,
    pub(crate) service: Rc<S>,
    pub(crate) shared: Rc<Shared>,
    pub(crate) limits: Limits,
}

impl<S> Serving<S> {
    pub(crate) async fn connection<T, A, B>(self: Rc<Self>, stream: T, peer: A) -> Ended
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
        let io = Watched::new(PollIo::new(stream), activity.clone());
        let mut connection = pin!(self.http.serve_connection(io, service));
        let mut told = false;
        let mut timer = None;
        std::future::poll_fn(|cx| {
            activity.watch(cx.waker());
            if self.shared.is_stopping() && !std::mem::replace(&mut told, true) {
                connection.as_mut().graceful_shutdown();
            }
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(result.map_or_else(Ended::Failed, |()| Ended::Closed));
            }
            self.poll_timeout(&registered, &mut timer, cx)
        })
        .await
    }

    /// One timer a connection, moved only when it fires too early: requests come and go without touching the wheel.
    fn poll_timeout(
        &self,
        registered: &Registered,
        timer: &mut Option<sakia::time::Sleep>,
        cx: &mut Context<'_>,
    ) -> Poll<Ended> {
        let now = sakia::time::now();
        let Some(deadline) = registered.activity.deadline(&self.limits, now) else {
            // What is armed may stay: at worst it wakes the task once for nothing.
            return Poll::Pending;
        };
        let timer = timer.get_or_insert_with(|| sakia::time::sleep_until(deadline));
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
