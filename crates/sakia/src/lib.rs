//! sakia: a thread-per-core async runtime for Linux on io_uring that closes everything.
//!
//! Whatever way a runtime ends while its process lives, every descriptor is closed exactly once, every byte that the kernel was lent comes back
//! or is set aside, and no connection and no byte is lost because a future was dropped. The end says so: see [`ShutdownReport`].
//!
//! ```
//! use sakia::prelude::*;
//!
//! #[sakia::main(report = "stderr")]
//! async fn main() -> std::io::Result<()> {
//!     let file = sakia::fs::File::open("/proc/self/comm").await?;
//!     let (n, name) = file.read_at(Vec::with_capacity(64), 0).await.with_buf()?;
//!     println!("{n} bytes: {}", String::from_utf8_lossy(&name));
//!     Ok(())
//! }
//! ```
//!
//! # Where things are
//! * [`Runtime`], [`Builder`], [`ShutdownReport`]: a runtime, from its beginning to its end.
//! * [`spawn`], [`JoinHandle`], [`JoinSet`], [`yield_now`], [`spawn_blocking`]: tasks.
//! * [`Handle`], [`Bound`]: what other threads, and libraries that ask for `Send`, may hold.
//! * [`fs`], [`net`], [`time`], [`signal`]: what tasks do.
//! * [`op`]: operations as such: a receipt of a cancel, a time limit that gives the buffer back, [`submit`] for opcodes of your own.
//! * [`io`] and [`buf`]: traits, and the buffers that the kernel may hold.
//! * [`fds`]: every descriptor that the runtime owns.
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate self as sakia;

#[doc(hidden)]
pub mod __macro;
mod builder;
mod embed;
mod event;
pub mod op;
mod report;
mod runtime;
mod shutdown;
#[cfg(feature = "sim")]
#[cfg_attr(docsrs, doc(cfg(feature = "sim")))]
pub mod sim;

pub use builder::Builder;
pub use event::Event;
pub use report::ShutdownReport;
pub use runtime::{Runtime, fds};

#[cfg(feature = "macros")]
pub use sakia_macros::{main, test};

pub use sakia_driver::{
    Blocking, BlockingError, FdInfo, FdState, KernelChoice, Kind, SetupError, spawn_blocking,
    submit,
};
pub use sakia_executor::{
    AbortHandle, Bound, BoundRef, Handle, JoinError, JoinHandle, JoinSet, ShutdownRequested,
    TaskId, TaskPanic, bound, spawn, yield_now,
};

pub use sakia_buf as buf;
pub use sakia_fs as fs;
pub use sakia_io as io;
pub use sakia_net as net;
pub use sakia_time as time;

/// Signals as futures, without stealing them from other handlers.
pub mod signal {
    pub use sakia_driver::signal::{Signal, ctrl_c, terminate};
}

/// What most programs want in scope: the traits of buffers, their results, and I/O.
pub mod prelude {
    pub use crate::op::{OpExt, Receipt};
    pub use sakia_buf::{BufResult, BufResultExt, IoBuf, IoBufMut};
    pub use sakia_io::{
        AsyncRead, AsyncReadAt, AsyncReadExt, AsyncWrite, AsyncWriteAt, AsyncWriteExt,
    };
}

/// The README's program compiles and runs.
#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../README.md")]
struct Readme;
