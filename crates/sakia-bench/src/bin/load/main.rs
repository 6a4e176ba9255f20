//! The neutral client: echo by a loop over the ring (the cheaper client) or over epoll, connections that come and go, idle ones, and steps.
//!
//! `load MODE PORT SERVER CONNECTIONS BYTES DEPTH WARM MEASURED`: the port, the process that serves, the times in milliseconds. (Of `steps` and `visits` see there.)

mod churn;
mod connect;
mod echo;
mod epoll;
mod idle;
mod steps;
mod tally;
mod uring;

use std::time::Duration;

use sakia_bench::words::{Words, variant};

/// What is asked for.
pub struct Job {
    pub port: u16,
    /// The process that serves.
    pub server: u32,
    pub connections: usize,
    /// The length of a message.
    pub bytes: usize,
    /// How many messages of a connection are under way.
    pub depth: usize,
    pub warm: Duration,
    pub measured: Duration,
}

fn main() {
    let words = Words::new();
    match words.mode() {
        "steps" => return steps::on_all(&words),
        "visits" => return steps::visits(&words),
        _ => {}
    }
    let job = Job {
        port: words.number(0) as u16,
        server: words.number(1) as u32,
        connections: words.count(2),
        bytes: words.count(3),
        depth: words.count(4),
        warm: Duration::from_millis(words.number(5)),
        measured: Duration::from_millis(words.number(6)),
    };
    match words.mode() {
        "echo" if variant() == "epoll" => epoll::run(&job),
        "echo" => uring::run(&job),
        "churn" => churn::run(&job),
        "idle" => idle::run(&job),
        mode => panic!("there is no mode {mode:?}"),
    }
}
