//! One thing after another: messages on connections that stay, or connections that come and go. It measures no time: whoever counts the server's
//! instructions wants to know of how many requests.

use std::io::{Read, Write};

use sakia_bench::words::Words;

use crate::connect::connect;

const BYTES: usize = 64;

/// `PORT CONNECTIONS ROUNDS`: one message on each connection, then all answers, so many times.
pub fn on_all(words: &Words) {
    let port = words.number(0) as u16;
    let mut connections: Vec<_> = (0..words.count(1)).map(|_| connect(port)).collect();
    let mut message = [7; BYTES];
    for _ in 0..words.number(2) {
        for stream in &mut connections {
            stream.write_all(&message).expect("the server listens");
        }
        for stream in &mut connections {
            stream.read_exact(&mut message).expect("the server answers");
        }
    }
}

/// `PORT CONNECTIONS`: each comes, sends one message, gets it back and goes, before the next one comes.
pub fn visits(words: &Words) {
    let port = words.number(0) as u16;
    for _ in 0..words.count(1) {
        let (mut stream, mut message) = (connect(port), [7; BYTES]);
        stream.write_all(&message).expect("the server listens");
        stream.read_exact(&mut message).expect("the server answers");
    }
}
