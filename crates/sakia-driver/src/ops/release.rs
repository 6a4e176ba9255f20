//! Giving a descriptor back to the caller, with everything that arrived on it and was not served.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::addr::SockAddr;
use crate::driver::Phase;
use crate::fd::Fd;
use crate::kernel::KernelFd;
use crate::op::Refusal;
use crate::op::ancillary::{Ancillary, hand_over};
use crate::op::lane::Side;
use crate::op::leftover::{Accepted, Datagram, Leftover};

/// What had arrived on a descriptor for futures that were dropped.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Leftovers {
    /// Bytes of a stream, in order, that come before what the descriptor will read next.
    pub bytes: Vec<u8>,
    /// The stream had ended.
    pub ended: bool,
    /// What came beside bytes of a stream: each with the place in `bytes` of the first byte that it came with.
    pub ancillary: Vec<(usize, Ancillary)>,
    /// Whole datagrams and records.
    pub messages: Vec<Message>,
    /// Accepted connections and their peers.
    pub connections: Vec<(OwnedFd, SockAddr)>,
    /// An error that the kernel tells only once.
    pub error: Option<io::Error>,
}

/// A datagram or a record, whole, as it had arrived.
#[derive(Debug)]
#[non_exhaustive]
pub struct Message {
    /// Its bytes, as far as the buffer of the future that was dropped could hold them.
    pub data: Vec<u8>,
    /// Who sent it.
    pub from: SockAddr,
    /// Whether it was longer than that buffer.
    pub truncated: bool,
    /// What came beside the bytes.
    pub ancillary: Ancillary,
}

impl Leftovers {
    fn add(&mut self, leftover: Leftover) {
        match leftover {
            Leftover::Bytes(mut bytes) => {
                let beside = std::mem::take(&mut bytes.beside);
                if beside.arrived.is_some() || beside.truncated {
                    let ancillary = hand_over(beside.arrived, beside.truncated);
                    self.ancillary.push((self.bytes.len(), ancillary));
                }
                self.bytes.extend_from_slice(bytes.rest());
            }
            Leftover::End => self.ended = true,
            Leftover::Error(errno) => self.error = Some(io::Error::from_raw_os_error(errno)),
            // What is nothing outside is closed.
            Leftover::Connection(Accepted { fd, peer }) => {
                self.connections
                    .extend(fd.into_std().ok().map(|fd| (fd, peer)));
            }
            Leftover::Datagram(Datagram(message)) => self.messages.push(Message {
                data: message.data,
                from: message.from,
                truncated: message.truncated,
                ancillary: hand_over(message.beside.arrived, message.beside.truncated),
            }),
            // Of the lane out, and never among its leftovers.
            Leftover::InDoubt(_) => {}
        }
    }

    /// Whether nothing was left.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
            && !self.ended
            && self.messages.is_empty()
            && self.connections.is_empty()
            && self.error.is_none()
    }
}

/// The future of [`release`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Release {
    fd: Option<Fd>,
}

/// Takes a descriptor out of the driver: what was abandoned on it is cancelled (reads) or awaited (writes) first.
///
/// # Cancellation
/// Dropping the future closes the descriptor.
///
/// # Errors
/// If another handle of the descriptor (a split half) is left; it is not closed then. If the runtime has ended with an op on it set aside.
pub fn release(fd: Fd) -> Release {
    Release { fd: Some(fd) }
}

impl Future for Release {
    type Output = io::Result<(OwnedFd, Leftovers)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let fd = self
            .fd
            .as_ref()
            .expect("a release was polled after it had completed");
        if !fd.is_unique() {
            self.fd = None;
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another handle of this descriptor is left",
            )));
        }
        if fd.is_busy() {
            fd.watch_quiet(cx.waker());
            fd.quiesce_in();
        }
        if fd.is_busy() {
            if fd.inner().driver().phase() == Phase::Ended {
                // What names it was set aside with the ring: nobody would ever wake us. The last to let go closes it.
                self.fd = None;
                return Poll::Ready(Err(Refusal::Ended.into()));
            }
            return Poll::Pending;
        }
        let mut leftovers = Leftovers::default();
        while let Some(leftover) = fd.inner().lane(Side::In).take() {
            leftovers.add(leftover);
        }
        let owned = fd
            .take_to_show()
            .ok_or_else(|| io::Error::other("the descriptor was closed"))
            .and_then(KernelFd::into_std);
        self.fd = None;
        Poll::Ready(owned.map(|owned| (owned, leftovers)))
    }
}
