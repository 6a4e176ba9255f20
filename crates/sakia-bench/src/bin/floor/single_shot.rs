//! Echo with a buffer a connection: receive, send, receive.

use std::os::fd::{AsRawFd, RawFd};

use io_uring::{cqueue, opcode, squeue, types};
use sakia_bench::net;
use sakia_bench::raw::{Queues, build};

use crate::echo::{self, ENTRIES, MOST_FDS, Names, What};

struct Server<'ring> {
    queues: Queues<'ring>,
    names: Names,
    /// The buffer of each connection. What was allocated once stays.
    buffers: Vec<Vec<u8>>,
    size: usize,
}

pub fn serve(port: u16, size: usize, names: Names) {
    let listener = net::listen(port);
    let mut ring = build(ENTRIES);
    let queues = Queues::of(&mut ring);
    names.prepare(&queues.submitter);
    let mut server = Server {
        queues,
        names,
        buffers: vec![Vec::new(); MOST_FDS],
        size,
    };
    server.push(names.accept(listener.as_raw_fd()));
    loop {
        server.queues.turn(1);
        while let Some(done) = server.queues.next_completion() {
            server.completed(&done);
        }
    }
}

impl Server<'_> {
    #[inline]
    fn completed(&mut self, done: &cqueue::Entry) {
        let (what, _, fd) = echo::read_token(done.user_data());
        match (what, done.result()) {
            (What::Accept, result) => {
                if result >= 0 {
                    self.buffers[result as usize].resize(self.size, 0);
                    self.receive(result);
                }
                if !cqueue::more(done.flags()) {
                    self.push(self.names.accept(fd));
                }
            }
            (What::Recv, n @ 1..) => {
                let bytes = self.buffers[fd as usize].as_ptr();
                self.push(self.names.send(fd, 0, bytes, n as u32));
            }
            (What::Send, 1..) => self.receive(fd),
            (What::Recv | What::Send, _) => self.push(self.names.close(fd)),
            (What::Close, _) => {}
        }
    }

    #[inline]
    fn receive(&mut self, fd: RawFd) {
        let bytes = self.buffers[fd as usize].as_mut_ptr();
        let receive = opcode::Recv::new(types::Fd(fd), bytes, self.size as u32).build();
        let receive = self.names.of(receive);
        self.push(receive.user_data(echo::token(What::Recv, 0, fd)));
    }

    #[inline]
    fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: the memory in these entries is the connection's own buffer, `size` bytes long, which is neither freed nor moved nor touched while one of the
        // connection's ops is in flight: there is one at a time.
        unsafe { self.queues.push(&entry) }
    }
}
