//! The floor: the shortest loops over the ring, and over epoll or plain system calls, with no runtime. What a runtime costs is what it costs beyond them.
//!
//! `BENCH_VARIANT` says which loop it is, where there are several; the words are those of the modes.

mod echo;
mod epoll;
mod files;
mod multishot;
mod nop;
mod open;
mod plain;
mod single_shot;
mod start_stop;
mod wakes;

use sakia_bench::words::{Words, variant};

use echo::Names;

/// As many as are in use at once, and what is too few for many connections.
const BUFFERS: u16 = 512;
const FEW_BUFFERS: u16 = 64;

fn main() {
    let (words, variant) = (Words::new(), variant());
    match (words.mode(), variant.as_str()) {
        ("serve", way) => serve(words.number(0) as u16, words.count(1), way),
        (mode, "plain") => plain::run(mode, &words),
        ("read", way) => files::read(&words, way == "registered"),
        ("write", way) => files::write(&words, way == "registered"),
        ("zero", way) => files::zero(&words, way == "registered"),
        ("open-read-close", _) => open::run(&words, true),
        ("open-drop", _) => open::run(&words, false),
        ("nop", _) => nop::run(&words),
        ("start-stop", _) => start_stop::run(&words),
        ("cross-wake", "eventfd") => wakes::eventfd(&words),
        ("cross-wake", "msg-ring") => wakes::msg_ring(&words),
        ("cross-wake", "futex") => wakes::futex(&words),
        (mode, variant) => panic!("there is no mode {mode:?} of {variant:?}"),
    }
}

fn serve(port: u16, size: usize, way: &str) {
    match way {
        "single-shot" => single_shot::serve(port, size, Names::Fds),
        "single-shot-direct" => single_shot::serve(port, size, Names::Slots),
        "multishot" => multishot::serve(port, size, Names::Fds, BUFFERS),
        "multishot-direct" => multishot::serve(port, size, Names::Slots, BUFFERS),
        "multishot-64" => multishot::serve(port, size, Names::Fds, FEW_BUFFERS),
        "epoll" => epoll::serve(port, size),
        way => panic!("there is no {way:?} server"),
    }
}
