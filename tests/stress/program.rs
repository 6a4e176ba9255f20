//! The program: for each seed that it is told, one round of a random runtime, or of some, and a random way out.
//!
//! A round ends when everything that it made is gone; it then says how many bytes are allocated and waits for the next seed, while
//! the watcher looks.

use std::cell::RefCell;
use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use sakia::{Builder, Event, JoinHandle, Runtime, ShutdownReport};

use crate::acts::{self, World};
use crate::chance::Chance;

/// A panic of the program's own; any other is a failure.
pub struct Planned;

/// How long an end may take.
const WITHIN: Duration = Duration::from_secs(10);

pub fn run(echo: u16, dir: &Path) -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        if !info.payload().is::<Planned>() {
            eprintln!("stress: a panic that nobody planned: {info}");
            std::process::abort();
        }
    }));
    let mut line = String::with_capacity(64);
    let mut input = std::io::stdin().lock();
    loop {
        line.clear();
        match input.read_line(&mut line) {
            Ok(0) | Err(_) => return ExitCode::SUCCESS,
            Ok(_) => {}
        }
        let seed: u64 = line.trim().parse().expect("the watcher sends seeds");
        let chance = Chance::of(seed);
        if chance.one_in(3) {
            let (seed, dir) = (chance.seed(), dir.to_owned());
            let thread = std::thread::spawn(move || round(&Chance::of(seed), echo, &dir));
            if let Err(payload) = thread.join() {
                resume_unwind(payload);
            }
        } else {
            round(&chance, echo, dir);
        }
        drop(chance);
        println!("done {}", counting::live());
        std::io::stdout().flush().expect("the watcher reads");
    }
}

fn builder(chance: &Chance) -> Builder {
    Runtime::builder()
        .entries(1 << (1 + chance.below(7)))
        .max_blocking(2)
        .shutdown_timeout(WITHIN)
        .on_event(|event| match event {
            Event::UncleanDrop(report) => judge(report),
            event => panic!("{event}"),
        })
}

/// What stays in the thread until it ends: a way out of its own.
struct Parked(RefCell<Option<Runtime>>);

thread_local! {
    static PARKED: Parked = const { Parked(RefCell::new(None)) };
}

fn round(chance: &Chance, echo: u16, dir: &Path) {
    let world = Rc::new(World::new(echo, dir.to_owned()));
    let runtime = builder(chance).build().expect("a ring can be made");
    for _ in 0..1 + chance.below(3) {
        let before = runtime.spawn(acts::task(chance.fork(), world.clone()));
        if chance.one_in(4) {
            before.abort();
        }
        drop(before);
        let lap = AssertUnwindSafe(|| runtime.block_on(root(chance, &world)));
        if let Err(payload) = catch_unwind(lap) {
            assert!(payload.is::<Planned>());
        }
    }
    end(chance, runtime);
    // What the tasks left on purpose outlives the runtime, and closes only here.
    world.empty();
}

/// The future that `block_on` runs: tasks, and one of the ways for them to be left behind.
async fn root(chance: &Chance, world: &Rc<World>) {
    let tasks: Vec<JoinHandle<()>> = (0..1 + chance.below(12))
        .map(|_| sakia::spawn(acts::task(chance.fork(), world.clone())))
        .collect();
    match chance.below(6) {
        0 => {}
        1 => panic_any(Planned),
        2 => nested(chance, world).await,
        3 => {
            for task in &tasks {
                if chance.one_in(2) {
                    task.abort();
                }
                sakia::time::sleep(chance.micros(300)).await;
            }
        }
        4 => {
            let all = async {
                for task in tasks {
                    if let Err(error) = task.await {
                        assert!(error.is_panic() || error.is_cancelled());
                    }
                }
            };
            let _ = sakia::time::timeout(Duration::from_millis(30), all).await;
        }
        _ => sakia::time::sleep(chance.micros(4000)).await,
    }
}

/// A runtime that lives and ends within a task of another.
async fn nested(chance: &Chance, world: &Rc<World>) {
    let inner = builder(chance).build().expect("a ring can be made");
    drop(inner.spawn(acts::task(chance.fork(), world.clone())));
    sakia::time::sleep(chance.micros(500)).await;
    end(chance, inner);
    acts::task(chance.fork(), world.clone()).await;
}

fn end(chance: &Chance, runtime: Runtime) {
    match chance.below(4) {
        0 => judge(&runtime.shutdown(WITHIN)),
        1 => {
            let before = PARKED.with(|parked| parked.0.replace(Some(runtime)));
            drop(before);
            // In a thread of its own it stays until the thread ends; in the first thread until here.
            if std::thread::current().name() == Some("main") {
                drop(PARKED.with(|parked| parked.0.take()));
            }
        }
        2 => {
            let end = AssertUnwindSafe(move || {
                let _runtime = runtime;
                panic_any(Planned);
            });
            assert!(catch_unwind(end).is_err());
        }
        _ => drop(runtime),
    }
}

/// Destructors that panic are part of the program; nothing else may be unclean.
fn judge(report: &ShutdownReport) {
    let rest = report.ops_quarantined() == 0
        && report.closes_in_doubt().is_empty()
        && report.tasks_left() == 0
        && report.threads_left() == 0;
    assert!(rest, "the end was not clean: {report}");
    if report.destructor_panics() == 0 {
        assert!(
            report.is_clean(),
            "not clean, and nobody says why: {report}"
        );
    }
}
