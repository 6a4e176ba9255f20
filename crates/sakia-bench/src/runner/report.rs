//! What came of the rounds as text: the verdicts in front, then a table for each mode.

use std::fmt::Write as _;

use super::course::{ALONG, TIMES};
use super::machine::{Machine, versions};
use super::outcome::{Cheapest, Outcome, Row, State, UNSERVED};
use super::plan::Plan;
use super::rounds::{Rounds, short};
use super::systems::Role;
use super::verdict::{self, NEAR, Verdict};

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
    UNSERVED,
    "late_us",
    "fds_now",
    "fds_later",
];

/// One line for whoever waits.
pub fn line(outcome: &Outcome) -> String {
    let mut text = marked(outcome);
    for verdict in verdict::of(outcome) {
        let missed = if verdict.is_met() { "" } else { " MISSED" };
        let _ = write!(text, "; {}{missed}", verdict.text);
    }
    text
}

/// The mode, with a star if its contenders went on.
fn marked(outcome: &Outcome) -> String {
    let star = if outcome.went_on { " *" } else { "" };
    format!("{}{star}", outcome.mode.name)
}

/// Its row of the table in the front.
fn summary(outcome: &Outcome) -> String {
    let figure = outcome.mode.figure;
    let (sakia, again) = outcome.sakia(figure);
    let ratio = |best: Cheapest| match (sakia, best) {
        (Some(sakia), Some((name, cost))) => format!("{:.2} ({name})", sakia / cost),
        _ => "–".to_owned(),
    };
    let again = match (sakia, again) {
        (Some(sakia), Some(again)) => format!("{:.2}", again / sakia),
        _ => "–".to_owned(),
    };
    let verdicts: Vec<String> = verdict::of(outcome)
        .into_iter()
        .map(|verdict| match (verdict.is_met(), verdict.text) {
            (true, text) => format!("{text}: met"),
            (false, text) => format!("**{text}: missed**"),
        })
        .collect();
    format!(
        "| {} | {} | {} | {} | {again} | {} |",
        marked(outcome),
        figure.name(),
        ratio(outcome.best(figure, Role::Floor)),
        ratio(outcome.best(figure, Role::Peer)),
        if verdicts.is_empty() {
            "–".to_owned()
        } else {
            verdicts.join("; ")
        },
    )
}

/// All its systems, the cheapest first.
fn table(outcome: &Outcome) -> String {
    let figure = outcome.mode.figure;
    let beside: Vec<&str> = BESIDE
        .iter()
        .copied()
        .filter(|name| *name != figure.name())
        .filter(|name| outcome.rows.iter().any(|row| row.get(name).is_some()))
        .collect();
    let mut text = format!(
        "### {}\n\n| system | rounds | {} |",
        outcome.mode.name,
        figure.name()
    );
    beside.iter().for_each(|name| text += &format!(" {name} |"));
    text += " × floor | × peer |\n|---|---|---|";
    text += &"---|".repeat(beside.len() + 2);
    text.push('\n');
    let bests = [Role::Floor, Role::Peer].map(|role| outcome.best(figure, role));
    let mut rows: Vec<&Row> = outcome.rows.iter().collect();
    let order = |row: &&Row| row.cost(figure).unwrap_or(f64::INFINITY);
    rows.sort_by(|a, b| order(a).total_cmp(&order(b)));
    for row in rows {
        let _ = write!(
            text,
            "| {} | {} | {} |",
            row.system.name,
            row.get(figure.name()).map_or(0, Rounds::count),
            show(row, figure.name())
        );
        for name in &beside {
            let median = row.get(name).and_then(Rounds::median);
            let _ = write!(text, " {} |", median.map_or("–".to_owned(), short));
        }
        for best in bests {
            let ratio = match (row.cost(figure), best) {
                (Some(cost), Some((_, best))) => format!("{:.2}", cost / best),
                _ => "–".to_owned(),
            };
            let _ = write!(text, " {ratio} |");
        }
        text.push('\n');
    }
    text
}

/// The figure, and how often there was none.
fn show(row: &Row, name: &str) -> String {
    match (row.get(name).map(Rounds::show), &row.state) {
        (None, State::Cannot) => "cannot".to_owned(),
        (None, _) => "failed".to_owned(),
        (Some(figure), State::Failed(times)) => format!("{figure}, failed {times} times"),
        (Some(figure), _) => figure,
    }
}

/// How many modes met everything that is asked of them, and whether there are more.
fn score(all: &[Outcome], planned: usize) -> String {
    let met = all
        .iter()
        .filter(|outcome| verdict::of(outcome).iter().all(Verdict::is_met))
        .count();
    let mut text = format!(
        "{met} of {} modes meet all that is asked of them",
        all.len()
    );
    if all.len() < planned {
        let _ = write!(text, "; the run was to measure {planned}");
    }
    text
}

/// Where the figures are from, in one line.
pub fn source(plan: &Plan, begin: &Machine) -> String {
    format!(
        "{}, Linux {}, {}; medians of {} rounds or more",
        begin.date, begin.kernel, begin.cpu, plan.rounds
    )
}

/// The whole report.
pub fn markdown(plan: &Plan, begin: &Machine, end: &Machine, all: &[Outcome]) -> String {
    let mut text = format!(
        "# Benchmarks\n\n\
         Written by `{}`; nothing in it is by hand. Figures are medians of {} interleaved rounds, each in an order of its own (of memory, which does not waver, there is one), with the least \
         and the most; ratios are of costs (less is better; the cost of a rate is one over it). The last but one column of the first table is sakia against itself in \
         the same rounds: what differs by less differs by nothing, and so much may a peer be ahead. If after \
         these rounds anything that is asked is within {} % of what it is held to, met or missed, the mode has a star and its contenders go on to {} times as many rounds, \
         once: sakia, whom its targets name, and each peer that by any figure that is asked costs at most {ALONG:.2} of the cheapest; `rounds` says how many a row's medians are of. What is asked for and missed is in bold. A peer \
         that is `tuned` has the ring's best flags that it offers; else it is as it comes. `sakia tuned` looks for something \
         to do for 200 µs before it sleeps, in the modes in which that makes a difference. The columns and what is asked beside the floor are of sakia as it comes; beside the peers, of whom \
         the better row counts, sakia counts by its better row too (by the figure of the mode, for all figures), and `tuned` says if that is the tuned one. \
         Who leaves connections without any answer for as long as it is measured (`unserved`, in the middle of the rounds) does less than the others: it is no best floor and no best peer.\n\n\
         * {}, Linux {}, {}\n* sakia at {}, {}\n* {}\n* load of the machine at the begin {}, at the end {}\n* {}\n\n\
         ![sakia and its best peer over the floor]({}.svg)\n\n\
         | mode | figure | sakia / best floor | sakia / best peer | sakia again / sakia | asked |\n|---|---|---|---|---|---|\n",
        plan.command(),
        plan.rounds,
        NEAR * 100.0,
        TIMES,
        begin.date,
        begin.kernel,
        begin.cpu,
        begin.commit,
        begin.rustc,
        versions(VERSIONS),
        begin.load,
        end.load,
        score(all, plan.modes.len()),
        plan.name,
    );
    for outcome in all {
        let _ = writeln!(text, "{}", summary(outcome));
    }
    for outcome in all {
        let _ = write!(text, "\n{}", table(outcome));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::outcome;
    use super::*;

    #[test]
    fn what_is_missed_is_in_bold_and_counted() {
        let met = outcome("nop-1", &[("sakia", 130.0), ("floor", 100.0)]);
        let missed = outcome("nop-1", &[("sakia", 150.0), ("floor", 100.0)]);
        assert!(summary(&met).contains("| 1.30 of floor, at most 1.35: met |"));
        assert!(summary(&missed).contains("| **1.50 of floor, at most 1.35: missed** |"));
        assert!(line(&missed).ends_with("MISSED"));
        let both = "1 of 2 modes meet all that is asked of them";
        assert_eq!(score(&[met, missed], 2), both);
        let met = outcome("nop-1", &[("sakia", 130.0), ("floor", 100.0)]);
        assert!(score(&[met], 2).ends_with("; the run was to measure 2"));
    }

    #[test]
    fn of_how_many_rounds_a_figure_is_stands_beside_it() {
        let mut nop = outcome("nop-1", &[("sakia", 130.0), ("floor", 100.0)]);
        nop.add(0, Ok(vec![("wall_ns".to_owned(), 132.0)]));
        let table = table(&nop);
        assert!(table.contains("| system | rounds | wall_ns |"));
        assert!(table.contains("| sakia | 2 | 131 "));
        assert!(table.contains("| floor | 1 | 100 "));
        assert!(!summary(&nop).contains('*'));
        nop.went_on = true;
        assert!(summary(&nop).starts_with("| nop-1 * | wall_ns |"));
    }

    #[test]
    fn what_has_no_figure_says_why() {
        let mut nop = outcome("nop-1", &[("sakia", 1.0), ("floor", 1.0)]);
        nop.add(0, Err("it broke".to_owned()));
        nop.add(0, Err("it broke".to_owned()));
        assert!(table(&nop).contains("| sakia | 1 | 1.00 (1.00–1.00), failed 2 times |"));
    }
}
