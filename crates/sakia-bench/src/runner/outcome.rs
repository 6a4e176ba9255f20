//! What came of one mode: the figures of each system, and who is the cheapest of whom.

use super::modes::{Figure, Mode, Target};
use super::one::Figures;
use super::rounds::Rounds;
use super::systems::{Role, SAKIA_TUNED, System};

/// One mode: the rounds of all its systems.
pub struct Outcome {
    pub mode: &'static Mode,
    pub rows: Vec<Row>,
    /// Whether the contenders have more rounds than were asked for.
    pub went_on: bool,
}

pub struct Row {
    pub system: &'static System,
    figures: Vec<(String, Rounds)>,
    pub state: State,
}

#[derive(PartialEq, Eq)]
pub enum State {
    Runs,
    /// The mode is none of its.
    Cannot,
    /// It has failed, in so many rounds.
    Failed(usize),
}

/// A system, and what it costs.
pub type Cheapest = Option<(&'static str, f64)>;

/// How many connections had no answer while it was counted.
pub const UNSERVED: &str = "unserved";

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
            went_on: false,
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

    /// Has this one told the figure that counts? That it cannot is an answer too, of everyone but sakia.
    pub fn has_answered(&self, at: usize) -> bool {
        let row = &self.rows[at];
        match row.state {
            State::Runs => row.get(self.mode.figure.name()).is_some(),
            State::Cannot => row.system.role != Role::Sakia,
            State::Failed(_) => false,
        }
    }

    pub fn add(&mut self, at: usize, result: Result<Figures, String>) {
        let name = self.mode.figure.name();
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

    /// What sakia costs by a figure, in its first run and in its second.
    pub fn sakia(&self, figure: Figure) -> (Option<f64>, Option<f64>) {
        let is_sakia = |row: &&Row| row.system.role == Role::Sakia;
        let mut both = self.rows.iter().filter(is_sakia);
        let mut next = || both.next().and_then(|row| row.cost(figure));
        (next(), next())
    }

    /// Whether sakia with its best flags is cheaper than sakia as it comes, by the figure that counts: then it stands beside the peers, who count by their best flags too.
    pub fn is_better_tuned(&self) -> bool {
        let (figure, tuned) = (self.mode.figure, self.tuned(self.mode.figure));
        matches!((tuned, self.sakia(figure).0), (Some(tuned), Some(sakia)) if tuned < sakia)
    }

    /// What sakia with its best flags costs by a figure, where it runs.
    pub fn tuned(&self, figure: Figure) -> Option<f64> {
        let tuned = self.rows.iter().find(|row| row.system.name == SAKIA_TUNED);
        tuned?.cost(figure)
    }

    /// The cheapest by a figure, of those that are wanted and have served all connections: who leaves some out does less than the others, and its figures are of the rest.
    pub fn cheapest(&self, figure: Figure, wanted: impl Fn(&System) -> bool) -> Cheapest {
        let wanted = self.rows.iter().filter(|row| wanted(row.system));
        wanted
            .filter(|row| row.unserved() == 0.0)
            .filter_map(|row| Some((row.system.name, row.cost(figure)?)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The cheapest of a role.
    pub fn best(&self, figure: Figure, role: Role) -> Cheapest {
        self.cheapest(figure, |system| system.role == role)
    }

    /// sakia and the best peer, each in multiples of the best floor; of the target's system, if there is no floor.
    pub fn over_the_floor(&self) -> Option<(f64, Cheapest)> {
        let figure = self.mode.figure;
        let base = self
            .best(figure, Role::Floor)
            .or_else(|| match self.mode.target {
                Target::Of(names, _) => {
                    self.cheapest(figure, |system| names.contains(&system.name))
                }
                _ => None,
            });
        let (_, base) = base?;
        let peer = self.best(figure, Role::Peer);
        let peer = peer.map(|(name, cost)| (name, cost / base));
        Some((self.sakia(figure).0? / base, peer))
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

    pub fn get(&self, name: &str) -> Option<&Rounds> {
        let found = self.figures.iter().find(|(known, _)| known == name);
        found.map(|(_, rounds)| rounds)
    }

    /// What it costs by a figure: the median, or one over the median of a rate.
    pub fn cost(&self, figure: Figure) -> Option<f64> {
        let median = self.get(figure.name())?.median()?;
        Some(match figure {
            Figure::Cost(_) => median,
            Figure::Rate(_) => 1.0 / median,
        })
    }

    /// How many connections had no answer in the middle one of the rounds.
    pub fn unserved(&self) -> f64 {
        let unserved = self.get(UNSERVED).and_then(Rounds::median);
        unserved.unwrap_or(0.0)
    }

    fn failures(&self) -> usize {
        match self.state {
            State::Failed(times) => times,
            _ => 0,
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::super::modes::MODES;
    use super::super::systems;
    use super::*;

    /// What one round has brought, by the figure that counts.
    pub fn outcome(mode: &str, figures: &[(&str, f64)]) -> Outcome {
        let mode = MODES.iter().find(|known| known.name == mode).unwrap();
        let systems: Vec<_> = figures
            .iter()
            .map(|(name, _)| systems::find(name))
            .collect();
        let mut outcome = Outcome::new(mode, &systems);
        for (at, (_, value)) in figures.iter().enumerate() {
            outcome.add(at, Ok(vec![(mode.figure.name().to_owned(), *value)]));
        }
        outcome
    }

    #[test]
    fn ratios_are_of_costs_whether_the_figure_is_a_cost_or_a_rate() {
        let nop = outcome(
            "nop-1",
            &[("sakia", 130.0), ("floor", 100.0), ("compio", 200.0)],
        );
        assert_eq!(nop.over_the_floor(), Some((1.3, Some(("compio", 2.0)))));
        let rates = [
            ("sakia", 50.0),
            ("floor single-shot", 100.0),
            ("floor multishot", 80.0),
        ];
        assert_eq!(
            outcome("echo-1-64-1", &rates).over_the_floor(),
            Some((2.0, None))
        );
    }

    #[test]
    fn who_leaves_connections_out_is_not_the_cheapest() {
        let rates = [("sakia", 50.0), ("a10", 100.0), ("monoio", 80.0)];
        let mut echo = outcome("echo-500-65536-1", &rates);
        let best = |echo: &Outcome| echo.best(echo.mode.figure, Role::Peer).map(|best| best.0);
        assert_eq!(best(&echo), Some("a10"));
        for (at, unserved) in [(1, 160.0), (2, 0.0)] {
            echo.rows[at].add(UNSERVED.to_owned(), unserved);
        }
        assert_eq!(best(&echo), Some("monoio"));
        (0..2).for_each(|_| echo.rows[1].add(UNSERVED.to_owned(), 0.0));
        assert_eq!(best(&echo), Some("a10"), "it was once, of three times");
    }

    #[test]
    fn a_system_that_cannot_or_fails_again_is_tried_no_more() {
        let mut nop = outcome("nop-1", &[("sakia", 1.0), ("floor", 1.0)]);
        nop.add(0, Err("it broke".to_owned()));
        assert!(!nop.is_out(0));
        nop.add(0, Ok(vec![("other".to_owned(), 1.0)]));
        assert!(nop.is_out(0));
        assert!(nop.has_answered(1) && !nop.has_answered(0));
        nop.add(1, Ok(Vec::new()));
        assert!(nop.is_out(1));
    }

    #[test]
    fn that_it_cannot_is_an_answer_of_the_floor_and_none_of_sakia() {
        let mut nop = outcome("nop-1", &[("sakia", 1.0), ("floor", 1.0)]);
        nop.add(0, Ok(Vec::new()));
        nop.add(1, Ok(Vec::new()));
        assert!(nop.has_answered(1) && !nop.has_answered(0));
    }

    #[test]
    fn without_a_floor_the_base_is_the_system_of_the_target() {
        let serve = outcome(
            "serve-small",
            &[("sakia-serve", 200.0), ("tokio's twin", 100.0)],
        );
        assert_eq!(serve.over_the_floor(), Some((0.5, None)));
        let alone = outcome("task-memory", &[("sakia", 1.0)]);
        assert_eq!(alone.over_the_floor(), None);
    }
}
