//! What the models replace: atomics and threads are std's, or loom's under `--cfg loom`.
//!
//! [`gate`](crate::gate) and [`home`](crate::pooled) import it; nothing else of the driver is touched by other threads in a way worth a model.

#[cfg(not(all(test, loom)))]
pub(crate) use std::{
    sync::atomic::{AtomicU32, fence},
    thread,
};

#[cfg(all(test, loom))]
pub(crate) use loom::{
    sync::atomic::{AtomicU32, fence},
    thread,
};

/// Runs `run` in every way that needs no more preemptions than `bound`, or than `LOOM_MAX_PREEMPTIONS` if that is more.
#[cfg(all(test, loom))]
pub(crate) fn model(bound: Option<usize>, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = bound.map(|bound| bound.max(builder.preemption_bound.unwrap_or(0)));
    builder.check(run);
}
