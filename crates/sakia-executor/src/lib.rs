//! A single-threaded executor of tasks that need not be `Send`, for a runtime with one thread a core.
//!
//! It knows no ring, no timer and no file: it takes an [`Unpark`] to be woken by, and its driver calls
//! [`Executor::run`]. With [`block_on`] and [`LocalRuntime`] it works by itself.
//!
//! ```
//! use std::{cell::Cell, rc::Rc};
//! use sakia_executor::{block_on, spawn, yield_now};
//!
//! let sum = block_on(async {
//!     let sum = Rc::new(Cell::new(0)); // tasks need not be Send
//!     let mut handles = Vec::new();
//!     for n in 1..=3 {
//!         let sum = sum.clone();
//!         handles.push(spawn(async move {
//!             yield_now().await;
//!             sum.set(sum.get() + n);
//!         }));
//!     }
//!     for handle in handles {
//!         handle.await.unwrap();
//!     }
//!     sum.get()
//! });
//! assert_eq!(sum, 6);
//! ```
//!
//! # What it promises
//!
//! - A task is polled and dropped on its executor's thread, nowhere else, however it ends.
//! - Wakers are `Send + Sync` and sound everywhere, also after the executor has ended. On the owner's thread a wake
//!   makes no atomic read-modify-write; from another thread it is wait-free, allocates nothing and has no capacity.
//! - A panic in a task, in its future's destructor, in its output's or in its payload's ends that task alone.
//! - One allocation a task at most: 56 bytes beside the future (or its output, if that is larger), rounded up to a piece of the C library's. A release build
//!   keeps up to 128 KiB of ended tasks for the next ones, until the executor is cleared or ends.
//! - The end drops every task, suspended ones too, iteratively, and tells what came of it.
//!
//! # The rooms
//!
//! `executor` the loop and the end, `steps` what it does with one task; `queue` the ready queue; `remote` what other threads reach, `root` the
//! waker of the root; `local` what they do not reach; `task/` a task's memory and states; `sync` what the models replace; `join`, `join_set`, `bound`, `handle` what users hold; `context` the free functions;
//! `park` the smallest driver. Unsafe code is in `task/raw.rs`, `task/cell.rs`, `task/outcome.rs`, `task/join_waker.rs`, `task/list.rs`,
//! `task/newborn.rs`, `task/shelf.rs`, `task/waker.rs`, `task/watched.rs`, `remote.rs` and `root.rs`; the rest is denied it.
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod bound;
mod context;
mod counts;
mod error;
mod executor;
mod handle;
mod join;
mod join_set;
mod local;
#[cfg(all(test, loom))]
mod models;
mod park;
mod queue;
#[allow(unsafe_code)]
mod remote;
mod request;
#[allow(unsafe_code)]
mod root;
mod steps;
mod surroundings;
mod sync;
mod task;
mod yield_now;

/// Compiles and runs the README's example.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

pub use bound::{Bound, BoundRef, bound};
pub use context::{current_task_id, spawn, try_spawn};
pub use counts::{Cleared, Stats};
pub use error::{JoinError, TaskPanic};
pub use executor::Executor;
pub use handle::Handle;
pub use join::{AbortHandle, JoinHandle};
pub use join_set::JoinSet;
pub use park::{LocalRuntime, ThreadPark, Unpark, block_on};
pub use remote::Entered;
pub use request::ShutdownRequested;
pub use surroundings::Surroundings;
pub use task::TaskId;
#[cfg(feature = "watch")]
#[cfg_attr(docsrs, doc(cfg(feature = "watch")))]
pub use task::watched::{Watch, Watcher};
pub use yield_now::{YieldNow, yield_now};
