//! The end of a runtime to the nanosecond: in virtual time a deadline can be met exactly.

use std::future::pending;
use std::time::Duration;

use sakia::sim::{self, SimConfig, Simulation};

/// What [`sim::attempt`] gives a runtime to end.
const WITHIN: Duration = Duration::from_secs(5);

/// Its destructor takes a while and leaves a task behind.
struct Slow(Simulation, Duration);

impl Drop for Slow {
    fn drop(&mut self) {
        drop(sakia::spawn(pending::<()>()));
        self.0.advance(self.1);
    }
}

#[test]
fn what_a_destructor_spawns_is_dropped_before_the_deadline_and_leaked_from_its_very_moment_on() {
    let moment = Duration::from_nanos(1);
    for (takes, left) in [(WITHIN - moment, 0), (WITHIN, 1), (WITHIN + moment, 1)] {
        let run = sim::attempt(SimConfig::new(1), |simulation| async move {
            let slow = Slow(simulation, takes);
            drop(sakia::spawn(async move {
                let _slow = slow;
                pending::<()>().await;
            }));
        });
        assert_eq!(run.report.tasks_left(), left, "{takes:?}\n{run}");
        assert_eq!(run.report.tasks_dropped(), 2 - left, "{takes:?}\n{run}");
    }
}
