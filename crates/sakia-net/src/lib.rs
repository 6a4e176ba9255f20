//! TCP, UDP and Unix sockets on io_uring: the nouns of sockets, and nothing that enters the kernel.
//! What an operation does with the ring is said in sakia-driver; here are names, addresses, options and who owns what.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod accept;
mod bind;
mod borrowed;
mod connect;
mod lookup;
mod noun;
mod option;
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
pub use noun::IntoStd;
pub use option::TcpKeepalive;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReuniteError, StreamSocket};
pub use stream::{
    Peek, Read, ReadExact, ReadToEnd, Readable, Readv, Writable, Write, WriteAll, Writev,
};
pub use tcp::listener::TcpListener;
pub use tcp::socket::TcpSocket;
pub use tcp::stream::TcpStream;
pub use udp::{Connected, Datagram, Payload, Recv, RecvFrom, Send, SendTo, UdpConnect, UdpSocket};
pub use unix::addr::UnixAddr;
pub use unix::listener::{UnixBind, UnixListener};
pub use unix::stream::{UnixConnect, UnixStream};

pub use sakia_driver::ops::Leftovers;
pub use sakia_driver::{Cancellable, Cancelling, Close, InDoubt, Receipt, SockAddr};
