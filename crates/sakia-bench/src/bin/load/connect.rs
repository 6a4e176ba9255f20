//! A connection to the server.

use std::net::TcpStream;
use std::time::Duration;

use rustix::net::sockopt::{set_socket_linger, set_socket_send_buffer_size};

/// Connects; the server may still be starting.
pub fn connect(port: u16) -> TcpStream {
    for _ in 0..400 {
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
            stream.set_nodelay(true).expect("TCP has this option");
            set_socket_send_buffer_size(&stream, 1 << 20).expect("sockets have this option");
            // An end without TIME_WAIT: ports do not run out.
            set_socket_linger(&stream, Some(Duration::ZERO)).expect("sockets have this option");
            return stream;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("nobody listens at {port}");
}
