//! Echo by the ring: a receive a connection, provided buffers, registered sockets. It costs less than the servers do, so that they are the bottleneck.

use std::os::fd::{AsRawFd, RawFd};

use io_uring::{cqueue, opcode, squeue, types};
use sakia_bench::raw::{Buffers, Queues, build};

use crate::Job;
use crate::echo::Connection;
use crate::tally::{Tally, stalled};

const BUFFERS: u16 = 512;
const ENTRIES: u32 = 2048;
/// Behind it a completion is of a send, and sends tell only of failures.
const SEND: u64 = 1 << 32;

pub fn run(job: &Job) {
    let mut connections = Connection::all(job);
    let mut ring = build(ENTRIES);
    let mut queues = Queues::of(&mut ring);
    let sockets: Vec<RawFd> = connections
        .iter()
        .map(|each| each.stream.as_raw_fd())
        .collect();
    queues
        .submitter
        .register_files(&sockets)
        .expect("sockets can be registered");
    let size = if job.bytes > 4096 { 64 * 1024 } else { 4096 };
    let mut buffers = Buffers::new(&queues.submitter, BUFFERS, size);
    // What is sent is the same for all, and outlives the ring.
    let out: &'static [u8] = vec![0x5a; job.bytes * job.depth].leak();
    let mut tally = Tally::new(job);
    for (which, connection) in connections.iter_mut().enumerate() {
        connection.begin(tally.now());
        push(&mut queues, receive(which));
        push(&mut queues, send(which, out));
    }
    loop {
        turn(&mut queues);
        let now = tally.now();
        while let Some(done) = queues.next_completion() {
            assert!(
                done.user_data() < SEND,
                "a send has failed: {}",
                done.result()
            );
            let which = done.user_data() as usize;
            if !cqueue::more(done.flags()) {
                push(&mut queues, receive(which));
            }
            if done.result() == -libc::ENOBUFS {
                continue;
            }
            assert!(
                done.result() > 0,
                "the server has hung up: {}",
                done.result()
            );
            if let Some(buffer) = cqueue::buffer_select(done.flags()) {
                buffers.give_back(buffer);
                buffers.publish();
            }
            let n = done.result() as usize;
            let whole = connections[which].received(n, job.bytes, now, &mut tally);
            if whole > 0 {
                push(&mut queues, send(which, &out[..whole * job.bytes]));
            }
        }
    }
}

fn turn(queues: &mut Queues<'_>) {
    let patience = types::Timespec::new().sec(2);
    let arguments = types::SubmitArgs::new().timespec(&patience);
    let result = queues.turn_by(|submitter| submitter.submit_with_args(1, &arguments));
    if result.is_err_and(|error| error.raw_os_error() == Some(libc::ETIME)) {
        stalled();
    }
}

#[inline]
fn receive(which: usize) -> squeue::Entry {
    opcode::RecvMulti::new(types::Fixed(which as u32), 0)
        .build()
        .user_data(which as u64)
}

#[inline]
fn send(which: usize, bytes: &'static [u8]) -> squeue::Entry {
    opcode::Send::new(
        types::Fixed(which as u32),
        bytes.as_ptr(),
        bytes.len() as u32,
    )
    .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
    .build()
    .user_data(SEND)
    .flags(squeue::Flags::SKIP_SUCCESS)
}

#[inline]
fn push(queues: &mut Queues<'_>, entry: squeue::Entry) {
    // SAFETY: a receive names no memory: it takes a provided buffer, which is never unmapped; what a send names is static and never written.
    unsafe { queues.push(&entry) }
}
