//! `cargo xtask mutants`: cargo-mutants on the files whose every line the promise rests on; each survivor needs a written reason.
//!
//! The tests are those that can see the file. `xtask/mutants-allowed.txt` lists the survivors that change nothing a test could see, as
//! `cargo mutants --list` names them but without line and column, and why. Hours on a slow machine: words after the command pick files
//! (`mutants dispatch`).

use std::path::Path;
use std::process::Command;

use crate::{cmd, layers};

/// A file, and the packages whose tests are run against its mutants.
struct Subject {
    file: &'static str,
    tests: &'static [&'static str],
}

const DRIVER: &[&str] = &["sakia-driver", "sakia-tests"];

const SUBJECTS: &[Subject] = &[
    Subject {
        file: "crates/sakia/src/shutdown.rs",
        tests: &["sakia-tests"],
    },
    Subject {
        file: "crates/sakia-driver/src/op/dispatch.rs",
        tests: DRIVER,
    },
    Subject {
        file: "crates/sakia-driver/src/close.rs",
        tests: DRIVER,
    },
    Subject {
        file: "crates/sakia-driver/src/drain.rs",
        tests: DRIVER,
    },
    Subject {
        file: "crates/sakia-driver/src/op/table.rs",
        tests: DRIVER,
    },
];

const ALLOWED: &str = "xtask/mutants-allowed.txt";

/// Runs all subjects, or those whose file's name holds one of `words`.
pub fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    cmd::capture(Command::new("cargo").args(["mutants", "--version"]))
        .map_err(|why| format!("cargo-mutants is needed (cargo install cargo-mutants): {why}"))?;
    let allowed = std::fs::read_to_string(root.join(ALLOWED))
        .map_err(|error| format!("cannot read {ALLOWED}: {error}"))?;
    let mut survivors = Vec::new();
    for subject in SUBJECTS {
        if words.is_empty() || words.iter().any(|word| subject.file.contains(word)) {
            survivors.extend(unexplained(&test(root, subject)?, &allowed));
        }
    }
    if survivors.is_empty() {
        return Ok(());
    }
    Err(format!(
        "survived without a reason in {ALLOWED}:\n{}",
        survivors.join("\n")
    ))
}

/// Runs one subject; the list of its survivors.
fn test(root: &Path, subject: &Subject) -> Result<String, String> {
    let stem = subject.file.replace(['/', '.'], "-");
    let out = layers::target_directory(root)?.join("mutants").join(stem);
    let mut command = cmd::cargo(root, &["mutants", "--file", subject.file, "--no-shuffle"]);
    command
        .args(["--all-features", "--jobs", "1", "--output"])
        .arg(&out);
    // A mutant that waits for ever is caught, not a survivor; nothing in these tests takes minutes.
    command.args(["--minimum-test-timeout", "60", "--timeout", "300"]);
    for package in subject.tests {
        command.args(["--test-package", package]);
    }
    command.args(["--", "--lib", "--test", "it"]);
    println!("==> {}", subject.file);
    let status = command
        .status()
        .map_err(|error| format!("cannot start {}: {error}", cmd::show(&command)))?;
    match status.code() {
        // All caught; some survived; some ran into the timeout.
        Some(0 | 2 | 3) => {}
        _ => return Err(format!("{} ended with {status}", cmd::show(&command))),
    }
    let missed = out.join("mutants.out/missed.txt");
    std::fs::read_to_string(&missed)
        .map_err(|error| format!("cannot read {}: {error}", missed.display()))
}

/// Those of `missed` that `allowed` does not name.
fn unexplained(missed: &str, allowed: &str) -> Vec<String> {
    let allowed: Vec<&str> = allowed
        .lines()
        .filter(|line| !line.starts_with([' ', '#']) && !line.is_empty())
        .collect();
    missed
        .lines()
        .filter(|mutant| !allowed.contains(&without_place(mutant).as_str()))
        .map(str::to_owned)
        .collect()
}

/// `a/b.rs:12:5: replace …` without line and column, which move with every change.
fn without_place(mutant: &str) -> String {
    match mutant.splitn(4, ':').collect::<Vec<_>>()[..] {
        [file, _, _, what] => format!("{file}:{what}"),
        _ => mutant.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survivor_is_known_by_its_file_and_what_it_changes() {
        let missed = "a/b.rs:12:5: replace f -> u8 with 0\na/b.rs:14:9: replace < with <= in f\n";
        let allowed = "# a list\na/b.rs: replace f -> u8 with 0\n  nobody can see it\n";
        assert_eq!(
            unexplained(missed, allowed),
            ["a/b.rs:14:9: replace < with <= in f"]
        );
        assert!(unexplained("", allowed).is_empty());
    }
}
