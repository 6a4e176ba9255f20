//! Files and directories on io_uring.
