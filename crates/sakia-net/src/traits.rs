//! The traits of sakia-io for the streams, their halves, the ends of pipes, and references to them.
//! Each method hands on to the inherent one of its name, so that a composite that is dropped half way loses nothing.

use std::io;

use sakia_buf::{BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use sakia_io::{AsyncRead, AsyncWrite};

use crate::pipe::{Receiver, Sender};
use crate::split::{OwnedReadHalf, OwnedWriteHalf, StreamSocket};
use crate::stream::Stream;
use crate::tcp::stream::TcpStream;
use crate::unix::stream::UnixStream;

/// What reads and writes as a stream does.
pub trait AsStream {
    fn stream(&self) -> &Stream;
}

impl<T: AsStream> AsStream for &T {
    fn stream(&self) -> &Stream {
        (**self).stream()
    }
}

/// Ends the writing side behind the writes that wait or are under way.
async fn shutdown(stream: &Stream) -> io::Result<()> {
    // An empty write takes its place in the queue, and sends nothing.
    stream.write("").await.0?;
    stream.finish_writes();
    Ok(())
}

async fn flush(stream: &Stream) -> io::Result<()> {
    stream.push();
    Ok(())
}

macro_rules! reads {
    ($($reader:ty $(, $generic:ident)?);+ $(;)?) => {
        $(impl$(<$generic: StreamSocket>)? AsyncRead for $reader {
            fn read<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
                self.stream().read(buf)
            }

            fn readv<V: IoVecBufMut>(&mut self, bufs: V) -> impl Future<Output = BufResult<usize, V>> {
                self.stream().readv(bufs)
            }

            fn read_full<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
                self.stream().read_exact(buf)
            }

            fn read_rest(&mut self, buf: Vec<u8>) -> impl Future<Output = BufResult<usize, Vec<u8>>> {
                self.stream().read_to_end(buf)
            }
        })+
    };
}

macro_rules! writes {
    ($($writer:ty $(, $generic:ident)?);+ $(;)?) => {
        $(impl$(<$generic: StreamSocket>)? AsyncWrite for $writer {
            fn write<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
                self.stream().write(buf)
            }

            fn writev<V: IoVecBuf>(&mut self, bufs: V) -> impl Future<Output = BufResult<usize, V>> {
                self.stream().writev(bufs)
            }

            fn write_full<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
                self.stream().write_all(buf)
            }

            /// What was written is in the kernel's hands. What that holds back until this poll is over, as more is about to be answered, it sends now.
            fn flush(&mut self) -> impl Future<Output = io::Result<()>> {
                flush(self.stream())
            }

            /// Behind a write that was abandoned and is still under way.
            fn shutdown(&mut self) -> impl Future<Output = io::Result<()>> {
                shutdown(self.stream())
            }
        })+
    };
}

reads! {
    TcpStream;
    &TcpStream;
    UnixStream;
    &UnixStream;
    OwnedReadHalf<S>, S;
    &OwnedReadHalf<S>, S;
    Receiver;
    &Receiver;
}

writes! {
    TcpStream;
    &TcpStream;
    UnixStream;
    &UnixStream;
    OwnedWriteHalf<S>, S;
    &OwnedWriteHalf<S>, S;
    Sender;
    &Sender;
}
