//! tokio's multi-threaded runtime, with one worker.

fn main() {
    sakia_bench::main::<sakia_bench::tokio_rt::Tokio<true>>();
}
