//! The accept loop: connections up to the limit, a task each; then the stop, and the wait for what is under way.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use sakia::{JoinError, JoinSet};

use super::connection::{Ended, Serving};
use super::listener::Accepts;
use super::state::{Place, Shared};
use super::{Serve, Served};
use crate::{Listener, SakiaTimer};

/// How long an accept loop rests after the second error in a row.
const REST: Duration = Duration::from_millis(50);

impl<L, S, B> Serve<L, S>
where
    L: Listener,
    S: Service<Request<Incoming>, Response = Response<B>> + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: 'static,
    B: Body + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(super) async fn run(mut self) -> io::Result<Served> {
        // The timeout of a head is counted here, from its first byte; hyper counts the idle time before it as well.
        self.http1.timer(SakiaTimer).header_read_timeout(None);
        #[cfg(feature = "http2")]
        if let Some(http2) = &mut self.http2 {
            http2.timer(SakiaTimer);
        }
        let serving = Rc::new(Serving {
            http1: self.http1,
            #[cfg(feature = "http2")]
            http2: self.http2,
            service: Rc::new(self.service),
            shared: Rc::default(),
            limits: self.limits,
        });
        let mut accepting = Accepting {
            listener: self.listener,
            stop: self.stop,
            max_connections: self.max_connections,
            shared: serving.shared.clone(),
            accept: None,
        };
        let mut tasks = JoinSet::new();
        let mut tally = Tally {
            served: Served::default(),
            on_error: self.on_error,
        };
        let mut troubles = 0;
        let outcome = loop {
            match accepting.next(&mut tasks).await {
                Event::Stop => break Ok(()),
                Event::Ended(ended) => tally.count(ended),
                Event::Accepted(Ok((stream, peer))) => {
                    troubles = 0;
                    tally.served.connections += 1;
                    // A connection that is gone already tells so at its first read.
                    let _ = L::prepare(&stream);
                    let place = Place::take(&serving.shared);
                    tasks.spawn(serving.clone().connection(stream, peer, place));
                }
                Event::Accepted(Err(error)) if is_fatal(&error) => break Err(error),
                Event::Accepted(Err(_)) => {
                    troubles += 1;
                    if troubles > 1 {
                        sakia::time::sleep(REST).await;
                    }
                }
            }
        };
        drop(accepting);
        serving.shared.stop();
        finish(&mut tasks, &mut tally, self.drain).await;
        tally.served.requests = serving.shared.requests();
        outcome.map(|()| tally.served)
    }
}

/// Counts ends, and tells errors.
struct Tally {
    served: Served,
    on_error: Box<dyn Fn(&hyper::Error)>,
}

impl Tally {
    fn count(&mut self, ended: Result<Ended, JoinError>) {
        self.served.count(&ended);
        if let Ok(Ended::Failed(error)) = ended {
            (self.on_error)(&error);
        }
    }
}

/// Waits for the connections that are left, and ends those that take too long.
async fn finish(tasks: &mut JoinSet<Ended>, tally: &mut Tally, limit: Option<Duration>) {
    let rest = async {
        while let Some(ended) = tasks.join_next().await {
            tally.count(ended);
        }
    };
    match limit {
        None => return rest.await,
        Some(limit) => {
            if sakia::time::timeout(limit, rest).await.is_ok() {
                return;
            }
        }
    }
    tasks.abort_all();
    while let Some(ended) = tasks.join_next().await {
        tally.count(ended);
    }
}

/// What the accept loop waits for.
enum Event<L: Accepts> {
    Stop,
    Ended(Result<Ended, JoinError>),
    Accepted(io::Result<(L::Stream, L::Peer)>),
}

struct Accepting<L: Accepts> {
    stop: Pin<Box<dyn Future<Output = ()>>>,
    max_connections: usize,
    shared: Rc<Shared>,
    /// Kept from call to call; none at the limit, which only an accept that has ended can reach.
    accept: Option<L::Accept>,
    listener: L,
}

impl<L: Accepts> Accepting<L> {
    async fn next(&mut self, tasks: &mut JoinSet<Ended>) -> Event<L> {
        poll_fn(|cx| self.poll_next(tasks, cx)).await
    }

    fn poll_next(&mut self, tasks: &mut JoinSet<Ended>, cx: &mut Context<'_>) -> Poll<Event<L>> {
        if self.stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Event::Stop);
        }
        if let Poll::Ready(Some(ended)) = tasks.poll_join_next(cx) {
            return Poll::Ready(Event::Ended(ended));
        }
        ready!(self.shared.poll_place(self.max_connections, cx));
        let mut accept = self.accept.take().unwrap_or_else(|| self.listener.next());
        match Pin::new(&mut accept).poll(cx) {
            Poll::Ready(accepted) => Poll::Ready(Event::Accepted(accepted)),
            Poll::Pending => {
                self.accept = Some(accept);
                Poll::Pending
            }
        }
    }
}

/// Whether every further accept would fail, too: it is no listener, or the runtime has ended.
fn is_fatal(error: &io::Error) -> bool {
    const EBADF: i32 = 9;
    let kind = error.kind();
    error.raw_os_error().is_none_or(|errno| errno == EBADF) || kind == io::ErrorKind::InvalidInput
}
