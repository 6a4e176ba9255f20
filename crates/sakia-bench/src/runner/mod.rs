//! The runner: the rounds of each mode, one system after another, and the report.

mod chart;
mod course;
pub mod instructions;
mod interrupt;
mod machine;
mod modes;
mod one;
mod outcome;
pub mod plan;
mod progress;
mod report;
mod rounds;
mod systems;
mod verdict;

use std::path::{Path, PathBuf};

use interrupt::Interrupt;
use machine::Machine;
use one::Runs;
use outcome::Outcome;
use plan::Plan;
use progress::Progress;

/// Where the programs, the data and the reports are.
struct Folders {
    programs: PathBuf,
    data: PathBuf,
    reports: PathBuf,
}

const BIG: u64 = 256 << 20;
const LITTLE: u64 = 1 << 20;

/// Runs the plan. The smoke writes no report, and every system in it must tell its figure, or, if it is not sakia, that it cannot.
pub fn run(plan: &Plan) -> Result<(), String> {
    let folders = Folders::find(plan.smoke)?;
    folders.make_data(plan.smoke)?;
    let begin = Machine::look();
    let mut runs = Runs::new(&folders.programs, &folders.data, plan.smoke);
    let mut outcomes = Vec::new();
    let mut progress = Progress::of(plan);
    let interrupt = Interrupt::by_signal();
    for mode in &plan.modes {
        let measure = |system| (!interrupt.is_raised()).then(|| runs.one(mode, system));
        let Some(outcome) = course::run(plan, mode, measure)? else {
            return Err(format!("interrupted in {}", mode.name));
        };
        if plan.smoke {
            // It measures nothing that may be told.
            println!("{}", mode.name);
            continue;
        }
        println!("{} {}", progress.after(mode), report::line(&outcome));
        outcomes.push(outcome);
        // After each mode: what is measured already is not lost if the rest fails, or is interrupted.
        write(plan, &folders.reports, &begin, &outcomes)?;
    }
    Ok(())
}

fn write(plan: &Plan, folder: &Path, begin: &Machine, all: &[Outcome]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("no report: {error}");
    std::fs::create_dir_all(folder).map_err(failed)?;
    let text = report::markdown(plan, begin, &Machine::look(), all);
    let source = report::source(plan, begin);
    std::fs::write(folder.join(format!("{}.md", plan.name)), text).map_err(failed)?;
    chart::draw(&folder.join(format!("{}.svg", plan.name)), &source, all)
}

impl Folders {
    /// With little data where nothing is measured.
    fn find(little: bool) -> Result<Self, String> {
        let this = std::env::current_exe().map_err(|error| format!("who am I? {error}"))?;
        let programs = this.parent().ok_or("the programs have no folder")?;
        let target = programs.parent().ok_or("the target has no folder")?;
        Ok(Self {
            programs: programs.to_owned(),
            data: target.join(if little { "smoke-data" } else { "data" }),
            reports: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/benchmarks"),
        })
    }
    fn make_data(&self, little: bool) -> Result<(), String> {
        let big = if little { LITTLE } else { BIG };
        sakia_bench::data::make(&self.data, big).map_err(|error| format!("no data: {error}"))
    }
}
