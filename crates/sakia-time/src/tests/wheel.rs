//! The wheel against a model that a child could check: a list that is searched from end to end.
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::arena::Key;
use crate::wheel::{NANOS_PER_TICK, NEVER, Wheel, tick_of_deadline};

/// One step of a random program. Timers are chosen by a number taken modulo how many there are.
#[derive(Debug, Clone)]
enum Step {
    Insert(u64),
    InsertFresh(u64),
    Remove(usize),
    Reset(usize, u64),
    Advance(u64),
    AdvanceToNext,
    /// To the tick before the next one: nothing may fire.
    AdvanceToJustBefore,
}

/// Distances in ticks: near ones, those at the edges of the levels, and far ones.
fn distance() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..3_u64,
        4 => 0..130_u64,
        4 => (0..7_u32, 0..5_u64).prop_map(|(level, off)| (64_u64.pow(level) + off).saturating_sub(2)),
        3 => (0..7_u32, 1..64_u64, 0..3_u64)
            .prop_map(|(level, times, off)| (64_u64.pow(level) * times + off).saturating_sub(1)),
        2 => 0..300_000_u64,
        1 => (0..43_u32).prop_map(|bit| 1 << bit),
        1 => Just(NEVER),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => distance().prop_map(Step::Insert),
        2 => distance().prop_map(Step::InsertFresh),
        3 => any::<usize>().prop_map(Step::Remove),
        3 => (any::<usize>(), distance()).prop_map(|(which, to)| Step::Reset(which, to)),
        3 => distance().prop_map(Step::Advance),
        2 => Just(Step::AdvanceToNext),
        1 => Just(Step::AdvanceToJustBefore),
    ]
}

/// The last tick that there is.
fn last_tick() -> u64 {
    tick_of_deadline(u64::MAX - 1)
}

/// The instant of a tick, and for `NEVER` one that is too far away.
fn at(tick: u64) -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let since = match tick {
        NEVER => Duration::from_secs(600 * 366 * 86_400),
        tick => Duration::from_nanos(tick.saturating_mul(NANOS_PER_TICK).min(u64::MAX - 1)),
    };
    *ORIGIN.get_or_init(Instant::now) + since
}

/// Begins a round, and says whether something is due. (The last tick is that of the deadlines just before the end of time, which no clock reaches.)
fn begin_round<T>(wheel: &mut Wheel<T>, now: u64) -> bool {
    wheel.begin_round(at(now)).is_some() || now == last_tick()
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    name: usize,
    key: Key,
    tick: u64,
}

/// The wheel and its model, side by side.
struct Pair {
    wheel: Wheel<usize>,
    model: Vec<Timer>,
    gone: Vec<Key>,
    now: u64,
    names: usize,
}

impl Pair {
    fn new() -> Self {
        Pair {
            wheel: Wheel::new(at(0)),
            model: Vec::new(),
            gone: Vec::new(),
            now: 0,
            names: 0,
        }
    }

    fn tick_after(&self, distance: u64) -> u64 {
        let tick = self.now.saturating_add(distance);
        if tick > last_tick() { NEVER } else { tick }
    }

    fn add(&mut self, tick: u64, insert: impl FnOnce(&mut Wheel<usize>, usize) -> Key) {
        let name = self.names;
        self.names += 1;
        let key = insert(&mut self.wheel, name);
        self.model.push(Timer { name, key, tick });
    }

    fn earliest(&self) -> Option<u64> {
        let ticks = self.model.iter().map(|timer| timer.tick);
        ticks.filter(|&tick| tick != NEVER).min()
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Insert(distance) => {
                let tick = self.tick_after(distance);
                self.add(tick, |wheel, name| wheel.insert(at(tick), name));
            }
            Step::InsertFresh(distance) => {
                let tick = self.tick_after(distance);
                let nanos = distance.saturating_mul(NANOS_PER_TICK);
                let now = self.now.saturating_mul(NANOS_PER_TICK).min(u64::MAX - 1);
                let is_never = now.checked_add(nanos).is_none_or(|sum| sum == u64::MAX);
                let tick = if is_never { NEVER } else { tick };
                self.add(tick, |wheel, name| wheel.insert_fresh(nanos, name));
                assert!(self.wheel.has_fresh());
                self.wheel.settle(at(self.now));
                assert!(!self.wheel.has_fresh());
            }
            Step::Remove(which) if !self.model.is_empty() => {
                let timer = self.model.swap_remove(which % self.model.len());
                assert_eq!(self.wheel.remove(timer.key), Some(timer.name));
                self.gone.push(timer.key);
            }
            Step::Reset(which, distance) if !self.model.is_empty() => {
                let tick = self.tick_after(distance);
                let which = which % self.model.len();
                self.model[which].tick = tick;
                assert!(self.wheel.reset(self.model[which].key, at(tick)));
            }
            Step::Remove(_) | Step::Reset(..) => {}
            Step::Advance(distance) => {
                let to = self.tick_after(distance).min(last_tick());
                self.advance(to);
            }
            Step::AdvanceToNext => {
                if let Some(tick) = self.earliest() {
                    self.advance(tick.max(self.now));
                }
            }
            Step::AdvanceToJustBefore => {
                if let Some(tick) = self.earliest().filter(|&tick| tick > self.now) {
                    let before = self.model.len();
                    self.advance(tick - 1);
                    assert_eq!(self.model.len(), before, "something fired early");
                }
            }
        }
    }

    /// Fires what is due, and compares: the same timers, in the order of their ticks.
    fn advance(&mut self, to: u64) {
        let from = self.now;
        self.now = to;
        let is_due = begin_round(&mut self.wheel, to);
        let mut last = 0;
        while let Some(name) = is_due.then(|| self.wheel.pop_due(to)).flatten() {
            let found = self.model.iter().position(|timer| timer.name == name);
            let timer = self.model.swap_remove(found.expect("it fired once only"));
            assert!(timer.tick <= to, "{timer:?} fired at {to}, early");
            assert!(timer.tick.max(from) >= last, "out of order");
            last = timer.tick.max(from);
            self.gone.push(timer.key);
        }
        let missed = self.model.iter().find(|timer| timer.tick <= to);
        assert!(missed.is_none(), "{missed:?} did not fire at {to}");
    }

    fn check(&mut self) {
        assert_eq!(self.wheel.len(), self.model.len());
        // What is overdue answers with the present.
        let want = self.earliest().map(|tick| tick.max(self.now));
        assert_eq!(self.wheel.next_tick_exact(), want);
        for key in &self.gone {
            assert_eq!(self.wheel.value_mut(*key), None, "a name was used twice");
        }
        for timer in &self.model {
            assert_eq!(
                self.wheel.value_mut(timer.key),
                Some(&mut timer.name.clone())
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_wheel_does_what_a_searched_list_does(steps in prop::collection::vec(step(), 1..120)) {
        let mut pair = Pair::new();
        let mut most = 0;
        for step in steps {
            pair.run(step);
            most = most.max(pair.model.len());
            let quick = pair.wheel.next_tick();
            pair.check();
            let exact = pair.wheel.next_tick_exact();
            prop_assert!(quick <= exact, "late");
            if most <= 32 {
                prop_assert_eq!(quick, exact);
            }
        }
        pair.advance(last_tick());
        prop_assert!(pair.model.iter().all(|timer| timer.tick == NEVER));
        prop_assert_eq!(pair.wheel.len(), pair.model.len());
    }

    #[test]
    fn a_deadline_is_never_rounded_down_and_never_up_by_a_whole_tick(nanos in any::<u64>()) {
        let tick = tick_of_deadline(nanos);
        if tick != NEVER {
            let at = u128::from(tick) * u128::from(NANOS_PER_TICK);
            prop_assert!(at >= u128::from(nanos));
            prop_assert!(at < u128::from(nanos) + u128::from(NANOS_PER_TICK));
        }
    }
}

fn drain(wheel: &mut Wheel<u64>, now: u64) -> Vec<u64> {
    let is_due = begin_round(wheel, now);
    std::iter::from_fn(|| is_due.then(|| wheel.pop_due(now))?).collect()
}

#[test]
fn timers_of_one_tick_fire_in_the_order_in_which_they_were_set() {
    let mut wheel = Wheel::new(at(0));
    for name in 0..10 {
        wheel.insert(at(70), name);
    }
    assert_eq!(drain(&mut wheel, 69), []);
    assert_eq!(drain(&mut wheel, 70), (0..10).collect::<Vec<_>>());
}

#[test]
fn each_edge_of_each_level_fires_on_its_tick_and_not_before() {
    for level in 1..8 {
        let edge = 64_u64.pow(level);
        for start in [0, 1, 63, 64, edge - 1] {
            let ticks = [edge - 1, edge, edge + 1, 2 * edge, 64 * edge - 1];
            for tick in ticks.into_iter().filter(|&tick| tick <= last_tick()) {
                let mut wheel = Wheel::new(at(0));
                drain(&mut wheel, start);
                wheel.insert(at(tick), tick);
                assert_eq!(wheel.next_tick(), Some(tick.max(start)));
                if tick > start {
                    assert_eq!(drain(&mut wheel, tick - 1), [], "{tick} from {start}");
                }
                assert_eq!(drain(&mut wheel, tick.max(start)), [tick]);
                assert_eq!(wheel.next_tick(), None);
            }
        }
    }
}

#[test]
fn a_timer_that_becomes_due_during_a_round_waits_for_the_next_one() {
    let mut wheel = Wheel::new(at(0));
    wheel.insert(at(5), 0);
    assert_eq!(wheel.begin_round(at(10)), Some(10));
    let mut rounds = 0;
    while let Some(name) = wheel.pop_due(10) {
        rounds += 1;
        wheel.insert(at(5), name + 1);
    }
    assert_eq!(rounds, 1);
    assert_eq!(drain(&mut wheel, 10), [1]);
}

#[test]
fn a_timer_that_is_set_during_a_round_for_a_later_tick_of_it_is_not_overtaken() {
    let mut wheel = Wheel::new(at(0));
    wheel.insert(at(5), 0);
    assert_eq!(wheel.begin_round(at(10)), Some(10));
    assert_eq!(wheel.pop_due(10), Some(0));
    // All is done up to tick 5, and will be up to tick 10.
    wheel.insert(at(7), 1);
    assert_eq!(wheel.pop_due(10), Some(1));
    assert_eq!(wheel.pop_due(10), None);
    assert!(wheel.is_done(7));
}

#[test]
fn a_timer_whose_tick_was_past_as_it_came_is_not_done_before_it_has_fired() {
    let mut wheel = Wheel::new(at(0));
    drain(&mut wheel, 10);
    wheel.insert(at(10), 0);
    assert!(!wheel.is_done(10));
    assert_eq!(drain(&mut wheel, 10), [0]);
    assert!(wheel.is_done(10));
}

#[test]
fn the_last_tick_fires_and_never_does_not() {
    let last = last_tick();
    let mut wheel = Wheel::new(at(0));
    wheel.insert(at(last), 1);
    wheel.insert(at(NEVER), 2);
    wheel.insert_fresh(u64::MAX, 3);
    wheel.settle(at(1));
    assert_eq!(wheel.next_tick(), Some(last));
    assert_eq!(drain(&mut wheel, last - 1), []);
    assert_eq!(drain(&mut wheel, last), [1]);
    assert_eq!(wheel.next_tick(), None);
    assert_eq!(wheel.len(), 2);
}

#[test]
fn a_long_slot_whose_earliest_timers_left_costs_one_idle_wake_a_level_at_most() {
    let mut wheel = Wheel::new(at(0));
    let keys: Vec<_> = (0..50_000)
        .map(|n| wheel.insert(at(300_000 + n), n))
        .collect();
    for key in &keys[..40_000] {
        wheel.remove(*key);
    }
    let mut idle = 0;
    loop {
        let next = wheel.next_tick().expect("timers are left");
        assert!(next <= 340_000, "late");
        let fired = drain(&mut wheel, next);
        if !fired.is_empty() {
            assert_eq!((fired, next), (vec![40_000], 340_000));
            break;
        }
        idle += 1;
    }
    assert!(idle <= 7, "{idle} wakes for nothing");
}

#[test]
fn with_few_timers_in_a_slot_the_next_tick_stays_exact_when_the_earliest_leaves() {
    let mut wheel = Wheel::new(at(0));
    let first = wheel.insert(at(5000), 0);
    wheel.insert(at(6000), 1);
    assert_eq!(wheel.next_tick(), Some(5000));
    wheel.remove(first);
    assert_eq!(wheel.next_tick(), Some(6000));
}

#[test]
fn timers_that_were_laid_aside_leave_in_any_order_and_fire_in_the_order_in_which_they_were_set() {
    for gone in 0..8_usize {
        let mut wheel = Wheel::new(at(0));
        let keys = [0, 1, 2].map(|name| wheel.insert(at(70), name));
        let gone = (0..3).filter(|which| gone & (1 << which) != 0);
        for which in gone.clone() {
            assert_eq!(wheel.remove(keys[which]), Some(which as u64));
        }
        wheel.insert(at(70), 3);
        let left = (0..4).filter(|&which| !gone.clone().any(|gone| gone == which));
        let left: Vec<_> = left.map(|which| which as u64).collect();
        assert_eq!(drain(&mut wheel, 70), left);
        assert_eq!(wheel.len(), 0);
    }
}

#[test]
fn no_more_are_laid_aside_than_there_is_room_for() {
    let mut wheel = Wheel::new(at(0));
    let mut last = None;
    for name in 0..1000 {
        // One comes before the one before it goes.
        let key = wheel.insert(at(70), name);
        if let Some(before) = last.replace(key) {
            assert_eq!(wheel.remove(before), Some(name - 1));
        }
        assert_eq!(wheel.aside(), name as usize % 256 + 1);
    }
    assert_eq!(drain(&mut wheel, 70), [999]);
}

#[test]
fn the_last_that_was_laid_aside_takes_its_room_along() {
    let mut wheel = Wheel::new(at(0));
    let (first, second) = (wheel.insert(at(70), 0), wheel.insert(at(70), 1));
    assert_eq!(wheel.remove(second), Some(1));
    assert_eq!(wheel.aside(), 1);
    assert_eq!(wheel.remove(first), Some(0));
    assert_eq!(wheel.aside(), 0);
}

#[test]
fn a_wheel_that_is_quiet_wakes_for_what_comes_then() {
    let mut wheel = Wheel::new(at(0));
    wheel.insert(at(100), 0);
    assert_eq!(drain(&mut wheel, 1), []);
    assert_eq!(drain(&mut wheel, 2), [], "nothing is due before tick 64");
    wheel.insert(at(3), 1);
    wheel.insert_fresh(2 * NANOS_PER_TICK, 2);
    wheel.settle(at(2));
    assert_eq!(drain(&mut wheel, 3), [1]);
    assert_eq!(drain(&mut wheel, 4), [2]);
    assert_eq!(drain(&mut wheel, 5), []);
    wheel.insert_fresh(NANOS_PER_TICK, 3);
    wheel.settle(at(5));
    assert_eq!(drain(&mut wheel, 6), [3], "it was hung as it had begun");
    assert_eq!(drain(&mut wheel, 7), []);
    wheel.insert(at(8), 4);
    assert_eq!(wheel.next_tick(), Some(8));
    assert_eq!(drain(&mut wheel, 8), [4], "it was hung as somebody asked");
    assert_eq!(drain(&mut wheel, 9), []);
    wheel.insert(at(10), 5);
    assert_eq!(drain(&mut wheel, 10), [5], "it was still aside");
    assert_eq!(drain(&mut wheel, 99), []);
    assert_eq!(drain(&mut wheel, 100), [0]);
}
