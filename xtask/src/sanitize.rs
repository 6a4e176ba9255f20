//! `cargo xtask sanitize`: the whole suite under AddressSanitizer, then under ThreadSanitizer.
//!
//! Words after it name one of the two, and then what the test binaries are given (`sanitize thread wakes::`). The standard library is not
//! instrumented: it comes as it is, for its source is no part of the toolchain. What that hides from ThreadSanitizer, and so what it
//! reports wrongly, is listed in `xtask/tsan-suppressions.txt`, each with its reason.
//!
//! Leaks are not looked for: the quarantine, a runtime that is dropped below its own `block_on`, and a task that cannot be dropped in time
//! leak on purpose, and tests make them do it. What leaks otherwise is caught by the tests that count drops, descriptors and
//! resident memory, and by the stress.

use std::path::Path;

use crate::{cmd, layers, nightly};

/// One sanitizer and how it is asked for.
struct Sanitizer {
    name: &'static str,
    flags: &'static str,
    options_variable: &'static str,
    options: &'static str,
    /// Tests that measure what the sanitizer changes.
    skipped: &'static [Skip],
}

/// A test, or the beginning of the names of some, that is not run, and why not.
struct Skip {
    test: &'static str,
    why: &'static str,
}

const SLOW: &str = "it measures time, and instrumented code takes several times as long";
const PIPES: &str = "it counts descriptors, and the sanitizer opens pipes of its own";
const FAT: &str = "it measures memory, and freed memory is held back to catch uses of it";

const SANITIZERS: &[Sanitizer] = &[
    Sanitizer {
        name: "address",
        flags: "-Zsanitizer=address",
        options_variable: "ASAN_OPTIONS",
        options: "detect_leaks=0:detect_stack_use_after_return=1:quarantine_size_mb=8",
        skipped: &[
            Skip {
                test: "tests::scale::",
                why: SLOW,
            },
            Skip {
                test: "twenty_thousand_ops_in_flight_are_drained_in_well_under_a_second",
                why: SLOW,
            },
            Skip {
                test: "a_file_of_any_size_is_served_in_constant_memory",
                why: FAT,
            },
            Skip {
                test: "ten_thousand_idle_connections_cost_little_and_are_ended_by_the_stop",
                why: FAT,
            },
        ],
    },
    Sanitizer {
        name: "thread",
        flags: "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer",
        options_variable: "TSAN_OPTIONS",
        options: "halt_on_error=0:exitcode=66:history_size=4",
        skipped: &[
            Skip {
                test: "tests::scale::",
                why: SLOW,
            },
            Skip {
                test: "twenty_thousand_ops_in_flight_are_drained_in_well_under_a_second",
                why: SLOW,
            },
            Skip {
                test: "a_file_of_any_size_is_served_in_constant_memory",
                why: FAT,
            },
            Skip {
                test: "ten_thousand_idle_connections_cost_little_and_are_ended_by_the_stop",
                why: FAT,
            },
            Skip {
                test: "four_who_make_the_same_branch_all_succeed",
                why: "the end of a scope of threads is ordered inside the standard library",
            },
            Skip {
                test: "every_descriptor_is_closed_whatever_is_dropped_when",
                why: PIPES,
            },
            Skip {
                test: "exits_limits::where_",
                why: PIPES,
            },
            Skip {
                test: "exits_loop::threads_that_wake_a_runtime_to_its_end_and_past_it",
                why: PIPES,
            },
            Skip {
                test: "limits::a_client_that_takes_nothing_is_cut_off",
                why: PIPES,
            },
            Skip {
                test: "emulated::on_a_kernel_that_knows_neither",
                why: PIPES,
            },
            Skip {
                test: "emulated::where_no_thread_is_to_be_had",
                why: "the sanitizer wants a process for the names of what it suppresses, and there is none to be had",
            },
            Skip {
                test: "syscalls::",
                why: "it counts system calls, and the sanitizer makes some of its own",
            },
            Skip {
                test: "spinning::a_timer_a_task_of_another_thread",
                why: "it counts how often its thread sleeps, and the sanitizer has locks of its own",
            },
            Skip {
                test: "hostile::what_is_no_http_ends_its_connection",
                why: PIPES,
            },
            Skip {
                test: "days::clients_that_are_killed_in_mid_transfer",
                why: PIPES,
            },
            Skip {
                test: "days::clients_that_send_their_heads_a_byte_at_a_time",
                why: PIPES,
            },
            Skip {
                test: "large::clients_that_go_in_mid_transfer",
                why: PIPES,
            },
            Skip {
                test: "no_way_out_closes_a_number_that_is_not_open",
                why: "strace sees the closes of the sanitizer, which tries every number",
            },
            Skip {
                test: "reads_that_a_select_cancels_by_name_lose_and_double_no_byte",
                why: "its reader must be faster than its writer, which waits for nobody",
            },
            Skip {
                test: "a_peer_that_takes_nothing_of_its_response_is_cut_off",
                why: SLOW,
            },
        ],
    },
];

/// Runs the suite under the sanitizer that `words` begins with, or under all.
pub fn run(root: &Path, words: &[&str]) -> Result<(), String> {
    let (chosen, rest): (Vec<&Sanitizer>, &[&str]) = match words {
        [] => (SANITIZERS.iter().collect(), &[]),
        [name, rest @ ..] => (vec![find(name)?], rest),
    };
    for sanitizer in chosen {
        for Skip { test, why } in sanitizer.skipped {
            println!("{}: without {test}: {why}", sanitizer.name);
        }
        suite(root, sanitizer, rest)?;
    }
    Ok(())
}

fn find(name: &str) -> Result<&'static Sanitizer, String> {
    SANITIZERS
        .iter()
        .find(|sanitizer| sanitizer.name == name)
        .ok_or_else(|| format!("there is no sanitizer `{name}`; there are address and thread"))
}

fn suite(root: &Path, sanitizer: &Sanitizer, words: &[&str]) -> Result<(), String> {
    let target = layers::target_directory(root)?.join(format!("sanitize-{}", sanitizer.name));
    let mut options = sanitizer.options.to_owned();
    if sanitizer.name == "thread" {
        let list = root.join("xtask/tsan-suppressions.txt");
        options += &format!(":suppressions={}", list.display());
    }
    // Doctests are left out: a binary each, and the unit of what they show is tested elsewhere. With a target said, build scripts and
    // macros are built without the sanitizer.
    let mut command = nightly::cargo(root, &["test", "--workspace", "--exclude", "xtask"])?;
    command.args(["--all-features", "--tests", "--no-fail-fast"]);
    command.args(["--target", nightly::TARGET]);
    command
        .arg("--target-dir")
        .arg(target)
        .arg("--")
        .args(words);
    for skip in sanitizer.skipped {
        command.args(["--skip", skip.test]);
    }
    if sanitizer.name == "thread" {
        // std keeps what a backtrace has looked up, under a lock of its own: two threads that print one each would be a race.
        command.env("RUST_BACKTRACE", "0");
    }
    command
        .env("RUSTFLAGS", sanitizer.flags)
        .env(sanitizer.options_variable, options);
    cmd::run(&mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sanitizer_that_is_not_there_is_an_error_that_names_those_that_are() {
        let error = run(Path::new("."), &["leak"]).unwrap_err();
        assert!(error.contains("address and thread"), "{error}");
    }
}
