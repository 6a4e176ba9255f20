//! The steps of a program, and the submissions that they stand for.

/// One step. Numbers are lengths and offsets, letters are the names of files.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Recv(usize, i32),
    Send(usize, i32),
    Readv(usize, usize),
    Writev(usize, usize),
    RecvMsg(usize),
    SendMsg(usize),
    PipeRead(usize),
    PipeWrite(usize),
    CountRead,
    CountWrite,
    PollIn,
    PollOut,
    Accept,
    PeerSends(usize),
    PeerReceives(usize),
    PeerSendsMessage(usize),
    PeerFeeds(usize),
    PeerDrains(usize),
    PeerConnects,
    PeerCloses,
    ReadAt(usize, u64),
    WriteAt(usize, u64),
    Sync(bool),
    Truncate(u64),
    Allocate(u64, u64),
    Advise,
    Statx(u8),
    Open(u8, Opens),
    OpenAbove,
    OpenFifo(bool),
    Unlink(u8, bool),
    MakeDir(u8),
    Rename(u8, u8),
    Symlink(u8, u8),
    Link(u8, u8),
    SpliceIn(u64),
    Close,
    Nop,
    Nap,
    LongNap,
    BadTime,
    BadDescriptor,
    NoSocket,
    MakeSocket,
    Cancel(proptest::sample::Index),
}

/// How a file is opened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Opens {
    Reads,
    Makes,
    MakesNew,
    Directory,
}

impl Opens {
    pub(super) fn flags(self) -> i32 {
        libc::O_CLOEXEC
            | match self {
                Self::Reads => libc::O_RDONLY,
                Self::Makes => libc::O_RDWR | libc::O_CREAT,
                Self::MakesNew => libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL,
                Self::Directory => libc::O_RDONLY | libc::O_DIRECTORY,
            }
    }
}

/// What waits on what: at most one submission for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    StreamIn,
    StreamOut,
    MessageIn,
    MessageOut,
    PipeIn,
    PipeOut,
    Counter,
    Listener,
    /// Nothing is waited for: it is done at once, or by a worker, and awaited.
    Prompt,
    /// It waits, and nobody shares it.
    Alone,
}

impl Step {
    /// Where the submission waits; `None` for what is none.
    pub(super) fn place(&self) -> Option<Place> {
        Some(match self {
            Self::Recv(..) | Self::Readv(..) | Self::PollIn => Place::StreamIn,
            Self::Send(..) | Self::Writev(..) | Self::PollOut => Place::StreamOut,
            Self::RecvMsg(_) => Place::MessageIn,
            Self::SendMsg(_) => Place::MessageOut,
            Self::PipeRead(_) => Place::PipeIn,
            Self::PipeWrite(_) => Place::PipeOut,
            Self::CountRead => Place::Counter,
            Self::Accept => Place::Listener,
            Self::LongNap => Place::Alone,
            Self::PeerSends(_)
            | Self::PeerReceives(_)
            | Self::PeerSendsMessage(_)
            | Self::PeerFeeds(_)
            | Self::PeerDrains(_)
            | Self::PeerConnects
            | Self::PeerCloses
            | Self::Cancel(_) => return None,
            _ => Place::Prompt,
        })
    }
}
