//! The bridge's promises as tests: one binary, one module a subject. Helpers are in `help`.

mod client;
mod examples;
mod faces;
mod halves;
mod help;
mod http;
mod http2;
mod owned;
mod read;
mod serve;
mod stop;
mod timeouts;
mod timer;
mod upgrade;
mod write;
