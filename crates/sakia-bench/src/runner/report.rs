//! What came of the rounds: medians, ratios, and the tables.

use std::fmt::Write as _;

use super::machine::{Machine, versions};
use super::modes::{Figure, Mode, Target};
use super::one::Figures;
use super::rounds::{Rounds, short};
use super::systems::{Role, System};

/// The packages whose versions a report tells.
const VERSIONS: &[&str] = &[
    "a10",
    "compio",
    "glommio",
    "hyper",
    "io-uring",
    "kimojio",
    "monoio",
    "smol",
    "tokio",
    "tokio-uring",
];
/// The figures that stand beside the one that counts.
const BESIDE: &[&str] = &[
    "cpu_ns",
    "server_cpu_ns",
    "p50_us",
    "p99_us",
    "late_us",
    "fds_now",
    "fds_later",
];

/// One mode: the rounds of all its systems.
pub struct Outcome {
    pub mode: &'static Mode,
    rows: Vec<Row>,
}

struct Row {
    system: &'static System,
    figures: Vec<(String, Rounds)>,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Runs,
    /// The mode is none of its.
    Cannot,
    /// It has failed, in so many rounds.
    Failed(usize),
}

/// A system that does not work this often is not tried again.
const MOST_FAILURES: usize = 2;

impl Outcome {
    pub fn new(mode: &'static Mode, systems: &[&'static System]) -> Self {
        let row = |system: &&'static System| Row {
            system,
            figures: Vec::new(),
            state: State::Runs,
        };
        Self {
            mode,
            rows: systems.iter().map(row).collect(),
        }
    }

    /// Is there no point in trying this one again?
    pub fn is_out(&self, at: usize) -> bool {
        match self.rows[at].state {
            State::Runs => false,
            State::Cannot => true,
            State::Failed(times) => times >= MOST_FAILURES,
        }
    }

    /// Has this one told the figure that counts, and did it not fail?
    pub fn has_told(&self, at: usize) -> bool {
        let row = &self.rows[at];
        row.state == State::Runs && row.get(self.figure_name()).is_some()
    }

    pub fn add(&mut self, at: usize, result: Result<Figures, String>) {
        let name = self.figure_name();
        let row = &mut self.rows[at];
        match result {
            Ok(figures) if figures.is_empty() => row.state = State::Cannot,
            Ok(figures) if figures.iter().any(|(found, _)| found == name) => {
                figures
                    .into_iter()
                    .for_each(|(name, value)| row.add(name, value));
            }
            _ => row.state = State::Failed(row.failures() + 1),
        }
    }

    /// The name of the figure that counts.
    fn figure_name(&self) -> &'static str {
        match self.mode.figure {
            Figure::Cost(name) | Figure::Rate(name) => name,
        }
    }

    fn cost(&self, row: &Row) -> Option<f64> {
        let median = row.get(self.figure_name())?.median()?;
        Some(match self.mode.figure {
            Figure::Cost(_) => median,
            Figure::Rate(_) => 1.0 / median,
        })
    }

    fn cost_of(&self, wanted: impl Fn(&System) -> bool) -> Option<f64> {
        let row = self.rows.iter().find(|row| wanted(row.system))?;
        self.cost(row)
    }

    /// What sakia costs, in its first run and in its second.
    fn sakia(&self) -> (Option<f64>, Option<f64>) {
        let mut both = self
            .rows
            .iter()
            .filter(|row| row.system.role == Role::Sakia);
        let mut next = || both.next().and_then(|row| self.cost(row));
        (next(), next())
    }

    /// The cheapest of a role, and what it costs.
    fn best(&self, role: Role) -> Option<(&'static str, f64)> {
        self.rows
            .iter()
            .filter(|row| row.system.role == role)
            .filter_map(|row| Some((row.system.name, self.cost(row)?)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// sakia and the best peer, each in multiples of the best floor; of the target's system, if there is no floor.
    pub fn over_the_floor(&self) -> Option<(f64, Option<f64>)> {
        let base = self.best(Role::Floor).map(|(_, cost)| cost);
        let base = base.or_else(|| match self.mode.target {
            Target::Of(name, _) => self.cost_of(|system| system.name == name),
            _ => None,
        })?;
        let peer = self.best(Role::Peer).map(|(_, cost)| cost / base);
        Some((self.sakia().0? / base, peer))
    }

    /// sakia's cost against its target, and whether it is met.
    fn against_target(&self) -> Option<(String, bool)> {
        let sakia = self.sakia().0?;
        match self.mode.target {
            Target::Of(name, most) => {
                let ratio = sakia / self.cost_of(|system| system.name == name)?;
                Some((
                    format!("{ratio:.2} of {name}, at most {most:.2}"),
                    ratio <= most,
                ))
            }
            Target::Most(most) => {
                Some((format!("{}, at most {most}", short(sakia)), sakia <= most))
            }
            Target::None => None,
        }
    }

    /// One line for whoever waits.
    pub fn line(&self) -> String {
        let target = self.against_target().map_or(String::new(), |(text, met)| {
            format!(": {text}{}", if met { "" } else { " MISSED" })
        });
        format!("{}{target}", self.mode.name)
    }

    /// Its row of the table in the front.
    fn summary(&self) -> String {
        let (sakia, again) = self.sakia();
        let ratio = |best: Option<(&str, f64)>| match (sakia, best) {
            (Some(sakia), Some((name, cost))) => format!("{:.2} ({name})", sakia / cost),
            _ => "–".to_owned(),
        };
        let again = match (sakia, again) {
            (Some(sakia), Some(again)) => format!("{:.2}", again / sakia),
            _ => "–".to_owned(),
        };
        let target = match self.against_target() {
            Some((text, true)) => text,
            Some((text, false)) => format!("**{text}**"),
            None => "–".to_owned(),
        };
        format!(
            "| {} | {} | {} | {} | {again} | {target} |",
            self.mode.name,
            self.figure_name(),
            ratio(self.best(Role::Floor)),
            ratio(self.best(Role::Peer)),
        )
    }

    /// All its systems, the cheapest first.
    fn table(&self) -> String {
        let counts = self.figure_name();
        let beside: Vec<&str> = BESIDE
            .iter()
            .copied()
            .filter(|name| *name != counts && self.rows.iter().any(|row| row.get(name).is_some()))
            .collect();
        let mut text = format!("### {}\n\n| system | {counts} |", self.mode.name);
        beside.iter().for_each(|name| text += &format!(" {name} |"));
        text += " × floor | × peer |\n|---|---|";
        text += &"---|".repeat(beside.len() + 2);
        text.push('\n');
        let (floor, peer) = (self.best(Role::Floor), self.best(Role::Peer));
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        let order = |row: &&Row| self.cost(row).unwrap_or(f64::INFINITY);
        rows.sort_by(|a, b| order(a).total_cmp(&order(b)));
        for row in rows {
            let _ = write!(text, "| {} | {} |", row.system.name, row.show(counts));
            for name in &beside {
                let median = row.get(name).and_then(Rounds::median);
                let _ = write!(text, " {} |", median.map_or("–".to_owned(), short));
            }
            for best in [floor, peer] {
                let ratio = match (self.cost(row), best) {
                    (Some(cost), Some((_, best))) => format!("{:.2}", cost / best),
                    _ => "–".to_owned(),
                };
                let _ = write!(text, " {ratio} |");
            }
            text.push('\n');
        }
        text
    }
}

impl Row {
    fn add(&mut self, name: String, value: f64) {
        let place = self.figures.iter().position(|(known, _)| *known == name);
        let place = place.unwrap_or_else(|| {
            self.figures.push((name, Rounds::default()));
            self.figures.len() - 1
        });
        self.figures[place].1.add(value);
    }

    fn get(&self, name: &str) -> Option<&Rounds> {
        let found = self.figures.iter().find(|(known, _)| known == name);
        found.map(|(_, rounds)| rounds)
    }

    fn failures(&self) -> usize {
        match self.state {
            State::Failed(times) => times,
            _ => 0,
        }
    }

    /// The figure, and how often there was none.
    fn show(&self, name: &str) -> String {
        let figure = self.get(name).map(Rounds::show);
        match (figure, &self.state) {
            (None, State::Cannot) => "cannot".to_owned(),
            (None, _) => "failed".to_owned(),
            (Some(figure), State::Failed(times)) => format!("{figure}, failed {times} times"),
            (Some(figure), _) => figure,
        }
    }
}

/// The whole report.
pub fn markdown(
    name: &str,
    rounds: usize,
    begin: &Machine,
    end: &Machine,
    all: &[Outcome],
) -> String {
    let mut text = format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench`; nothing in it is by hand. Figures are medians of {rounds} interleaved rounds, with the least and the most; ratios are of costs \
         (less is better; the cost of a rate is one over it). The last but one column of the first table is sakia against itself in the same rounds: what \
         differs by less differs by nothing.\n\n\
         * {}, Linux {}, {}\n* sakia at {}, {}\n* {}\n* load of the machine at the begin {}, at the end {}\n\n\
         ![sakia and its best peer over the floor]({name}.svg)\n\n\
         | mode | figure | sakia / best floor | sakia / best peer | sakia again / sakia | target |\n|---|---|---|---|---|---|\n",
        begin.date,
        begin.kernel,
        begin.cpu,
        begin.commit,
        begin.rustc,
        versions(VERSIONS),
        begin.load,
        end.load,
    );
    for outcome in all {
        let _ = writeln!(text, "{}", outcome.summary());
    }
    for outcome in all {
        let _ = write!(text, "\n{}", outcome.table());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::modes::MODES;
    use super::super::systems;
    use super::*;

    fn outcome(mode: &str, costs: &[(&str, f64)]) -> Outcome {
        let mode = MODES.iter().find(|known| known.name == mode).unwrap();
        let systems: Vec<_> = costs.iter().map(|(name, _)| systems::find(name)).collect();
        let mut outcome = Outcome::new(mode, &systems);
        for (at, (_, value)) in costs.iter().enumerate() {
            outcome.add(at, Ok(vec![(outcome.figure_name().to_owned(), *value)]));
        }
        outcome
    }

    #[test]
    fn ratios_are_of_costs_whether_the_figure_is_a_cost_or_a_rate() {
        let nop = outcome(
            "nop-1",
            &[("sakia", 130.0), ("floor", 100.0), ("compio", 200.0)],
        );
        assert_eq!(nop.over_the_floor(), Some((1.3, Some(2.0))));
        assert_eq!(
            nop.against_target(),
            Some(("1.30 of floor, at most 1.35".to_owned(), true))
        );
        let rates = [
            ("sakia", 50.0),
            ("floor single-shot", 100.0),
            ("floor multishot", 80.0),
        ];
        let echo = outcome("echo-1-64-1", &rates);
        assert_eq!(echo.over_the_floor(), Some((2.0, None)));
        assert!(echo.line().ends_with("MISSED"));
    }

    #[test]
    fn a_system_that_cannot_or_fails_again_is_tried_no_more() {
        let mut nop = outcome("nop-1", &[("sakia", 1.0), ("floor", 1.0)]);
        nop.add(0, Err("it broke".to_owned()));
        assert!(!nop.is_out(0));
        nop.add(0, Ok(vec![("other".to_owned(), 1.0)]));
        assert!(nop.is_out(0));
        assert!(nop.table().contains("failed 2 times"));
        assert!(nop.has_told(1) && !nop.has_told(0));
        nop.add(1, Ok(Vec::new()));
        assert!(!nop.has_told(1));
        assert!(nop.is_out(1));
    }

    #[test]
    fn without_a_floor_the_base_is_the_system_of_the_target() {
        let serve = outcome(
            "serve-small",
            &[("sakia-serve", 200.0), ("tokio's twin", 100.0)],
        );
        assert_eq!(serve.over_the_floor(), Some((0.5, None)));
        assert_eq!(
            outcome("timeout-op", &[("sakia", 1.0)]).over_the_floor(),
            None
        );
    }
}
