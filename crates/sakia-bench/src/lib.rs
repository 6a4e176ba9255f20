//! What the benchmarks share: the modes, generic over a runtime, and what they measure with.
//!
//! A system is one small program in `bin/`. A runtime implements [`Rt`] and calls [`main`]; then every mode of [`modes`] is the same code for all of them.
//! The floor (`bin/floor`) and the client (`bin/load`) are loops over the ring, or over epoll, with no runtime at all. `main.rs` runs them in rounds.

pub mod data;
pub mod measure;
pub mod modes;
pub mod net;
pub mod raw;
pub mod rt;
pub mod sync;
#[cfg(feature = "peers")]
pub mod tokio_rt;
pub mod words;

pub use modes::main;
pub use rt::Rt;
