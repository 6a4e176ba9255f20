//! The end of one descriptor: close(2) at once, and the table of the closes that must wait.
//!
//! close(2) in the drop costs what a close on the ring costs and cannot be delayed, piled up, cancelled or forgotten. Three kinds may
//! block, and go through the ring: an explicit `close().await` (to learn the error), a file that was opened for writing on a file system
//! with a server behind it, and a socket with SO_LINGER set (on a worker from the start: the ring itself would block in it).
//!
//! The table owns the descriptor from the push of its CLOSE until the completion. A close is never cancelled and never repeated: whatever the
//! completion says (but for `ECANCELED`, which means that it was not tried) the number is gone. If no completion ever comes, the close is in
//! doubt, and is reported.

use std::future::Future;
use std::io;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;

use crate::driver::{Driver, Phase};
use crate::fd::{Descriptor, Fd, FdInfo, FdState, Kind, Linger};
use crate::kernel::abi::{IOSQE_ASYNC, opcode};
use crate::kernel::call::{self, Call};
use crate::kernel::{Kernel, KernelFd, Sqe};
use crate::op::Refusal;
use crate::op::table::{Own, Tag};

/// How a descriptor has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// close(2): it does not block.
    Now,
    /// A CLOSE on the ring; the kernel hands it to a worker where the file has something to flush.
    Ring,
    /// A CLOSE on a worker from the start.
    Worker,
}

struct PendingClose {
    raw: RawFd,
    kind: Kind,
    since: Instant,
    /// The result, for a `close().await` that waits for it; it takes the entry out.
    result: Option<i32>,
    awaited: bool,
    waker: Option<Waker>,
}

/// The closes that the kernel has and has not answered.
#[derive(Default)]
pub(crate) struct CloseTable {
    entries: Slab<PendingClose>,
    unanswered: usize,
}

impl CloseTable {
    /// How many closes the kernel has not answered.
    pub(crate) fn pending(&self) -> usize {
        self.unanswered
    }

    pub(crate) fn infos(&self, now: Instant) -> impl Iterator<Item = FdInfo> + '_ {
        let unanswered = self
            .entries
            .iter()
            .filter(|(_, close)| close.result.is_none());
        unanswered.map(move |(_, close)| FdInfo {
            kind: close.kind,
            number: close.raw,
            state: FdState::Closing,
            age: now - close.since,
        })
    }
}

impl Driver {
    /// Whether the close of this descriptor could block.
    pub(crate) fn how_to_close(&self, fd: &Descriptor) -> How {
        match fd.kind() {
            Kind::File | Kind::Pipe if fd.is_writable() && self.is_remote(fd.raw()) => How::Ring,
            Kind::TcpStream | Kind::Socket | Kind::UdpSocket | Kind::TcpListener => {
                match fd.linger() {
                    Linger::Unset => How::Now,
                    Linger::Set => How::Worker,
                    Linger::Unknown if self.has_linger(fd.raw()) => How::Worker,
                    Linger::Unknown => How::Now,
                }
            }
            _ => How::Now,
        }
    }

    fn has_linger(&self, fd: RawFd) -> bool {
        let mut linger = [0u8; size_of::<libc::linger>()];
        let asked = self.call(Call::GetOption(
            fd,
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            &mut linger,
        ));
        // struct linger { int l_onoff; int l_linger; }
        asked.is_ok() && linger[..4] != [0; 4]
    }

    /// Whether the file's close may have to ask a server: known from its device number and the mount table, never from the server itself.
    fn is_remote(&self, fd: RawFd) -> bool {
        let mut device = call::Device::default();
        match self.call(Call::Device(fd, &mut device)) {
            Ok(_) => self.is_remote_device(device.major, device.minor),
            Err(_) => false,
        }
    }

    fn is_remote_device(&self, major: u32, minor: u32) -> bool {
        if let Some(found) = self.mounts().find(major, minor) {
            return found;
        }
        let now = self.now();
        if self.mounts().is_old(now) {
            let mut text = String::new();
            // Without a table no file is known to have a server.
            let _ = self.call(Call::Mounts(&mut text));
            self.mounts().learn(&text, now);
        }
        // btrfs subvolumes and overlays show device numbers that no mount has: both are local.
        self.mounts().find(major, minor).unwrap_or(false)
    }

    /// Ends a descriptor that nobody names any more.
    pub(crate) fn end_descriptor(&self, fd: KernelFd, kind: Kind, how: How) {
        self.ledger().count_close(kind);
        if how == How::Now || self.phase() == Phase::Ended || !self.push_close(&fd, kind, how, None)
        {
            self.close_now(fd);
            return;
        }
        // The table owns the number now.
        let _ = fd.into_raw();
    }

    /// Ends a descriptor that came with a message and that nobody took: what it is was somebody else's choice, so how it has to be closed
    /// is asked.
    pub(crate) fn end_stranger(&self, fd: KernelFd) {
        let raw = fd.raw();
        let how = match () {
            () if self.has_linger(raw) => How::Worker,
            () if self.is_remote(raw) => How::Ring,
            () => How::Now,
        };
        self.end_descriptor(fd, Kind::Passed, how);
    }

    /// close(2), with nobody to tell the error to.
    pub(crate) fn close_now(&self, fd: KernelFd) {
        let _ = self.call(Call::Close(fd));
    }

    /// Pushes a CLOSE; `false` if the ring cannot take it, or is the parent's.
    fn push_close(&self, fd: &KernelFd, kind: Kind, how: How, awaited: Option<&mut usize>) -> bool {
        if self.is_forked() {
            return false;
        }
        let mut core = self.core();
        if !core.kernel.supports(opcode::CLOSE) {
            return false;
        }
        let entry = core.closes.entries.vacant_entry();
        let index = entry.key();
        let Ok(tagged) = u32::try_from(index) else {
            return false;
        };
        entry.insert(PendingClose {
            raw: fd.raw(),
            kind,
            since: self.now(),
            result: None,
            awaited: awaited.is_some(),
            waker: None,
        });
        core.closes.unanswered += 1;
        if let Some(slot) = awaited {
            *slot = index;
        }
        let flags = if how == How::Worker { IOSQE_ASYNC } else { 0 };
        let sqe = Sqe::rw(opcode::CLOSE, fd.raw(), 0, 0, 0)
            .flags(flags)
            .tag(Tag::own(Own::Close(tagged)));
        core.push(sqe);
        drop(core);
        self.stir();
        true
    }

    /// The completion of a pending close; answers whom to wake.
    pub(crate) fn close_completed(&self, index: u32, res: i32) -> Option<Waker> {
        let mut core = self.core();
        let index = index as usize;
        let entry = core.closes.entries.get_mut(index)?;
        if entry.result.is_some() {
            return None;
        }
        let raw = entry.raw;
        let waker = entry.waker.take();
        entry.result = Some(res);
        if !entry.awaited {
            core.closes.entries.remove(index);
        }
        core.closes.unanswered -= 1;
        drop(core);
        self.count_drained_close();
        if res == -libc::ECANCELED {
            // It was not tried, so the number is still ours.
            self.close_now(KernelFd::adopt(raw));
        }
        waker
    }

    /// At the end: the ring has gone with these closes unanswered.
    pub(crate) fn closes_in_doubt(&self) -> Vec<FdInfo> {
        let mut infos: Vec<FdInfo> = self.core().closes.infos(self.now()).collect();
        for info in &mut infos {
            info.state = FdState::InDoubt;
        }
        infos
    }

    /// Takes the results of closes that nobody will ask for any more.
    pub(crate) fn forget_close_results(&self) {
        self.core()
            .closes
            .entries
            .retain(|_, close| close.result.is_none());
    }
}

/// The future of an explicit close; its result is the close's errno.
///
/// # Cancellation
/// Dropping it, even unpolled, still closes the descriptor; only the result is lost.
#[must_use = "the descriptor is closed when this is dropped, but the error is lost"]
#[derive(Debug)]
pub struct Close {
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The handle is still here.
    Open(Fd),
    /// The close table has it, at this index.
    Pending(Rc<Driver>, usize),
    Done,
}

/// Closes a descriptor and tells the error (close(2), `IORING_OP_CLOSE` where it could block, Linux 5.6).
///
/// Abandoned ops on it are cancelled and awaited first.
pub fn close(fd: Fd) -> Close {
    Close {
        stage: Stage::Open(fd),
    }
}

impl Close {
    fn start(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Stage::Open(fd) = &self.stage else {
            panic!("a close was polled after it had completed");
        };
        if fd.is_busy() {
            fd.quiesce();
        }
        if fd.is_unique() && fd.is_busy() {
            if fd.inner().driver().phase() == Phase::Ended {
                // What names it was set aside with the ring, or is a future that nobody runs: the last of them closes it.
                self.stage = Stage::Done;
                return Poll::Ready(Err(Refusal::Ended.into()));
            }
            fd.watch_quiet(cx.waker());
            return Poll::Pending;
        }
        let driver = fd.inner().driver().clone();
        let how = driver.how_to_close(fd.inner());
        let Some(owned) = fd.take() else {
            // Another handle is left (a split half): it closes when that one goes.
            self.stage = Stage::Done;
            return Poll::Ready(Ok(()));
        };
        let kind = fd.kind();
        self.stage = Stage::Done;
        driver.ledger().count_close(kind);
        let mut index = 0;
        if how != How::Now
            && driver.phase() == Phase::Running
            && driver.push_close(&owned, kind, how, Some(&mut index))
        {
            let _ = owned.into_raw();
            self.stage = Stage::Pending(driver, index);
            return self.poll_pending(cx);
        }
        Poll::Ready(driver.call(Call::Close(owned)).map(drop))
    }

    fn poll_pending(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Stage::Pending(driver, index) = &self.stage else {
            panic!("a close was polled after it had completed");
        };
        // Wakers are cloned before the borrow and dropped after it: that may run code of the user's.
        let mut waker = Some(cx.waker().clone());
        let mut core = driver.core();
        let Some(entry) = core.closes.entries.get_mut(*index) else {
            drop(core);
            self.stage = Stage::Done;
            return Poll::Ready(Ok(()));
        };
        match entry.result {
            None => {
                std::mem::swap(&mut entry.waker, &mut waker);
                Poll::Pending
            }
            Some(res) => {
                core.closes.entries.remove(*index);
                drop(core);
                self.stage = Stage::Done;
                Poll::Ready(if res < 0 && res != -libc::ECANCELED {
                    Err(io::Error::from_raw_os_error(-res))
                } else {
                    Ok(())
                })
            }
        }
    }
}

impl Future for Close {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.stage {
            Stage::Open(_) => self.start(cx),
            _ => self.poll_pending(cx),
        }
    }
}

impl Drop for Close {
    fn drop(&mut self) {
        // An open handle closes by its own drop; a pending close goes on without a listener.
        if let Stage::Pending(driver, index) = &self.stage {
            let mut core = driver.core();
            let Some(entry) = core.closes.entries.get_mut(*index) else {
                return;
            };
            entry.awaited = false;
            let waker = entry.waker.take();
            if entry.result.is_some() {
                core.closes.entries.remove(*index);
            }
            drop(core);
            drop(waker);
        }
    }
}

/// The mounts whose files have a server behind them, by device number.
#[derive(Debug, Default)]
pub(crate) struct Mounts {
    known: Vec<((u32, u32), bool)>,
    read: Option<Instant>,
}

/// How long an unknown device waits before the mount table is read again.
const MOUNTS_AGE: Duration = Duration::from_millis(100);

impl Mounts {
    fn is_old(&self, now: Instant) -> bool {
        self.read
            .is_none_or(|read| now.saturating_duration_since(read) > MOUNTS_AGE)
    }

    fn learn(&mut self, text: &str, now: Instant) {
        self.known = parse(text);
        self.read = Some(now);
    }

    fn find(&self, major: u32, minor: u32) -> Option<bool> {
        let hit = self
            .known
            .iter()
            .rev()
            .find(|(device, _)| *device == (major, minor));
        hit.map(|(_, remote)| *remote)
    }
}

/// Reads proc_pid_mountinfo(5): "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue".
fn parse(text: &str) -> Vec<((u32, u32), bool)> {
    text.lines()
        .filter_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let (major, minor) = left.split(' ').nth(2)?.split_once(':')?;
            let kind = right.split(' ').next()?;
            Some((
                (major.parse().ok()?, minor.parse().ok()?),
                is_remote_kind(kind),
            ))
        })
        .collect()
}

fn is_remote_kind(kind: &str) -> bool {
    let family = kind.split('.').next().unwrap_or(kind);
    matches!(
        family,
        "nfs"
            | "nfs4"
            | "cifs"
            | "smb3"
            | "smbfs"
            | "fuse"
            | "fuseblk"
            | "9p"
            | "ceph"
            | "afs"
            | "lustre"
            | "glusterfs"
            | "gfs2"
            | "ocfs2"
            | "orangefs"
            | "beegfs"
            | "virtiofs"
            | "coda"
            | "ncpfs"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_table_tells_servers_from_disks() {
        let text = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                    40 22 0:35 / /mnt/a\\040b rw shared:2 master:1 - fuse.sshfs me@host rw\n\
                    41 22 0:36 / /nfs rw - nfs4 server:/ rw\n\
                    42 22 0:37 / /o rw - overlay overlay rw\n";
        let mounts = Mounts {
            known: parse(text),
            read: Some(Instant::now()),
        };
        assert_eq!(mounts.find(254, 0), Some(false));
        assert_eq!(mounts.find(0, 35), Some(true));
        assert_eq!(mounts.find(0, 36), Some(true));
        assert_eq!(mounts.find(0, 37), Some(false));
        assert_eq!(mounts.find(9, 9), None);
    }
}
