//! `#[sakia::test]` and `#[sakia::main]`: that they run, what they refuse, and that they ask nothing of their surroundings.

use std::time::{Duration, Instant};

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

#[test]
fn bad_attributes_get_errors_that_help() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*.rs");
}
