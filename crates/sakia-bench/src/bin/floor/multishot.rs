//! Echo with one receive a connection, and buffers that the kernel takes from a ring when there is data.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, RawFd};

use io_uring::{cqueue, opcode, squeue, types};
use sakia_bench::net;
use sakia_bench::raw::{Buffers, Queues, build};

use crate::echo::{self, ENTRIES, MOST_FDS, Names, What};

#[derive(Default)]
struct Connection {
    /// Buffers that are to go back to the peer: the first is being sent.
    outgoing: VecDeque<(u16, u32)>,
    closing: bool,
}

struct Server<'ring> {
    queues: Queues<'ring>,
    names: Names,
    buffers: Buffers,
    connections: Vec<Connection>,
    /// Those whose receive has ended because there was no buffer.
    starved: Vec<RawFd>,
}

/// With so many buffers for all connections.
pub fn serve(port: u16, size: usize, names: Names, buffers: u16) {
    let listener = net::listen(port);
    let mut ring = build(ENTRIES);
    let queues = Queues::of(&mut ring);
    names.prepare(&queues.submitter);
    let buffers = Buffers::new(&queues.submitter, buffers, size);
    let mut server = Server {
        queues,
        names,
        buffers,
        connections: (0..MOST_FDS).map(|_| Connection::default()).collect(),
        starved: Vec::new(),
    };
    server.push(names.accept(listener.as_raw_fd()));
    loop {
        server.queues.turn(1);
        while let Some(done) = server.queues.next_completion() {
            server.completed(&done);
        }
        server.buffers.publish();
        for fd in std::mem::take(&mut server.starved) {
            server.receive(fd);
        }
    }
}

impl Server<'_> {
    #[inline]
    fn completed(&mut self, done: &cqueue::Entry) {
        let (what, buffer, fd) = echo::read_token(done.user_data());
        let more = cqueue::more(done.flags());
        match what {
            What::Accept => {
                if done.result() >= 0 {
                    self.connections[done.result() as usize] = Connection::default();
                    self.receive(done.result());
                }
                if !more {
                    self.push(self.names.accept(fd));
                }
            }
            What::Recv => self.received(fd, done, more),
            What::Send => self.sent(fd, buffer, done.result()),
            What::Close => {}
        }
    }

    #[inline]
    fn received(&mut self, fd: RawFd, done: &cqueue::Entry, more: bool) {
        let buffer = cqueue::buffer_select(done.flags());
        match (done.result(), buffer) {
            (n @ 1.., Some(buffer)) => {
                let outgoing = &mut self.connections[fd as usize].outgoing;
                outgoing.push_back((buffer, n as u32));
                if outgoing.len() == 1 {
                    self.send(fd, buffer, n as u32);
                }
                if !more {
                    self.receive(fd);
                }
            }
            (error, _) if error == -libc::ENOBUFS => {
                if !more {
                    self.starved.push(fd);
                }
            }
            (_, buffer) => {
                if let Some(buffer) = buffer {
                    self.buffers.give_back(buffer);
                }
                let connection = &mut self.connections[fd as usize];
                match more {
                    true => {}
                    false if connection.outgoing.is_empty() => self.push(self.names.close(fd)),
                    false => connection.closing = true,
                }
            }
        }
    }

    #[inline]
    fn sent(&mut self, fd: RawFd, buffer: u16, result: i32) {
        self.buffers.give_back(buffer);
        let connection = &mut self.connections[fd as usize];
        connection.outgoing.pop_front();
        if result < 0 {
            for (buffer, _) in connection.outgoing.drain(..) {
                self.buffers.give_back(buffer);
            }
        }
        if let Some(&(buffer, n)) = connection.outgoing.front() {
            self.send(fd, buffer, n);
        } else if std::mem::take(&mut connection.closing) {
            self.push(self.names.close(fd));
        }
    }

    #[inline]
    fn receive(&mut self, fd: RawFd) {
        let receive = self
            .names
            .of(opcode::RecvMulti::new(types::Fd(fd), 0).build());
        self.push(receive.user_data(echo::token(What::Recv, 0, fd)));
    }

    #[inline]
    fn send(&mut self, fd: RawFd, buffer: u16, n: u32) {
        let bytes = self.buffers.address(buffer);
        self.push(self.names.send(fd, buffer, bytes, n));
    }

    #[inline]
    fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: of these entries only those that send name memory: a buffer of `buffers`, which is never unmapped and which nobody writes until the
        // send has ended and it is given back.
        unsafe { self.queues.push(&entry) }
    }
}
