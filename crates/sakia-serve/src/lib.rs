//! An HTTP/1.1 file server on sakia, in rooms: `args`, `server` (start and end), `service` (a request and its response), `path`, `range`,
//! `conditional`, `listing`, `body`, `log` (what each is named for). HTTP itself is hyper's.
#![forbid(unsafe_code)]

mod args;
mod body;
mod conditional;
mod listing;
mod log;
mod path;
mod range;
mod reply;
mod server;
mod service;

pub use args::Args;
pub use server::run;
