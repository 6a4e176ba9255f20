//! Leftovers: what arrived in a lane for a future that had gone, kept for the next one.

use super::Completion;
use super::ancillary::Arrived;
use super::doubt::InDoubt;
use crate::addr::SockAddr;
use crate::kernel::KernelFd;

/// A datagram or a record that arrived for a future that had gone.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) data: Vec<u8>,
    pub(crate) from: SockAddr,
    /// It was longer than the buffer of that future.
    pub(crate) truncated: bool,
    pub(crate) beside: Beside,
}

/// What came beside the bytes of a message.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    pub(crate) arrived: Option<Box<Arrived>>,
    /// Some of it was cut off.
    pub(crate) truncated: bool,
}

impl Beside {
    pub(crate) fn has_fds(&self) -> bool {
        let mut numbers = self.arrived.iter().flat_map(|arrived| arrived.numbers());
        numbers.next().is_some()
    }
}

/// Something that arrived for a future that had gone.
#[derive(Debug)]
pub enum Leftover {
    /// Bytes of a stream, from the first one not served yet.
    #[doc(hidden)]
    Bytes(Bytes),
    /// The end of a stream.
    #[doc(hidden)]
    End,
    /// An error that the kernel tells only once.
    #[doc(hidden)]
    Error(i32),
    /// An accepted connection with its peer's address.
    #[doc(hidden)]
    Connection(Accepted),
    /// A whole datagram.
    #[doc(hidden)]
    Datagram(Datagram),
    /// What is known of a write: kept beside the others, not among them.
    #[doc(hidden)]
    InDoubt(InDoubt),
}

impl Leftover {
    /// What is left of an op that failed: the error, unless it only says that the op was cancelled.
    pub(crate) fn of_error(done: &Completion) -> Option<Self> {
        (!done.was_cancelled()).then(|| Self::Error(done.errno()))
    }
}

/// A connection that waits to be served.
#[derive(Debug)]
pub struct Accepted {
    pub(crate) fd: KernelFd,
    pub(crate) peer: SockAddr,
}

/// Bytes that wait to be served.
#[derive(Debug)]
pub struct Bytes {
    data: Vec<u8>,
    served: usize,
    /// What came with the first of them, on a Unix stream. It goes with whoever is served that first one.
    pub(crate) beside: Beside,
}

impl Bytes {
    pub(crate) fn new(data: Vec<u8>) -> Self {
        Self::with(data, Beside::default())
    }

    pub(crate) fn with(data: Vec<u8>, beside: Beside) -> Self {
        Self {
            data,
            served: 0,
            beside,
        }
    }

    pub(crate) fn rest(&self) -> &[u8] {
        &self.data[self.served..]
    }

    /// So many of them were served; answers what came with the first.
    pub(crate) fn advance(&mut self, n: usize) -> Beside {
        self.served += n;
        std::mem::take(&mut self.beside)
    }
}

/// A whole message that waits to be served.
#[derive(Debug)]
pub struct Datagram(pub(crate) Message);
