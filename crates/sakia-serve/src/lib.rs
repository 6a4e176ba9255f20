//! An HTTP/1.1 file server on sakia, in rooms: `args`, `server` (start and end), `service` (a request and its response), `plan`, `path`, `range`,
//! `conditional`, `listing`, `body`, `log` (what each is named for). HTTP itself is hyper's.
#![forbid(unsafe_code)]

mod args;
mod body;
mod conditional;
mod listing;
mod log;
mod path;
mod plan;
mod range;
mod reply;
mod server;
mod service;

pub use args::Args;
pub use server::run;

/// What does not depend on a runtime: targets, and the plans of responses. The twin that the benchmarks hold the server against is built on it.
pub mod http {
    pub use crate::path::{Hostile, Target};
    pub use crate::plan::{About, Content, plan};
    pub use crate::reply::{method_not_allowed, moved, nosniff, of_error, status};
}
