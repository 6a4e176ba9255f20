//! Each option of tokio and monoio is answered with ours.

#[sakia::main(
    flavor = "multi_thread",
    worker_threads = 4,
    unhandled_panic = "shutdown_runtime",
    threads = 4,
    driver = "fusion",
    timer_enabled = true,
    enable_timer = true
)]
async fn main() {}
