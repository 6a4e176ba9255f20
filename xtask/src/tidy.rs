//! `cargo xtask tidy`: the rules of the house about source files.
//!
//! This file finds the files, hands each to every rule, and prints what they say. A rule is one file in `tidy/`, a
//! function that reads a parsed file and adds findings; it opens no file itself, so a test can feed it a string.

mod allowed;
mod changelog;
mod exports;
mod forbid;
mod length;
mod opening;
mod paths;
mod rows;
mod source;
mod words;

use std::fmt;
use std::path::Path;

use allowed::Allowed;
use source::RustFile;

use crate::cmd;

/// Files that hold these words on purpose, to see the compiler refuse them.
const FIXTURES: &str = "tests/ui/";

const UNSAFE_ALLOWED: &str = "xtask/unsafe-allowed.txt";
const LONG_ALLOWED: &str = "xtask/long-allowed.txt";
const CHANGELOG: &str = "docs/CHANGELOG.md";

/// One broken rule at one place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// Zero when the file as a whole is meant.
    line: usize,
    text: String,
}

impl Finding {
    fn new(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}

/// Checks the tree at `root`.
pub fn run(root: &Path) -> Result<(), String> {
    let files = read_files(root)?;
    let mut findings = check(&files);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: {} files, nothing to say", files.len());
        Ok(())
    } else {
        Err(format!("tidy: {} findings", findings.len()))
    }
}

/// Path (seen from the root) and text of every text file that git tracks or would track.
fn read_files(root: &Path) -> Result<Vec<(String, String)>, String> {
    let mut git = std::process::Command::new("git");
    git.current_dir(root)
        .args(["ls-files", "-z", "-co", "--exclude-standard"]);
    let listed = cmd::capture(&mut git)?;
    let mut files = Vec::new();
    for path in listed.split(|&byte| byte == 0).filter(|p| !p.is_empty()) {
        let path = std::str::from_utf8(path).map_err(|_| "git lists a path that is not UTF-8")?;
        match std::fs::read(root.join(path)) {
            Ok(bytes) => {
                // A NUL byte says: not text.
                if let Ok(text) = String::from_utf8(bytes)
                    && !text.contains('\0')
                {
                    files.push((path.to_owned(), text));
                }
            }
            // Deleted, and git was not told yet.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("cannot read {path}: {error}")),
        }
    }
    Ok(files)
}

/// Every rule, over a tree that is given as paths and texts.
fn check(files: &[(String, String)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let unsafe_allowed = Allowed::read(UNSAFE_ALLOWED, files, &mut findings);
    let long_allowed = Allowed::read(LONG_ALLOWED, files, &mut findings);
    let mut parsed = Vec::new();
    for (path, text) in files {
        paths::check(path, text, &mut findings);
        if path.ends_with(".rs") && !path.starts_with(FIXTURES) {
            opening::check(path, text, &mut findings);
            match RustFile::parse(path, text) {
                Ok(file) => parsed.push(file),
                Err(error) => findings.push(error),
            }
        }
    }
    for file in &parsed {
        words::check(file, &unsafe_allowed, &mut findings);
        length::check(file, &long_allowed, &mut findings);
        exports::check(file, &mut findings);
    }
    forbid::check(&parsed, &mut findings);
    changelog::check(CHANGELOG, files, &mut findings);
    rows::check(files, &mut findings);
    unsafe_allowed.stale(&mut findings);
    long_allowed.stale(&mut findings);
    findings
}

#[cfg(test)]
mod tests;
