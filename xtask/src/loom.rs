//! `cargo xtask loom`: the models of what other threads touch, in every interleaving within their bounds.
//!
//! A model is a test in a module named `models`, built under `cfg(all(test, loom))`; the bounds stand at the models. The whole
//! workspace cannot be built with `--cfg loom`, since crates of others know that word too: so one crate at a time, its library alone.

use std::path::Path;
use std::process::Command;

use crate::{cmd, layers};

/// The crates that have models.
const CRATES: &[&str] = &["sakia-driver", "sakia-executor"];

/// Runs all models; `words` may ask for more preemptions than the models do.
pub fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let preemptions = match words {
        [] => None,
        ["--preemptions", number] if number.parse::<usize>().is_ok() => Some(*number),
        _ => return Err(format!("loom takes --preemptions N, but got {words:?}")),
    };
    let target = layers::target_directory(root)?.join("loom");
    for name in CRATES {
        let models = |last: &[&str]| {
            let mut command = cmd::cargo(root, &["test", "--package", name, "--lib"]);
            command.arg("--target-dir").arg(&target);
            command.args(["--", "models::"]).args(last);
            set_up(&mut command, preemptions);
            command
        };
        // A filter that finds nothing is green too.
        let listed = cmd::capture(&mut models(&["--list"]))?;
        let count = listed_tests(&String::from_utf8_lossy(&listed));
        if count == 0 {
            return Err(format!("{name} has no model"));
        }
        println!("{name}: {count} models");
        cmd::run(&mut models(&[]))?;
    }
    Ok(())
}

/// Loom explores many times over: optimised, it takes a tenth of the time.
fn set_up(command: &mut Command, preemptions: Option<&str>) {
    command
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "2")
        .env("CARGO_PROFILE_TEST_OPT_LEVEL", "2");
    if let Some(number) = preemptions {
        command.env("LOOM_MAX_PREEMPTIONS", number);
    }
}

/// How many tests `--list` names.
fn listed_tests(list: &str) -> usize {
    list.lines()
        .filter(|line| line.trim_end().ends_with(": test"))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_of_models_is_told_from_one_with_a_model() {
        assert_eq!(listed_tests("\n0 tests, 0 benchmarks\n"), 0);
        assert_eq!(listed_tests("gate::models::a: test\n\n1 test\n"), 1);
    }

    #[test]
    fn words_that_are_not_a_number_of_preemptions_are_refused() {
        for words in [&["--preemptions"][..], &["--preemptions", "x"], &["3"]] {
            assert!(run(Path::new("."), words).is_err());
        }
    }
}
