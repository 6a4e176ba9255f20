//! Which streams the bridge can be put on: what it asks of their sides, in traits that nobody else can implement.
//! How a stream reads and writes is said in sakia-net.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::pin::pin;
use std::task::{Context, Poll};

use sakia::io::AsyncWrite;
use sakia::net::{
    OwnedReadHalf, OwnedWriteHalf, Read, ReadPooled, StreamSocket, TcpStream, UnixStream, Writable,
    WriteAll,
};

/// Marks what [`PollIo`](crate::PollIo) can read from: [`TcpStream`], [`UnixStream`] and their [`OwnedReadHalf`].
///
/// ```
/// fn bridge<S: sakia_compat::ReadSide>(stream: S) -> sakia_compat::PollIo<S> {
///     sakia_compat::PollIo::new(stream)
/// }
/// ```
pub trait ReadSide: Reads {}

/// Marks what [`PollIo`](crate::PollIo) can write to: [`TcpStream`], [`UnixStream`] and their [`OwnedWriteHalf`].
///
/// ```
/// fn bridge<S: sakia_compat::WriteSide>(stream: S) -> sakia_compat::PollIo<S> {
///     sakia_compat::PollIo::new(stream)
/// }
/// ```
pub trait WriteSide: Writes {}

/// Marks what can be both read and written: [`TcpStream`] and [`UnixStream`].
///
/// ```
/// fn bridge<S: sakia_compat::Socket>(stream: S) -> sakia_compat::PollIo<S> {
///     sakia_compat::PollIo::new(stream)
/// }
/// ```
pub trait Socket: ReadSide + WriteSide {}

impl<S: Reads> ReadSide for S {}
impl<S: Writes> WriteSide for S {}
impl<S: ReadSide + WriteSide> Socket for S {}

/// What the bridge asks of the reading side. The operation is untied from the handle, which the bridge keeps beside it.
pub trait Reads: fmt::Debug + Unpin + 'static {
    /// Reads what is there, up to the buffer's capacity.
    fn start_read(&self, buf: Vec<u8>) -> Read<'static, Vec<u8>>;
    /// Reads what is there, into a buffer of the runtime's pool.
    fn start_read_pooled(&self) -> ReadPooled<'static>;
}

/// What the bridge asks of the writing side.
pub trait Writes: fmt::Debug + Unpin + 'static {
    /// Writes all of the buffer.
    fn start_write(&self, buf: Vec<u8>) -> WriteAll<'static, Vec<u8>>;
    /// Waits until a write would not block and no earlier one is under way.
    fn start_writable(&self) -> Writable<'static>;
    /// Writes what the kernel takes at once; `WouldBlock` also while an earlier write is under way.
    fn write_now(&self, buf: &[u8]) -> io::Result<usize>;
    /// Sends what the kernel was told to hold back until this poll is over.
    fn poll_push(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Tells the peer that no more will come.
    fn end_writes(&self) -> io::Result<()>;
}

/// Writes the traits for the nouns, which have the same methods, and no trait of their own that says so.
macro_rules! reads {
    ($($noun:ty $(, $generic:ident)?;)+) => {
        $(impl$(<$generic: StreamSocket + 'static>)? Reads for $noun {
            fn start_read(&self, buf: Vec<u8>) -> Read<'static, Vec<u8>> {
                self.read(buf).into_owned()
            }

            fn start_read_pooled(&self) -> ReadPooled<'static> {
                self.read_pooled().into_owned()
            }
        })+
    };
}

macro_rules! writes {
    ($($noun:ty $(, $generic:ident)? => shutdown($($how:expr)?);)+) => {
        $(impl$(<$generic: StreamSocket + 'static>)? Writes for $noun {
            fn start_write(&self, buf: Vec<u8>) -> WriteAll<'static, Vec<u8>> {
                self.write_all(buf).into_owned()
            }

            fn start_writable(&self) -> Writable<'static> {
                self.writable().into_owned()
            }

            fn write_now(&self, buf: &[u8]) -> io::Result<usize> {
                self.try_write(buf)
            }

            fn poll_push(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                pin!(AsyncWrite::flush(&mut &*self)).poll(cx)
            }

            fn end_writes(&self) -> io::Result<()> {
                self.shutdown($($how)?)
            }
        })+
    };
}

reads! {
    TcpStream;
    UnixStream;
    OwnedReadHalf<S>, S;
}
writes! {
    TcpStream => shutdown(Shutdown::Write);
    UnixStream => shutdown(Shutdown::Write);
    OwnedWriteHalf<S>, S => shutdown();
}
