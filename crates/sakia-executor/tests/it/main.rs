//! The executor's laws, tried through its public API alone; no ring, no timer. One module a subject.
#![forbid(unsafe_code)]

mod bound;
mod end;
mod handles;
mod help;
mod join_set;
mod panics;
mod sendness;
mod tasks;
mod threads;
#[cfg(feature = "watch")]
mod watches;
