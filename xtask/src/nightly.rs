//! Calls of the nightly toolchain, for what the stable one cannot do. What is done with it is the commands' business.

use std::path::Path;
use std::process::Command;

use crate::cmd;

/// The only platform that the sanitizers and docs.rs are asked for.
pub const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A call of nightly's cargo in `root`.
///
/// cargo and rustup tell their children which toolchain they are part of: that must not reach the other one.
pub fn cargo(root: &Path, args: &[&str]) -> Result<Command, String> {
    cmd::capture(&mut tool(root, &["rustc", "--version"])).map_err(|why| {
        format!("a nightly toolchain is needed (rustup toolchain install nightly): {why}")
    })?;
    let mut command = tool(root, &["cargo"]);
    command.args(args);
    Ok(command)
}

fn tool(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command
        .current_dir(root)
        .args(["run", "nightly"])
        .args(words)
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_toolchain_is_not_handed_on() {
        let command = tool(Path::new("."), &["cargo"]);
        let removed: Vec<_> = command
            .get_envs()
            .filter(|(_, value)| value.is_none())
            .map(|(key, _)| key.to_str())
            .collect();
        assert_eq!(removed, [Some("CARGO"), Some("RUSTUP_TOOLCHAIN")]);
    }
}
