//! `cargo xtask emulated`: the suites of the driver and of what stands on it, on the emulated kernel.
//!
//! `short`, a step of `ci`, is the driver, the sockets, the rows, as the step `test` has built them: nothing is built anew for other features, and
//! what is the same on each kernel (examples in the documentation, errors of the macros) is left out. A test that cannot be said on
//! that kernel says so itself, with its reason; such skips are printed, and are no failure.

use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Artifact, Message};

use crate::{cmd, layers, skips};

/// The variable by which a driver is put on a kernel, and the kernel's name.
const VARIABLE: (&str, &str) = ("SAKIA_KERNEL", "emulated");

/// The packages of the short form, and their folders.
const SHORT: [(&str, &str); 3] = [
    ("sakia-driver", "crates/sakia-driver"),
    ("sakia-net", "crates/sakia-net"),
    ("sakia-tests", "tests"),
];
const LONG: &[&str] = &["sakia-fs", "sakia", "sakia-compat", "sakia-serve"];
/// The program of tests that the short form leaves out: it is of a model of a kernel.
const OTHERS: [&str; 1] = ["sim"];
/// What the compiler says of attributes: no kernel has a part in it.
const SAME: &str = "attributes::";

/// Runs the suites: all of them, or the short form.
pub fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let log = match words {
        [] | ["short"] => skips::fresh_log(&layers::target_directory(root)?)?,
        other => return Err(format!("emulated takes `short` or nothing, not {other:?}")),
    };
    let on_it = |command: &mut Command| {
        let (variable, kernel) = VARIABLE;
        cmd::run(command.env(variable, kernel).env(skips::VARIABLE, &log))
    };
    let tests = if words.is_empty() {
        on_it(&mut all(root))
    } else {
        built(root)?
            .iter()
            .try_for_each(|tests| on_it(&mut tests.command()))
    };
    skips::print(&log)?;
    tests
}

fn all(root: &Path) -> Command {
    let mut args = vec!["test", "--all-features", "--no-fail-fast"];
    for package in SHORT.iter().map(|(name, _)| name).chain(LONG) {
        args.extend(["--package", package]);
    }
    cmd::cargo(root, &args)
}

/// A program with tests, and the folder that it is to run in.
struct Tests {
    program: PathBuf,
    folder: PathBuf,
}

impl Tests {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(&self.folder).args(["--skip", SAME]);
        command
    }
}

/// What the step `test` of `ci` has built of the packages of the short form, or builds now.
fn built(root: &Path) -> Result<Vec<Tests>, String> {
    let args = [
        "test",
        "--workspace",
        "--all-features",
        "--no-run",
        "--message-format=json",
    ];
    let said = cmd::capture(&mut cmd::cargo(root, &args))?;
    let mut tests = Vec::new();
    for message in Message::parse_stream(said.as_slice()) {
        let message = message.map_err(|error| format!("cargo's messages: {error}"))?;
        if let Message::CompilerArtifact(artifact) = message {
            tests.extend(tests_in(artifact));
        }
    }
    choose(root, tests)
}

fn tests_in(artifact: Artifact) -> Option<Tests> {
    let folder = artifact.manifest_path.parent()?.as_std_path().to_owned();
    let program = artifact.executable?.into_std_path_buf();
    let ours = artifact.profile.test && !OTHERS.contains(&artifact.target.name.as_str());
    ours.then_some(Tests { program, folder })
}

/// Those of the packages of the short form, each of which must have some.
fn choose(root: &Path, tests: Vec<Tests>) -> Result<Vec<Tests>, String> {
    let mut chosen = Vec::new();
    let mut left = tests;
    for (name, at) in SHORT {
        let (theirs, others): (Vec<_>, _) = left
            .into_iter()
            .partition(|tests| tests.folder == root.join(at));
        if theirs.is_empty() {
            return Err(format!("cargo has built no tests of {name} in {at}"));
        }
        chosen.extend(theirs);
        left = others;
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_it_does_not_know_is_an_error_and_runs_nothing() {
        let error = run(Path::new("/nowhere"), &["--fast"]).unwrap_err();
        assert!(error.contains("--fast"), "{error}");
    }

    #[test]
    fn the_short_form_runs_its_packages_in_their_folders_and_misses_none() {
        let root = Path::new("/house");
        let of = |at: &str| Tests {
            program: PathBuf::from(format!("/target/{at}")),
            folder: root.join(at),
        };
        let all = [
            "crates/sakia-fs",
            "tests",
            "crates/sakia-net",
            "crates/sakia-driver",
        ];
        let chosen = choose(root, all.map(of).into()).unwrap();
        let folders: Vec<_> = chosen.iter().map(|tests| tests.folder.clone()).collect();
        assert_eq!(folders, SHORT.map(|(_, at)| root.join(at)));
        let error = choose(root, all[..2].iter().map(|at| of(at)).collect()).err();
        assert!(error.unwrap().contains("sakia-driver"));
    }
}
