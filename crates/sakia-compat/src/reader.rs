//! The bridge's way in: one read in flight into a buffer of the bridge's own, handed out in pieces as the caller asks for them.
//!
//! States: something unread (the peer is not asked); nothing unread and `op` in flight (the kernel wakes); ended (for good).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia::net::Read;

use crate::sides::Reads;

/// The buffer that a connection begins with: most request heads fit, and so it is all that an idle connection costs.
const SMALL: usize = 4 * 1024;
/// The buffer that a connection grows to while the peer fills it.
const LARGE: usize = 64 * 1024;

/// What has arrived, and what is asked for.
#[derive(Debug)]
pub(crate) struct Reader {
    op: Option<Read<'static, Vec<u8>>>,
    /// What has arrived; with the kernel while `op` is in flight.
    buf: Vec<u8>,
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
            buf: Vec::new(),
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

    /// What has arrived and was not handed out.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buf[self.served..]
    }

    /// Notes that so much of the unread was handed out.
    pub(crate) fn consume(&mut self, n: usize) {
        self.served = (self.served + n).min(self.buf.len());
    }

    fn poll_read(&mut self, stream: &impl Reads, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut op = match self.op.take() {
            Some(op) => op,
            None => stream.start_read(self.take_buffer()),
        };
        let Poll::Ready((result, buf)) = Pin::new(&mut op).poll(cx) else {
            self.op = Some(op);
            return Poll::Pending;
        };
        self.buf = buf;
        if let Err(error) = result {
            self.buf.clear();
            return Poll::Ready(Err(error));
        }
        self.ended = self.buf.is_empty();
        self.size = next_size(self.size, self.buf.len());
        Poll::Ready(Ok(()))
    }

    /// An empty buffer of the size that fits what arrives.
    fn take_buffer(&mut self) -> Vec<u8> {
        let mut buf = std::mem::take(&mut self.buf);
        self.served = 0;
        buf.clear();
        if buf.capacity() < self.size || buf.capacity() > 2 * self.size {
            buf = Vec::with_capacity(self.size);
        }
        buf
    }

    /// Gives what is unread. What a read in flight brings stays with the stream.
    pub(crate) fn into_unread(mut self) -> Vec<u8> {
        self.buf.split_off(self.served)
    }
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
