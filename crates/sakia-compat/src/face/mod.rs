//! The faces: one library's I/O traits a file, each a thin layer over `PollIo`, `BoundIo` and `OwnedIo`. No rule of a bridge is made here.

#[cfg(feature = "futures-io")]
pub(crate) mod futures;
#[cfg(feature = "hyper")]
pub(crate) mod hyper;
#[cfg(feature = "tokio-io")]
pub(crate) mod tokio;
