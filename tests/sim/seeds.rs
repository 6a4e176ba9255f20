//! Which seeds a test runs, and the dice of a random program.

use std::ops::Range;

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a number of seeds"),
        Err(_) => default,
    }
}

/// The seeds of this run.
pub fn seeds() -> Range<u64> {
    let from = number("SAKIA_SIM_FROM", 0);
    from..from + number("SAKIA_SIM_SEEDS", 50)
}
