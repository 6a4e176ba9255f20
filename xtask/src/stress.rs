//! `cargo xtask stress`: the long form of the stress test (`tests/stress`), optimised, with symbols.

use std::path::Path;

use crate::cmd;

/// How long it runs when nothing is said.
const MINUTES: &str = "5";

/// Builds the stress in release mode and runs it with the given words.
pub fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let mut args = vec!["test", "--release", "--package", "sakia-tests"];
    args.extend(["--all-features", "--test", "stress", "--"]);
    if !words.contains(&"--minutes") && !words.contains(&"--seconds") {
        args.extend(["--minutes", MINUTES]);
    }
    args.extend(words);
    cmd::run(&mut cmd::cargo(root, &args))
}
