//! The checks of the house: `cargo xtask ci`.
fn main() {}
