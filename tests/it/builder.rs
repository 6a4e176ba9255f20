//! What a runtime can be asked to be: cores, limits, and errors that say cause and cure.

use std::error::Error;
use std::time::Duration;

use sakia::{KernelChoice, Runtime, SetupError};
use sakia_tests::{Limit, deny_io_uring, fds, in_child, set_limit};

/// What /proc says of this thread.
fn status(key: &str) -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.expect("the kernel tells it").trim().to_owned()
}

fn cores() -> String {
    status("Cpus_allowed_list:")
}

fn first_core() -> usize {
    let cores = cores();
    cores.split([',', '-']).next().unwrap().parse().unwrap()
}

/// The soft limit of descriptors.
fn nofile() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("/proc is mounted");
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line
        .and_then(|line| line.split_whitespace().next())
        .unwrap();
    soft.parse().unwrap()
}

/// Cause and cure of a build that must fail.
fn refused(builder: sakia::Builder) -> (String, String) {
    let error = builder.build().map(drop).expect_err("it is refused");
    let setup = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<SetupError>());
    let setup = setup.unwrap_or_else(|| panic!("a SetupError is inside, not {error:?}"));
    assert!(setup.source().is_some() && setup.raw_os_error().is_some());
    assert_eq!(
        error.to_string(),
        format!("{}; {}", setup.cause(), setup.cure())
    );
    (setup.cause().to_owned(), setup.cure().to_owned())
}

#[test]
fn a_pinned_runtime_runs_on_its_core_and_its_thread_alone_is_pinned() {
    std::thread::spawn(|| {
        let core = first_core();
        let before = std::thread::spawn(cores).join().unwrap();
        let runtime = Runtime::builder()
            .entries(64)
            .pin_to([core])
            .build()
            .unwrap();
        assert_eq!(cores(), core.to_string());
        runtime.block_on(async { assert_eq!(cores(), core.to_string()) });
        assert!(runtime.shutdown(Duration::from_secs(5)).is_clean());
        assert_eq!(cores(), core.to_string(), "it stays pinned");
        let other = std::thread::current().id();
        assert_ne!(
            std::thread::spawn(|| std::thread::current().id())
                .join()
                .unwrap(),
            other
        );
        drop(before);
    })
    .join()
    .unwrap();
}

#[test]
fn a_core_that_is_not_there_is_an_error_with_the_cores_that_are_and_changes_nothing() {
    std::thread::spawn(|| {
        let before = cores();
        let (cause, cure) = refused(Runtime::builder().pin_to([first_core(), 1000]));
        assert!(
            cause.contains("core 1000") && cause.contains(&before),
            "{cause}"
        );
        assert!(cure.contains("taskset"), "{cure}");
        let (cause, _) = refused(Runtime::builder().pin_to([usize::MAX]));
        assert!(cause.contains(&usize::MAX.to_string()), "{cause}");
        let (cause, cure) = refused(Runtime::builder().pin_to([]));
        assert!(
            cause.contains("no core") && cure.contains(&before),
            "{cause}; {cure}"
        );
        assert_eq!(cores(), before);
    })
    .join()
    .unwrap();
}

#[test]
fn raise_nofile_lifts_the_soft_limit_to_the_hard_one_and_its_absence_does_not() {
    in_child(|| {
        let hard = nofile();
        set_limit(Limit::Files, 64);
        drop(Runtime::builder().entries(64).build().unwrap());
        assert_eq!(nofile(), 64);
        drop(
            Runtime::builder()
                .entries(64)
                .raise_nofile(true)
                .build()
                .unwrap(),
        );
        assert!(nofile() >= hard && nofile() > 64, "{}", nofile());
    });
}

#[test]
fn a_build_that_fails_names_cause_and_cure_and_leaves_thread_and_descriptors_as_they_were() {
    in_child(|| {
        let (before, cores_before) = (fds(), cores());
        let core = first_core();
        // The lowest number that is free.
        let open = (0..).find(|number| !before.contains_key(number)).unwrap();
        let open = u64::try_from(open).unwrap();
        // No descriptor is left for the ring.
        set_limit(Limit::Files, open);
        let (cause, cure) = refused(Runtime::builder().entries(64).pin_to([core]));
        assert!(
            cause.contains("descriptor") && cure.contains("RLIMIT_NOFILE"),
            "{cause}; {cure}"
        );
        // The ring gets one, its eventfd none.
        set_limit(Limit::Files, open + 1);
        let (cause, cure) = refused(Runtime::builder().entries(64));
        assert!(
            cause.contains("descriptor") && cure.contains("RLIMIT_NOFILE"),
            "{cause}; {cure}"
        );
        set_limit(Limit::Files, open + 64);
        deny_io_uring(libc::EPERM);
        let uring = Runtime::builder()
            .kernel(KernelChoice::Uring)
            .pin_to([core]);
        let (cause, cure) = refused(uring);
        assert!(
            cause.contains("denied") && cure.contains("seccomp"),
            "{cause}; {cure}"
        );
        assert_eq!((fds(), cores()), (before, cores_before));
    });
}
