//! An HTTP/1.1 file server on sakia.
fn main() {}
