//! The sockets against std's, on loopback: one binary, one module a subject. What the driver does by itself is tested there.

mod common;
mod connecting;
mod drops;
mod ends;
mod exhaustion;
mod halves;
mod options;
mod shapes;
mod tcp;
mod traits;
mod udp;
mod unix;
mod untied;
