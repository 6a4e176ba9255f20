//! Every way in which a build can fail: an `io::Error` with a [`SetupError`] inside, whose two sentences say what went wrong and what mends it, and
//! nothing left behind.

use std::error::Error;
use std::time::Duration;

use sakia::{Builder, KernelChoice, Runtime, SetupError};
use sakia_tests::{
    Limit, deny_io_uring, deny_numbers, fds, in_child, is_child, leaves_nothing, run_child,
    set_limit,
};

fn builder() -> Builder {
    Runtime::builder().entries(64)
}

/// The sentences of the error that a build ends in, which leaves nothing.
fn refused(builder: Builder) -> (String, String) {
    let error = leaves_nothing(|| builder.build().map(drop).expect_err("it is refused"));
    let setup: Option<&SetupError> = error.get_ref().and_then(|inner| inner.downcast_ref());
    let setup = setup.unwrap_or_else(|| panic!("a SetupError is inside, not {error:?}"));
    let errno = setup.raw_os_error().expect("the kernel has said no");
    let kernel = std::io::Error::from_raw_os_error(errno);
    assert_eq!(error.kind(), kernel.kind(), "the kind is the errno's");
    let source = setup.source().expect("what the kernel said");
    assert_eq!(source.to_string(), kernel.to_string());
    assert_eq!(
        error.to_string(),
        format!("{}; {}", setup.cause(), setup.cure())
    );
    (setup.cause().to_owned(), setup.cure().to_owned())
}

#[track_caller]
fn says((cause, cure): (String, String), of_cause: &str, of_cure: &str) {
    assert!(
        cause.contains(of_cause) && cure.contains(of_cure),
        "{cause}; {cure}"
    );
}

const EACH: [KernelChoice; 2] = [KernelChoice::Uring, KernelChoice::Emulated];

#[test]
fn any_number_of_entries_makes_a_ring_on_each_kernel() {
    for kernel in EACH {
        for entries in [0, 1, 3, 100_000, u32::MAX] {
            let builder = Runtime::builder().entries(entries).kernel(kernel.clone());
            let runtime = builder.on_event(|_| {}).build();
            let runtime = runtime.unwrap_or_else(|error| panic!("{kernel:?}, {entries}: {error}"));
            runtime.block_on(sakia::time::sleep(Duration::from_millis(1)));
        }
    }
}

#[test]
fn with_any_number_of_descriptors_left_a_build_fails_with_a_cure_or_works() {
    in_child(|| {
        let open = fds().into_keys().max().expect("stderr is open") + 1;
        // No gap below: the limit alone says how many are left.
        let plugs: Vec<_> = (0..open)
            .filter_map(|_| std::fs::File::open("/dev/null").ok())
            .filter(|file| {
                use std::os::fd::AsRawFd;
                file.as_raw_fd() < open
            })
            .collect();
        for kernel in EACH {
            let mut errors = 0;
            loop {
                set_limit(Limit::Files, open as u64 + errors);
                // The looks at /proc take a descriptor, too: they are made under the old limit.
                let built = builder().kernel(kernel.clone()).build();
                set_limit(Limit::Files, open as u64 + 100);
                let Err(error) = built else { break };
                let setup: Option<&SetupError> =
                    error.get_ref().and_then(|inner| inner.downcast_ref());
                let setup = setup.unwrap_or_else(|| panic!("no SetupError: {error:?}"));
                let sentences = (setup.cause().to_owned(), setup.cure().to_owned());
                says(sentences, "no descriptor is left", "RLIMIT_NOFILE");
                assert_eq!(fds().into_keys().max(), Some(open - 1), "{kernel:?}");
                errors += 1;
            }
            assert!((1..10).contains(&errors), "{kernel:?}: {errors} errors");
        }
        drop(plugs);
    });
}

#[test]
fn a_limit_that_may_not_be_raised_names_cause_and_cure() {
    in_child(|| {
        set_limit(Limit::Files, 128);
        deny_numbers(&[libc::SYS_prlimit64, libc::SYS_setrlimit], libc::EPERM);
        says(
            refused(builder().raise_nofile(true)),
            "limit of descriptors",
            "ulimit -n",
        );
        assert!(builder().build().is_ok(), "who does not ask is not refused");
    });
}

#[test]
fn a_thread_that_may_not_be_pinned_names_cause_and_cure() {
    in_child(|| {
        deny_numbers(&[libc::SYS_sched_setaffinity], libc::EPERM);
        let pinned = || builder().pin_to(0..1024);
        says(refused(pinned()), "not among those", "taskset");
        let all = std::fs::read_to_string("/proc/thread-self/status").expect("/proc");
        let all = all
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let first = all.and_then(|all| all.trim().split([',', '-']).next());
        let first = first.and_then(|first| first.parse().ok()).expect("a core");
        says(
            refused(builder().pin_to([first])),
            "could not be pinned",
            "sched_setaffinity",
        );
        deny_numbers(&[libc::SYS_sched_getaffinity], libc::EPERM);
        says(
            refused(builder().pin_to([first])),
            "could not be pinned",
            "sched_getaffinity",
        );
        assert!(builder().build().is_ok(), "who does not ask is not refused");
    });
}

/// io_uring answers this errno to everything; the strict choice is refused, and by default there is the other kernel.
fn uring_answers(errno: i32, of_cause: &str, of_cure: &str) {
    deny_io_uring(errno);
    let strict = builder().kernel(KernelChoice::Uring);
    says(refused(strict), of_cause, of_cure);
    let runtime = builder().on_event(|_| {}).build().expect("epoll");
    assert_eq!(runtime.block_on(async { 7 }), 7);
}

#[test]
fn a_security_module_that_denies_io_uring_is_named() {
    in_child(|| uring_answers(libc::EACCES, "security module", "audit log"));
}

#[test]
fn an_io_uring_that_knows_too_little_is_named() {
    in_child(|| uring_answers(libc::EINVAL, "too old", "Linux 6.1"));
}

#[test]
fn a_part_that_the_kernel_refuses_is_named() {
    in_child(|| {
        deny_numbers(&[libc::SYS_eventfd2], libc::EPERM);
        let on = |kernel| builder().kernel(kernel);
        for kernel in EACH {
            says(refused(on(kernel)), "the eventfd", "strace");
        }
        deny_numbers(&[libc::SYS_eventfd2], libc::ENFILE);
        says(refused(builder()), "no descriptor is left", "RLIMIT_NOFILE");
    });
}

#[test]
fn a_lack_of_memory_for_the_ring_is_an_error_and_no_reason_for_the_other_kernel() {
    in_child(|| {
        if sakia_tests::is_emulated() {
            return;
        }
        deny_io_uring(libc::ENOMEM);
        says(refused(builder()), "RLIMIT_MEMLOCK is", "ulimit -l");
    });
}

#[test]
fn a_variable_that_names_no_kernel_is_refused_by_name() {
    const NAME: &str = "setup_errors::a_variable_that_names_no_kernel_is_refused_by_name";
    if is_child() {
        says(
            refused(builder()),
            "SAKIA_KERNEL",
            "auto, uring or emulated",
        );
        let chosen = builder().kernel(KernelChoice::Emulated).build();
        assert!(chosen.is_ok(), "the program's own choice is not overruled");
        return;
    }
    let output = run_child(NAME, &[("SAKIA_KERNEL", "kqueue")]);
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}
