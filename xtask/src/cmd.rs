//! Running other programs: where the workspace is, which cargo to call, how a call is shown.
//!
//! No check lives here.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the workspace: the parent of xtask's own folder.
pub fn root() -> Result<PathBuf, String> {
    let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
        .ok_or("CARGO_MANIFEST_DIR is not set: start it as `cargo xtask`")?;
    Path::new(&manifest_dir)
        .parent()
        .map(Path::to_path_buf)
        .ok_or_else(|| "xtask has no parent folder".to_owned())
}

/// A call of the cargo that started xtask, in `root`.
pub fn cargo(root: &Path, args: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root).args(args);
    command
}

/// Runs a command with our own stdout and stderr; any end but success is an error.
pub fn run(command: &mut Command) -> Result<(), String> {
    let status = command
        .status()
        .map_err(|error| format!("cannot start {}: {error}", show(command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{} ended with {status}", show(command)))
    }
}

/// Runs a command and returns what it wrote to stdout.
pub fn capture(command: &mut Command) -> Result<Vec<u8>, String> {
    let output = command
        .output()
        .map_err(|error| format!("cannot start {}: {error}", show(command)))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        let stderr = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "{} ended with {}: {}",
            show(command),
            output.status,
            stderr.trim()
        ))
    }
}

/// The command as one would type it; of the program only the file name.
pub fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut line = name.to_string_lossy().into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line += &arg.to_string_lossy();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_folder_that_holds_the_workspace() {
        let manifest = std::fs::read_to_string(root().unwrap().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    fn a_command_that_fails_is_an_error_that_shows_it() {
        let error = run(Command::new("false").arg("--now")).unwrap_err();
        assert!(error.starts_with("false --now ended with"), "{error}");
        assert!(capture(&mut Command::new("false")).is_err());
    }

    #[test]
    fn what_a_command_writes_is_captured() {
        assert_eq!(capture(Command::new("echo").arg("x")).unwrap(), b"x\n");
    }
}
