//! The course of a mode: the rounds that were asked for, and those in which its contenders go on.

use std::ops::Range;

use sakia_bench::measure::Rng;

use super::modes::{Mode, Target};
use super::one::Figures;
use super::outcome::Outcome;
use super::plan::Plan;
use super::systems::{Role, SAKIA_TUNED, System};
use super::verdict;

/// Who goes on has so many times the asked rounds in the end.
pub const TIMES: usize = 2;
/// A peer that costs at most so much of the cheapest may turn out to be the cheapest.
pub const ALONG: f64 = 1.05;

/// One measure of a system; `None` if the run was interrupted.
type Measured = Option<Result<Figures, String>>;

/// All rounds of a mode; `None` if it was interrupted. What is undecided after the asked rounds is measured longer, and who goes on is looked at only then: a rule
/// that looked at what the longer one shows would end where the result is welcome.
pub fn run(
    plan: &Plan,
    mode: &'static Mode,
    mut measure: impl FnMut(&'static System) -> Measured,
) -> Result<Option<Outcome>, String> {
    let mut outcome = Outcome::new(mode, &plan.systems(mode));
    let asked = plan.rounds_of(mode);
    let everyone: Vec<usize> = (0..outcome.rows.len()).collect();
    let mut measured = rounds(plan, 0..asked, &everyone, &mut outcome, &mut measure)?;
    if measured && plan.may_go_on(mode) && verdict::is_undecided(&outcome) {
        outcome.went_on = true;
        let (more, some) = (asked..TIMES * asked, contenders(&outcome));
        measured = rounds(plan, more, &some, &mut outcome, &mut measure)?;
    }
    Ok(measured.then_some(outcome))
}

/// Some rounds of some systems; false if they were interrupted. Who fails is told of, and the others go on.
fn rounds(
    plan: &Plan,
    rounds: Range<usize>,
    some: &[usize],
    outcome: &mut Outcome,
    mut measure: impl FnMut(&'static System) -> Measured,
) -> Result<bool, String> {
    for round in rounds {
        for at in shuffled(some, round) {
            if outcome.is_out(at) {
                continue;
            }
            let system = outcome.rows[at].system;
            let Some(result) = measure(system) else {
                return Ok(false);
            };
            if let Err(why) = &result {
                eprintln!("bench: {why}");
            }
            outcome.add(at, result);
            if plan.smoke && !outcome.has_answered(at) {
                return Err(format!(
                    "{} tells no figure in {}",
                    system.name, outcome.mode.name
                ));
            }
        }
    }
    Ok(true)
}

/// In an order that is this round's, in each run of the benchmarks. Whoever runs leaves the caches, the page cache and an idle core as it has used them: by that the
/// next one loses or gains a few percent, and who comes next is not to be the same in each round.
fn shuffled(some: &[usize], round: usize) -> Vec<usize> {
    let mut order = some.to_vec();
    let mut rng = Rng::new(round as u64);
    for left in (2..=order.len()).rev() {
        order.swap(left - 1, rng.below(left as u64) as usize);
    }
    order
}

/// Whose figures a verdict is of, or may be of.
fn contenders(outcome: &Outcome) -> Vec<usize> {
    (0..outcome.rows.len())
        .filter(|at| !outcome.is_out(*at))
        .filter(|at| {
            let system = outcome.rows[*at].system;
            system.role == Role::Sakia
                || system.name == SAKIA_TUNED
                || is_named(outcome.mode, system)
                || is_along(outcome, *at)
        })
        .collect()
}

/// Is sakia held to this one by name?
fn is_named(mode: &Mode, system: &System) -> bool {
    mode.asked()
        .any(|(_, target)| matches!(target, Target::Of(names, _) if names.contains(&system.name)))
}

/// Is it a peer that serves everyone and costs, by any figure that is asked, little more than the cheapest?
fn is_along(outcome: &Outcome, at: usize) -> bool {
    let row = &outcome.rows[at];
    row.system.role == Role::Peer
        && row.unserved() == 0.0
        && outcome.mode.asked().any(|(figure, _)| {
            let best = outcome.best(figure, Role::Peer);
            matches!((row.cost(figure), best), (Some(cost), Some((_, best))) if cost <= ALONG * best)
        })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::outcome::UNSERVED;
    use super::super::outcome::tests::outcome;
    use super::*;

    /// How often each system was measured, if each time it costs what it is said to.
    fn course(words: &str, cost: impl Fn(&str) -> f64) -> Vec<(&'static str, usize)> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let plan = Plan::read(&words).unwrap();
        let mode = plan.modes[0];
        let name = mode.figure.name().to_owned();
        let measure = |system: &System| Some(Ok(vec![(name.clone(), cost(system.name))]));
        let outcome = run(&plan, mode, measure).unwrap().unwrap();
        let count = |row: &super::super::outcome::Row| {
            let rounds = row.get(&name).map_or(0, |rounds| rounds.count());
            (row.system.name, rounds)
        };
        outcome.rows.iter().map(count).collect()
    }

    fn names(outcome: &Outcome) -> Vec<&'static str> {
        let name = |at: usize| outcome.rows[at].system.name;
        contenders(outcome).into_iter().map(name).collect()
    }

    #[test]
    fn what_is_undecided_goes_on_to_twice_the_rounds() {
        let with = |sakia: f64| {
            let cost = move |name: &str| if name == "floor" { 100.0 } else { sakia };
            course("nop-1 --rounds 3", cost)
        };
        // It is held to 1.35 of the floor.
        let all = |rounds| ["sakia", "sakia again", "floor"].map(|name| (name, rounds));
        for near in [131.0, 134.9, 135.1, 139.0] {
            assert_eq!(with(near), all(6), "{near}");
        }
        for far in [100.0, 120.0, 150.0] {
            assert_eq!(with(far), all(3), "{far}");
        }
    }

    #[test]
    fn who_is_no_contender_stays_with_the_rounds_that_were_asked() {
        let cost = |name: &str| match name {
            name if name.starts_with("sakia") => 100.0,
            "floor" | "plain calls" => 95.0,
            "monoio" => 150.0,
            "monoio tuned" => 157.0,
            _ => 170.0,
        };
        let all = course("read-32 --rounds 2 --peers", cost);
        let (on, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, rounds)| *rounds == 4);
        let on: Vec<_> = on.iter().map(|(name, _)| *name).collect();
        let expected = ["sakia", "sakia again", "floor", "monoio", "monoio tuned"];
        assert_eq!(on, expected);
        assert!(rest.iter().all(|(_, rounds)| *rounds == 2), "{rest:?}");
    }

    #[test]
    fn memory_and_the_smoke_never_go_on() {
        // 88 bytes are asked, and it is 88.
        let memory = course("task-memory --rounds 3", |_| 88.0);
        assert!(memory.iter().all(|(_, rounds)| *rounds == 1), "{memory:?}");
        let smoke = course("nop-1 --smoke", |name| match name {
            "floor" => 100.0,
            _ => 135.0,
        });
        assert!(smoke.iter().all(|(_, rounds)| *rounds == 1), "{smoke:?}");
    }

    #[test]
    fn nobody_follows_the_same_one_in_each_round() {
        const SYSTEMS: usize = 20;
        let all: Vec<usize> = (0..SYSTEMS).collect();
        let orders: Vec<_> = (0..2 * 7).map(|round| shuffled(&all, round)).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, all, "each runs once a round");
        }
        let mut befores = vec![HashSet::new(); SYSTEMS];
        // The one before the first of a round is the last of the round before.
        let run: Vec<usize> = orders.concat();
        run.windows(2).for_each(|two| {
            befores[two[1]].insert(two[0]);
        });
        let firsts: HashSet<_> = orders.iter().map(|order| order[0]).collect();
        let least = befores.iter().map(HashSet::len).min().unwrap();
        assert!(least >= 7, "{least} of 14");
        assert!(firsts.len() >= 7, "{firsts:?}");
    }

    #[test]
    fn the_order_changes_among_those_who_go_on_too() {
        let words = ["nop-1", "--rounds", "4"].map(str::to_owned);
        let plan = Plan::read(&words).unwrap();
        let mut order = Vec::new();
        let outcome = run(&plan, plan.modes[0], |system| {
            order.push(system.name);
            let cost = if system.name == "floor" { 1.0 } else { 1.35 };
            Some(Ok(vec![("wall_ns".to_owned(), cost)]))
        })
        .unwrap();
        assert!(outcome.unwrap().went_on);
        let rounds: Vec<_> = order.chunks(3).collect();
        assert_eq!(rounds.len(), 2 * 4);
        for half in [&rounds[..4], &rounds[4..]] {
            let different: HashSet<_> = half.iter().collect();
            assert!(different.len() > 1, "{half:?}");
        }
    }

    #[test]
    fn an_interrupt_ends_it_in_any_round() {
        let words = ["nop-1", "--rounds", "2"].map(str::to_owned);
        let plan = Plan::read(&words).unwrap();
        for many in [0, 5, 6, 11] {
            let mut left = many;
            let outcome = run(&plan, plan.modes[0], |system| {
                left = usize::checked_sub(left, 1)?;
                let cost = if system.name == "floor" { 1.0 } else { 1.35 };
                Some(Ok(vec![("wall_ns".to_owned(), cost)]))
            });
            assert!(outcome.unwrap().is_none(), "{many}");
        }
    }

    #[test]
    fn a_peer_is_along_by_any_figure_that_is_asked() {
        let rates = ["sakia", "sakia tuned", "a10", "monoio", "smol", "epoll"];
        let mut echo = outcome("echo-1-64-1", &rates.map(|name| (name, 100.0)));
        for (at, (rate, cpu)) in [(1.0, 1.0), (1.0, 1.0), (100.0, 100.0), (80.0, 104.0)]
            .into_iter()
            .chain([(80.0, 120.0), (100.0, 100.0)])
            .enumerate()
        {
            echo.rows[at] = Outcome::new(echo.mode, &[echo.rows[at].system])
                .rows
                .remove(0);
            let figures = [("rate", rate), ("server_cpu_ns", cpu)];
            let figures = figures.map(|(name, value)| (name.to_owned(), value));
            echo.add(at, Ok(figures.to_vec()));
        }
        assert_eq!(names(&echo), ["sakia", "sakia tuned", "a10", "monoio"]);
    }

    #[test]
    fn who_is_unserved_or_out_does_not_go_on() {
        let rates = ["sakia", "a10", "monoio", "compio", "smol"];
        let mut echo = outcome("echo-500-64-1", &rates.map(|name| (name, 100.0)));
        let unserved = [("rate", 100.0), (UNSERVED, 7.0)];
        let unserved = unserved.map(|(name, value)| (name.to_owned(), value));
        echo.add(1, Ok(unserved.to_vec()));
        echo.add(2, Ok(Vec::new()));
        (0..2).for_each(|_| echo.add(3, Err("it broke".to_owned())));
        assert_eq!(names(&echo), ["sakia", "smol"]);
    }

    #[test]
    fn whom_a_target_names_goes_on_whatever_it_costs() {
        let floors = ["floor multishot", "floor single-shot", "plain calls"];
        let rates = floors.map(|name| (name, 1.0));
        assert_eq!(
            names(&outcome("echo-1-64-1", &rates)),
            ["floor single-shot"]
        );
        // This one is of sakia's program, and one of the targets beside the first.
        let few = outcome("timer-among-1m", &[("sakia among few", 1.0), ("mini", 1.0)]);
        assert_eq!(names(&few), ["sakia among few"]);
        let op = outcome("timeout-op", &[("sakia without a limit", 900.0)]);
        assert_eq!(names(&op), ["sakia without a limit"]);
    }
}
