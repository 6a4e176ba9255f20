//! `cargo xtask bench MODE…`: builds the benchmarks, which are a workspace of their own, and runs them.

use std::path::Path;

use crate::cmd;

/// Builds what the modes need, beside one another, and runs the benchmarks with the given words.
pub fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let home = root.join("crates/sakia-bench");
    let target = home.join("target");
    let build = |at: &Path, args: &[&str]| {
        let mut cargo = cmd::cargo(at, args);
        cmd::run(cargo.env("CARGO_TARGET_DIR", &target))
    };
    build(root, &["build", "--release", "--package", "sakia-serve"])?;
    build(&home, &["build", "--release", "--locked"])?;
    let mut bench = std::process::Command::new(target.join("release/sakia-bench"));
    cmd::run(bench.current_dir(root).args(words))
}
