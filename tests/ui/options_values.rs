//! Each wrong value is shown at that value.

#[sakia::test(entries = 0)]
async fn too_few() {}

#[sakia::test(entries = 40_000)]
async fn too_many() {}

#[sakia::test(entries = -(1))]
async fn negative() {}

#[sakia::test(report = "stdout", start_paused = 1, crate = sakia)]
async fn three_at_once() {}

#[sakia::test(entries, shutdown, report)]
async fn no_values() {}

#[sakia::test(entries = 64 report = "stderr")]
async fn no_comma() {}

fn main() {}
