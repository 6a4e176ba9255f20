//! tokio's current_thread runtime.

fn main() {
    sakia_bench::main::<sakia_bench::tokio_rt::Tokio<false>>();
}
