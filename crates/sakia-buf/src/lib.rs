//! What the kernel may hold: the traits for buffers, and the shapes that I/O results take.
//! No I/O and no system call belongs here, and nothing that knows a ring.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod buf;
#[cfg(feature = "bytes")]
#[allow(unsafe_code)]
mod bytes;
mod result;
#[allow(unsafe_code)]
mod slice;
#[allow(unsafe_code)]
mod vectored;

pub use crate::buf::{IoBuf, IoBufMut, Registration};
pub use crate::result::{BufError, BufResult, BufResultExt};
pub use crate::slice::Slice;
pub use crate::vectored::{IoVecBuf, IoVecBufMut};
