//! A single-threaded task executor that knows no ring.
