//! The only crate of sakia that enters the kernel: ops, descriptors, closing and draining on io_uring.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(target_os = "linux"))]
compile_error!("sakia runs on Linux only: it is built on io_uring");

mod addr;
mod asking;
mod cancels;
mod close;
mod context;
mod drain;
mod driver;
mod fd;
mod fork;
mod gate;
mod graveyard;
mod host;
mod kernel;
mod mounts;
#[cfg(all(test, feature = "sim"))]
mod on_model;
mod op;
pub mod ops;
mod park;
mod pool;
mod pooled;
mod registered;
mod rest;
pub mod signal;
mod sync;
mod unpark;

pub use addr::SockAddr;
pub use close::{Close, close};
pub use drain::Drained;
pub use driver::{Config, Driver, Park};
pub use fd::{Fd, FdInfo, FdRef, FdState, Kind, Origin};
pub use graveyard::graves;
pub use kernel::Clock;
pub use kernel::abi::{Cqe, Sqe, opcode};
pub use kernel::choose::{KernelChoice, Shrunk};
pub use kernel::setup_error::SetupError;
#[cfg(feature = "sim")]
#[cfg_attr(docsrs, doc(cfg(feature = "sim")))]
pub use kernel::simulated::{SimConfig, Simulation};
pub use op::ancillary::{Ancillary, Credentials};
pub use op::cancel::{Cancellable, Cancelling, Outcome, Receipt};
pub use op::doubt::InDoubt;
pub use op::future::{Submit, submit};
pub use op::lane::{Lane, Side};
pub use op::laned::{LaneOp, Laned, Served};
pub use op::leftover::Leftover;
pub use op::{Cancel, Completion, Holds, Op, Yields};
pub use pool::{Blocking, BlockingError, spawn_blocking};
pub use pooled::{PoolConfig, PooledBuf};
pub use registered::{RegisteredBuf, RegisteredBufs, Taking};
pub use unpark::Unparker;
