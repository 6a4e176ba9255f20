//! The service of a connection as hyper sees it: the user's, with the peer's address put into each request, and a request counted as
//! under way until its response's body has been handed over.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::Service;
use hyper::{Request, Response};

use super::ConnectInfo;
use super::activity::{self, Activity};
use super::state::Shared;

pub(crate) struct Tracked<S, A> {
    pub(crate) service: Rc<S>,
    pub(crate) shared: Rc<Shared>,
    pub(crate) activity: Rc<Activity>,
    pub(crate) peer: A,
}

impl<S, A, B> Service<Request<Incoming>> for Tracked<S, A>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: 'static,
    A: Clone + Send + Sync + 'static,
    B: 'static,
{
    type Response = Response<TrackedBody<B>>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let under_way = activity::Request::begin(&self.activity);
        self.shared.count_request();
        request
            .extensions_mut()
            .insert(ConnectInfo(self.peer.clone()));
        let response = self.service.call(request);
        Box::pin(async move {
            let response = response.await.map_err(Into::into)?;
            Ok(response.map(|body| TrackedBody {
                body: Box::pin(body),
                _under_way: under_way,
            }))
        })
    }
}

/// The user's body, boxed, so that it can be pinned without a line of unsafe code.
pub(crate) struct TrackedBody<B> {
    body: Pin<Box<B>>,
    _under_way: activity::Request,
}

impl<B: Body> Body for TrackedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.body.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
