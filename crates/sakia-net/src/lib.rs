//! TCP, UDP and Unix sockets on io_uring.
