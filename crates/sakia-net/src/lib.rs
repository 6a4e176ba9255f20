//! TCP, UDP and Unix sockets, and pipes, on io_uring: the nouns, and nothing that enters the kernel.
//! What an operation does with the ring is said in sakia-driver; here are names, addresses, options and who owns what.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod accept;
mod bind;
mod borrowed;
mod connect;
mod lookup;
mod message;
mod noun;
mod option;
pub mod pipe;
mod pooled;
mod split;
mod stream;
mod tcp;
mod traits;
mod udp;
mod unix;

pub use accept::{Accept, Accepting, Incoming};
pub use bind::Bind;
pub use borrowed::Borrowed;
pub use connect::{Connect, Connecting};
pub use lookup::{Addrs, LookupHost, ToSocketAddrs, lookup_host};
pub use message::{
    Datagram, Message, Payload, Received, Recv, RecvFrom, RecvMsg, Send, SendTo, SendWithFds,
};
pub use noun::IntoStd;
pub use option::TcpKeepalive;
pub use pooled::{
    PooledDatagram, PooledPayload, PooledRecord, RecvFromPooled, RecvPooled, RecvRecordPooled,
};
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReuniteError, StreamSocket};
pub use stream::{
    Peek, Read, ReadExact, ReadPooled, ReadToEnd, Readable, Readv, Writable, Write, WriteAll,
    Writev,
};
pub use tcp::listener::TcpListener;
pub use tcp::socket::TcpSocket;
pub use tcp::stream::TcpStream;
pub use udp::{Connected, UdpConnect, UdpSocket};
pub use unix::addr::UnixAddr;
pub use unix::bind::UnixBind;
pub use unix::connect::{UnixConnect, UnixConnected, UnixDatagramConnect};
pub use unix::datagram::UnixDatagram;
pub use unix::listener::UnixListener;
pub use unix::seqpacket::UnixSeqpacket;
pub use unix::seqpacket_listener::UnixSeqpacketListener;
pub use unix::stream::UnixStream;

pub use sakia_driver::ops::Leftovers;
pub use sakia_driver::{
    Ancillary, Cancellable, Cancelling, Close, Credentials, InDoubt, PooledBuf, Receipt, SockAddr,
};
