//! The machine, the day and the versions of a run.

use std::process::Command;

pub struct Machine {
    pub date: String,
    pub kernel: String,
    pub cpu: String,
    pub rustc: String,
    pub commit: String,
    /// The load of the last minute: how many others wanted the cores.
    pub load: String,
}

impl Machine {
    pub fn look() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let cpu_info = read("/proc/cpuinfo");
        let model = cpu_info
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let model = model
            .unwrap_or("unknown")
            .trim_start_matches([' ', '\t', ':']);
        Self {
            date: said("date", &["-u", "+%Y-%m-%d"]),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            cpu: format!("{model}, {cores} cores"),
            rustc: said("rustc", &["--version"]),
            commit: said("git", &["describe", "--always", "--dirty"]),
            load: read("/proc/loadavg")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
        }
    }
}

fn said(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// The versions of some packages, as the lockfile has them. A package may be there in several.
pub fn versions(packages: &[&str]) -> String {
    let lock = include_str!("../../Cargo.lock");
    let mut found = Vec::new();
    for package in lock.split("[[package]]") {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_start_matches(" = ").trim_matches('"'))
        };
        if let (Some(name), Some(version)) = (field("name"), field("version"))
            && packages.contains(&name)
        {
            found.push(format!("{name} {version}"));
        }
    }
    found.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lockfile() {
        assert_eq!(versions(&["monoio"]), "monoio 0.2.4");
        assert_eq!(versions(&["nothing"]), "");
    }
}
