//! `cargo xtask mutants`: cargo-mutants on the files whose every line the promise rests on; each survivor needs a written reason.
//!
//! A mutant costs a build and a run, so it meets the tests of its own crate first, without those that take long or ask the
//! clock for what they say of these files, and only what survives them meets the whole program's. One that hangs is caught. `xtask/mutants-allowed.txt` lists the survivors that
//! change nothing a test could see, as `cargo mutants --list` names them but without line and column, and why. Hours on two cores:
//! words after the command pick files (`mutants dispatch`). The logs, with the tests that failed, stay in `target/mutants`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::{cmd, layers};

/// Tests that mutants are run against: of a package, and what cargo is told.
struct Tests {
    package: &'static str,
    args: &'static [&'static str],
}

const DRIVER: Tests = Tests {
    package: "sakia-driver",
    args: &[
        "--lib",
        "--test",
        "it",
        "--",
        "--skip=reads_cancelled_while_the_peer",
        "--skip=in_a_storm",
        "--skip=lost_between_turns",
        "--skip=kernel::differential",
    ],
};

/// In virtual time, so that a busy machine changes nothing.
const SIM: Tests = Tests {
    package: "sakia-tests",
    args: &["--test", "sim"],
};

const WHOLE: Tests = Tests {
    package: "sakia-tests",
    args: &[
        "--test",
        "it",
        "--test",
        "sim",
        "--",
        "--skip=bad_attributes_get_errors",
        "--skip=an_endless_loop_of_cached_reads",
        "--skip=a_task_that_never_sleeps_starves",
        "--skip=blocking_code_runs_beside_the_loop",
    ],
};

/// A file, and the tests that see it, the fastest first.
struct Subject {
    file: &'static str,
    tests: &'static [Tests],
}

const SUBJECTS: &[Subject] = &[
    Subject {
        file: "crates/sakia/src/shutdown.rs",
        tests: &[SIM, WHOLE],
    },
    Subject {
        file: "crates/sakia-driver/src/op/dispatch.rs",
        tests: &[DRIVER, WHOLE],
    },
    Subject {
        file: "crates/sakia-driver/src/drain.rs",
        tests: &[DRIVER, WHOLE],
    },
    Subject {
        file: "crates/sakia-driver/src/drain/pause.rs",
        tests: &[DRIVER, WHOLE],
    },
    Subject {
        file: "crates/sakia-driver/src/close.rs",
        tests: &[DRIVER, WHOLE],
    },
    Subject {
        file: "crates/sakia-driver/src/op/table.rs",
        tests: &[DRIVER, WHOLE],
    },
    Subject {
        file: "crates/sakia-driver/src/op/table/results.rs",
        tests: &[DRIVER, WHOLE],
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
            survivors.extend(survivors_of(root, subject, &allowed)?);
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

/// What survives all tests of a subject without a reason.
fn survivors_of(root: &Path, subject: &Subject, allowed: &str) -> Result<Vec<String>, String> {
    let mut left = None;
    for tests in subject.tests {
        let missed = test(root, subject.file, tests, left.as_deref())?;
        let missed = unexplained(&missed, allowed);
        if missed.is_empty() {
            return Ok(missed);
        }
        left = Some(missed);
    }
    Ok(left.unwrap_or_default())
}

/// Runs these tests against the mutants of a file, or against those that are `left`; the list of what survives.
fn test(root: &Path, file: &str, tests: &Tests, left: Option<&[String]>) -> Result<String, String> {
    let target = layers::target_directory(root)?.join("mutants");
    let out = target
        .join(file.replace(['/', '.'], "-"))
        .join(tests.package);
    std::fs::create_dir_all(&out)
        .map_err(|error| format!("cannot make {}: {error}", out.display()))?;
    println!("==> {file}: {}", tests.package);
    let timeout = patience(baseline(root, &target, tests)?).to_string();
    let mut command = gently(root, &out);
    command
        .args(["mutants", "--file", file, "--no-shuffle"])
        .args(["--all-features", "--jobs", "1", "--output"])
        .arg(&out)
        .args(["--baseline", "skip", "--timeout", &timeout])
        .args(["--test-package", tests.package]);
    for mutant in left.unwrap_or_default() {
        command.args(["--re", &pattern(mutant)]);
    }
    command.arg("--").args(tests.args);
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

/// How long the tests take on the unchanged tree, which has to pass them: what cargo-mutants would ask of the package that it changes, and
/// not of the one that tests it.
fn baseline(root: &Path, target: &Path, tests: &Tests) -> Result<Duration, String> {
    let args = ["test", "--package", tests.package, "--all-features"];
    let mut build = gently(root, target);
    let until_tests = tests.args.iter().take_while(|arg| **arg != "--");
    cmd::run(build.args(args).arg("--no-run").args(until_tests))?;
    let start = Instant::now();
    cmd::run(gently(root, target).args(args).arg("-q").args(tests.args))?;
    Ok(start.elapsed())
}

/// The seconds after which a run of the tests counts as hung: the machine may have other work by then.
fn patience(unchanged: Duration) -> u64 {
    (unchanged.as_secs() * 4).max(30)
}

/// Cargo for hours of work of the least urgent kind. The builds of a mutant and of the next differ by a line: they share what they can, but with
/// no other run, for cargo goes by the age of files and would take the last mutant of one for the unchanged tree of the next. Most tests wait more than
/// they work.
fn gently(root: &Path, target: &Path) -> Command {
    let mut command = Command::new("nice");
    command
        .current_dir(root)
        .arg("cargo")
        .env("CARGO_TARGET_DIR", target.join("build"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("RUST_TEST_THREADS", "8");
    command
}

/// A regular expression that finds this mutant: what could have a meaning there stands for any character.
fn pattern(mutant: &str) -> String {
    let any = |c: char| if c.is_ascii_alphanumeric() { c } else { '.' };
    format!("^{}$", mutant.chars().map(any).collect::<String>())
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
    fn a_mutant_is_found_again_by_its_name() {
        assert_eq!(
            pattern("a/b.rs:12:5: replace + with * in f<T>"),
            "^a.b.rs.12.5..replace...with...in.f.T.$"
        );
    }

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
