//! The feature `tracing`: what a subscriber sees of tasks, of their panics, of a runtime's end, and of what the kernel did not give.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sakia::{Handle, JoinSet, Runtime};
use sakia_tests::{deny_io_uring, has_memlock, in_child, is_emulated, skip};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::support::{laps, quiet_panics};

/// A span: what it was made with, and what has become of it.
#[derive(Clone, Debug, Default)]
struct Seen {
    target: String,
    fields: String,
    has_parent: bool,
    entered: u32,
    exited: u32,
    references: u32,
    closed: bool,
}

#[derive(Clone, Debug)]
struct Told {
    level: Level,
    target: String,
    fields: String,
    /// The spans that it was told in, the outermost first.
    inside: Vec<u64>,
}

#[derive(Debug, Default)]
struct Log {
    spans: HashMap<u64, Seen>,
    stack: Vec<u64>,
    events: Vec<Told>,
}

/// Keeps all that it is told, up to a level.
#[derive(Clone)]
struct Collector {
    log: Arc<Mutex<Log>>,
    most: Level,
}

impl Collector {
    fn new(most: Level) -> Self {
        let log = Arc::default();
        Self { log, most }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().expect("nobody panics in it")
    }

    fn tasks(&self) -> Vec<Seen> {
        let log = self.log();
        let tasks = log
            .spans
            .values()
            .filter(|span| span.target == "sakia::task");
        tasks.cloned().collect()
    }

    fn task(&self, id: sakia::TaskId) -> Seen {
        let field = format!("task.id={id};");
        let mut tasks = self.tasks();
        tasks.retain(|task| task.fields.contains(&field));
        assert_eq!(tasks.len(), 1, "one span of task {id}: {:?}", self.log());
        tasks.remove(0)
    }

    fn events(&self, target: &str) -> Vec<Told> {
        let log = self.log();
        let of_target = log.events.iter().filter(|event| event.target == target);
        of_target.cloned().collect()
    }
}

/// Writes `name=value;` for each field.
struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{field}={value:?};").expect("a string has room");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, "{field}={value};").expect("a string has room");
    }
}

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.most
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = String::new();
        span.record(&mut Fields(&mut fields));
        let mut log = self.log();
        let has_parent = span.parent().is_some() || span.is_contextual() && !log.stack.is_empty();
        let id = log.spans.len() as u64 + 1;
        let seen = Seen {
            target: span.metadata().target().to_owned(),
            fields,
            has_parent,
            references: 1,
            ..Seen::default()
        };
        log.spans.insert(id, seen);
        Id::from_u64(id)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = String::new();
        event.record(&mut Fields(&mut fields));
        let mut log = self.log();
        let inside = log.stack.clone();
        log.events.push(Told {
            level: *event.metadata().level(),
            target: event.metadata().target().to_owned(),
            fields,
            inside,
        });
    }

    fn enter(&self, id: &Id) {
        let mut log = self.log();
        log.stack.push(id.into_u64());
        let span = log.spans.get_mut(&id.into_u64()).expect("it is there");
        assert!(!span.closed, "a span that was closed is entered");
        span.entered += 1;
    }

    fn exit(&self, id: &Id) {
        let mut log = self.log();
        assert_eq!(log.stack.pop(), Some(id.into_u64()), "spans nest");
        let span = log.spans.get_mut(&id.into_u64()).expect("it is there");
        span.exited += 1;
    }

    fn clone_span(&self, id: &Id) -> Id {
        let mut log = self.log();
        let span = log.spans.get_mut(&id.into_u64()).expect("it is there");
        span.references += 1;
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut log = self.log();
        let span = log.spans.get_mut(&id.into_u64()).expect("it is there");
        span.references -= 1;
        span.closed = span.references == 0;
        span.closed
    }
}

fn runtime() -> Runtime {
    let builder = Runtime::builder().entries(64).on_event(|_| {});
    builder.build().expect("a ring can be made here")
}

/// Runs the future on a runtime of its own under a collector, and ends the runtime.
fn collected<F: Future>(most: Level, future: impl FnOnce(Collector) -> F) -> Collector {
    let collector = Collector::new(most);
    tracing::subscriber::with_default(collector.clone(), || {
        let runtime = runtime();
        runtime.block_on(future(collector.clone()));
        let _ = runtime.shutdown(Duration::from_secs(5));
    });
    assert!(collector.log().stack.is_empty(), "every span was exited");
    collector
}

/// Tells something from its destructor.
struct Tells;

impl Drop for Tells {
    fn drop(&mut self) {
        tracing::info!(target: "test", "dropped");
    }
}

#[test]
fn each_task_has_a_span_however_it_is_spawned_and_it_is_closed_with_the_task() {
    let collector = collected(Level::TRACE, |collector| async move {
        let spawned = sakia::spawn(laps(3));
        let handle = Handle::current();
        let elsewhere =
            std::thread::spawn(move || (handle.spawn(laps(3)), handle.spawn_with(|| laps(3))));
        let (sent, sent_with) = elsewhere.join().expect("no panic there");
        let mut set = JoinSet::new();
        let of_set = set.spawn(laps(3)).id();
        let ids = [spawned.id(), sent.id(), sent_with.id(), of_set];
        for task in [spawned, sent, sent_with] {
            task.await.expect("it ends");
        }
        set.join_next().await.expect("one").expect("it ends");
        for id in ids {
            let seen = collector.task(id);
            assert!(seen.closed, "{seen:?}");
            // Four polls, and the drop of the future.
            assert_eq!((seen.entered, seen.exited), (5, 5), "{seen:?}");
            assert!(!seen.has_parent);
        }
    });
    assert_eq!(collector.tasks().len(), 4, "the root is no task");
}

#[test]
fn what_a_task_does_is_told_in_its_span_and_what_others_do_is_not() {
    let collector = collected(Level::TRACE, |_| async {
        let outer = tracing::info_span!(target: "test", "outer");
        let task = outer.in_scope(|| {
            sakia::spawn(async {
                let _tells = Tells;
                tracing::info!(target: "test", "begun");
                sakia::yield_now().await;
                tracing::info!(target: "test", "resumed");
                std::future::pending::<()>().await;
            })
        });
        laps(3).await;
        tracing::info!(target: "test", "outside");
        task.abort();
        assert!(task.await.is_err());
    });
    let events = collector.events("test");
    let told: Vec<(&str, usize)> = events
        .iter()
        .map(|event| (event.fields.as_str(), event.inside.len()))
        .collect();
    let expected = [
        ("message=begun;", 1),
        ("message=resumed;", 1),
        ("message=outside;", 0),
        ("message=dropped;", 1),
    ];
    assert_eq!(told, expected, "{events:?}");
    let task = &collector.tasks()[0];
    assert!(!task.has_parent, "it may outlive who spawned it");
}

#[test]
fn tasks_that_the_end_drops_are_dropped_in_their_spans_which_close() {
    let collector = collected(Level::TRACE, |_| async {
        for _ in 0..3 {
            sakia::spawn(async {
                let _tells = Tells;
                std::future::pending::<()>().await;
            });
        }
        laps(2).await;
        // Never polled: no span.
        sakia::spawn(async {});
    });
    let tasks = collector.tasks();
    assert_eq!(tasks.len(), 3);
    assert!(tasks.iter().all(|task| task.closed), "{tasks:?}");
    let dropped = collector.events("test");
    assert_eq!(dropped.len(), 3);
    assert!(dropped.iter().all(|event| event.inside.len() == 1));
}

#[test]
fn a_subscriber_that_does_not_want_spans_gets_none_and_events_all_the_same() {
    let collector = collected(Level::INFO, |_| async {
        let task = sakia::spawn(async { tracing::info!(target: "test", "here") });
        task.await.expect("it ends");
    });
    assert!(collector.tasks().is_empty());
    let told = collector.events("test");
    assert_eq!(told.len(), 1);
    assert!(told[0].inside.is_empty());
}

#[test]
fn a_panic_of_a_task_is_an_error_with_its_id_and_its_message() {
    in_child(|| {
        quiet_panics();
        let mut id = None;
        let collector = collected(Level::ERROR, |_| {
            let id = &mut id;
            async move {
                let task = sakia::spawn(async { panic!("boom {}", 7) });
                *id = Some(task.id());
                assert!(task.await.is_err());
            }
        });
        let told = collector.events("sakia::task");
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].level, Level::ERROR);
        let id = id.expect("it was spawned");
        let fields = &told[0].fields;
        assert!(fields.contains(&format!("task.id={id};")), "{fields}");
        assert!(fields.contains("panic=boom 7;"), "{fields}");
        assert!(fields.contains("message=a task panicked;"), "{fields}");
        let has_origin = fields.contains("task.origin=") && fields.contains("it/tracing.rs:");
        assert_eq!(has_origin, cfg!(feature = "track-origin"), "{fields}");
    });
}

#[cfg(feature = "track-origin")]
#[test]
fn with_track_origin_a_span_says_where_its_task_was_spawned() {
    let collector = collected(Level::DEBUG, |_| async {
        sakia::spawn(laps(1)).await.expect("it ends");
        let handle = Handle::current();
        let with = handle.spawn_with(|| laps(1));
        with.await.expect("it ends");
    });
    let tasks = collector.tasks();
    assert_eq!(tasks.len(), 2);
    for task in tasks {
        assert!(task.fields.contains("it/tracing.rs:"), "{task:?}");
    }
}

#[test]
fn the_end_is_told_with_what_it_did() {
    let collector = collected(Level::INFO, |_| async {
        let file = sakia::fs::File::open("/dev/null")
            .await
            .expect("it is there");
        sakia::spawn(async move {
            let _file = file;
            std::future::pending::<()>().await;
        });
    });
    let told = collector.events("sakia::runtime");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].level, Level::INFO);
    let fields = &told[0].fields;
    for part in [
        "has ended clean",
        "descriptors_closed=1;",
        "tasks_dropped=1;",
    ] {
        assert!(fields.contains(part), "no {part} in {fields}");
    }
}

#[test]
fn an_end_that_is_not_clean_is_a_warning_also_of_a_drop_and_the_hooks_of_the_user_are_called_too() {
    struct Throws;
    impl Drop for Throws {
        fn drop(&mut self) {
            panic!("a destructor of a test panics, as it should");
        }
    }
    in_child(|| {
        quiet_panics();
        let collector = Collector::new(Level::INFO);
        let called = std::rc::Rc::new(std::cell::Cell::new(0));
        let count = |n: u32| {
            let called = called.clone();
            move || called.set(called.get() + n)
        };
        let (ended, event, panicked) = (count(1), count(10), count(100));
        tracing::subscriber::with_default(collector.clone(), || {
            let builder = Runtime::builder().entries(64);
            let builder = builder.on_shutdown(move |_| ended());
            let builder = builder.on_event(move |_| event());
            let builder = builder.on_task_panic(move |_| panicked());
            let runtime = builder.build().expect("a ring can be made here");
            runtime.block_on(async {
                assert!(sakia::spawn(async { panic!() }).await.is_err());
                let throws = Throws;
                sakia::spawn(async move {
                    let _throws = throws;
                    std::future::pending::<()>().await;
                });
            });
            drop(runtime);
        });
        assert_eq!(called.get(), 111);
        let told = collector.events("sakia::runtime");
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].level, Level::WARN);
        let fields = &told[0].fields;
        for part in [
            "not clean",
            "tasks_panicked=1;",
            "why=1 destructors panicked;",
        ] {
            assert!(fields.contains(part), "no {part} in {fields}");
        }
    });
}

#[test]
fn a_kernel_that_is_denied_is_a_warning() {
    const NAME: &str = "tracing::a_kernel_that_is_denied_is_a_warning";
    in_child(|| {
        if is_emulated() {
            skip(NAME, "SAKIA_KERNEL has chosen: nothing falls back");
            return;
        }
        deny_io_uring(libc::EPERM);
        let collector = collected(Level::WARN, |_| async {});
        let told = collector.events("sakia::runtime");
        assert_eq!(told.len(), 1, "{told:?}");
        let fields = &told[0].fields;
        assert!(
            fields.contains("epoll") && fields.contains("cure=run with a seccomp profile"),
            "{fields}"
        );
    });
}

#[test]
fn a_ring_that_had_to_be_smaller_is_a_warning() {
    const NAME: &str = "tracing::a_ring_that_had_to_be_smaller_is_a_warning";
    in_child(|| {
        if !has_memlock(NAME, 65530, 64 << 10) {
            return;
        }
        let collector = Collector::new(Level::WARN);
        tracing::subscriber::with_default(collector.clone(), || {
            let builder = Runtime::builder().entries(4096).on_event(|_| {});
            drop(builder.build().expect("a smaller ring fits"));
        });
        let told = collector.events("sakia::runtime");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].fields.contains("asked=4096;"), "{told:?}");
    });
}
