//! What TCP and Unix streams and pipes do alike: the operations of a stream on one handle.
//! The nouns and their halves delegate to it; addresses and options are theirs.

use std::io;

use sakia_buf::{IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use sakia_driver::{Fd, InDoubt, Kind, Laned, ops};

use crate::borrowed::Borrowed;
use crate::noun::Handle;

/// Reads what is there, up to the buffer's capacity.
pub type Read<'a, B> = Borrowed<'a, Laned<ops::Recv<B>>>;

/// Reads what is there into a buffer of the runtime's pool.
pub type ReadPooled<'a> = Borrowed<'a, Laned<ops::RecvPooled<ops::Bytewise>>>;

/// Fills the buffer's capacity.
pub type ReadExact<'a, B> = Borrowed<'a, ops::Whole<Laned<ops::Recv<B>>>>;

/// Awaits all that comes until the stream ends.
pub type ReadToEnd<'a> = Borrowed<'a, Laned<ops::RecvToEnd>>;
/// Reads into several buffers in order.
pub type Readv<'a, V> = Borrowed<'a, Laned<ops::Recvv<V>>>;

/// Looks at what the next read will give.
pub type Peek<'a, B> = Borrowed<'a, Laned<ops::Recv<B>>>;

/// Waits until a read would not block.
pub type Readable<'a> = Borrowed<'a, Laned<ops::Readable>>;

/// Writes a beginning of the buffer, or all of it.
pub type Write<'a, B> = Borrowed<'a, Laned<ops::Send<B>>>;

/// Writes all of the buffer.
pub type WriteAll<'a, B> = Borrowed<'a, ops::Whole<Laned<ops::Send<B>>>>;

/// Writes several buffers in order, or a beginning of them.
pub type Writev<'a, V> = Borrowed<'a, Laned<ops::SendMsg<V>>>;

/// Waits until a write would not block.
pub type Writable<'a> = Borrowed<'a, Laned<ops::Writable>>;

/// The handle of a connected stream, or of a pipe's end.
#[derive(Clone)]
pub struct Stream {
    fd: Fd,
}

impl From<Fd> for Stream {
    fn from(fd: Fd) -> Self {
        Self { fd }
    }
}

impl Handle for Stream {
    fn handle(&self) -> &Fd {
        &self.fd
    }

    fn into_handle(self) -> Fd {
        self.into_fd()
    }
}

impl Stream {
    pub fn into_fd(self) -> Fd {
        self.fd
    }

    pub fn push(&self) {
        self.fd.push();
    }

    fn is_pipe(&self) -> bool {
        self.fd.kind() == Kind::Pipe
    }

    /// Which calls read and write it.
    fn way(&self) -> ops::Stream {
        if self.is_pipe() {
            ops::Stream::Pipe
        } else {
            ops::Stream::Socket(0)
        }
    }

    pub fn read<B: IoBufMut>(&self, buf: B) -> Read<'_, B> {
        Borrowed::new(ops::read(&self.fd, buf, self.way()))
    }

    pub fn read_pooled(&self) -> ReadPooled<'_> {
        Borrowed::new(ops::recv_pooled(&self.fd))
    }

    pub fn read_exact<B: IoBufMut>(&self, buf: B) -> ReadExact<'_, B> {
        Borrowed::new(ops::recv_exact(&self.fd, buf, self.way()))
    }

    pub fn read_to_end(&self, buf: Vec<u8>) -> ReadToEnd<'_> {
        Borrowed::new(ops::recv_to_end(&self.fd, buf))
    }

    pub fn readv<V: IoVecBufMut>(&self, bufs: V) -> Readv<'_, V> {
        Borrowed::new(ops::recvv(&self.fd, bufs))
    }

    pub fn peek<B: IoBufMut>(&self, buf: B) -> Peek<'_, B> {
        Borrowed::new(ops::peek(&self.fd, buf))
    }

    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        if self.is_pipe() {
            return self.fd.try_read(buf);
        }
        self.fd.try_recv(buf)
    }

    pub fn readable(&self) -> Readable<'_> {
        Borrowed::new(ops::readable(&self.fd))
    }

    pub fn write<B: IoBuf>(&self, buf: B) -> Write<'_, B> {
        Borrowed::new(ops::write(&self.fd, buf, self.way()))
    }

    pub fn write_all<B: IoBuf>(&self, buf: B) -> WriteAll<'_, B> {
        Borrowed::new(ops::write_all(&self.fd, buf, self.way()))
    }

    pub fn writev<V: IoVecBuf>(&self, bufs: V) -> Writev<'_, V> {
        Borrowed::new(ops::send_vectored(&self.fd, bufs))
    }

    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        if self.is_pipe() {
            return self.fd.try_write(buf);
        }
        self.fd.try_send(buf)
    }

    /// Tells the peer that no more will come, at once or behind a write that was abandoned.
    pub fn finish_writes(&self) {
        self.fd.finish_writes();
    }

    pub fn in_doubt(&self) -> Option<InDoubt> {
        self.fd.in_doubt()
    }

    pub fn writable(&self) -> Writable<'_> {
        Borrowed::new(ops::writable(&self.fd))
    }
}
