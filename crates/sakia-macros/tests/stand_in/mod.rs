//! A stand-in for `sakia::__macro`: the shape that the two attributes call, and so the contract between the two crates.
//!
//! It runs a future by polling it, and tells what it was asked for. The tests and doctests of this crate use it, because
//! they cannot lean on the facade, which imports this crate. The real one is held to the same shape by `tests/ui`.
#![allow(dead_code, missing_docs)]

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::process::{ExitCode, Termination};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    pub entries: Option<u32>,
    pub shutdown: Option<Duration>,
    pub report: bool,
    pub start_paused: bool,
}

impl Config {
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self {
            entries: None,
            shutdown: None,
            report: false,
            start_paused: false,
        }
    }
}

thread_local! {
    static RUNNING: Cell<Option<Config>> = const { Cell::new(None) };
}

/// What the runtime that polls us was asked for.
pub fn running() -> Option<Config> {
    RUNNING.get()
}

pub fn run_main<F>(config: Config, future: F) -> ExitCode
where
    F: Future,
    F::Output: Termination,
{
    run_test(config, future).report()
}

pub fn run_test<F: Future>(config: Config, future: F) -> F::Output {
    RUNNING.set(Some(config));
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            RUNNING.set(None);
            return output;
        }
    }
}
