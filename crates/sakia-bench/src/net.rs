//! The listener of all servers.

use std::net::TcpListener;

/// Listens on a port of the loopback, with a long queue; TCP_NODELAY is inherited by what is accepted.
pub fn listen(port: u16) -> TcpListener {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    rustix::net::sockopt::set_tcp_nodelay(&listener, true).expect("TCP has this option");
    rustix::net::listen(&listener, 4096).expect("the socket listens already");
    listener
}
