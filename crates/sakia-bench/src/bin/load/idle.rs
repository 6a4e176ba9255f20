//! Connections that have sent one message and got it back, and then say nothing: what each costs the server in memory.

use std::io::{Read, Write};

use sakia_bench::measure::resident;

use crate::Job;
use crate::connect::connect;

pub fn run(job: &Job) {
    let server = job.server.to_string();
    // The first one wakes what there is once.
    let _first = one(job);
    let before = resident(&server);
    let _idle: Vec<_> = (0..job.connections).map(|_| one(job)).collect();
    let more = resident(&server).saturating_sub(before);
    println!("bytes={:.1}", more as f64 / job.connections as f64);
}

fn one(job: &Job) -> std::net::TcpStream {
    let mut stream = connect(job.port);
    let mut message = vec![1; job.bytes];
    stream.write_all(&message).expect("the server listens");
    stream.read_exact(&mut message).expect("the server answers");
    stream
}
