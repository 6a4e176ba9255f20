//! What a runtime tells without being asked: a kernel that is denied, a ring that is smaller, an end that was not clean.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use sakia::{Event, KernelChoice, Runtime, SetupError};
use sakia_tests::{deny_io_uring, has_memlock, in_child, is_child, is_emulated, run_child, skip};

/// What a builder's `on_event` was told.
#[derive(Debug, PartialEq)]
enum Told {
    Fallback(Option<i32>, String),
    Shrunk(u32, u32),
    Unclean,
}

type Log = Rc<RefCell<Vec<Told>>>;

fn note(log: &Log) -> impl Fn(&Event<'_>) + 'static {
    let log = log.clone();
    move |event| {
        log.borrow_mut().push(match event {
            Event::FallbackKernel { reason, .. } => {
                let reason: &SetupError = reason;
                Told::Fallback(reason.raw_os_error(), reason.cause().to_owned())
            }
            Event::RingShrunk { asked, got, .. } => Told::Shrunk(*asked, *got),
            Event::UncleanDrop(report) => {
                assert!(!report.is_clean());
                Told::Unclean
            }
            other => panic!("an event that nobody expects: {other}"),
        });
    }
}

/// Builds a runtime and tells what came to its `on_event`.
fn told(entries: u32, kernel: KernelChoice) -> io::Result<Vec<Told>> {
    let log = Log::default();
    let builder = Runtime::builder().entries(entries).kernel(kernel);
    let runtime = builder.on_event(note(&log)).build()?;
    let told = log.take();
    runtime.block_on(sakia::time::sleep(Duration::from_millis(1)));
    assert!(runtime.shutdown(Duration::from_secs(5)).is_clean());
    assert_eq!(log.take(), [], "it is told at the build, and once");
    Ok(told)
}

#[test]
fn a_runtime_that_gets_what_it_asks_for_tells_nothing() {
    // 100 is rounded up to 128, and nothing is longer than 32768: neither is a loss.
    for entries in [0, 1, 8, 100, 256] {
        let told = told(entries, KernelChoice::Auto).expect("a ring can be made here");
        assert_eq!(told, [], "{entries} entries");
    }
    let emulated = told(64, KernelChoice::Emulated).expect("epoll is there");
    assert_eq!(emulated, [], "what was chosen is no fallback");
}

#[test]
fn a_kernel_that_is_denied_is_told_with_the_reason() {
    const NAME: &str = "events::a_kernel_that_is_denied_is_told_with_the_reason";
    in_child(|| {
        if is_emulated() {
            skip(NAME, "SAKIA_KERNEL has chosen: nothing falls back");
            return;
        }
        deny_io_uring(libc::EPERM);
        let told_by_default = told(64, KernelChoice::Auto).expect("the other kernel");
        let [Told::Fallback(errno, cause)] = &told_by_default[..] else {
            panic!("not one fallback, but {told_by_default:?}");
        };
        assert_eq!(*errno, Some(libc::EPERM));
        assert!(cause.contains("denied"), "{cause}");
        let chosen = told(64, KernelChoice::Emulated).expect("the other kernel");
        assert_eq!(chosen, []);
        told(64, KernelChoice::Uring).expect_err("it is denied, and nothing else will do");
    });
}

#[test]
fn a_ring_that_is_smaller_than_asked_for_is_told_with_both_sizes() {
    const NAME: &str = "events::a_ring_that_is_smaller_than_asked_for_is_told_with_both_sizes";
    in_child(|| {
        if !has_memlock(NAME, 65531, 64 << 10) {
            return;
        }
        let told_of_many = told(3000, KernelChoice::Auto).expect("a smaller ring fits");
        let [Told::Shrunk(4096, got)] = told_of_many[..] else {
            panic!("not one shrunk ring of 4096, but {told_of_many:?}");
        };
        // 64 bytes a submission and 64 for the completions of it: this is what 64 KiB hold.
        assert!((8..=512).contains(&got), "{got} entries");
        // The charge of that ring comes back late.
        std::thread::sleep(Duration::from_millis(200));
        let told_of_few = told(8, KernelChoice::Auto).expect("it fits");
        assert_eq!(told_of_few, []);
    });
}

#[test]
fn an_unclean_drop_is_told_and_a_clean_one_is_not() {
    struct Throws;
    impl Drop for Throws {
        fn drop(&mut self) {
            panic!("a destructor of a test panics, as it should");
        }
    }
    for (throws, expected) in [(true, vec![Told::Unclean]), (false, vec![])] {
        let log = Log::default();
        let builder = Runtime::builder().entries(64).on_event(note(&log));
        let runtime = builder.build().expect("a ring can be made here");
        log.take();
        let throws = throws.then(|| Throws);
        runtime.spawn(async move {
            let _throws = throws;
            std::future::pending::<()>().await;
        });
        drop(runtime);
        assert_eq!(log.take(), expected);
    }
}

/// The lines of sakia's own on the child's stderr.
fn lines(name: &str) -> Vec<String> {
    let output = run_child(name, &[]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let lines = text.lines().filter(|line| line.starts_with("sakia: "));
    lines.map(str::to_owned).collect()
}

#[test]
fn by_default_what_is_true_of_all_runtimes_is_one_line_on_stderr() {
    const NAME: &str = "events::by_default_what_is_true_of_all_runtimes_is_one_line_on_stderr";
    if is_emulated() {
        skip(NAME, "SAKIA_KERNEL has chosen: nothing falls back");
        return;
    }
    if is_child() {
        deny_io_uring(libc::ENOSYS);
        for _ in 0..3 {
            drop(Runtime::builder().entries(64).build().expect("epoll"));
        }
        return;
    }
    let lines = lines(NAME);
    let [line] = &lines[..] else {
        panic!("not one line, but {lines:?}");
    };
    assert!(
        line.contains("epoll")
            && line.contains("io_uring is not there")
            && line.contains("use Linux"),
        "{line}"
    );
}
