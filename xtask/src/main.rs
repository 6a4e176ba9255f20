//! The checks of the house: `cargo xtask <command>`.
//!
//! This file only picks the command. Every command is one row of [`COMMANDS`] and one file of its own, so a new one
//! is a `mod` line, a row and a file. What a check demands is never written here.
#![forbid(unsafe_code)]

mod bench;
mod ci;
mod cmd;
mod docsrs;
mod emulated;
mod layers;
mod loom;
mod mutants;
mod nightly;
mod package;
mod sanitize;
mod sim;
mod skips;
mod stress;
mod tidy;

use std::path::Path;
use std::process::ExitCode;

/// One word after `cargo xtask`.
struct Command {
    name: &'static str,
    about: &'static str,
    run: Run,
}

enum Run {
    /// It takes no further words.
    Plain(fn(root: &Path) -> Result<(), String>),
    /// It is given the words that follow.
    With(fn(root: &Path, words: &[&str]) -> Result<(), String>),
}

const COMMANDS: &[Command] = &[
    Command {
        name: "ci",
        about: "everything that must be green before a change goes in",
        run: Run::Plain(ci::run),
    },
    Command {
        name: "layers",
        about: "who may import whom, held against `cargo metadata`",
        run: Run::Plain(layers::run),
    },
    Command {
        name: "tidy",
        about: "the rules of the house about source files",
        run: Run::Plain(tidy::run),
    },
    Command {
        name: "loom",
        about: "models of the wakes, the end and the handles, in every interleaving: --preemptions N",
        run: Run::With(loom::run),
    },
    Command {
        name: "bench",
        about: "measures side by side, in rounds: [MODE|GROUP…] --peers, --rounds N (default 9), --name NAME",
        run: Run::With(bench::run),
    },
    Command {
        name: "sanitize",
        about: "the suite under AddressSanitizer and ThreadSanitizer: [address|thread [TEST]]; nightly",
        run: Run::With(sanitize::run),
    },
    Command {
        name: "mutants",
        about: "cargo-mutants where the promise rests: [FILE…]; takes hours",
        run: Run::With(mutants::run),
    },
    Command {
        name: "package",
        about: "the published crates as the registry would get them: --no-verify",
        run: Run::With(package::run),
    },
    Command {
        name: "docsrs",
        about: "the documentation as docs.rs builds it; nightly",
        run: Run::Plain(docsrs::run),
    },
    Command {
        name: "sim",
        about: "random programs on the simulated kernel: --seeds N (default 2000 a test), --from SEED",
        run: Run::With(sim::run),
    },
    Command {
        name: "emulated",
        about: "the suites on epoll and threads instead of io_uring: [short]",
        run: Run::With(emulated::run),
    },
    Command {
        name: "stress",
        about: "random programs, watched from outside: --minutes N (default 5), --seed N",
        run: Run::With(stress::run),
    },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match dispatch(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(words: &[&str]) -> Result<(), String> {
    match words {
        ["help" | "--help" | "-h"] => {
            print!("{}", help());
            Ok(())
        }
        [] => Err(format!("say what to do\n{}", help())),
        [name, rest @ ..] => {
            let command =
                find(name).ok_or_else(|| format!("there is no command `{name}`\n{}", help()))?;
            match command.run {
                Run::With(run) => run(&cmd::root()?, rest),
                Run::Plain(run) if rest.is_empty() => run(&cmd::root()?),
                Run::Plain(_) => Err(format!("`{name}` takes no arguments, but got {rest:?}")),
            }
        }
    }
}

fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

fn help() -> String {
    let mut text = String::from("cargo xtask <command>\n\n");
    for command in COMMANDS {
        text += &format!("  {:<9} {}\n", command.name, command.about);
    }
    text += "  help      this page\n";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_every_command() {
        for command in COMMANDS {
            assert!(help().contains(&format!("  {} ", command.name)));
        }
        assert_eq!(dispatch(&["help"]), Ok(()));
    }

    #[test]
    fn an_unknown_command_is_an_error_that_shows_the_help() {
        let error = dispatch(&["cy"]).unwrap_err();
        assert!(error.contains("no command `cy`"));
        assert!(error.contains("cargo xtask <command>"));
    }

    #[test]
    fn no_command_and_stray_arguments_are_errors() {
        assert!(dispatch(&[]).is_err());
        assert!(dispatch(&["tidy", "--fix"]).unwrap_err().contains("--fix"));
    }
}
