//! How far a run is, and when it will have ended.

use std::time::{Duration, Instant};

use super::modes::Mode;
use super::plan::Plan;

pub struct Progress<'a> {
    plan: &'a Plan,
    begin: Instant,
    modes: usize,
    measures: usize,
}

impl<'a> Progress<'a> {
    pub fn of(plan: &'a Plan) -> Self {
        Self {
            plan,
            begin: Instant::now(),
            modes: 0,
            measures: 0,
        }
    }

    /// One more mode is done.
    pub fn after(&mut self, mode: &Mode) -> String {
        self.modes += 1;
        self.measures += self.plan.measures_of(mode);
        self.show(self.begin.elapsed())
    }

    /// The rest takes as long as what is done, by the measures that are asked for: that contenders go on is in the time of what is done, and is so expected of the rest.
    fn show(&self, took: Duration) -> String {
        let modes = &self.plan.modes;
        let rest = modes[self.modes..].iter();
        let rest: usize = rest.map(|mode| self.plan.measures_of(mode)).sum();
        let left = took.mul_f64(rest as f64 / self.measures.max(1) as f64);
        format!(
            "[{}/{} in {}, {} to go]",
            self.modes,
            modes.len(),
            minutes(took),
            minutes(left)
        )
    }
}

fn minutes(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_what_is_done() {
        let words = ["nop", "zero-1", "--rounds", "4"].map(str::to_owned);
        let plan = Plan::read(&words).unwrap();
        let mut progress = Progress::of(&plan);
        progress.after(plan.modes[0]);
        // Three systems in a no-op, five in a read: 12 measures of 44 are done.
        assert_eq!(
            progress.show(Duration::from_secs(60)),
            "[1/3 in 1:00, 2:40 to go]"
        );
    }
}
