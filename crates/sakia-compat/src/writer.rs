//! The bridge's way out, and its one promise: a write that was accepted is never taken back.
//!
//! Small writes are copied, submitted and answered at once; what became of one is told by whatever comes next, which waits for it. Large
//! ones go straight from the caller's slice, as much as the socket takes; where it takes nothing the caller waits for room, and no byte of its was
//! copied: after `Pending` it may come back with other bytes. A copy that has to queue behind somebody else's write on the stream keeps its place
//! when it is detached: that is the driver's promise.
//!
//! States: idle; `op` (a copy is in flight or queues; its end wakes); `waiting` (for room; poll(2) wakes). Never both.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia::net::{Writable, WriteAll};

use crate::sides::Writes;

/// From here on a copy costs more than the system call that it saves.
pub(crate) const DIRECT: usize = 16 * 1024;

/// What is on its way out.
#[derive(Debug)]
pub(crate) struct Writer {
    op: Option<WriteAll<'static, Vec<u8>>>,
    waiting: Option<Writable<'static>>,
    /// The buffer of the next copy; with the kernel while `op` is in flight.
    spare: Vec<u8>,
    /// The error of a write that was answered before it was known.
    failed: Option<io::Error>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self {
            op: None,
            waiting: None,
            spare: Vec::new(),
            failed: None,
        }
    }

    /// Writes the slices in order, or a beginning of them.
    pub(crate) fn poll_write(
        &mut self,
        stream: &impl Writes,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(cx))?;
        let total = bufs.iter().map(|buf| buf.len()).sum();
        if total == 0 {
            return Poll::Ready(Ok(0));
        }
        if total >= DIRECT {
            return self.write_direct(stream, cx, bufs);
        }
        self.waiting = None;
        self.gather(bufs);
        self.submit(stream, cx);
        Poll::Ready(Ok(total))
    }

    /// Whether nobody has waited yet for the write that was answered.
    pub(crate) fn is_under_way(&self) -> bool {
        self.op.is_some()
    }

    /// Waits for the write that is under way, and tells its error.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(op) = &mut self.op {
            let (result, buf) = ready!(Pin::new(op).poll(cx));
            self.op = None;
            self.spare = buf;
            return Poll::Ready(result);
        }
        Poll::Ready(self.failed.take().map_or(Ok(()), Err))
    }

    /// Waits for the write that is under way, then tells the peer that no more will come.
    pub(crate) fn poll_shutdown(
        &mut self,
        stream: &impl Writes,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        self.waiting = None;
        Poll::Ready(match stream.end_writes() {
            // The peer has gone already: there is nobody to tell, and nothing went wrong.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        })
    }

    /// Gives the socket what it takes of the slices, or waits until it takes something.
    fn write_direct(
        &mut self,
        stream: &impl Writes,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.iter().find(|buf| !buf.is_empty());
        // A head and the beginning of its body go out as one: the copy is small, and two sends are two packets.
        if let Some(first) = first.filter(|first| first.len() >= DIRECT) {
            return self.poll_now(stream, cx, first);
        }
        self.gather(bufs);
        let gathered = std::mem::take(&mut self.spare);
        let polled = self.poll_now(stream, cx, &gathered);
        self.spare = gathered;
        polled
    }

    /// Writes what the socket takes at once, or waits for room; no byte is kept meanwhile.
    fn poll_now(
        &mut self,
        stream: &impl Writes,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                let result = ready!(Pin::new(waiting).poll(cx));
                self.waiting = None;
                result?;
            }
            match stream.write_now(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.waiting = Some(stream.start_writable());
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// Copies the first [`DIRECT`] bytes of the slices.
    fn gather(&mut self, bufs: &[IoSlice<'_>]) {
        self.spare.clear();
        for buf in bufs {
            let room = DIRECT - self.spare.len();
            self.spare.extend_from_slice(&buf[..buf.len().min(room)]);
        }
    }

    fn submit(&mut self, stream: &impl Writes, cx: &mut Context<'_>) {
        let mut op = stream.start_write(std::mem::take(&mut self.spare));
        match Pin::new(&mut op).poll(cx) {
            Poll::Pending => self.op = Some(op),
            Poll::Ready((result, buf)) => {
                self.spare = buf;
                self.failed = result.err();
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(op) = self.op.take() {
            op.detach();
        }
    }
}
