//! Bridges from sakia to the ecosystem: the rooms, and the names they give. Whatever is sakia's own does not belong here.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod executor;
mod io;
mod reader;
mod serve;
mod socket;
mod timer;
mod writer;

pub use executor::SakiaExecutor;
pub use io::HyperIo;
pub use serve::listener::Listener;
pub use serve::{ConnectInfo, Serve, Served, serve};
pub use socket::Socket;
pub use timer::SakiaTimer;
