//! The driver's laws over random programs and many seeds. The simulated kernel is the witness: it sees every close, every op, and the memory that it is lent.

use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Once;

use futures_util::future::{Either, select};
use sakia::sim::{self, SimConfig, opcode};

use crate::dice::Dice;
use crate::local;
use crate::others::{self, OnPurpose};
use crate::seeds::seeds;
use crate::streams;

/// Panics on purpose are not worth a line.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.payload().is::<OnPurpose>() {
                before(info);
            }
        }));
    });
}

/// Everything at once: the acts that a seed chooses, side by side.
async fn everything(seed: u64) -> io::Result<()> {
    let dice = Dice::new(seed, 0);
    let mut acts = Vec::new();
    for who in 0..3 + dice.below(4) as u64 {
        let mine = Dice::new(seed, 100 + who);
        acts.push(match dice.below(8) {
            5 => sakia::spawn(local::receipts(mine, seed)),
            6 => sakia::spawn(local::pipe(mine, seed)),
            7 => sakia::spawn(local::records(mine, seed)),
            0 => sakia::spawn(streams::frames(mine, seed)),
            1 => sakia::spawn(streams::clients(mine)),
            2 => sakia::spawn(others::files(mine, who)),
            3 => sakia::spawn(others::datagrams(mine, true)),
            _ => sakia::spawn(others::tasks(mine)),
        });
    }
    let mut results = Vec::new();
    for act in acts {
        results.push(act.await.map_err(io::Error::other)?);
    }
    results.into_iter().collect()
}

#[test]
fn no_byte_no_connection_and_no_datagram_is_lost_and_every_descriptor_is_closed_once() {
    hush();
    for seed in seeds() {
        let run = sim::attempt(SimConfig::rough(seed), |_| everything(seed));
        assert!(run.output.is_ok(), "seed {seed}: {:?}\n{run}", run.output);
        assert_eq!(run.complaints(), [""; 0], "seed {seed}\n{run}");
        assert_eq!(run.simulation.ops_in_flight(), 0, "seed {seed}\n{run}");
    }
}

#[test]
fn a_runtime_that_ends_in_the_middle_of_everything_leaves_nothing_behind() {
    hush();
    for seed in seeds() {
        let run = sim::attempt(SimConfig::rough(seed), |_| async move {
            let dice = Dice::new(seed, 1);
            let all = std::pin::pin!(everything(seed));
            let end = std::pin::pin!(sakia::time::sleep(dice.micros(30_000)));
            match select(all, end).await {
                Either::Left((result, _)) => result,
                Either::Right(_) => Ok(()),
            }
        });
        assert!(run.output.is_ok(), "seed {seed}: {:?}\n{run}", run.output);
        assert_eq!(run.complaints(), [""; 0], "seed {seed}\n{run}");
        assert_eq!(run.simulation.ops_in_flight(), 0, "seed {seed}\n{run}");
    }
}

/// Errors of all kinds, a tenth of the time.
fn faulty(seed: u64) -> SimConfig {
    SimConfig::rough(seed)
        .error(opcode::RECV, libc::ECONNRESET, 0.02)
        .error(opcode::SEND, libc::ECONNRESET, 0.02)
        .error(opcode::WRITE, libc::ENOSPC, 0.1)
        .error(opcode::READ, libc::EIO, 0.05)
        .error(opcode::ACCEPT, libc::ECONNABORTED, 0.1)
        .error(opcode::ACCEPT, libc::EMFILE, 0.1)
        .error(opcode::CONNECT, libc::ETIMEDOUT, 0.1)
        .error(opcode::OPENAT, libc::EMFILE, 0.1)
        .error(opcode::CLOSE, libc::EIO, 0.2)
        .datagram_loss(0.2)
}

#[test]
fn errors_of_all_kinds_leak_nothing() {
    hush();
    for seed in seeds() {
        let run = sim::attempt(faulty(seed), |_| async move {
            let dice = Dice::new(seed, 2);
            let all = std::pin::pin!(faulty_everything(seed));
            let end = std::pin::pin!(sakia::time::sleep(dice.micros(200_000)));
            select(all, end).await;
        });
        assert_eq!(run.complaints(), [""; 0], "seed {seed}\n{run}");
    }
}

/// The acts give up at the first error: how far they come is not the point.
async fn faulty_everything(seed: u64) {
    let dice = Dice::new(seed, 0);
    let acts: Vec<_> = (0..6)
        .map(|who| {
            let mine = Dice::new(seed, 100 + who);
            match dice.below(4) {
                0 => sakia::spawn(streams::clients(mine)),
                1 => sakia::spawn(others::files(mine, who)),
                2 => sakia::spawn(others::datagrams(mine, false)),
                _ => sakia::spawn(others::tasks(mine)),
            }
        })
        .collect();
    for act in acts {
        let _ = act.await;
    }
}

#[test]
fn what_is_stuck_at_the_deadline_is_set_aside_and_closed_when_it_comes_back() {
    hush();
    let mut set_aside = 0;
    for seed in seeds() {
        let run = sim::attempt(SimConfig::rough(seed).stuck(0.1), |_| async move {
            let dice = Dice::new(seed, 1);
            let all = std::pin::pin!(faulty_everything(seed));
            let end = std::pin::pin!(sakia::time::sleep(dice.micros(100_000)));
            select(all, end).await;
        });
        assert_eq!(run.simulation.violations(), [""; 0], "seed {seed}\n{run}");
        set_aside += u64::from(!run.report.is_clean());
        // The server answers at last; the next runtime of the thread looks at the graves.
        run.simulation.advance(std::time::Duration::from_secs(600));
        sim::run(SimConfig::new(0), |_| async {});
        assert_eq!(run.simulation.ops_in_flight(), 0, "seed {seed}\n{run}");
        assert_eq!(
            run.simulation.open_descriptors(),
            [""; 0],
            "seed {seed}\n{run}"
        );
        assert_eq!(run.simulation.violations(), [""; 0], "seed {seed}\n{run}");
        assert_eq!(sakia_driver::graves(), 0, "seed {seed}");
    }
    assert!(set_aside > 0, "some were stuck");
}

#[test]
fn a_lost_completion_ends_block_on_with_a_panic_that_says_so_and_what_the_kernel_has_stays_its_own()
{
    hush();
    let mut lost = 0;
    for seed in seeds() {
        let seen = Rc::new(RefCell::new(None));
        let show = seen.clone();
        let config = SimConfig::rough(seed).lost_completions(0.002);
        let run = catch_unwind(AssertUnwindSafe(|| {
            sim::attempt(config, |simulation| {
                show.replace(Some(simulation));
                everything(seed)
            })
        }));
        let simulation = seen.take().expect("the program has begun");
        match run {
            Ok(run) => assert!(run.output.is_ok(), "seed {seed}: {:?}\n{run}", run.output),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().expect("it is a sentence");
                assert!(text.contains("EBADR") && text.contains("end it"), "{text}");
                lost += 1;
            }
        }
        let violations = simulation.violations();
        assert_eq!(violations, [""; 0], "seed {seed}\n{simulation}");
    }
    assert!(
        lost > 0,
        "no completion was lost in {} seeds",
        seeds().count()
    );
}
