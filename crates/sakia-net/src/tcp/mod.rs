//! TCP: a listener, a stream with its options, and a socket that is not yet one of them.

pub mod listener;
mod options;
pub mod socket;
pub mod stream;
