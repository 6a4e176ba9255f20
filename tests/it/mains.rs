//! What the parent of a program under `#[sakia::main]` sees: its exit code and its stderr. The programs are `bin/mains.rs`.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sakia_tests::{in_child, skip};

use crate::fuse::{Answer, Behaviour, Served};

fn program(which: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mains"));
    command.arg(which).env_remove("RUST_BACKTRACE");
    command
}

/// The exit code, and what was written to stderr.
fn run(command: &mut Command) -> (i32, String) {
    let output = command.output().expect("a program can be started");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code();
    (
        code.unwrap_or_else(|| panic!("{}: {text}", output.status)),
        text,
    )
}

/// Runs one, and holds the exit code and the parts of stderr, in their order, against what must be.
#[track_caller]
fn ends(which: &str, code: i32, parts: &[&str]) -> String {
    let (got, text) = run(&mut program(which));
    assert_eq!(got, code, "{text}");
    let mut rest = text.as_str();
    for part in parts {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("no `{part}` (in this place) in:\n{text}"));
        rest = &rest[at + part.len()..];
    }
    text
}

const CLEAN: &str = "sakia: shutdown clean";
const UNCLEAN: &str = "sakia: shutdown NOT clean";

#[test]
fn a_clean_end_is_reported_if_asked_and_is_success() {
    let text = ends("clean", 0, &[CLEAN, "1 file", "1 dropped"]);
    assert_eq!(text.matches("sakia:").count(), 1, "{text}");
    assert_eq!(ends("silent", 0, &[]), "");
}

#[test]
fn an_error_that_main_returns_is_told_as_std_tells_it_and_the_report_follows() {
    ends("error", 1, &["Error: ", "NotFound", CLEAN]);
}

#[test]
fn an_exit_code_that_main_returns_is_the_process_s() {
    ends("code", 7, &[CLEAN]);
    assert_eq!(ends("own_termination", 9, &[]), "the verdict is 9\n");
    assert_eq!(ends("never", 4, &[]), "");
}

#[test]
fn a_panic_of_main_ends_the_runtime_as_well_and_is_reported() {
    let text = ends(
        "panic",
        101,
        &["main panics, as it should", CLEAN, "1 file"],
    );
    assert_eq!(text.matches(CLEAN).count(), 1, "{text}");
}

#[test]
fn a_panic_of_a_task_is_told_and_counted_and_is_no_failure_of_main() {
    ends(
        "panic_in_a_task",
        0,
        &["a task panics, as it should", CLEAN, "1 panicked"],
    );
}

#[test]
fn an_end_that_is_not_clean_turns_success_into_failure_where_a_report_was_asked_for() {
    let parts = ["a destructor panics", UNCLEAN, "1 destructors panicked"];
    ends("mess", 1, &parts);
    ends("mess_with_code", 7, &parts);
}

#[test]
fn an_end_that_is_not_clean_is_a_line_on_stderr_where_no_report_was_asked_for() {
    let text = ends(
        "mess_without_report",
        0,
        &["a destructor panics", "sakia: ", "did not end clean"],
    );
    assert_eq!(text.matches("sakia: ").count(), 1, "{text}");
}

#[test]
fn the_deadline_of_the_attribute_bounds_the_end() {
    let start = Instant::now();
    ends("late", 1, &[UNCLEAN, "1 threads left"]);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(100), "{took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn an_op_that_is_quarantined_is_named_and_turns_success_into_failure() {
    const NAME: &str = "mains::an_op_that_is_quarantined_is_named_and_turns_success_into_failure";
    in_child(|| {
        let served = match Served::mount(Behaviour {
            read: Answer::Held(0),
            ..Behaviour::default()
        }) {
            Ok(served) => served,
            Err(why) => return skip(NAME, &format!("no FUSE here: {why}")),
        };
        let mut command = program("quarantined");
        command.arg(served.file()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a program can be started");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut text = String::new();
        for line in stderr.lines() {
            text += &(line.expect("text") + "\n");
            if text.contains("not clean") {
                // Nobody ends a process whose worker hangs in the kernel; all has been said by now.
                served.let_go();
            }
        }
        let status = child.wait().expect("it has ended");
        assert_eq!(status.code(), Some(1), "{text}");
        assert!(text.contains(UNCLEAN), "{text}");
        assert!(text.contains("quarantined  1 READ"), "{text}");
    });
}

#[test]
fn process_exit_ends_the_process_at_once_with_its_code() {
    assert_eq!(ends("exit", 3, &[]), "", "nothing is run, nothing is said");
    assert_eq!(ends("exit_in_a_task", 3, &[]), "");
}

#[test]
fn a_runtime_that_cannot_be_built_is_told_with_cause_and_cure() {
    let (code, text) = run(program("clean").env("SAKIA_KERNEL", "kqueue"));
    assert_eq!(code, 1, "{text}");
    let expected = "Error: the environment variable SAKIA_KERNEL is \"kqueue\", which is no kernel; \
        unset SAKIA_KERNEL, or set it to auto, uring or emulated\n";
    assert_eq!(text, expected);
}

#[test]
fn arguments_come_by_std_env() {
    let output = program("arguments").args(["one", "two"]).output();
    let output = output.expect("a program can be started");
    assert_eq!(output.stdout, b"[\"one\", \"two\"]\n");
}

#[test]
fn no_name_around_it_matters_to_the_expansion() {
    ends("hostile", 0, &[CLEAN]);
}
