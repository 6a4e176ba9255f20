//! One task: its memory, its states, its end.
//!
//! Who polls it and when is the loop's business, in `executor.rs`.

#[allow(unsafe_code)]
pub(crate) mod cell;
pub(crate) mod guard;
mod id;
#[allow(unsafe_code)]
mod join_waker;
#[allow(unsafe_code)]
pub(crate) mod list;
#[allow(unsafe_code)]
pub(crate) mod newborn;
#[allow(unsafe_code)]
pub(crate) mod outcome;
#[allow(unsafe_code)]
pub(crate) mod raw;
#[allow(unsafe_code)]
pub(crate) mod shelf;
pub(crate) mod state;
#[allow(unsafe_code)]
mod waker;
#[cfg(feature = "watch")]
#[allow(unsafe_code)]
pub(crate) mod watched;

pub use id::TaskId;
pub(crate) use id::TaskIds;
