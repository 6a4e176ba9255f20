//! The ring without a runtime: what the floor, the client and the minimal executor are made of. The io-uring crate and nothing between.

mod buffers;
mod ring;

pub use buffers::Buffers;
pub use ring::{Queues, build};
