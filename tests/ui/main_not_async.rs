//! A plain function cannot be polled.

#[sakia::main]
fn main() {}
