//! Which listeners can be served: what `serve` asks of one, in a trait that nobody else can implement.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;

use sakia::net::{Accept, TcpListener, TcpStream, UnixAddr, UnixListener, UnixStream};

use crate::Socket;

/// Marks the listeners that [`serve`](crate::serve) takes: [`TcpListener`] and [`UnixListener`].
///
/// ```
/// use sakia::net::{TcpListener, UnixListener};
/// use sakia_compat::Listener;
///
/// fn takes<L: Listener>() {}
/// takes::<TcpListener>();
/// takes::<UnixListener>();
/// ```
pub trait Listener: Accepts {}

impl Listener for TcpListener {}
impl Listener for UnixListener {}

/// What `serve` asks of a listener. The module is private, so nobody else implements it.
pub trait Accepts: fmt::Debug + 'static {
    /// What it accepts.
    type Stream: Socket;
    /// How it names a peer; [`ConnectInfo`](crate::ConnectInfo) holds it.
    type Peer: Clone + fmt::Debug + Send + Sync + 'static;

    /// Its accept, untied from it.
    type Accept: Future<Output = io::Result<(Self::Stream, Self::Peer)>> + Unpin + 'static;

    /// Waits for the next connection.
    fn next(&self) -> Self::Accept;

    /// Makes a connection ready to be served.
    fn prepare(stream: &Self::Stream) -> io::Result<()>;
}

impl Accepts for TcpListener {
    type Stream = TcpStream;
    type Peer = SocketAddr;
    type Accept = Accept<'static, TcpStream>;

    fn next(&self) -> Self::Accept {
        self.accept().into_owned()
    }

    fn prepare(stream: &TcpStream) -> io::Result<()> {
        // A response is written in as few pieces as can be: to hold the last one back for an ACK would only delay it.
        stream.set_nodelay(true)
    }
}

impl Accepts for UnixListener {
    type Stream = UnixStream;
    type Peer = UnixAddr;
    type Accept = Accept<'static, UnixStream>;

    fn next(&self) -> Self::Accept {
        self.accept().into_owned()
    }

    fn prepare(_: &UnixStream) -> io::Result<()> {
        Ok(())
    }
}
