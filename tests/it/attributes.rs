//! `#[sakia::test]` and `#[sakia::main]`: that they run, what they refuse, and that they ask nothing of their surroundings.

use std::time::{Duration, Instant};

use sakia_tests::{is_child, run_child};

#[sakia::test]
async fn a_test_runs_on_a_runtime() {
    let answer = sakia::spawn(async { 42 }).await.expect("the task ends");
    assert_eq!(answer, 42);
}

#[sakia::test(entries = 64)]
async fn a_test_may_return_a_result() -> std::io::Result<()> {
    let file = sakia::fs::File::open("/dev/null").await?;
    file.close().await
}

#[sakia::test(entries = 64, start_paused)]
async fn a_paused_clock_jumps_to_the_next_deadline() {
    let (real, ours) = (Instant::now(), sakia::time::now());
    sakia::time::sleep(Duration::from_secs(3600)).await;
    assert!(sakia::time::now() - ours >= Duration::from_secs(3600));
    assert!(real.elapsed() < Duration::from_secs(5));
}

#[sakia::test(entries = 64)]
#[should_panic(expected = "as it should")]
async fn a_panic_of_a_test_is_seen() {
    panic!("as it should");
}

/// A destructor that panics as the runtime ends.
struct Throws;

impl Drop for Throws {
    fn drop(&mut self) {
        panic!("a destructor of a test panics, as it should");
    }
}

#[sakia::test(entries = 64)]
#[should_panic(expected = "did not end clean: sakia: shutdown NOT clean")]
async fn a_test_whose_end_is_not_clean_fails() {
    let throws = Throws;
    sakia::spawn(async move {
        let _throws = throws;
        std::future::pending::<()>().await;
    });
}

#[sakia::test(entries = 64, shutdown = "50ms")]
#[should_panic(expected = "1 threads left")]
async fn a_test_whose_deadline_is_not_met_fails() {
    let (began, begun) = std::sync::mpsc::channel();
    sakia::spawn(sakia::spawn_blocking(move || {
        began.send(()).expect("the test waits for it");
        std::thread::sleep(Duration::from_secs(3));
    }));
    while begun.try_recv().is_err() {
        sakia::yield_now().await;
    }
}

/// Fails in a child alone.
#[sakia::test(entries = 64)]
async fn a_test_that_returns_an_error_fails() -> std::io::Result<()> {
    const NAME: &str = "attributes::a_test_that_returns_an_error_fails";
    if is_child() {
        return sakia::fs::File::open("/no/such/file").await.map(drop);
    }
    let output = run_child(NAME, &[]);
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{text}");
    assert!(
        text.contains("NotFound") && text.contains("1 failed"),
        "{text}"
    );
    Ok(())
}

/// In a child alone there is no such kernel.
#[sakia::test(entries = 64)]
async fn a_test_without_a_runtime_fails_with_cause_and_cure() {
    const NAME: &str = "attributes::a_test_without_a_runtime_fails_with_cause_and_cure";
    assert!(!is_child(), "no runtime, no test");
    let output = run_child(NAME, &[("SAKIA_KERNEL", "kqueue")]);
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{text}");
    let sentence = "the runtime of this test could not be built: the environment variable";
    assert!(
        text.contains(sentence) && text.contains("unset SAKIA_KERNEL"),
        "{text}"
    );
}

#[test]
fn bad_attributes_get_errors_that_help() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*.rs");
}
