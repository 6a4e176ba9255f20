//! Which streams the bridge can be put on: what it asks of one, in a trait that nobody else can implement.
//! How a stream reads and writes is said in sakia-net.

use std::fmt;
use std::io;
use std::net::Shutdown;

use sakia::net::{Read, TcpStream, UnixStream, Writable, WriteAll};

/// Marks the streams that [`HyperIo`](crate::HyperIo) bridges: [`TcpStream`] and [`UnixStream`].
///
/// ```
/// fn bridge<S: sakia_compat::Socket>(stream: S) -> sakia_compat::HyperIo<S> {
///     sakia_compat::HyperIo::new(stream)
/// }
/// ```
pub trait Socket: Stream {}

impl Socket for TcpStream {}
impl Socket for UnixStream {}

/// What the bridge asks of a stream. The operations are untied from the handle, which the bridge keeps beside them.
pub trait Stream: fmt::Debug + Unpin + 'static {
    /// Reads what is there, up to the buffer's capacity.
    fn start_read(&self, buf: Vec<u8>) -> Read<'static, Vec<u8>>;
    /// Writes all of the buffer.
    fn start_write(&self, buf: Vec<u8>) -> WriteAll<'static, Vec<u8>>;
    /// Waits until a write would not block and no earlier one is under way.
    fn start_writable(&self) -> Writable<'static>;
    /// Writes what the kernel takes at once.
    fn write_now(&self, buf: &[u8]) -> io::Result<usize>;
    /// Tells the peer that no more will come.
    fn end_writes(&self) -> io::Result<()>;
}

/// Writes the trait for a noun; both have the same methods, and no trait of their own that says so.
macro_rules! stream {
    ($noun:ty) => {
        impl Stream for $noun {
            fn start_read(&self, buf: Vec<u8>) -> Read<'static, Vec<u8>> {
                self.read(buf).into_owned()
            }

            fn start_write(&self, buf: Vec<u8>) -> WriteAll<'static, Vec<u8>> {
                self.write_all(buf).into_owned()
            }

            fn start_writable(&self) -> Writable<'static> {
                self.writable().into_owned()
            }

            fn write_now(&self, buf: &[u8]) -> io::Result<usize> {
                self.try_write(buf)
            }

            fn end_writes(&self) -> io::Result<()> {
                self.shutdown(Shutdown::Write)
            }
        }
    };
}

stream!(TcpStream);
stream!(UnixStream);
