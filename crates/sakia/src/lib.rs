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
//!
//! # Buffers
//! The kernel reads and writes memory while a future waits, or after it was dropped; so an operation owns its buffer while it is under way, and gives it back
//! beside its result: a [`BufResult`](buf::BufResult) is the pair `(io::Result<T>, B)`. A read fills a buffer from 0 up to its capacity, and a `Vec`'s length grows to
//! what was read; `buf.slice(..n)` lends a part. The [`prelude`] has what takes such a pair apart:
//!
//! ```
//! use sakia::prelude::*;
//! use std::io;
//!
//! async fn echo(stream: &sakia::net::UnixStream) -> io::Result<usize> {
//!     // `with_buf` makes the pair one result, which `?` takes.
//!     let (n, buf) = stream.read(Vec::with_capacity(512)).await.with_buf()?;
//!     // Where the buffer is of no more use, `.0` is the result.
//!     stream.write_all(buf).await.0?;
//!     Ok(n)
//! }
//!
//! async fn read_or_keep(stream: &sakia::net::UnixStream, buf: Vec<u8>) -> Result<Vec<u8>, Vec<u8>> {
//!     match stream.read(buf).await.with_buf() {
//!         Ok((_, buf)) => Ok(buf),
//!         // The error has the buffer as well, which is never lost.
//!         Err(error) => Err(error.into_buf()),
//!     }
//! }
//!
//! # sakia::Runtime::new().unwrap().block_on(async {
//! let (a, b) = sakia::net::UnixStream::pair()?;
//! // A part of a buffer; `map_buf` unwraps what comes back.
//! let (sent, text) = a.write_all(String::from("sakia wheel").slice(..5)).await.map_buf(Slice::into_inner);
//! sent?;
//! assert_eq!(text, "sakia wheel");
//! assert_eq!(echo(&b).await?, 5);
//! assert_eq!(read_or_keep(&a, Vec::with_capacity(8)).await.unwrap(), b"sakia");
//! # io::Result::Ok(()) }).unwrap();
//! ```
//!
//! # Features
//! * `macros` (on by default): [`main`](macro@main) and [`test`](macro@test).
//! * `bytes`: the types of the bytes crate are [buffers](buf).
//! * `tracing`: what a runtime tells is told to the tracing crate as well, see below.
//! * `track-origin`: [descriptors](FdInfo::origin) and tasks keep the place in the source that they come from.
//! * `test-util`: a clock that stands still and [advances](time) by itself.
//! * `sim`: a [simulated kernel](crate::KernelChoice), which runs a program as a seed says.
//!
//! # Tracing
//! With the feature `tracing` each task has a span `task` (target `sakia::task`, level DEBUG; fields `task.id` and, with `track-origin`, `task.origin`). It is entered for each
//! poll and for the drop of the task's future, and closed with it. It has no parent, for a task may outlive who spawned it; where events are to be told in the spawner's span as
//! well, `future.instrument(Span::current())` says so. A task that is never polled has no span.
//!
//! A panic of a task is an event of level ERROR (target `sakia::task`). The end of a runtime is one of level INFO, or WARN if it was not clean, with the counts of its
//! [report](ShutdownReport); and what an [`Event`] tells of a kernel that is denied, or a ring that is smaller, is a WARN (target `sakia::runtime`). Hooks of the
//! [`Builder`]'s are called as ever, after that.
//!
//! A subscriber for the thread must be there when the runtime is built for the events of its making, and when it ends for those of its end. Where a subscriber wants no spans of
//! that level, none are made.
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
#[cfg(feature = "tracing")]
mod trace;

pub use builder::Builder;
pub use event::Event;
pub use report::ShutdownReport;
pub use runtime::{Runtime, fds};

#[cfg(feature = "macros")]
pub use sakia_macros::{main, test};

pub use sakia_driver::{
    Blocking, BlockingError, FdInfo, FdState, KernelChoice, Kind, PoolConfig, SetupError,
    spawn_blocking, submit,
};
pub use sakia_executor::{
    AbortHandle, Bound, BoundRef, Handle, JoinError, JoinHandle, JoinSet, ShutdownRequested,
    TaskId, TaskPanic, YieldNow, bound, spawn, yield_now,
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

/// What most programs want in scope: the traits of buffers, of their results, of operations, and of I/O.
///
/// * [`BufResultExt`](prelude::BufResultExt): `with_buf()?` and `map_buf` on what an operation returns;
/// * [`IoBuf`](prelude::IoBuf), [`IoBufMut`](prelude::IoBufMut), [`Slice`](prelude::Slice): `buf.slice(..n)`, and bounds of functions that take any buffer;
/// * [`OpExt`](prelude::OpExt) and [`Receipt`](prelude::Receipt): `op.timeout(limit)`, and what `op.cancel().await` comes to;
/// * the traits of [`io`], for code that takes any stream or file. Inherent methods of the same names come first, so nothing is ambiguous.
///
/// ```
/// use sakia::prelude::*;
/// use std::time::Duration;
///
/// /// Sends the greeting to anything that can be written to.
/// async fn greet<W: AsyncWrite>(mut peer: W) -> std::io::Result<()> {
///     peer.write_all("hello").await.0
/// }
///
/// # sakia::Runtime::new().unwrap().block_on(async {
/// let (a, b) = sakia::net::UnixStream::pair()?;
/// greet(&a).await?;
/// let read = b.read(Vec::with_capacity(16)).timeout(Duration::from_secs(5));
/// let (n, buf) = read.await.with_buf()?;
/// assert_eq!(&buf[..n], b"hello");
///
/// let receipt = b.read(buf).cancel().await;
/// assert!(matches!(receipt, Receipt::Cancelled(_)), "nothing had come");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub mod prelude {
    pub use crate::op::{OpExt, Receipt};
    pub use sakia_buf::{BufError, BufResult, BufResultExt, IoBuf, IoBufMut, Slice};
    pub use sakia_io::{
        AsyncRead, AsyncReadAt, AsyncReadAtExt, AsyncReadExt, AsyncWrite, AsyncWriteAt,
        AsyncWriteAtExt, AsyncWriteExt,
    };
}

/// The README's program compiles and runs.
#[cfg(all(doctest, feature = "macros"))]
#[doc = include_str!("../README.md")]
struct Readme;
