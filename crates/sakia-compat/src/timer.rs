//! hyper's timers on sakia's clock.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Gives hyper sakia's timers: [`hyper::rt::Timer`].
///
/// Set it wherever hyper takes a timer: without one, hyper's timeouts are silently off.
///
/// ```
/// use hyper::rt::Timer;
/// use sakia_compat::SakiaTimer;
/// use std::time::Duration;
///
/// let mut http = hyper::server::conn::http1::Builder::new();
/// http.timer(SakiaTimer).header_read_timeout(Duration::from_secs(10));
/// # sakia::Runtime::new()?.block_on(async {
/// SakiaTimer.sleep(Duration::from_millis(1)).await;
/// # });
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SakiaTimer;

/// One wait of hyper's.
struct Nap(sakia::time::Sleep);

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl hyper::rt::Sleep for Nap {}

impl hyper::rt::Timer for SakiaTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Nap(sakia::time::sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Nap(sakia::time::sleep_until(deadline)))
    }

    fn now(&self) -> Instant {
        sakia::time::now()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn hyper::rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Nap>() {
            Some(mut nap) => nap.0.reset(deadline),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}
