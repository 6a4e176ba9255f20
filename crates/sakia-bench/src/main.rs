//! `cargo xtask bench`: picks the modes and runs them. One file a family of modes; what a runtime does in one is in `bin/`.

mod rounds;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<(), String> {
    let (mut rounds, mut modes) = (9, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--rounds" => {
                let number = words.next().ok_or("--rounds needs a number")?;
                rounds = number.parse().map_err(|_| "--rounds needs a number")?;
            }
            mode => modes.push(mode),
        }
    }
    for mode in &modes {
        match *mode {
            "serve" => serve::run(rounds)?,
            other => return Err(format!("there is no mode `{other}`; there is: serve")),
        }
    }
    if modes.is_empty() {
        return Err("say which mode; there is: serve".into());
    }
    Ok(())
}
