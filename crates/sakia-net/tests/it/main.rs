//! The sockets against std's, on loopback: one binary, one module a subject. What the driver does by itself is tested there.

mod common;
mod connecting;
mod drops;
mod ends;
mod exhaustion;
mod halves;
mod matrix;
mod options;
mod order;
mod pipes;
mod records;
mod shapes;
mod sides;
mod tcp;
mod traits;
mod udp;
mod unix;
mod untied;
