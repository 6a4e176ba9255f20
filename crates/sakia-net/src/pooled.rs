//! Reads that bring no buffer: what is received comes in one of the runtime's pool. The methods of all nouns that have them stand here.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_driver::{Cancellable, Fd, Laned, PooledBuf, Receipt, ops};

use crate::borrowed::Borrowed;
use crate::noun::{Address, Noun};
use crate::split::{OwnedReadHalf, StreamSocket};
use crate::stream::ReadPooled;
use crate::tcp::stream::TcpStream;
use crate::traits::AsStream;
use crate::udp::UdpSocket;
use crate::unix::addr::UnixAddr;
use crate::unix::datagram::UnixDatagram;
use crate::unix::seqpacket::UnixSeqpacket;
use crate::unix::stream::UnixStream;

type Inner = Laned<ops::RecvPooled<ops::Messagewise>>;

/// Waits for a datagram in a buffer of the pool, and tells its sender.
pub type RecvFromPooled<'a, A = SocketAddr> = Borrowed<'a, PooledDatagram<A>>;

/// Waits for a datagram in a buffer of the pool, whose sender is known.
pub type RecvPooled<'a> = Borrowed<'a, PooledPayload>;

/// Waits for a record in a buffer of the pool.
pub type RecvRecordPooled<'a> = Borrowed<'a, PooledRecord>;

fn whole<T>(message: Option<T>) -> io::Result<T> {
    // Datagrams have no end; a socket of another kind that came as one of datagrams may.
    message.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// A future of the driver's pooled receive, which tells `$output` by `$tell`.
macro_rules! receives {
    ($(#[$doc:meta])* $name:ident $(<$addr:ident: Address>)?, $output:ty, $tell:expr) => {
        $(#[$doc])*
        #[must_use = "futures do nothing unless polled"]
        pub struct $name $(<$addr = SocketAddr>)? {
            recv: Inner,
            addr: PhantomData<fn() $(-> $addr)?>,
        }

        impl $(<$addr: Address>)? $name $(<$addr>)? {
            fn of(fd: &Fd) -> Borrowed<'_, Self> {
                Borrowed::new(Self {
                    recv: ops::recv_msg_pooled(fd),
                    addr: PhantomData,
                })
            }
        }

        impl $(<$addr: Address>)? Future for $name $(<$addr>)? {
            type Output = io::Result<$output>;

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                Poll::Ready(ready!(Pin::new(&mut self.recv).poll(cx)).and_then($tell))
            }
        }

        impl $(<$addr: Address>)? Cancellable for $name $(<$addr>)? {
            type Value = $output;
            type Buf = ();

            fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<Self::Value>> {
                Poll::Ready(ready!(self.recv.poll_cancel(cx)).and_then($tell))
            }

            fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
                self.poll_cancel(cx).map(Receipt::or_timed_out)
            }
        }

        impl $(<$addr>)? fmt::Debug for $name $(<$addr>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

receives! {
    /// Waits for a datagram in a buffer of the pool, and tells its sender; [`RecvFromPooled`] ties it to its socket.
    PooledDatagram<A: Address>, (PooledBuf, A), |message| {
        let message = whole(message)?;
        Ok((message.data, A::read(message.from)?))
    }
}

receives! {
    /// Waits for a datagram in a buffer of the pool; [`RecvPooled`] ties it to its socket.
    PooledPayload, PooledBuf, |message| whole(message).map(|message| message.data)
}

receives! {
    /// Waits for a record in a buffer of the pool; [`RecvRecordPooled`] ties it to its socket.
    PooledRecord, Option<PooledBuf>, |message| Ok(message.map(|message| message.data))
}

/// Reading into buffers of the pool.
impl TcpStream {
    /// Reads what is there into a buffer of the runtime's pool, which is lent only when something is there; `None` is the end of the stream
    /// (`IORING_OP_RECV` with a buffer that the kernel chooses, Linux 5.19; before, a wait for readiness and a plain receive; recv(2)).
    ///
    /// An idle connection holds no buffer. One read brings at most what a buffer holds: 4096 bytes, unless the runtime's builder says otherwise
    /// (`pool`). When all buffers are in use, the read waits until one is dropped, and what arrives waits in the socket.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// # let listener = sakia::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let a = sakia::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (b, _) = listener.accept().await?;
    /// b.write_all("sakia").await.0?;
    /// let buf = a.read_pooled().await?.expect("not the end");
    /// assert_eq!(buf, "sakia");
    /// a.write_all(buf).await.0?;
    /// # drop(b);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// No byte is lost: what arrives for a read that was dropped is kept with the stream and served to the next one, of whatever kind.
    ///
    /// # Errors
    ///
    /// As recv(2).
    #[doc(alias = "IORING_OP_RECV")]
    #[doc(alias = "IOSQE_BUFFER_SELECT")]
    pub fn read_pooled(&self) -> ReadPooled<'_> {
        self.stream().read_pooled()
    }
}

/// Reading into buffers of the pool.
impl UnixStream {
    /// Reads what is there into a buffer of the runtime's pool, as [`TcpStream::read_pooled`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// b.write_all("sakia").await.0?;
    /// assert_eq!(a.read_pooled().await?.expect("not the end"), "sakia");
    /// drop(b);
    /// assert!(a.read_pooled().await?.is_none());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`read`](Self::read): no byte is lost.
    ///
    /// # Errors
    ///
    /// As recv(2).
    #[doc(alias = "IORING_OP_RECV")]
    pub fn read_pooled(&self) -> ReadPooled<'_> {
        self.stream().read_pooled()
    }
}

/// Reading into buffers of the pool.
impl<S: StreamSocket> OwnedReadHalf<S> {
    /// Reads what is there into a buffer of the runtime's pool, as [`TcpStream::read_pooled`].
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixStream::pair()?;
    /// let (read, _write) = a.into_split();
    /// b.write_all("sakia").await.0?;
    /// assert_eq!(read.read_pooled().await?.expect("not the end"), "sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn read_pooled(&self) -> ReadPooled<'_> {
        self.stream().read_pooled()
    }
}

/// Receiving into buffers of the pool.
impl UdpSocket {
    /// Waits for one datagram in a buffer of the runtime's pool, which is lent only when it is there, and tells who sent it (`IORING_OP_RECVMSG`
    /// with a buffer that the kernel chooses, Linux 5.19; before, a wait for readiness and a plain receive; recvmsg(2)).
    ///
    /// What does not fit a buffer (4096 bytes, unless the runtime's builder says otherwise) is cut off. When all buffers are in use, it waits
    /// until one is dropped.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// peer.send_to(b"hello", socket.local_addr()?)?;
    /// let (data, from) = socket.recv_from_pooled().await?;
    /// assert_eq!((&data[..], from), (&b"hello"[..], peer.local_addr()?));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`recv_from`](Self::recv_from): no datagram is lost.
    ///
    /// # Errors
    ///
    /// As recvmsg(2).
    #[doc(alias = "IORING_OP_RECVMSG")]
    pub fn recv_from_pooled(&self) -> RecvFromPooled<'_> {
        PooledDatagram::of(self.fd())
    }

    /// Waits for one datagram in a buffer of the runtime's pool, as [`recv_from_pooled`](Self::recv_from_pooled), without its sender.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let peer = std::net::UdpSocket::bind("127.0.0.1:0")?;
    /// let socket = sakia::net::UdpSocket::bind("127.0.0.1:0").await?;
    /// peer.send_to(b"hello", socket.local_addr()?)?;
    /// assert_eq!(socket.recv_pooled().await?, "hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn recv_pooled(&self) -> RecvPooled<'_> {
        PooledPayload::of(self.fd())
    }
}

/// Receiving into buffers of the pool.
impl UnixDatagram {
    /// Waits for one datagram in a buffer of the runtime's pool, and tells who sent it, as [`UdpSocket::recv_from_pooled`].
    ///
    /// Descriptors that come with it are closed.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
    /// a.send("sakia").await.0?;
    /// let (data, from) = b.recv_from_pooled().await?;
    /// assert!(data == "sakia" && from.is_unnamed());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[doc(alias = "IORING_OP_RECVMSG")]
    pub fn recv_from_pooled(&self) -> RecvFromPooled<'_, UnixAddr> {
        PooledDatagram::of(self.fd())
    }

    /// Waits for one datagram in a buffer of the runtime's pool, as [`recv_from_pooled`](Self::recv_from_pooled), without its sender.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixDatagram::pair()?;
    /// a.send("sakia").await.0?;
    /// assert_eq!(b.recv_pooled().await?, "sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn recv_pooled(&self) -> RecvPooled<'_> {
        PooledPayload::of(self.fd())
    }
}

/// Receiving into buffers of the pool.
impl UnixSeqpacket {
    /// Waits for one record in a buffer of the runtime's pool, as [`UdpSocket::recv_pooled`]; `None` is the end.
    ///
    /// Descriptors that come with it are closed.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (a, b) = sakia::net::UnixSeqpacket::pair()?;
    /// a.send("sakia").await.0?;
    /// drop(a);
    /// assert_eq!(b.recv_pooled().await?.expect("not the end"), "sakia");
    /// assert!(b.recv_pooled().await?.is_none());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[doc(alias = "IORING_OP_RECVMSG")]
    pub fn recv_pooled(&self) -> RecvRecordPooled<'_> {
        PooledRecord::of(self.fd())
    }
}
