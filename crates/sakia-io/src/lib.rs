//! Owned-buffer I/O traits and what is built on them.
