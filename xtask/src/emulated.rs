//! `cargo xtask emulated`: the suites of the driver and of what stands on it, on the emulated kernel.
//!
//! `short` is the driver, the sockets, the rows. A test that cannot be said on that kernel says so itself, with
//! its reason; such skips are printed, and are no failure.

use std::path::Path;

use crate::{cmd, layers, skips};

/// The variable by which a driver is put on a kernel, and the kernel's name.
const VARIABLE: (&str, &str) = ("SAKIA_KERNEL", "emulated");

const SHORT: &[&str] = &["sakia-driver", "sakia-net", "sakia-tests"];
const LONG: &[&str] = &["sakia-fs", "sakia", "sakia-compat", "sakia-serve"];

/// Runs the suites: all of them, or the short form.
pub fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let mut packages = SHORT.to_vec();
    match words {
        [] => packages.extend(LONG),
        ["short"] => {}
        other => return Err(format!("emulated takes `short` or nothing, not {other:?}")),
    }
    let mut args = vec!["test", "--all-features", "--no-fail-fast"];
    for package in packages {
        args.extend(["--package", package]);
    }
    let log = skips::fresh_log(&layers::target_directory(root)?)?;
    let (variable, kernel) = VARIABLE;
    let mut cargo = cmd::cargo(root, &args);
    cargo.env(variable, kernel).env(skips::VARIABLE, &log);
    let tests = cmd::run(&mut cargo);
    skips::print(&log)?;
    tests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_it_does_not_know_is_an_error_and_runs_nothing() {
        let error = run(Path::new("/nowhere"), &["--fast"]).unwrap_err();
        assert!(error.contains("--fast"), "{error}");
    }
}
