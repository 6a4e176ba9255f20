//! The ops, one family a file: what each owns, the one SQE that describes it, and what its completion means.
//!
//! The functions here make futures; nothing happens before the first poll. Ops on a place of a file ([`read_at`], …) are
//! independent of each other; ops on the stream of a descriptor ([`recv`], [`send`], [`accept`], …) hold a lane of it (see
//! [`Laned`](crate::Laned)): they queue behind each other and lose nothing when dropped.

mod accept;
mod at;
mod connect;
mod course;
mod inward;
mod inward_rest;
mod inward_vec;
mod message;
mod meta;
mod nop;
mod open;
mod outward;
mod pair;
mod path;
mod poll;
mod pooled;
mod pooled_message;
mod recv_message;
mod release;
mod relief;
mod socket;
mod splice;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_buf::BufResult;

pub(crate) use accept::Peer;
pub use accept::{Accept, accept};
pub use at::{ReadAt, ReadvAt, WriteAt, WritevAt, read_at, readv_at, write_at, writev_at};
pub use connect::{Connect, connect};
pub use inward::{Recv, Stream, peek, read, recv, recv_exact};
pub use inward_rest::{RecvToEnd, recv_to_end};
pub use inward_vec::{Recvv, readv, recvv};
pub use message::{SendFds, SendMsg, SendMsgTo, send_msg, send_vectored, send_with_fds};
pub use meta::{
    Advice, Simple, Statx, StatxBuf, StatxTarget, allocate, fadvise, fdatasync, fsync, ftruncate,
    statx,
};
pub use nop::{Nap, Nop, nap, nop};
pub use open::{Open, OpenHow, Opening, open};
pub use outward::{Send, send, send_all, write, write_all};
pub use path::{hard_link, make_dir, rename, symlink, unlink};
pub use poll::{Readable, Writable, readable, writable};
pub use pooled::{Bytewise, RecvPooled, recv_pooled};
pub use pooled_message::{Messagewise, PooledMessage, recv_msg_pooled};
pub use recv_message::{Received, RecvMsg, peek_msg, recv_from, recv_msg};
pub use release::{Leftovers, Message, Release, release};
pub use relief::Patience;
pub use socket::{OpenSocket, socket};
pub use splice::{Splice, splice};

use crate::fd::FdRef;
use crate::op::cancel::{Cancellable, Cancelling, Receipt};

/// The most that one read or write moves (MAX_RW_COUNT): the kernel cuts longer requests itself.
const MAX_RW: usize = 0x7fff_f000;

fn clamp(len: usize) -> u32 {
    len.min(MAX_RW) as u32
}

/// The descriptor that an op is aimed at, taken by its `prepare`: an abandoned op must not keep it open.
type Aim = Option<FdRef>;

fn aimed(aim: &mut Aim) -> FdRef {
    aim.take().expect("an op is aimed before it is prepared")
}

/// What an op says that was asked to end before it had an effect.
fn cancelled() -> io::Error {
    io::Error::from_raw_os_error(libc::ECANCELED)
}

/// A future whose number of bytes is no news: `read_exact` and `write_all`.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Whole<F>(pub(crate) F);

impl<F> Whole<F> {
    /// The future of the number.
    pub fn into_inner(self) -> F {
        self.0
    }
}

impl<F: Cancellable> Whole<F>
where
    Self: Cancellable,
{
    /// Asks the kernel to end the op, and waits for its last word. The receipt tells how many bytes were moved.
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl<F, B> Cancellable for Whole<F>
where
    F: Cancellable<Output = BufResult<usize, B>, Value = usize, Buf = B>,
{
    type Value = usize;
    type Buf = B;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<usize, B>> {
        self.0.poll_cancel(cx)
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, buf) = ready!(self.0.poll_expire(cx));
        Poll::Ready((result.map(drop), buf))
    }
}

impl<F, B> Future for Whole<F>
where
    F: Future<Output = BufResult<usize, B>> + Unpin,
{
    type Output = BufResult<(), B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, buf) = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready((result.map(drop), buf))
    }
}
