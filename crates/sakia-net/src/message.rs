//! Messages: what sockets that keep their boundaries do alike, and what a Unix stream does to get descriptors.
//! The nouns delegate to it. All that is received goes by recvmsg(2), whose leftovers are whole messages.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_buf::{BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use sakia_driver::{Ancillary, Cancellable, Fd, Laned, Receipt, SockAddr, ops};

use crate::borrowed::Borrowed;
use crate::noun::Address;

/// Waits for a datagram, and tells its sender.
pub type RecvFrom<'a, B, A = SocketAddr> = Borrowed<'a, Datagram<B, A>>;

/// Waits for a datagram or record whose sender is known.
pub type Recv<'a, B> = Borrowed<'a, Payload<B>>;

/// Waits for a message, and tells its sender, whether it was cut, and what came beside its bytes.
pub type RecvMsg<'a, V, A = SocketAddr> = Borrowed<'a, Message<V, A>>;

/// Sends a datagram to an address.
pub type SendTo<'a, B> = Borrowed<'a, Laned<ops::SendMsgTo<B>>>;

/// Sends a datagram or record to the connected peer.
pub type Send<'a, B> = Borrowed<'a, Laned<ops::SendMsgTo<B>>>;

/// Sends bytes and descriptors.
pub type SendWithFds<'a, V> = Borrowed<'a, Laned<ops::SendFds<V>>>;

/// Tells what a `recv_msg` has received.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// let (a, b) = sakia::net::UnixDatagram::pair()?;
/// a.send("much too long").await.0?;
/// let (received, [buf]) = b.recv_msg([Box::new([0; 4])]).await;
/// let received = received?;
/// assert_eq!((received.len, &*buf), (4, b"much"));
/// assert!(received.truncated && received.ancillary.fds.is_empty());
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Received<A = SocketAddr> {
    /// How many bytes were received.
    pub len: usize,
    /// Who sent them; on a Unix stream it is unnamed.
    pub from: A,
    /// Whether the message was longer than the buffers; the rest of it is gone (`MSG_TRUNC`).
    pub truncated: bool,
    /// What came beside the bytes: descriptors, and the sender's credentials if the socket asks for them.
    pub ancillary: Ancillary,
}

impl<A: Address> Received<A> {
    fn read(received: ops::Received) -> io::Result<Self> {
        Ok(Self {
            len: received.len,
            from: A::read(received.from)?,
            truncated: received.truncated,
            ancillary: received.ancillary,
        })
    }
}

/// Waits for a datagram; [`RecvFrom`] ties it to its socket.
#[must_use = "futures do nothing unless polled"]
pub struct Datagram<B: IoBufMut, A = SocketAddr> {
    recv: Laned<ops::RecvMsg<[B; 1]>>,
    addr: PhantomData<fn() -> A>,
}

impl<B: IoBufMut, A: Address> Future for Datagram<B, A> {
    type Output = BufResult<(usize, A), B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, [buf]) = ready!(Pin::new(&mut self.recv).poll(cx));
        let received = result.and_then(|received| Ok((received.len, A::read(received.from)?)));
        Poll::Ready((received, buf))
    }
}

impl<B: IoBufMut, A: Address> Cancellable for Datagram<B, A> {
    type Value = (usize, A);
    type Buf = B;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<Self::Value, B>> {
        let receipt = ready!(self.recv.poll_cancel(cx)).map_buf(|[buf]| buf);
        Poll::Ready(receipt.and_then(|received| Ok((received.len, A::read(received.from)?))))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}

impl<B: IoBufMut, A> fmt::Debug for Datagram<B, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagram").finish_non_exhaustive()
    }
}

/// Waits for a datagram or record whose sender is known; [`Recv`] ties it to its socket.
#[must_use = "futures do nothing unless polled"]
pub struct Payload<B: IoBufMut> {
    recv: Laned<ops::RecvMsg<[B; 1]>>,
}

impl<B: IoBufMut> Future for Payload<B> {
    type Output = BufResult<usize, B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, [buf]) = ready!(Pin::new(&mut self.recv).poll(cx));
        Poll::Ready((result.map(|received| received.len), buf))
    }
}

impl<B: IoBufMut> Cancellable for Payload<B> {
    type Value = usize;
    type Buf = B;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<Self::Value, B>> {
        let receipt = ready!(self.recv.poll_cancel(cx)).map_buf(|[buf]| buf);
        Poll::Ready(receipt.and_then(|received| Ok(received.len)))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}

impl<B: IoBufMut> fmt::Debug for Payload<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").finish_non_exhaustive()
    }
}

/// Waits for a message with all that belongs to it; [`RecvMsg`] ties it to its socket.
#[must_use = "futures do nothing unless polled"]
pub struct Message<V: IoVecBufMut, A = SocketAddr> {
    recv: Laned<ops::RecvMsg<V>>,
    addr: PhantomData<fn() -> A>,
}

impl<V: IoVecBufMut, A: Address> Future for Message<V, A> {
    type Output = BufResult<Received<A>, V>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (result, bufs) = ready!(Pin::new(&mut self.recv).poll(cx));
        Poll::Ready((result.and_then(Received::read), bufs))
    }
}

impl<V: IoVecBufMut, A: Address> Cancellable for Message<V, A> {
    type Value = Received<A>;
    type Buf = V;

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<Self::Value, V>> {
        let receipt = ready!(self.recv.poll_cancel(cx));
        Poll::Ready(receipt.and_then(Received::read))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}

impl<V: IoVecBufMut, A> fmt::Debug for Message<V, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").finish_non_exhaustive()
    }
}

pub fn recv<B: IoBufMut>(fd: &Fd, buf: B) -> Recv<'_, B> {
    Borrowed::new(Payload {
        recv: ops::recv_from(fd, [buf]),
    })
}

pub fn peek<B: IoBufMut>(fd: &Fd, buf: B) -> Recv<'_, B> {
    Borrowed::new(Payload {
        recv: ops::peek_msg(fd, [buf]),
    })
}

pub fn recv_from<B: IoBufMut, A: Address>(fd: &Fd, buf: B) -> RecvFrom<'_, B, A> {
    Borrowed::new(Datagram {
        recv: ops::recv_from(fd, [buf]),
        addr: PhantomData,
    })
}

pub fn peek_from<B: IoBufMut, A: Address>(fd: &Fd, buf: B) -> RecvFrom<'_, B, A> {
    Borrowed::new(Datagram {
        recv: ops::peek_msg(fd, [buf]),
        addr: PhantomData,
    })
}

pub fn recv_msg<V: IoVecBufMut, A: Address>(fd: &Fd, bufs: V) -> RecvMsg<'_, V, A> {
    Borrowed::new(Message {
        recv: ops::recv_msg(fd, bufs),
        addr: PhantomData,
    })
}

pub fn try_recv(fd: &Fd, buf: &mut [u8]) -> io::Result<usize> {
    fd.try_recv_from(buf).map(|(n, _, _)| n)
}

pub fn try_recv_from<A: Address>(fd: &Fd, buf: &mut [u8]) -> io::Result<(usize, A)> {
    let (n, from, _) = fd.try_recv_from(buf)?;
    Ok((n, A::read(from)?))
}

/// The address may be a path that cannot be one: the future tells.
pub fn send<B: IoBuf>(fd: &Fd, buf: B, to: io::Result<Option<SockAddr>>) -> Send<'_, B> {
    Borrowed::new(ops::send_msg(fd, buf, to))
}

pub fn send_with_fds<V: IoVecBuf>(
    fd: &Fd,
    bufs: V,
    fds: Vec<OwnedFd>,
    to: Option<SockAddr>,
) -> SendWithFds<'_, V> {
    Borrowed::new(ops::send_with_fds(fd, bufs, fds, to))
}
