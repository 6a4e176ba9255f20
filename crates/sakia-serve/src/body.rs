//! The body of a response: nothing, a text, or a piece of a file that is read as it is sent.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::{Bytes, Frame, SizeHint};
use sakia::fs::{File, ReadAt};

/// How much of a file is in memory at a time, for each response: one chunk here, and what hyper has not sent yet.
pub(crate) const CHUNK: usize = 64 * 1024;

/// What a response says.
#[derive(Debug)]
pub(crate) enum Body {
    /// Nothing, or nothing more.
    Empty,
    /// A text that is in memory.
    Text(Bytes),
    /// A piece of a file.
    File(FileBody),
}

/// A piece of a file.
#[derive(Debug)]
pub(crate) struct FileBody {
    read: Option<ReadAt<'static, Vec<u8>>>,
    file: File,
    offset: u64,
    left: u64,
}

impl Body {
    /// `left` bytes of a file from `offset`.
    pub(crate) fn file(file: File, offset: u64, left: u64) -> Self {
        Self::File(FileBody {
            read: None,
            file,
            offset,
            left,
        })
    }
}

impl FileBody {
    /// Reads the next chunk. There is one: `left` is not 0.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let room = CHUNK.min(usize::try_from(self.left).unwrap_or(CHUNK));
        let mut read = match self.read.take() {
            Some(read) => read,
            None => self
                .file
                .read_at(Vec::with_capacity(room), self.offset)
                .into_owned(),
        };
        let Poll::Ready((result, mut chunk)) = Pin::new(&mut read).poll(cx) else {
            self.read = Some(read);
            return Poll::Pending;
        };
        if result? == 0 {
            // The length was promised. To end here in peace would pass a torn file off as a whole one.
            let error = io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file was cut off while it was sent",
            );
            return Poll::Ready(Err(error));
        }
        // A vector may have more room than was asked for.
        chunk.truncate(room);
        self.offset += chunk.len() as u64;
        self.left -= chunk.len() as u64;
        Poll::Ready(Ok(chunk.into()))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.is_end_stream() {
            return Poll::Ready(None);
        }
        let chunk = match this {
            Self::Empty => return Poll::Ready(None),
            Self::Text(text) => Ok(std::mem::take(text)),
            Self::File(file) => ready!(file.poll_chunk(cx)),
        };
        Poll::Ready(Some(chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Empty => 0,
            Self::Text(text) => text.len() as u64,
            Self::File(file) => file.left,
        })
    }
}
