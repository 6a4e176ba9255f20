//! What is asked of sakia in a mode, and whether it is so: its targets, and that no peer is ahead.

use super::modes::{Figure, Target};
use super::outcome::{Outcome, Row, UNSERVED};
use super::rounds::short;
use super::systems::Role;

/// One thing that is asked, with what was found.
#[derive(Debug, PartialEq)]
pub struct Verdict {
    pub text: String,
    found: f64,
    most: f64,
}

/// What is found this near to what it is held to, on either side, may be so by luck.
pub const NEAR: f64 = 0.04;

impl Verdict {
    /// So much of whom, and of what if it is not the figure that counts.
    fn new(what: &str, found: f64, of: &str, most: f64) -> Self {
        let text = format!("{what}{}{of}, at most {}", short(found), short(most));
        Self { text, found, most }
    }

    pub fn is_met(&self) -> bool {
        self.found <= self.most
    }

    fn is_undecided(&self) -> bool {
        (self.found - self.most).abs() <= NEAR * self.most
    }
}

/// Would more rounds be worth it? Whether it is met or missed by a hair makes no difference.
pub fn is_undecided(outcome: &Outcome) -> bool {
    of(outcome).iter().any(Verdict::is_undecided)
}

/// Everything that is asked of sakia in this mode and was measured.
pub fn of(outcome: &Outcome) -> Vec<Verdict> {
    let mode = outcome.mode;
    let mut all = Vec::new();
    all.extend(against(outcome, mode.figure, mode.target));
    all.extend(beside_peers(outcome, mode.figure));
    for also in mode.also {
        all.extend(against(outcome, also.figure, also.target));
        if also.figure.name() != mode.figure.name() {
            all.extend(beside_peers(outcome, also.figure));
        }
    }
    all.extend(left_out(outcome));
    all
}

/// That nobody is left out is asked of sakia, too; it is not worth a word where nobody is.
fn left_out(outcome: &Outcome) -> Option<Verdict> {
    let is_sakia = |row: &&Row| row.system.role == Role::Sakia;
    let most = outcome.rows.iter().filter(is_sakia).map(Row::unserved);
    let most = most.fold(0.0, f64::max);
    (most > 0.0).then(|| Verdict::new(&format!("{UNSERVED} "), most, "", 0.0))
}

fn against(outcome: &Outcome, figure: Figure, target: Target) -> Option<Verdict> {
    let sakia = outcome.sakia(figure).0?;
    let (found, of, most) = match target {
        Target::Of(names, most) => {
            let (name, cost) = outcome.cheapest(figure, |system| names.contains(&system.name))?;
            (sakia / cost, format!(" of {name}"), most)
        }
        Target::Most(most) => (sakia, String::new(), most),
        Target::None => return None,
    };
    Some(Verdict::new(&name_of(outcome, figure), found, &of, most))
}

/// The best peer costs as much or more, or less by no more than sakia differs from itself. Of a peer the better of its rows counts, and so it does of sakia: by the
/// figure that counts, for all figures.
fn beside_peers(outcome: &Outcome, figure: Figure) -> Option<Verdict> {
    let (sakia, again) = outcome.sakia(figure);
    let (sakia, (name, peer)) = (sakia?, outcome.best(figure, Role::Peer)?);
    let spread = again.map_or(1.0, |again| (again / sakia).max(sakia / again));
    let (which, sakia) = match outcome.is_better_tuned() {
        true => ("tuned ", outcome.tuned(figure)?),
        false => ("", sakia),
    };
    let what = format!("{}{which}", name_of(outcome, figure));
    let of = format!(" of {name}");
    Some(Verdict::new(&what, sakia / peer, &of, spread))
}

/// A figure is named unless it is the one that counts.
fn name_of(outcome: &Outcome, figure: Figure) -> String {
    match figure.name() {
        name if name == outcome.mode.figure.name() => String::new(),
        name => format!("{name} "),
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::outcome;
    use super::*;

    fn texts(outcome: &Outcome) -> Vec<(String, bool)> {
        of(outcome)
            .into_iter()
            .map(|one| (one.is_met(), one.text))
            .map(|(met, text)| (text, met))
            .collect()
    }

    #[test]
    fn a_target_is_of_the_cheapest_of_the_systems_that_it_names() {
        let nop = outcome("nop-1", &[("sakia", 130.0), ("floor", 100.0)]);
        assert_eq!(
            texts(&nop),
            [("1.30 of floor, at most 1.35".to_owned(), true)]
        );
        let just = outcome("nop-1", &[("sakia", 135.0), ("floor", 100.0)]);
        assert!(of(&just)[0].is_met(), "at most is not less than");
        let rates = [
            ("sakia", 50.0),
            ("floor multishot", 200.0),
            ("floor single-shot", 60.0),
            ("floor single-shot direct", 100.0),
        ];
        let echo = outcome("echo-1-64-1", &rates);
        let missed = "2.00 of floor single-shot direct, at most 1.04".to_owned();
        assert_eq!(texts(&echo), [(missed, false)]);
    }

    #[test]
    fn a_peer_may_be_ahead_by_no_more_than_sakia_differs_from_itself() {
        let with = |peer| {
            let costs = [("sakia", 100.0), ("sakia again", 104.0), ("monoio", peer)];
            texts(&outcome("task-memory", &costs)).pop().unwrap()
        };
        assert_eq!(
            with(97.0),
            ("1.03 of monoio, at most 1.04".to_owned(), true)
        );
        assert_eq!(
            with(90.0),
            ("1.11 of monoio, at most 1.04".to_owned(), false)
        );
    }

    #[test]
    fn beside_the_peers_sakia_counts_by_its_better_row_and_of_the_floor_as_it_comes() {
        let with = |tuned: f64, tuned_cpu: f64| {
            let names = ["sakia", "sakia tuned", "floor single-shot", "a10"];
            let rates = [50.0, tuned, 50.0, 100.0].map(|rate| ("rate", rate));
            let cpus = [10.0, tuned_cpu, 10.0, 10.0].map(|cpu| ("server_cpu_ns", cpu));
            let mut echo = outcome("echo-1-64-1", &names.map(|name| (name, 0.0)));
            for (at, both) in rates.into_iter().zip(cpus).enumerate() {
                let figures = [both.0, both.1].map(|(name, value)| (name.to_owned(), value));
                echo.rows[at] = Outcome::new(echo.mode, &[echo.rows[at].system])
                    .rows
                    .remove(0);
                echo.add(at, Ok(figures.to_vec()));
            }
            texts(&echo)
                .into_iter()
                .map(|(text, _)| text)
                .collect::<Vec<_>>()
        };
        let floor = "1.00 of floor single-shot, at most 1.04";
        assert_eq!(
            with(200.0, 30.0),
            [
                floor,
                "tuned 0.50 of a10, at most 1.00",
                "server_cpu_ns 1.00 of floor single-shot, at most 1.04",
                "server_cpu_ns tuned 3.00 of a10, at most 1.00",
            ]
        );
        assert_eq!(with(40.0, 5.0)[1], "2.00 of a10, at most 1.00");
        assert_eq!(
            with(40.0, 5.0)[3],
            "server_cpu_ns 1.00 of a10, at most 1.00"
        );
    }

    #[test]
    fn a_hair_is_undecided_on_either_side() {
        let with = |cost| is_undecided(&outcome("nop-1", &[("sakia", cost), ("floor", 100.0)]));
        // It is held to 1.35: 4 % of that are 0.054.
        for (cost, undecided) in [
            (129.0, false),
            (130.0, true),
            (135.0, true),
            (140.0, true),
            (141.0, false),
        ] {
            assert_eq!(with(cost), undecided, "{cost}");
        }
        let peers = [("sakia", 50.0), ("monoio", 51.0), ("floor", 100.0)];
        assert!(is_undecided(&outcome("nop-1", &peers)), "beside the peers");
        assert!(!is_undecided(&outcome("nop-1", &[("floor", 1.0)])));
    }

    #[test]
    fn that_sakia_leaves_connections_out_is_missed() {
        let with = |unserved| {
            let mut echo = outcome("echo-500-64-1", &[("sakia", 1.0)]);
            let figures = vec![("rate".to_owned(), 1.0), (UNSERVED.to_owned(), unserved)];
            echo.add(0, Ok(figures));
            texts(&echo)
        };
        assert_eq!(with(0.0), []);
        let missed = "unserved 3.00, at most 0.00".to_owned();
        assert_eq!(with(3.0), [(missed, false)]);
    }

    #[test]
    fn what_is_compared_beside_has_targets_of_its_own() {
        let mut echo = outcome("echo-1-64-1", &[("sakia", 1.0), ("monoio", 1.0)]);
        for (at, cpu) in [(0, 120.0), (1, 100.0)] {
            let figures = vec![("rate".to_owned(), 1.0), ("server_cpu_ns".to_owned(), cpu)];
            echo.add(at, Ok(figures));
        }
        let behind = "server_cpu_ns 1.20 of monoio, at most 1.00".to_owned();
        assert_eq!(texts(&echo).pop().unwrap(), (behind, false));
    }
}
