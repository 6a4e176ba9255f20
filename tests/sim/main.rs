//! Programs on the simulated kernel: the model against the man pages, and the driver's laws over many seeds.
//!
//! How many seeds is said by `SAKIA_SIM_SEEDS` (default 50 a test) and `SAKIA_SIM_FROM` (default 0): `cargo xtask sim` sets them. A failure names its seed.

mod dice;
mod differential;
mod ends;
mod laws;
mod local;
mod model;
mod others;
mod seeds;
mod streams;
