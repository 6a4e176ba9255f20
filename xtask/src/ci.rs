//! `cargo xtask ci`: the steps, in order, with a headline and a duration each; the first failure ends it.
//!
//! A step is a call of cargo or a check of this crate. What a check demands is not written here.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::{bench, cmd, emulated, layers, loom, package, skips, tidy};

/// One line of the plan.
struct Step {
    name: &'static str,
    work: Work,
}

enum Work {
    /// A call of cargo with these arguments.
    Cargo(&'static [&'static str]),
    /// A call of cargo with one environment variable set.
    CargoEnv(&'static [&'static str], &'static str, &'static str),
    /// The tests: a call of cargo that keeps a log of skips.
    Tests(&'static [&'static str]),
    /// A check of our own.
    Check(fn(&Path) -> Result<(), String>),
}

/// How one step ended, and how long it took.
struct Done {
    name: &'static str,
    took: Duration,
    result: Result<(), String>,
}

const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        work: Work::Cargo(&["fmt", "--all", "--check"]),
    },
    Step {
        name: "layers",
        work: Work::Check(layers::run),
    },
    Step {
        name: "tidy",
        work: Work::Check(tidy::run),
    },
    Step {
        name: "clippy",
        work: Work::Cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--",
            "-D",
            "warnings",
        ]),
    },
    // The other steps build with all features; this one sees what `cfg(feature)` hides from them.
    Step {
        name: "bare",
        work: Work::CargoEnv(
            &["check", "--package", "sakia", "--no-default-features"],
            "RUSTFLAGS",
            "-D warnings",
        ),
    },
    Step {
        name: "test",
        work: Work::Tests(&["test", "--workspace", "--all-features"]),
    },
    Step {
        name: "emulated",
        work: Work::Check(|root| emulated::run(root, &["short"])),
    },
    Step {
        name: "loom",
        work: Work::Check(|root| loom::run(root, &[])),
    },
    Step {
        name: "bench",
        work: Work::Check(|root| bench::run(root, &["smoke"])),
    },
    Step {
        name: "counts",
        work: Work::Check(|root| bench::run(root, &["instructions"])),
    },
    Step {
        name: "package",
        work: Work::Check(|root| package::run(root, &["--no-verify"])),
    },
    Step {
        name: "doc",
        work: Work::CargoEnv(
            &["doc", "--workspace", "--no-deps", "--all-features"],
            "RUSTDOCFLAGS",
            "-D warnings",
        ),
    },
];

/// Runs every step, or as many as succeed.
pub fn run(root: &Path) -> Result<(), String> {
    let done = run_steps(STEPS, |step| {
        println!("\n==> {}: {}", step.name, describe(&step.work));
        perform(root, &step.work)
    });
    let (text, result) = summary(STEPS, &done);
    println!("\n{text}");
    result
}

fn run_steps(steps: &[Step], mut perform: impl FnMut(&Step) -> Result<(), String>) -> Vec<Done> {
    let mut done = Vec::new();
    for step in steps {
        let start = Instant::now();
        let result = perform(step);
        let took = start.elapsed();
        let failed = result.is_err();
        println!(
            "<== {}: {} in {:.1} s",
            step.name,
            if failed { "FAILED" } else { "ok" },
            took.as_secs_f64()
        );
        done.push(Done {
            name: step.name,
            took,
            result,
        });
        if failed {
            break;
        }
    }
    done
}

fn perform(root: &Path, work: &Work) -> Result<(), String> {
    match *work {
        Work::Cargo(args) => cmd::run(&mut cmd::cargo(root, args)),
        Work::CargoEnv(args, key, value) => cmd::run(cmd::cargo(root, args).env(key, value)),
        Work::Check(check) => check(root),
        Work::Tests(args) => {
            let log = skips::fresh_log(&layers::target_directory(root)?)?;
            let tests = cmd::run(cmd::cargo(root, args).env(skips::VARIABLE, &log));
            let skipped = skips::report(&log);
            tests.and(skipped)
        }
    }
}

fn describe(work: &Work) -> String {
    match work {
        Work::Cargo(args) | Work::Tests(args) => format!("cargo {}", args.join(" ")),
        Work::CargoEnv(args, key, value) => format!("{key}=\"{value}\" cargo {}", args.join(" ")),
        Work::Check(_) => "a check of the house".to_owned(),
    }
}

/// The last lines of the log, and how xtask ends.
fn summary(steps: &[Step], done: &[Done]) -> (String, Result<(), String>) {
    let mut text = String::from("ci:\n");
    for step in steps {
        let word = match done.iter().find(|done| done.name == step.name) {
            None => "not run".to_owned(),
            Some(done) => format!(
                "{:<7} {:>6.1} s",
                if done.result.is_ok() { "ok" } else { "FAILED" },
                done.took.as_secs_f64()
            ),
        };
        let _ = writeln!(text, "  {:<8} {word}", step.name);
    }
    let failure = done.iter().find_map(|done| {
        let why = done.result.as_ref().err()?;
        Some(format!("ci failed at `{}`: {why}", done.name))
    });
    match failure {
        Some(why) => (text, Err(why)),
        None => (text + "ci: all green", Ok(())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &'static str) -> Step {
        Step {
            name,
            work: Work::Cargo(&[]),
        }
    }

    #[test]
    fn the_first_failure_ends_the_run_and_is_named() {
        let steps = [step("one"), step("two"), step("three")];
        let mut ran = Vec::new();
        let done = run_steps(&steps, |step| {
            ran.push(step.name);
            if step.name == "two" {
                Err("it broke".to_owned())
            } else {
                Ok(())
            }
        });
        assert_eq!(ran, ["one", "two"]);
        let (text, result) = summary(&steps, &done);
        assert_eq!(result, Err("ci failed at `two`: it broke".to_owned()));
        assert!(text.contains("  one      ok"), "{text}");
        assert!(text.contains("  two      FAILED"), "{text}");
        assert!(text.contains("  three    not run"), "{text}");
        assert!(!text.contains("all green"), "{text}");
    }

    #[test]
    fn a_run_without_a_failure_is_green() {
        let steps = [step("one"), step("two")];
        let done = run_steps(&steps, |_| Ok(()));
        let (text, result) = summary(&steps, &done);
        assert_eq!(result, Ok(()));
        assert!(text.ends_with("ci: all green"));
    }

    #[test]
    fn the_cheap_steps_come_first() {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(
            names,
            [
                "fmt", "layers", "tidy", "clippy", "bare", "test", "emulated", "loom", "bench",
                "counts", "package", "doc"
            ]
        );
    }
}
