//! The io_uring driver of sakia: ops, descriptors, closing and draining.
