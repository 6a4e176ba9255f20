//! `cargo xtask sim`: the long form of the simulation (`tests/sim`), optimised. The short form is part of the tests.

use std::path::Path;

use crate::cmd;

/// How many seeds a test runs when nothing is said.
const SEEDS: &str = "2000";

/// Builds the simulation in release mode and runs it over the seeds that are asked for.
pub fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let (mut seeds, mut from) = (SEEDS, "0");
    for pair in words.chunks(2) {
        match pair {
            ["--seeds", n] => seeds = n,
            ["--from", n] => from = n,
            _ => return Err(format!("sim takes --seeds N and --from SEED, not {pair:?}")),
        }
    }
    let args = [
        "test",
        "--release",
        "--package",
        "sakia-tests",
        "--test",
        "sim",
    ];
    let mut cargo = cmd::cargo(root, &args);
    cargo
        .env("SAKIA_SIM_SEEDS", seeds)
        .env("SAKIA_SIM_FROM", from);
    cmd::run(&mut cargo)
}
