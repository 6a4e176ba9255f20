//! Echo by epoll: readiness, then the plain calls.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::Job;
use crate::echo::Connection;
use crate::tally::{Tally, stalled};

pub const EVENTS: usize = 512;
pub const PATIENCE: Timespec = Timespec {
    tv_sec: 2,
    tv_nsec: 0,
};

pub fn run(job: &Job) {
    let mut connections = Connection::all(job);
    let epoll = epoll::create(CreateFlags::CLOEXEC).expect("there is a descriptor left");
    let mut tally = Tally::new(job);
    let out = vec![0x5a; job.bytes * job.depth];
    let mut buf = vec![0; out.len().max(64 * 1024)];
    for (which, connection) in connections.iter_mut().enumerate() {
        let stream = &connection.stream;
        stream.set_nonblocking(true).expect("it is a socket");
        let data = EventData::new_u64(which as u64);
        epoll::add(&epoll, stream, data, EventFlags::IN).expect("a socket can be polled");
    }
    for connection in &mut connections {
        connection.begin(tally.now());
        send_all(&connection.stream, &out);
    }
    let mut events = Vec::<Event>::with_capacity(EVENTS);
    loop {
        events.clear();
        let room = rustix::buffer::spare_capacity(&mut events);
        if matches!(epoll::wait(&epoll, room, Some(&PATIENCE)), Ok(0)) {
            stalled();
        }
        tally.now();
        for event in &events {
            let connection = &mut connections[event.data.u64() as usize];
            let n = connection
                .stream
                .read(&mut buf)
                .expect("the server answers");
            assert!(n > 0, "the server has hung up");
            let now: Duration = tally.now();
            let whole = connection.received(n, job.bytes, now, &mut tally);
            send_all(&connection.stream, &out[..whole * job.bytes]);
        }
    }
}

fn send_all(mut stream: &TcpStream, mut rest: &[u8]) {
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(n) => rest = &rest[n..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let _ = poll(&mut [PollFd::new(stream, PollFlags::OUT)], Some(&PATIENCE));
            }
            Err(error) => panic!("the server does not listen: {error}"),
        }
    }
}
