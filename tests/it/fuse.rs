//! A file system of the tests' own, served over /dev/fuse by a thread of this process: one file, whose reads and flushes answer what the
//! test wants, or nothing before it lets go.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, FileAttr, FileType, Filesystem, MountOption, ReplyAttr, ReplyData,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request,
};
use sakia_tests::{eventually, fds};

const ROOT: u64 = 1;
const FILE: u64 = 2;
const NO_CACHE: Duration = Duration::ZERO;
/// How long a test may hold an answer back. A process with a thread in such a call can neither end nor be killed.
const PATIENCE: Duration = Duration::from_secs(60);
/// What every read of the file answers.
pub const CONTENTS: &[u8] = b"from the server";

/// What the file system answers to one kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It does what it is asked.
    Good,
    /// This errno.
    Errno(i32),
    /// Nothing, before [`Served::let_go`]; then what it does otherwise, or this errno if it is not 0.
    Held(i32),
}

impl Answer {
    fn errno(self) -> i32 {
        match self {
            Self::Good => 0,
            Self::Errno(errno) | Self::Held(errno) => errno,
        }
    }
}

/// What the file system does.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour {
    pub read: Answer,
    pub flush: Answer,
    /// Whether reads pass the page cache by (FOPEN_DIRECT_IO).
    pub direct: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            read: Answer::Good,
            flush: Answer::Good,
            direct: false,
        }
    }
}

type Reply = Box<dyn FnOnce() + Send>;

/// What the server holds back; `None` once it was let go.
type Held = Option<Vec<Reply>>;

struct Seen {
    reads: AtomicU32,
    flushes: AtomicU32,
    releases: AtomicU32,
    held: Mutex<Held>,
}

impl Seen {
    /// Answers now or when it is let go.
    fn answer(&self, how: Answer, reply: Reply) {
        let mut held = self.held.lock().expect("no test panics in here");
        match (how, &mut *held) {
            (Answer::Held(_), Some(held)) => held.push(reply),
            _ => reply(),
        }
    }

    fn let_go(&self) {
        let held = self.held.lock().expect("no test panics in here").take();
        for reply in held.into_iter().flatten() {
            reply();
        }
    }
}

struct OneFile {
    behaviour: Behaviour,
    seen: Arc<Seen>,
}

fn attributes(inode: u64) -> FileAttr {
    let kind = if inode == ROOT {
        FileType::Directory
    } else {
        FileType::RegularFile
    };
    FileAttr {
        ino: inode,
        size: if inode == ROOT {
            0
        } else {
            CONTENTS.len() as u64
        },
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm: 0o777,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

impl Filesystem for OneFile {
    fn lookup(&mut self, _: &Request<'_>, _: u64, name: &OsStr, reply: ReplyEntry) {
        if name == "file" {
            reply.entry(&NO_CACHE, &attributes(FILE), 0);
        } else {
            reply.error(libc::ENOENT);
        }
    }

    fn getattr(&mut self, _: &Request<'_>, inode: u64, _: Option<u64>, reply: ReplyAttr) {
        reply.attr(&NO_CACHE, &attributes(inode));
    }

    fn open(&mut self, _: &Request<'_>, _: u64, _: i32, reply: ReplyOpen) {
        let direct = fuser::consts::FOPEN_DIRECT_IO;
        reply.opened(0, if self.behaviour.direct { direct } else { 0 });
    }

    fn read(
        &mut self,
        _: &Request<'_>,
        _: u64,
        _: u64,
        _: i64,
        size: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyData,
    ) {
        self.seen.reads.fetch_add(1, Ordering::SeqCst);
        let how = self.behaviour.read;
        let answer = move || match how.errno() {
            0 => reply.data(&CONTENTS[..CONTENTS.len().min(size as usize)]),
            errno => reply.error(errno),
        };
        self.seen.answer(how, Box::new(answer));
    }

    fn write(
        &mut self,
        _: &Request<'_>,
        _: u64,
        _: u64,
        _: i64,
        data: &[u8],
        _: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyWrite,
    ) {
        reply.written(data.len() as u32);
    }

    fn flush(&mut self, _: &Request<'_>, _: u64, _: u64, _: u64, reply: ReplyEmpty) {
        self.seen.flushes.fetch_add(1, Ordering::SeqCst);
        let how = self.behaviour.flush;
        let answer = move || match how.errno() {
            0 => reply.ok(),
            errno => reply.error(errno),
        };
        self.seen.answer(how, Box::new(answer));
    }

    fn release(
        &mut self,
        _: &Request<'_>,
        _: u64,
        _: u64,
        _: i32,
        _: Option<u64>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.seen.releases.fetch_add(1, Ordering::SeqCst);
        reply.ok();
    }
}

/// The file system while it is mounted; dropping it lets go of what it holds back, and unmounts it.
pub struct Served {
    file: PathBuf,
    seen: Arc<Seen>,
    _done: mpsc::Sender<()>,
    _session: BackgroundSession,
    _at: tempfile::TempDir,
}

impl Served {
    /// Mounts the file system in a place of its own, for this thread and those that it starts.
    ///
    /// # Errors
    /// Where there is no /dev/fuse, or this process may not mount.
    pub fn mount(behaviour: Behaviour) -> io::Result<Self> {
        sakia_tests::private_mounts()?;
        let at = tempfile::tempdir()?;
        let seen = Arc::new(Seen {
            reads: AtomicU32::new(0),
            flushes: AtomicU32::new(0),
            releases: AtomicU32::new(0),
            held: Mutex::new(Some(Vec::new())),
        });
        let served = OneFile {
            behaviour,
            seen: seen.clone(),
        };
        let options = [MountOption::FSName("sakia-test".into()), MountOption::RW];
        let (done, patience) = mpsc::channel::<()>();
        let late = seen.clone();
        std::thread::spawn(move || {
            if patience.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                late.let_go();
            }
        });
        let session = fuser::spawn_mount2(served, at.path(), &options)?;
        // The thread of one that was dropped before closes its descriptor by and by: whoever counts must not see that.
        let devices = || fds().values().filter(|to| *to == "/dev/fuse").count();
        assert!(eventually(|| devices() == 1), "one for each that is served");
        Ok(Self {
            file: at.path().join("file"),
            seen,
            _done: done,
            _session: session,
            _at: at,
        })
    }

    /// Its one file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// How many reads have reached the server.
    pub fn reads(&self) -> u32 {
        self.seen.reads.load(Ordering::SeqCst)
    }

    /// How many closes have reached it: each descriptor's close is one flush.
    pub fn flushes(&self) -> u32 {
        self.seen.flushes.load(Ordering::SeqCst)
    }

    /// How many files have had their last descriptor closed.
    pub fn releases(&self) -> u32 {
        self.seen.releases.load(Ordering::SeqCst)
    }

    /// Answers everything that was held back, and holds nothing back from here on.
    pub fn let_go(&self) {
        self.seen.let_go();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.let_go();
    }
}
