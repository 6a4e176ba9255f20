//! openat(2) and openat2(2).

use std::ffi::CString;
use std::future::Future;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::relief::Relief;
use crate::fd::{Fd, FdRef, Kind, Origin};
use crate::kernel::abi::{Sqe, opcode};
use crate::op::cancel::{Cancellable, Receipt};
use crate::op::future::{Opened, Submit};
use crate::op::{Cancel, Completion, Holds, Op, Yields};

/// How a file is opened: `struct open_how` of openat2(2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct OpenHow {
    /// `O_*`; O_CLOEXEC is always added.
    pub flags: u64,
    /// The mode of a new file, before the umask.
    pub mode: u64,
    /// `RESOLVE_*`: anything but 0 makes it an openat2 (Linux 5.6).
    pub resolve: u64,
}

impl OpenHow {
    /// A directory, to be listed or to be a base for other paths.
    pub fn directory() -> Self {
        Self {
            flags: (libc::O_RDONLY | libc::O_DIRECTORY) as u64,
            ..Self::default()
        }
    }

    /// Nothing above the base directory: an absolute path, a `..` or a symbolic link that leads out of it is `EXDEV`, and so is a link of /proc
    /// (`RESOLVE_BENEATH`, `RESOLVE_NO_MAGICLINKS`: openat2, Linux 5.6).
    pub fn beneath(mut self) -> Self {
        self.resolve |= libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;
        self
    }
}

/// The op of [`open`].
#[derive(Debug)]
pub struct Open {
    path: CString,
    how: OpenHow,
    /// The same, where it is the kernel that reads it: openat2 alone.
    lent: Option<Box<OpenHow>>,
    dir: Option<FdRef>,
}

// SAFETY: the addresses lead to the CString's bytes and to the box, both on the heap; the directory is held; the result is a descriptor.
unsafe impl Op for Open {
    type Output = io::Result<Fd>;
    const CANCEL: Cancel = Cancel::Eager;
    const YIELDS: Yields = Yields::Descriptor(Kind::File);

    #[inline(always)]
    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        // Not taken: the open may be tried once more.
        let holds = Holds::two(self.dir.clone(), None);
        let dir = holds.first.as_ref().map_or(libc::AT_FDCWD, |dir| dir.raw());
        let path = self.path.as_ptr() as u64;
        *sqe = if self.how.resolve == 0 {
            Sqe::rw(opcode::OPENAT, dir, path, self.how.mode as u32, 0)
                .op_flags(self.how.flags as u32)
        } else {
            let how = std::ptr::from_ref(&**self.lent.insert(Box::new(self.how))) as u64;
            Sqe::rw(opcode::OPENAT2, dir, path, size_of::<OpenHow>() as u32, how)
        };
        holds
    }

    fn complete(self, done: Completion) -> Self::Output {
        let about = self.about();
        done.into_fd(about.kind).map(|fd| about.noted(fd))
    }
}

/// What is known of the descriptor before it is there, from the flags.
struct About {
    kind: Kind,
    /// Whether reads of it may be answered on the spot.
    answers: bool,
}

impl Open {
    #[inline]
    fn about(&self) -> About {
        let flags = self.how.flags as i32;
        // O_TMPFILE, which makes a file, has the bit of O_DIRECTORY too.
        let kind = match flags & libc::O_TMPFILE {
            libc::O_DIRECTORY => Kind::Directory,
            _ => Kind::File,
        };
        let answers = kind == Kind::File && flags & libc::O_DIRECT == 0;
        About { kind, answers }
    }
}

impl About {
    #[inline]
    fn noted(&self, fd: Fd) -> Fd {
        fd.inner().note_answers(self.answers);
        fd
    }
}

/// Opens a file, relative to `dir` or to the current directory (`IORING_OP_OPENAT`, `IORING_OP_OPENAT2`, Linux 5.6).
///
/// A descriptor that arrives after the future was dropped is closed the moment its completion is read. If no descriptor is left while closes are
/// pending, they are awaited for 50 ms at most, and the file is opened once more.
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what openat(2) says.
#[track_caller]
pub fn open(dir: Option<&Fd>, path: &Path, how: OpenHow) -> io::Result<Opening> {
    let flags = how.flags | libc::O_CLOEXEC as u64;
    // openat2 refuses a mode where nothing is made; openat ignores it.
    let makes = flags & (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u64 != 0;
    let mode = if makes { how.mode } else { 0 };
    let how = OpenHow { flags, mode, ..how };
    let op = Open {
        path: c_path(path)?,
        how,
        lent: None,
        dir: dir.map(|dir| dir.inner().clone()),
    };
    Ok(Opening {
        op: Submit::new(op),
        patient: true,
        waiting: None,
        origin: Origin::caller(),
    })
}

/// The future of [`open`].
#[must_use = "futures do nothing unless polled"]
pub struct Opening {
    op: Submit<Open>,
    /// Whether it would still wait for closes that are pending.
    patient: bool,
    /// It waits, and will open this. Boxed: it is rare, and opens are moved.
    waiting: Option<Box<(Relief, Open)>>,
    origin: Origin,
}

impl Opening {
    /// Says who asks, where that is not the caller of [`open`].
    pub fn asked_at(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }
}

impl Future for Opening {
    type Output = io::Result<Fd>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            if let Some(waiting) = &mut this.waiting {
                ready!(Pin::new(&mut waiting.0).poll(cx));
            }
            if let Some(waiting) = this.waiting.take() {
                this.op = Submit::new(waiting.1);
            }
            let (op, done) = match ready!(this.op.poll_opened(cx, Open::about)) {
                Opened::With(about, fd, driver) => {
                    let fd = about.noted(Fd::on(driver, fd, about.kind));
                    return Poll::Ready(Ok(fd.asked_at(this.origin)));
                }
                Opened::Ended(op, done) => (op, done),
            };
            match Relief::of(done.errno()).filter(|_| this.patient) {
                Some(relief) => this.waiting = Some(Box::new((relief, op))),
                None => {
                    let opened = op.complete(done);
                    return Poll::Ready(opened.map(|fd| fd.asked_at(this.origin)));
                }
            }
            this.patient = false;
        }
    }
}

impl Cancellable for Opening {
    type Value = Fd;
    type Buf = ();

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<Fd>> {
        if self.waiting.is_some() {
            return Poll::Ready(Receipt::Cancelled(()));
        }
        let receipt = ready!(self.op.poll_cancel(cx));
        Poll::Ready(receipt.and_then(|fd| Ok(fd.asked_at(self.origin))))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}

/// A path as the kernel reads it.
pub(super) fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "a path must not contain a NUL byte",
        )
    })
}
