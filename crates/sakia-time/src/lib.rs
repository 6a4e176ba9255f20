//! Clock, timer wheel, sleep, timeout and interval for a single thread.
//!
//! The room of this file: the crate's front page and its names. No code.
//!
//! A [`Timers`] is a clock and a wheel of pending timers. It waits for nothing by itself and starts no thread: whoever
//! owns it (a runtime's loop) asks for the [next deadline](Timers::next_deadline), waits by whatever means it has, and
//! then [fires](Timers::fire) what is due. The futures ([`Sleep`], [`Timeout`], [`Interval`]) find the timers of their
//! thread by themselves: they are those that were [entered](Timers::enter) last.
//!
//! # What is promised
//! - **Never early.** A timer completes at or after its deadline, by [`Instant`](std::time::Instant), never before.
//! - **At most half a millisecond late by itself.** The wheel counts ticks of half a millisecond and rounds deadlines up to the next
//!   one, so that a thousand timers of the same tick cost one wake of the thread. While timers fall due in a row the thread wakes for them once a
//!   millisecond, which is then the most that they are late. What a busy loop adds on top is the loop's.
//! - **Cheap.** To set and to drop a timer takes constant time, however many are pending, and allocates nothing in the
//!   steady state. An entry takes 48 bytes; they are reused, and given back when the timers end.
//! - **The clock is read seldom.** A [`timeout`] around a future that is ready at once touches neither clock nor wheel. One that
//!   pends starts to count at the next reading of the clock, at the latest when the loop's turn ends: never too early,
//!   and without a reading of its own.
//! - **Bounded.** A timer that is dropped on its own thread leaves the wheel at once. One that is dropped elsewhere is noted in
//!   a mailbox, and leaves when its owner next [fires](Timers::fire) or asks for the [next
//!   deadline](Timers::next_deadline). Either way nothing waits for a far deadline to be forgotten.
//!
//! # Alone
//! The README of this crate runs a future on a plain thread with nothing but [`std::thread::park_timeout`].
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod arena;
mod clock;
mod context;
mod error;
mod interval;
mod mailbox;
mod registration;
mod sleep;
#[cfg(any(test, feature = "test-util"))]
mod test_util;
mod timeout;
mod timers;
mod wheel;

#[cfg(test)]
mod tests;

pub use clock::{Clock, SystemClock};
pub use context::Entered;
pub use error::Elapsed;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use sleep::{Sleep, now, sleep, sleep_until};
#[cfg(any(test, feature = "test-util"))]
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
pub use test_util::{advance, pause, resume};
pub use timeout::{Timeout, timeout, timeout_at};
pub use timers::Timers;

/// Holds the README's examples to the compiler.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
