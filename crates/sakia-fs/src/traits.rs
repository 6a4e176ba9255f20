//! The traits of sakia-io for files. Each method hands on to the inherent one of its name, so that a composite that is dropped half way
//! loses nothing; what a method does is said there.

use std::future::{Future, ready};
use std::io;

use sakia_buf::{BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use sakia_io::{AsyncRead, AsyncReadAt, AsyncWrite, AsyncWriteAt};

use crate::File;

impl AsyncReadAt for File {
    fn read_at<B: IoBufMut>(
        &self,
        buf: B,
        offset: u64,
    ) -> impl Future<Output = BufResult<usize, B>> {
        File::read_at(self, buf, offset)
    }
}

impl AsyncWriteAt for File {
    fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> impl Future<Output = BufResult<usize, B>> {
        File::write_at(self, buf, offset)
    }
}

impl AsyncRead for &File {
    fn read<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        File::read(self, buf)
    }

    fn readv<V: IoVecBufMut>(&mut self, bufs: V) -> impl Future<Output = BufResult<usize, V>> {
        File::readv(self, bufs)
    }

    fn read_full<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        File::read_exact(self, buf)
    }

    fn read_rest(&mut self, buf: Vec<u8>) -> impl Future<Output = BufResult<usize, Vec<u8>>> {
        File::read_to_end(self, buf)
    }
}

impl AsyncRead for File {
    fn read<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        File::read(self, buf)
    }

    fn readv<V: IoVecBufMut>(&mut self, bufs: V) -> impl Future<Output = BufResult<usize, V>> {
        File::readv(self, bufs)
    }

    fn read_full<B: IoBufMut>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        File::read_exact(self, buf)
    }

    fn read_rest(&mut self, buf: Vec<u8>) -> impl Future<Output = BufResult<usize, Vec<u8>>> {
        File::read_to_end(self, buf)
    }
}

impl AsyncWrite for &File {
    fn write<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        File::write(self, buf)
    }

    fn writev<V: IoVecBuf>(&mut self, bufs: V) -> impl Future<Output = BufResult<usize, V>> {
        File::writev(self, bufs)
    }

    /// Nothing is held back here: what was written is in the kernel's hands. The disk is another matter: [`File::sync_all`].
    fn flush(&mut self) -> impl Future<Output = io::Result<()>> {
        ready(Ok(()))
    }

    /// A file has no end to announce. Errors of closing are told by [`File::close`].
    fn shutdown(&mut self) -> impl Future<Output = io::Result<()>> {
        ready(Ok(()))
    }

    fn write_full<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        File::write_all(self, buf)
    }
}

impl AsyncWrite for File {
    fn write<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<usize, B>> {
        File::write(self, buf)
    }

    fn writev<V: IoVecBuf>(&mut self, bufs: V) -> impl Future<Output = BufResult<usize, V>> {
        File::writev(self, bufs)
    }

    /// As for `&File`.
    fn flush(&mut self) -> impl Future<Output = io::Result<()>> {
        ready(Ok(()))
    }

    /// As for `&File`.
    fn shutdown(&mut self) -> impl Future<Output = io::Result<()>> {
        ready(Ok(()))
    }

    fn write_full<B: IoBuf>(&mut self, buf: B) -> impl Future<Output = BufResult<(), B>> {
        File::write_all(self, buf)
    }
}
