//! Pipes and FIFOs: bytes one way, by the rules of a stream.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sakia_buf::{IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use sakia_driver::{Close, Fd, InDoubt, Kind, close};

use crate::noun::{Handle, IntoStd};
use crate::stream::{
    Read, ReadExact, ReadToEnd, Readable, Readv, Stream, Writable, Write, WriteAll, Writev,
};
use crate::traits::AsStream;

/// Makes a pipe (pipe2(2)), on the spot.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// let (sender, receiver) = sakia::net::pipe::pipe()?;
/// sender.write_all("hello").await.0?;
/// drop(sender);
/// assert_eq!(receiver.read_to_end(Vec::new()).await.1, b"hello");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
///
/// # Errors
///
/// As pipe2(2); and outside a runtime.
#[track_caller]
pub fn pipe() -> io::Result<(Sender, Receiver)> {
    let (receiver, sender) = Fd::pipe()?;
    Ok((
        Sender { fd: sender.into() },
        Receiver {
            fd: receiver.into(),
        },
    ))
}

/// Gives a pipe's end that somebody else has made to the current runtime.
#[track_caller]
fn adopt(fd: OwnedFd) -> io::Result<Stream> {
    let fd = Fd::new(fd, Kind::Pipe)?;
    if fd.mode()? & libc::S_IFMT != libc::S_IFIFO {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the descriptor is no end of a pipe",
        ));
    }
    fd.came_from_outside();
    Ok(fd.into())
}

/// Reads from a pipe.
///
/// Dropping the future of a read loses no byte: what it would have brought is served to the next one.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// use sakia::net::pipe::Receiver;
///
/// let mut child = std::process::Command::new("echo")
///     .arg("hello")
///     .stdout(std::process::Stdio::piped())
///     .spawn()?;
/// let stdout = Receiver::from_owned_fd(child.stdout.take().unwrap().into())?;
/// assert_eq!(stdout.read_to_end(Vec::new()).await.1, b"hello\n");
/// child.wait()?;
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct Receiver {
    fd: Stream,
}

/// Writes to a pipe. Dropping it is the end of the bytes for the reader, once no other process has it open.
///
/// A write to a pipe that nobody reads is `BrokenPipe`. The kernel raises SIGPIPE as well, which Rust programs ignore unless they
/// ask for it.
///
/// ```
/// # sakia::Runtime::new().unwrap().block_on(async {
/// let (sender, receiver) = sakia::net::pipe::pipe()?;
/// drop(receiver);
/// let error = sender.write("nobody reads").await.0.unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct Sender {
    fd: Stream,
}

macro_rules! end {
    ($end:ident) => {
        impl AsStream for $end {
            fn stream(&self) -> &Stream {
                &self.fd
            }
        }

        impl fmt::Debug for $end {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($end))
                    .field("fd", self.fd.handle())
                    .finish()
            }
        }

        impl AsFd for $end {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.fd.handle().as_fd()
            }
        }

        /// # Panics
        ///
        /// Outside a runtime, and if it is no end of a pipe; the descriptor is closed then. `from_owned_fd` gives an error instead.
        impl From<OwnedFd> for $end {
            #[track_caller]
            fn from(fd: OwnedFd) -> Self {
                match Self::from_owned_fd(fd) {
                    Ok(end) => end,
                    Err(error) => panic!("it cannot be made from this OwnedFd: {error}"),
                }
            }
        }
    };
}

end!(Receiver);
end!(Sender);

impl Receiver {
    /// Takes the reading end of a pipe of std into the current runtime.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (reader, _writer) = std::io::pipe()?;
    /// let receiver = sakia::net::pipe::Receiver::from_std(reader)?;
    /// # drop(receiver);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Outside a runtime; the descriptor is closed then.
    #[track_caller]
    pub fn from_std(reader: io::PipeReader) -> io::Result<Self> {
        Self::from_owned_fd(reader.into())
    }

    /// Takes the reading end of a pipe, or a FIFO, into the current runtime. It may be blocking or not.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// use sakia::net::pipe::Receiver;
    ///
    /// let file = std::fs::File::open("/dev/null")?;
    /// let error = Receiver::from_owned_fd(file.into()).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Outside a runtime; `InvalidInput` if it is no end of a pipe. The descriptor is closed then.
    #[track_caller]
    pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Self> {
        adopt(fd).map(|fd| Self { fd })
    }

    /// Gives the descriptor to std, beside the bytes that had arrived for a read that was dropped. They come before what std will read.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (_sender, receiver) = sakia::net::pipe::pipe()?;
    /// let (reader, leftovers) = receiver.into_std().await?;
    /// assert!(leftovers.bytes.is_empty());
    /// # drop(reader);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn into_std(self) -> IntoStd<io::PipeReader> {
        IntoStd::new(self.fd.into_fd())
    }

    /// Reads what is there, up to the buffer's capacity (`IORING_OP_READ`, Linux 5.6; read(2)). 0 into a buffer with room is the end.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = sakia::net::pipe::pipe()?;
    /// sender.write_all("sakia").await.0?;
    /// assert_eq!(receiver.read(Vec::with_capacity(8)).await.1, b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// No byte is lost: what arrives for a read that was dropped is kept with the pipe and served to the next one.
    ///
    /// # Errors
    ///
    /// As read(2).
    #[doc(alias = "IORING_OP_READ")]
    pub fn read<B: IoBufMut>(&self, buf: B) -> Read<'_, B> {
        self.fd.read(buf)
    }

    /// Fills the buffer's capacity.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = sakia::net::pipe::pipe()?;
    /// sender.write_all("sakia").await.0?;
    /// assert_eq!(*receiver.read_exact(Box::new([0; 3])).await.1, *b"sak");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// No byte is lost: the part that was read goes back to the pipe, and the next read begins with it.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` if the bytes end before, with the buffer as far as it was filled; else as read(2).
    pub fn read_exact<B: IoBufMut>(&self, buf: B) -> ReadExact<'_, B> {
        self.fd.read_exact(buf)
    }

    /// Reads until the bytes end, and appends them to the buffer.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = sakia::net::pipe::pipe()?;
    /// sender.write_all("sakia").await.0?;
    /// sender.close().await?;
    /// assert_eq!(receiver.read_to_end(Vec::new()).await.1, b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`read_exact`](Self::read_exact).
    ///
    /// # Errors
    ///
    /// As read(2), with what was read in the buffer.
    pub fn read_to_end(&self, buf: Vec<u8>) -> ReadToEnd<'_> {
        self.fd.read_to_end(buf)
    }

    /// Reads into several buffers in order (`IORING_OP_READV`, Linux 5.1; readv(2)), as [`read`](Self::read).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = sakia::net::pipe::pipe()?;
    /// sender.write_all("sakia").await.0?;
    /// let (n, (head, rest)) = receiver.readv((Box::new([0; 2]), Box::new([0; 3]))).await;
    /// assert_eq!((n?, *head, *rest), (5, *b"sa", *b"kia"));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[doc(alias = "IORING_OP_READV")]
    pub fn readv<V: IoVecBufMut>(&self, bufs: V) -> Readv<'_, V> {
        self.fd.readv(bufs)
    }

    /// Reads what is there, without waiting and without the ring (preadv2(2) with `RWF_NOWAIT`); what the pipe has kept comes first.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = sakia::net::pipe::pipe()?;
    /// let nothing = receiver.try_read(&mut [0; 8]).unwrap_err();
    /// assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    /// sender.write_all("sakia").await.0?;
    /// assert_eq!(receiver.try_read(&mut [0; 8])?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `WouldBlock` if nothing is there, or if a read is under way; `Unsupported` for a FIFO that was opened by its name, where the kernel
    /// cannot, and before Linux 6.4; else as read(2).
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.fd.try_read(buf)
    }

    /// Waits until a read would not block (`IORING_OP_POLL_ADD`, Linux 5.1; poll(2)). What the pipe has kept counts.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = sakia::net::pipe::pipe()?;
    /// sender.write_all("sakia").await.0?;
    /// receiver.readable().await?;
    /// assert_eq!(receiver.try_read(&mut [0; 8])?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As poll(2).
    pub fn readable(&self) -> Readable<'_> {
        self.fd.readable()
    }

    /// Closes this end and tells the error (close(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = sakia::net::pipe::pipe()?;
    /// receiver.close().await?;
    /// assert!(sender.write("nobody reads").await.0.is_err());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping the future, even unpolled, closes it; only the error is lost.
    pub fn close(self) -> Close {
        close(self.fd.into_fd())
    }
}

impl Sender {
    /// Takes the writing end of a pipe of std into the current runtime.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (_reader, writer) = std::io::pipe()?;
    /// let sender = sakia::net::pipe::Sender::from_std(writer)?;
    /// # drop(sender);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Outside a runtime; the descriptor is closed then.
    #[track_caller]
    pub fn from_std(writer: io::PipeWriter) -> io::Result<Self> {
        Self::from_owned_fd(writer.into())
    }

    /// Takes the writing end of a pipe, or a FIFO, into the current runtime. It may be blocking or not.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (_reader, writer) = std::io::pipe()?;
    /// let sender = sakia::net::pipe::Sender::from_owned_fd(writer.into())?;
    /// # drop(sender);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Outside a runtime; `InvalidInput` if it is no end of a pipe. The descriptor is closed then.
    #[track_caller]
    pub fn from_owned_fd(fd: OwnedFd) -> io::Result<Self> {
        adopt(fd).map(|fd| Self { fd })
    }

    /// Gives the descriptor to std, behind a write that was abandoned and is under way.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (sender, _receiver) = sakia::net::pipe::pipe()?;
    /// let (writer, _leftovers) = sender.into_std().await?;
    /// # drop(writer);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn into_std(self) -> IntoStd<io::PipeWriter> {
        IntoStd::new(self.fd.into_fd())
    }

    /// Writes the buffer, or a beginning of it (`IORING_OP_WRITE`, Linux 5.6; write(2)). Up to 4096 bytes are written as one.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = sakia::net::pipe::pipe()?;
    /// assert_eq!(sender.write("sakia").await.0?, 5);
    /// # drop(receiver);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Once submitted it is written while the sender lives, and the next write waits behind it, so bytes stay in order.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` if nobody can read it; else as write(2).
    #[doc(alias = "IORING_OP_WRITE")]
    pub fn write<B: IoBuf>(&self, buf: B) -> Write<'_, B> {
        self.fd.write(buf)
    }

    /// Writes all of the buffer.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = sakia::net::pipe::pipe()?;
    /// sender.write_all("sakia").await.0?;
    /// assert_eq!(receiver.read(Vec::with_capacity(8)).await.1, b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// As [`write`](Self::write); [`in_doubt`](Self::in_doubt) tells how much of it was written.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write); how much of it was written is not known.
    pub fn write_all<B: IoBuf>(&self, buf: B) -> WriteAll<'_, B> {
        self.fd.write_all(buf)
    }

    /// Writes several buffers in order, or a beginning of them (`IORING_OP_WRITEV`, Linux 5.1; writev(2)), as [`write`](Self::write).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = sakia::net::pipe::pipe()?;
    /// assert_eq!(sender.writev(["sa", "kia"]).await.0?, 5);
    /// assert_eq!(receiver.read(Vec::with_capacity(8)).await.1, b"sakia");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[doc(alias = "IORING_OP_WRITEV")]
    pub fn writev<V: IoVecBuf>(&self, bufs: V) -> Writev<'_, V> {
        self.fd.writev(bufs)
    }

    /// Writes what the pipe takes, without waiting and without the ring (pwritev2(2) with `RWF_NOWAIT`).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = sakia::net::pipe::pipe()?;
    /// assert_eq!(sender.try_write(b"sakia")?, 5);
    /// # drop(receiver);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `WouldBlock` if it takes nothing, or if a write is under way; `Unsupported` for a FIFO that was opened by its name, where the kernel
    /// cannot, and before Linux 6.4; else as write(2).
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.fd.try_write(buf)
    }

    /// Tells what became of the last write that was given up: dropped after it was polled, or out of time (`timeout`).
    ///
    /// Such a write is left to finish while the sender lives, and this tells how far it has come. `None` if there was none.
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (sender, _receiver) = sakia::net::pipe::pipe()?;
    /// sender.write_all("hello").await.0?;
    /// assert!(sender.in_doubt().is_none());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn in_doubt(&self) -> Option<InDoubt> {
        self.fd.in_doubt()
    }

    /// Waits until a write would not block, and no earlier write is under way (`IORING_OP_POLL_ADD`, Linux 5.1; poll(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = sakia::net::pipe::pipe()?;
    /// sender.writable().await?;
    /// assert_eq!(sender.try_write(b"sakia")?, 5);
    /// # drop(receiver);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As poll(2).
    pub fn writable(&self) -> Writable<'_> {
        self.fd.writable()
    }

    /// Closes this end and tells the error (close(2)).
    ///
    /// ```
    /// # sakia::Runtime::new().unwrap().block_on(async {
    /// let (sender, receiver) = sakia::net::pipe::pipe()?;
    /// sender.close().await?;
    /// assert_eq!(receiver.read(vec![0; 8]).await.0?, 0);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropping the future, even unpolled, closes it; only the error is lost.
    pub fn close(self) -> Close {
        close(self.fd.into_fd())
    }
}
