//! `cargo xtask bench`: builds the benchmarks, which are a workspace of their own, and runs them; and, by the word `smoke`, runs each mode briefly; by the word
//! `instructions` it counts them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cmd;

/// Builds what is to be measured, beside one another, and runs the benchmarks with the given words.
pub fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let features: &[&str] = match words {
        ["smoke"] => return smoke(root),
        // sakia and the floor: neither the peers nor the servers of files.
        ["instructions"] => &["--no-default-features"],
        words if words.contains(&"--peers") => &["--features", "peers"],
        _ => &[],
    };
    if words != ["instructions"] {
        cmd::run(&mut build(root, root, &["--package", "sakia-serve"]))?;
    }
    cmd::run(build(root, &home(root), &["--locked"]).args(features))?;
    let mut bench = Command::new(target(root).join("release/sakia-bench"));
    cmd::run(bench.current_dir(root).args(words))
}

/// The crate's own tests: every mode of sakia and of the floor runs and tells a figure. Without the peers, and not optimised: it measures nothing.
fn smoke(root: &Path) -> Result<(), String> {
    for args in [
        &["fmt", "--check"][..],
        &[
            "clippy",
            "--locked",
            "--no-default-features",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
        &["test", "--locked", "--no-default-features"],
    ] {
        cmd::run(&mut at_home(root, &home(root), args))?;
    }
    Ok(())
}

fn build(root: &Path, at: &Path, args: &[&str]) -> Command {
    let mut cargo = at_home(root, at, &["build", "--release"]);
    cargo.args(args);
    cargo
}

/// A call of cargo that puts what it builds beside the benchmarks.
fn at_home(root: &Path, at: &Path, args: &[&str]) -> Command {
    let mut cargo = cmd::cargo(at, args);
    cargo.env("CARGO_TARGET_DIR", target(root));
    cargo
}

fn home(root: &Path) -> PathBuf {
    root.join("crates/sakia-bench")
}

fn target(root: &Path) -> PathBuf {
    home(root).join("target")
}
