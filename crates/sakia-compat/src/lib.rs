//! Bridges from sakia to the ecosystem: the rooms, and the names they give. Whatever is sakia's own does not belong here.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// Without a face nobody calls the engine.
#![cfg_attr(
    not(any(feature = "futures-io", feature = "hyper", feature = "tokio-io")),
    allow(dead_code)
)]

mod bound_io;
#[cfg(feature = "hyper-util")]
mod connector;
#[cfg(feature = "hyper")]
mod executor;
mod face;
mod owned_io;
mod poll_io;
mod reader;
#[cfg(feature = "hyper")]
mod serve;
mod sides;
#[cfg(feature = "hyper")]
mod timer;
mod writer;

pub use bound_io::BoundIo;
#[cfg(feature = "hyper-util")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper-util")))]
pub use connector::{Connecting, SakiaConnector};
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub use executor::SakiaExecutor;
#[cfg(feature = "futures-io")]
#[cfg_attr(docsrs, doc(cfg(feature = "futures-io")))]
pub use face::futures::FromFutures;
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub use face::hyper::FromHyper;
#[cfg(feature = "tokio-io")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio-io")))]
pub use face::tokio::FromTokio;
pub use owned_io::OwnedIo;
pub use poll_io::{Parts, PollIo};
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub use serve::listener::Listener;
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub use serve::{ConnectInfo, Serve, Served, serve};
pub use sides::{ReadSide, Socket, WriteSide};
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub use timer::SakiaTimer;
