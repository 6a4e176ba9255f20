//! No descriptor left, or an address in use, while closes are pending: a wait for those closes, and one more try.
//!
//! A close that is under way (of a file with a server, of a socket that lingers) gives back in a moment what is missing now. It is awaited for
//! 50 ms at most, without holding up the loop; then the error is told.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::nop::{Nap, nap};
use crate::driver::Driver;
use crate::fd::Kind;
use crate::op::future::Submit;

/// How long pending closes are waited for.
const PATIENCE: Duration = Duration::from_millis(50);

/// Waits for pending closes that could help.
#[derive(Debug)]
pub(super) struct Relief {
    driver: Rc<Driver>,
    /// An address is given back by a socket of that address, and we do not know which: by all that are closing.
    all_sockets: bool,
    /// How many closes had been answered at the beginning.
    answered: u64,
    limit: Submit<Nap>,
}

impl Relief {
    /// `None` if no pending close can help against this error.
    pub(super) fn of(errno: i32) -> Option<Self> {
        let all_sockets = match errno {
            libc::EMFILE | libc::ENFILE => false,
            libc::EADDRINUSE => true,
            _ => return None,
        };
        let driver = Driver::current()?;
        let relief = Self {
            answered: driver.drained_closes(),
            driver,
            all_sockets,
            limit: nap(PATIENCE),
        };
        relief.is_awaited().then_some(relief)
    }

    /// Whether a close is pending still, and none has helped.
    fn is_awaited(&self) -> bool {
        let core = self.driver.core();
        if self.all_sockets {
            return core.closes.any_pending(Kind::is_socket);
        }
        core.closes.any_pending(|_| true) && self.driver.drained_closes() == self.answered
    }
}

impl Future for Relief {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_awaited() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        self.driver.core().closes.watch(waker);
        // Over, or cut short by the end of the runtime: the answer is in the next try.
        let _ = ready!(Pin::new(&mut self.limit).poll(cx));
        Poll::Ready(())
    }
}

/// Tries what is answered on the spot, and once more if pending closes can help.
#[derive(Debug, Default)]
pub struct Patience {
    relief: Option<Relief>,
    spent: bool,
}

impl Patience {
    /// Tries it, now or when the wait is over. `attempt` must give the system's own error.
    pub fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        attempt: impl Fn() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            if let Some(relief) = &mut self.relief {
                ready!(Pin::new(relief).poll(cx));
                self.relief = None;
            }
            let error = match attempt() {
                Err(error) if !self.spent => error,
                result => return Poll::Ready(result),
            };
            self.relief = Relief::of(error.raw_os_error().unwrap_or(0));
            if self.relief.is_none() {
                return Poll::Ready(Err(error));
            }
            self.spent = true;
        }
    }
}
