//! `cargo xtask package`: the published crates as the registry would get them.
//!
//! First what each archive would hold, then the archives themselves, each unpacked and built by itself. `--no-verify` leaves the builds out,
//! which is the form that `cargo xtask ci` runs.

use std::path::Path;

use crate::layers::ROOMS;
use crate::{cmd, layers};

/// What every archive must hold.
const REQUIRED: &[&str] = &[
    "Cargo.toml",
    "README.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "src/lib.rs",
];

/// What cargo adds of its own.
const ADDED: &[&str] = &["Cargo.lock", "Cargo.toml.orig", ".cargo_vcs_info.json"];

/// Where the rest may lie.
const FOLDERS: &[&str] = &["src/", "tests/", "examples/", "benches/"];

/// Checks and makes the packages.
pub fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let verify = match words {
        [] => true,
        ["--no-verify"] => false,
        _ => return Err(format!("package takes --no-verify, but got {words:?}")),
    };
    let mut wrong = Vec::new();
    for room in ROOMS.iter().filter(|room| room.published) {
        let list = cmd::capture(&mut cmd::cargo(
            root,
            &["package", "--list", "--allow-dirty", "--package", room.name],
        ))?;
        let found = check(&String::from_utf8_lossy(&list));
        wrong.extend(
            found
                .into_iter()
                .map(|what| format!("{}: {what}", room.name)),
        );
    }
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    let mut package = cmd::cargo(
        root,
        &["package", "--workspace", "--allow-dirty", "--quiet"],
    );
    for room in ROOMS.iter().filter(|room| !room.published) {
        package.args(["--exclude", room.name]);
    }
    if !verify {
        package.arg("--no-verify");
    }
    // A folder of its own: the builds would wait for, and be waited for by, whoever uses the usual one.
    let target = layers::target_directory(root)?.join("package-check");
    package.arg("--target-dir").arg(target);
    cmd::run(&mut package)
}

/// What is wrong with the files of an archive.
fn check(list: &str) -> Vec<String> {
    let files: Vec<&str> = list
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let missing = REQUIRED
        .iter()
        .filter(|file| !files.contains(file))
        .map(|file| format!("{file} is missing"));
    let stray = files
        .iter()
        .filter(|file| {
            !REQUIRED.contains(file)
                && !ADDED.contains(file)
                && !FOLDERS.iter().any(|folder| file.starts_with(folder))
        })
        .map(|file| format!("{file} does not belong there"));
    missing.chain(stray).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_needs_its_licences_and_holds_no_stray_file() {
        let whole = "Cargo.toml\nCargo.lock\nREADME.md\nLICENSE-APACHE\nLICENSE-MIT\nsrc/lib.rs\ntests/it/main.rs\n";
        assert!(check(whole).is_empty());
        let found = check(&whole.replace("LICENSE-MIT", "notes.txt"));
        assert_eq!(
            found,
            ["LICENSE-MIT is missing", "notes.txt does not belong there"]
        );
    }
}
