//! The bridge's way in: one read in flight, whose bytes are handed out in pieces as the caller asks for them.
//!
//! A connection that waits, or is sent little at a time, reads into buffers of the runtime's pool, and so holds none while it is idle; one that is sent
//! much reads into a buffer of its own, which grows. What is handed out in part is copied out of the pool: a caller who takes his time keeps no
//! buffer from others.
//!
//! States: something unread (the peer is not asked); nothing unread and `op` in flight (the kernel wakes); ended (for good).

use std::future::Future;
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia::net::{PooledBuf, Read, ReadPooled};

use crate::sides::Reads;

/// Below this a connection has no buffer of its own; it is as large as the pool's buffers are by default.
const SMALL: usize = 4 * 1024;
/// The buffer that a connection grows to while the peer fills it.
const LARGE: usize = 64 * 1024;

#[derive(Debug)]
enum Op {
    Pooled(ReadPooled<'static>),
    Own(Read<'static, Vec<u8>>),
}

/// What has arrived.
#[derive(Debug)]
enum Arrived {
    Pooled(PooledBuf),
    Own(Vec<u8>),
}

impl Deref for Arrived {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Pooled(buf) => buf,
            Self::Own(buf) => buf,
        }
    }
}

/// What has arrived, and what is asked for.
#[derive(Debug)]
pub(crate) struct Reader {
    op: Option<Op>,
    arrived: Arrived,
    /// How much of it was handed out.
    served: usize,
    /// How large the next buffer is to be.
    size: usize,
    ended: bool,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            op: None,
            arrived: Arrived::Own(Vec::new()),
            served: 0,
            size: SMALL,
            ended: false,
        }
    }

    /// Waits until something is unread, and shows it; nothing, if the stream has ended.
    pub(crate) fn poll_fill(
        &mut self,
        stream: &impl Reads,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<&[u8]>> {
        if self.unread().is_empty() && !self.ended {
            ready!(self.poll_read(stream, cx))?;
        }
        Poll::Ready(Ok(self.unread()))
    }

    /// Whether the peer will send no more.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// What has arrived and was not handed out.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.arrived[self.served..]
    }

    /// Notes that so much of the unread was handed out.
    pub(crate) fn consume(&mut self, n: usize) {
        self.served = (self.served + n).min(self.arrived.len());
        if let Arrived::Pooled(buf) = &self.arrived {
            self.arrived = Arrived::Own(buf[self.served..].to_vec());
            self.served = 0;
        }
    }

    fn poll_read(&mut self, stream: &impl Reads, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut op = match self.op.take() {
            Some(op) => op,
            None => self.start(stream),
        };
        let read = match &mut op {
            Op::Pooled(op) => Pin::new(op).poll(cx).map_ok(|buf| {
                let nothing = || Arrived::Own(Vec::new());
                buf.map_or_else(nothing, Arrived::Pooled)
            }),
            Op::Own(op) => Pin::new(op)
                .poll(cx)
                .map(|(result, buf)| result.map(|_| Arrived::Own(buf))),
        };
        let Poll::Ready(read) = read else {
            self.op = Some(op);
            return Poll::Pending;
        };
        self.arrived = read?;
        self.ended = self.arrived.is_empty();
        self.size = next_size(self.size, self.arrived.len());
        Poll::Ready(Ok(()))
    }

    fn start(&mut self, stream: &impl Reads) -> Op {
        let before = std::mem::replace(&mut self.arrived, Arrived::Own(Vec::new()));
        self.served = 0;
        match before {
            _ if self.size == SMALL => Op::Pooled(stream.start_read_pooled()),
            Arrived::Own(buf) => Op::Own(stream.start_read(emptied(buf, self.size))),
            Arrived::Pooled(_) => Op::Own(stream.start_read(Vec::with_capacity(self.size))),
        }
    }

    /// Gives what is unread. What a read in flight brings stays with the stream.
    pub(crate) fn into_unread(self) -> Vec<u8> {
        self.unread().to_vec()
    }
}

/// An empty buffer of the size that fits what arrives.
fn emptied(mut buf: Vec<u8>, size: usize) -> Vec<u8> {
    buf.clear();
    if buf.capacity() < size || buf.capacity() > 2 * size {
        buf = Vec::with_capacity(size);
    }
    buf
}

/// Doubles at a full buffer, halves at one that is mostly empty.
fn next_size(size: usize, arrived: usize) -> usize {
    if arrived >= size {
        (size * 2).min(LARGE)
    } else if arrived < size / 4 {
        (size / 2).max(SMALL)
    } else {
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_buffer_grows_while_it_is_filled_and_shrinks_when_it_is_not() {
        let mut size = SMALL;
        for _ in 0..10 {
            size = next_size(size, size);
        }
        assert_eq!(size, LARGE);
        assert_eq!(next_size(size, size / 2), size);
        for _ in 0..10 {
            size = next_size(size, 100);
        }
        assert_eq!(size, SMALL);
    }
}
