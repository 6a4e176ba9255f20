//! A file system of the tests' own, served over /dev/fuse by a thread of this process: one file, whose flush says what the test wants.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, FileAttr, FileType, Filesystem, MountOption, ReplyAttr, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request,
};

const ROOT: u64 = 1;
const FILE: u64 = 2;
const NO_CACHE: Duration = Duration::ZERO;

/// What the file system has seen.
#[derive(Default)]
pub struct Seen {
    /// How many closes have reached it: each descriptor's close is one flush.
    pub flushes: AtomicU32,
}

struct OneFile {
    /// The errno that a flush answers; 0 for none.
    errno: i32,
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
        size: 0,
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
        reply.opened(0, fuser::consts::FOPEN_DIRECT_IO);
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
        match self.errno {
            0 => reply.ok(),
            errno => reply.error(errno),
        }
    }
}

/// Mounts the file system below `at`; its one file is `at/file`. Dropping the session unmounts it.
pub fn mount(at: &Path, errno: i32) -> std::io::Result<(BackgroundSession, Arc<Seen>)> {
    let seen = Arc::new(Seen::default());
    let served = OneFile {
        errno,
        seen: seen.clone(),
    };
    let options = [MountOption::FSName("sakia-test".into()), MountOption::RW];
    Ok((fuser::spawn_mount2(served, at, &options)?, seen))
}
