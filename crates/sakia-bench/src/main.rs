//! `cargo xtask bench`: runs the systems in the modes, in rounds, and writes down what came of it.
//!
//! Who runs in what, and how far sakia may be from whom, is data: [`runner::systems`] and [`runner::modes`]. Nothing here knows a runtime.

mod runner;

use std::process::ExitCode;

use runner::plan::Plan;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.as_slice() {
        [word] if word == "instructions" => runner::instructions::run(),
        words => Plan::read(words).and_then(|plan| runner::run(&plan)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}
