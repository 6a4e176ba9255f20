//! The I/O traits with owned buffers, and what can be built on them alone.
//! No kernel, no ring and no descriptor belongs here: `sakia-fs` and `sakia-net` implement these traits.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod at;
mod at_ext;
mod copy;
mod memory;
mod progress;
mod read;
mod write;

pub use crate::at::{AsyncReadAt, AsyncWriteAt};
pub use crate::at_ext::{AsyncReadAtExt, AsyncWriteAtExt};
pub use crate::copy::copy;
pub use crate::read::{AsyncRead, AsyncReadExt};
pub use crate::write::{AsyncWrite, AsyncWriteExt};
