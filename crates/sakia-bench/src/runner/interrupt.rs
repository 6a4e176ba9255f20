//! Ctrl-C, and the SIGTERM of whoever limits the time: the run ends before the next measure, and what is written is whole.
//!
//! The second one ends the program as ever.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use sakia::Runtime;
use sakia::signal::{ctrl_c, terminate};

/// Says whether the run is to end.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// One that a signal raises. A thread waits for it, and costs nothing meanwhile.
    pub fn by_signal() -> Self {
        let interrupt = Self::default();
        let raised = interrupt.clone();
        std::thread::spawn(move || {
            match Runtime::new().and_then(|runtime| runtime.block_on(either())) {
                Ok(()) => {
                    raised.0.store(true, Ordering::Relaxed);
                    eprintln!("bench: ends after the measure that is under way");
                }
                Err(error) => eprintln!("bench: will not hear a signal: {error}"),
            }
        });
        interrupt
    }

    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

async fn either() -> io::Result<()> {
    let (mut int, mut term) = (pin!(ctrl_c()), pin!(terminate()));
    poll_fn(|cx| match int.as_mut().poll(cx) {
        Poll::Pending => term.as_mut().poll(cx),
        came => came,
    })
    .await
}
