//! Tests that skipped themselves: where they write it down, and whether CI accepts it.
//!
//! A test that cannot run on this machine (no permission, no io_uring) says so with one line `SKIPPED: <test>: <why>`,
//! appended to the file that [`VARIABLE`] names. Root can do everything that a test asks for, so there a skip is a
//! failure: else a whole subject could fall silent without anybody noticing.

use std::path::{Path, PathBuf};

/// The environment variable that names the log.
pub const VARIABLE: &str = "SAKIA_SKIP_LOG";

/// Makes a fresh, empty log under the target directory.
pub fn fresh_log(target: &Path) -> Result<PathBuf, String> {
    let folder = target.join("xtask");
    let log = folder.join(format!("skips-{}.log", std::process::id()));
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&log, ""))
        .map_err(|error| format!("cannot make the skip log {}: {error}", log.display()))?;
    Ok(log)
}

/// Reads the log, prints what was skipped, and says whether that is acceptable here.
pub fn report(log: &Path) -> Result<(), String> {
    let text = print(log)?;
    let status = std::fs::read_to_string("/proc/self/status")
        .map_err(|error| format!("cannot read /proc/self/status: {error}"))?;
    let euid = effective_uid(&status).ok_or("/proc/self/status has no Uid line")?;
    judge(&parse(&text), euid)
}

/// Reads the log, prints what was skipped, and answers what was read.
pub fn print(log: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(log)
        .map_err(|error| format!("cannot read the skip log {}: {error}", log.display()))?;
    let skips = parse(&text);
    println!("skipped tests: {}", skips.len());
    for skip in &skips {
        println!("  {skip}");
    }
    Ok(text)
}

/// One line a skip; the prefix is dropped, a malformed line counts all the same.
fn parse(log: &str) -> Vec<&str> {
    log.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| line.strip_prefix("SKIPPED:").unwrap_or(line).trim())
        .collect()
}

fn judge(skips: &[&str], euid: u32) -> Result<(), String> {
    if euid == 0 && !skips.is_empty() {
        return Err(format!(
            "{} tests were skipped, and root may skip none: {}",
            skips.len(),
            skips.join("; ")
        ));
    }
    Ok(())
}

/// The second number of `Uid:` (real, effective, saved, file system) in `/proc/<pid>/status`.
fn effective_uid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "SKIPPED: a_test: no io_uring here\n\nhalf a line\n";

    #[test]
    fn every_line_of_the_log_is_a_skip() {
        assert_eq!(parse(LOG), ["a_test: no io_uring here", "half a line"]);
        assert!(parse("\n").is_empty());
    }

    #[test]
    fn a_skip_fails_for_root_alone() {
        let error = judge(&parse(LOG), 0).unwrap_err();
        assert!(error.contains("a_test: no io_uring here"), "{error}");
        assert_eq!(judge(&parse(LOG), 1000), Ok(()));
        assert_eq!(judge(&[], 0), Ok(()));
    }

    #[test]
    fn the_effective_uid_is_the_second_of_four() {
        let status = "Name:\tx\nUid:\t1000\t7\t8\t9\nGid:\t1\t2\t3\t4\n";
        assert_eq!(effective_uid(status), Some(7));
        assert_eq!(effective_uid("Name:\tx\n"), None);
    }

    #[test]
    fn a_fresh_log_is_empty_even_if_an_old_one_lies_there() {
        let target = std::env::temp_dir().join(format!("xtask-skips-{}", std::process::id()));
        let log = fresh_log(&target).unwrap();
        std::fs::write(&log, LOG).unwrap();
        assert_eq!(fresh_log(&target).unwrap(), log);
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "");
        std::fs::remove_dir_all(&target).unwrap();
    }
}
