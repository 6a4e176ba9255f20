//! Unix sockets: streams, datagrams and records, their listeners and their addresses. No path is ever unlinked here, as in std.

pub mod addr;
pub mod bind;
pub mod connect;
pub mod datagram;
pub mod listener;
mod options;
pub mod seqpacket;
pub mod seqpacket_listener;
pub mod stream;
