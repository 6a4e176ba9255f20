//! The stress: random programs in a child process, whose descriptors, threads and memory a parent watches from outside.
//!
//! `cargo xtask stress --minutes N` runs it long; `cargo test` runs the short form. The same binary is both sides: without a word it is
//! the watcher (`watcher.rs`), which starts itself again as the program (`program.rs`). After every round of the
//! program everything must be as it was at the start. A failure names its seed; `--seed N` begins there.

mod acts;
mod chance;
mod echo;
mod messages;
mod program;
mod streams;
mod watcher;

use std::process::ExitCode;
use std::time::Duration;

use counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How long the short form runs.
const SHORT: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match parse(&words) {
        Ok(Role::Program { echo, dir }) => program::run(echo, dir.as_ref()),
        Ok(Role::Watcher { time, seed }) => watcher::run(time, seed),
        Ok(Role::NotMeant) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("stress: {why}");
            ExitCode::FAILURE
        }
    }
}

enum Role {
    Watcher {
        time: Duration,
        seed: u64,
    },
    Program {
        echo: u16,
        dir: String,
    },
    /// libtest's words: a filter that names another test, a list that is asked for.
    NotMeant,
}

fn parse(words: &[&str]) -> Result<Role, String> {
    if let ["program", echo, dir] = words {
        let echo = echo.parse().map_err(|_| "the program needs a port")?;
        let dir = (*dir).to_owned();
        return Ok(Role::Program { echo, dir });
    }
    let (mut time, mut seed) = (SHORT, watcher::seed_of_now());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || {
            let word = words.next().ok_or("a number is missing")?;
            word.parse::<u64>()
                .map_err(|_| format!("`{word}` is no number"))
        };
        match *word {
            "--minutes" => time = Duration::from_secs(60 * number()?),
            "--seconds" => time = Duration::from_secs(number()?),
            "--seed" => seed = number()?,
            "--list" | "--exact" => return Ok(Role::NotMeant),
            flag if flag.starts_with('-') => {}
            filter if "stress".contains(filter) => {}
            _ => return Ok(Role::NotMeant),
        }
    }
    Ok(Role::Watcher { time, seed })
}
