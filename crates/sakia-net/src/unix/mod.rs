//! Unix stream sockets: a listener, a stream, and their addresses. No path is ever unlinked here, as in std.

pub mod addr;
pub mod listener;
pub mod stream;
