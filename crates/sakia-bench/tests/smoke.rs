//! Every mode of sakia, the floor and the minimal executor runs and tells its figure: a few hundred ops each, on whatever core is free.

use std::process::Command;

#[test]
fn sakia_and_the_floor_tell_a_figure_in_each_mode() {
    let output = Command::new(env!("CARGO_BIN_EXE_sakia-bench"))
        .arg("--smoke")
        .output()
        .expect("the runner starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    // A line a mode.
    for mode in [
        "echo-50-64-1",
        "churn-32",
        "read-1",
        "spawn-wave",
        "timer-among-1m",
    ] {
        assert!(
            text.lines().any(|line| line.starts_with(mode)),
            "{mode} is not in: {text}"
        );
    }
}
