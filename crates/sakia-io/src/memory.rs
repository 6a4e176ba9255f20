//! Readers and writers in memory: the same types as in std. They never wait.
//! Pipes between tasks do not belong here.

use std::cell::RefCell;
use std::io::{self, Cursor};

use sakia_buf::{BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};

use crate::{AsyncRead, AsyncReadAt, AsyncWrite, AsyncWriteAt};

/// Reads from the front of the slice, which then begins behind what was read.
impl AsyncRead for &[u8] {
    async fn read<B: IoBufMut>(&mut self, mut buf: B) -> BufResult<usize, B> {
        let n = buf.fill_from(self);
        *self = &self[n..];
        (Ok(n), buf)
    }

    async fn readv<V: IoVecBufMut>(&mut self, mut bufs: V) -> BufResult<usize, V> {
        let n = bufs.fill_from(self);
        *self = &self[n..];
        (Ok(n), bufs)
    }
}

/// Reads from the position of the cursor, and moves it.
impl<T: AsRef<[u8]>> AsyncRead for Cursor<T> {
    async fn read<B: IoBufMut>(&mut self, mut buf: B) -> BufResult<usize, B> {
        let n = buf.fill_from(from(self.get_ref().as_ref(), self.position()));
        self.set_position(self.position() + n as u64);
        (Ok(n), buf)
    }

    async fn readv<V: IoVecBufMut>(&mut self, mut bufs: V) -> BufResult<usize, V> {
        let n = bufs.fill_from(from(self.get_ref().as_ref(), self.position()));
        self.set_position(self.position() + n as u64);
        (Ok(n), bufs)
    }
}

/// Appends to the vector.
impl AsyncWrite for Vec<u8> {
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        self.extend_from_slice(buf.as_slice());
        (Ok(buf.bytes_init()), buf)
    }

    async fn writev<V: IoVecBuf>(&mut self, bufs: V) -> BufResult<usize, V> {
        let before = self.len();
        bufs.for_each_slice(&mut |part| self.extend_from_slice(part));
        (Ok(self.len() - before), bufs)
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes at the position of the cursor, over what is there, and moves it: for every cursor that std can write to.
impl<T> AsyncWrite for Cursor<T>
where
    Cursor<T>: io::Write,
{
    async fn write<B: IoBuf>(&mut self, buf: B) -> BufResult<usize, B> {
        (io::Write::write(self, buf.as_slice()), buf)
    }

    async fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads the slice as if it were a file.
impl AsyncReadAt for [u8] {
    async fn read_at<B: IoBufMut>(&self, mut buf: B, offset: u64) -> BufResult<usize, B> {
        (Ok(buf.fill_from(from(self, offset))), buf)
    }
}

/// Reads the vector as if it were a file.
impl AsyncReadAt for Vec<u8> {
    async fn read_at<B: IoBufMut>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
        self.as_slice().read_at(buf, offset).await
    }
}

/// Reads the vector as if it were a file that others write to.
///
/// # Panics
///
/// If it is polled while the cell is mutably borrowed. It never holds a borrow itself between two polls.
impl AsyncReadAt for RefCell<Vec<u8>> {
    async fn read_at<B: IoBufMut>(&self, mut buf: B, offset: u64) -> BufResult<usize, B> {
        let n = buf.fill_from(from(&self.borrow(), offset));
        (Ok(n), buf)
    }
}

/// Writes the vector as if it were a file: over what is there, and with zeros between its end and the offset.
///
/// # Errors
///
/// `OutOfMemory` if the vector cannot grow so far.
///
/// # Panics
///
/// If it is polled while the cell is borrowed. It never holds a borrow itself between two polls.
impl AsyncWriteAt for RefCell<Vec<u8>> {
    async fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> BufResult<usize, B> {
        let result = overwrite(&mut self.borrow_mut(), buf.as_slice(), offset);
        (result, buf)
    }
}

fn overwrite(file: &mut Vec<u8>, src: &[u8], offset: u64) -> io::Result<usize> {
    if src.is_empty() {
        return Ok(0);
    }
    let begin = usize::try_from(offset).ok();
    let range = begin.and_then(|begin| Some(begin..begin.checked_add(src.len())?));
    let range = range.ok_or(io::ErrorKind::OutOfMemory)?;
    if range.end > file.len() {
        file.try_reserve(range.end - file.len())?;
        file.resize(range.end, 0);
    }
    file[range].copy_from_slice(src);
    Ok(src.len())
}

/// Returns the bytes from `offset` on: none if they end before.
fn from(bytes: &[u8], offset: u64) -> &[u8] {
    let begin = usize::try_from(offset).unwrap_or(usize::MAX);
    bytes.get(begin..).unwrap_or_default()
}
