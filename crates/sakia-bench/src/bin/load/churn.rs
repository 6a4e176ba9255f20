//! Connections that come, send one message, get it back and go: so many at a time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::Job;
use crate::connect::connect;
use crate::epoll::{EVENTS, PATIENCE};
use crate::tally::{Tally, stalled};

struct Churn {
    epoll: OwnedFd,
    server: SocketAddr,
    message: Vec<u8>,
    sockets: HashMap<u64, OwnedFd>,
}

pub fn run(job: &Job) {
    drop(connect(job.port));
    let mut churn = Churn {
        epoll: epoll::create(CreateFlags::CLOEXEC).expect("there is a descriptor left"),
        server: SocketAddr::from(([127, 0, 0, 1], job.port)),
        message: vec![0x5a; job.bytes],
        sockets: HashMap::new(),
    };
    (0..job.connections).for_each(|_| churn.open());
    let mut tally = Tally::new(job);
    let mut events = Vec::<Event>::with_capacity(EVENTS);
    loop {
        events.clear();
        let room = rustix::buffer::spare_capacity(&mut events);
        if matches!(epoll::wait(&churn.epoll, room, Some(&PATIENCE)), Ok(0)) {
            stalled();
        }
        tally.now();
        for event in &events {
            let (fd, flags) = (event.data.u64(), event.flags);
            if flags.contains(EventFlags::OUT) {
                churn.connected(fd);
            } else {
                churn.answered(fd);
                tally.count(1);
            }
        }
    }
}

impl Churn {
    fn open(&mut self) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None);
        let socket = socket.expect("there is a descriptor left");
        // An end without TIME_WAIT: ports do not run out.
        set_socket_linger(&socket, Some(Duration::ZERO)).expect("sockets have this option");
        match rustix::net::connect(&socket, &self.server) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => panic!("the server does not listen: {error}"),
        }
        // On the loopback it is connected already, as a rule.
        let wants = match self.send(&socket) {
            true => EventFlags::IN,
            false => EventFlags::OUT,
        };
        let fd = socket.as_raw_fd() as u64;
        epoll::add(&self.epoll, &socket, EventData::new_u64(fd), wants).expect("it can be polled");
        self.sockets.insert(fd, socket);
    }

    fn connected(&mut self, fd: u64) {
        let socket = &self.sockets[&fd];
        assert!(self.send(socket), "the server does not listen");
        let modified = epoll::modify(&self.epoll, socket, EventData::new_u64(fd), EventFlags::IN);
        modified.expect("it is polled");
    }

    fn answered(&mut self, fd: u64) {
        let socket = self
            .sockets
            .remove(&fd)
            .expect("events are of open sockets");
        let mut buf = vec![0; self.message.len()];
        let (n, _) = rustix::net::recv(&socket, &mut buf[..], RecvFlags::empty())
            .expect("the server answers");
        assert_eq!(n, self.message.len());
        drop(socket);
        self.open();
    }

    fn send(&self, socket: &OwnedFd) -> bool {
        rustix::net::send(socket, &self.message, SendFlags::NOSIGNAL).is_ok()
    }
}
