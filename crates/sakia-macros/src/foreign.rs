//! Options of other runtimes' attributes, and what to do about each. Only sentences; the reading is in `options`.

/// What to say about an option that tokio's or monoio's attribute knows and ours does not.
pub fn advice(name: &str) -> Option<&'static str> {
    Some(match name {
        "flavor" => "`flavor` is tokio's: a sakia runtime is always one thread; remove it",
        "worker_threads" => {
            "`worker_threads` is tokio's: a sakia runtime is always one thread; for more, start threads with a `Runtime` each"
        }
        "unhandled_panic" => {
            "`unhandled_panic` is tokio's: build the runtime yourself and use `Builder::on_task_panic`"
        }
        "threads" => {
            "`threads` is monoio's: a sakia runtime is always one thread; for more, start threads with a `Runtime` each"
        }
        "driver" => {
            "`driver` is monoio's: sakia picks its kernel when it starts; remove it, or build the runtime yourself and use `Builder::kernel`"
        }
        "timer_enabled" | "enable_timer" => {
            "sakia's timer is always on: remove monoio's `timer_enabled` (`enable_timer`)"
        }
        _ => return None,
    })
}
