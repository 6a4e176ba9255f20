//! Echo on epoll: readiness, then the plain calls.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{SocketFlags, accept_with};
use sakia_bench::net;

use crate::echo::MOST_FDS;

const EVENTS: usize = 1024;

pub fn serve(port: u16, size: usize) {
    let listener = net::listen(port);
    listener.set_nonblocking(true).expect("it is a socket");
    let epoll = epoll::create(CreateFlags::CLOEXEC).expect("there is a descriptor left");
    let data = |fd: &dyn AsRawFd| EventData::new_u64(fd.as_raw_fd() as u64);
    epoll::add(&epoll, &listener, data(&listener), EventFlags::IN).expect("a socket can be polled");
    let mut connections: Vec<Option<TcpStream>> = (0..MOST_FDS).map(|_| None).collect();
    let (mut events, mut buf) = (Vec::<Event>::with_capacity(EVENTS), vec![0; size]);
    loop {
        events.clear();
        let _ = epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None);
        for event in &events {
            let fd = event.data.u64() as usize;
            if fd == listener.as_raw_fd() as usize {
                while let Ok(new) =
                    accept_with(&listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
                {
                    let flags = EventFlags::IN | EventFlags::RDHUP;
                    epoll::add(&epoll, &new, data(&new), flags).expect("a socket can be polled");
                    let place = new.as_raw_fd() as usize;
                    connections[place] = Some(new.into());
                }
            } else if let Some(stream) = &mut connections[fd]
                && !echo(stream, &mut buf)
            {
                connections[fd] = None;
            }
        }
    }
}

/// Sends back what is there. Is the connection to be kept?
fn echo(stream: &mut TcpStream, buf: &mut [u8]) -> bool {
    let mut rest: &[u8] = match stream.read(buf) {
        Ok(0) => return false,
        Ok(n) => &buf[..n],
        Err(error) => return error.kind() == ErrorKind::WouldBlock,
    };
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(n) => rest = &rest[n..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let _ = poll(&mut [PollFd::new(stream, PollFlags::OUT)], None);
            }
            Err(_) => return false,
        }
    }
    true
}
