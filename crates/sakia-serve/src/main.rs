//! The program: reads its arguments and hands them to the library. Everything else is there.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use sakia_serve::Args;

fn main() -> ExitCode {
    sakia_serve::run(&Args::parse())
}
