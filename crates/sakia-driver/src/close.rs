//! The end of one descriptor: close(2) at once, and the table of the closes that must wait.
//!
//! close(2) in the drop costs what a close on the ring costs and cannot be delayed, piled up, cancelled or forgotten. Three kinds may
//! block, and go through the ring: an explicit `close().await` (to learn the error), a file on a file system with a server behind it (FUSE
//! asks it at every close, also of what was only read), and a socket with SO_LINGER set (on a worker from the start: the ring itself would block in it).
//!
//! The table owns the descriptor from the push of its CLOSE until the completion. A close is never cancelled and never repeated: whatever the
//! completion says the number is gone. `ECANCELED` alone can mean that the close was not tried, or be what a server answered: the number is closed
//! after it only while it still leads to the same file. If no completion ever comes, the close is in doubt, and is reported.

use std::future::Future;
use std::io;
use std::os::fd::RawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use slab::Slab;

use crate::driver::{Driver, Phase};
use crate::fd::{Descriptor, Fd, FdInfo, FdState, Kind, Linger, What};
use crate::kernel::abi::{IOSQE_ASYNC, opcode};
use crate::kernel::call::{Call, Device};
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
    what: What,
    /// What the number led to.
    file: Option<Device>,
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
    /// Who waits for any of them, for want of a descriptor or an address.
    watchers: Vec<Waker>,
}

impl CloseTable {
    /// How many closes the kernel has not answered.
    pub(crate) fn pending(&self) -> usize {
        self.unanswered
    }

    /// Whether a close of such a descriptor is pending.
    pub(crate) fn any_pending(&self, is: impl Fn(Kind) -> bool) -> bool {
        self.entries
            .iter()
            .any(|(_, close)| close.result.is_none() && is(close.what.kind))
    }

    /// Wakes this one when the next close is answered.
    pub(crate) fn watch(&mut self, waker: Waker) {
        self.watchers.push(waker);
    }

    pub(crate) fn infos(&self, now: Instant) -> impl Iterator<Item = FdInfo> + '_ {
        let unanswered = self
            .entries
            .iter()
            .filter(|(_, close)| close.result.is_none());
        unanswered.map(move |(_, close)| FdInfo {
            kind: close.what.kind,
            number: close.raw,
            state: FdState::Closing,
            age: now - close.since,
            origin: close.what.origin.place(),
        })
    }
}

impl Driver {
    /// Whether the close of this descriptor could block.
    pub(crate) fn how_to_close(&self, fd: &Descriptor) -> How {
        match fd.kind() {
            Kind::File if fd.has_server() => How::Ring,
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

    /// Ends a descriptor that nobody names any more.
    pub(crate) fn end_descriptor(&self, fd: KernelFd, what: What, how: How) {
        self.ledger().count_close(what.kind);
        self.close_as(fd, what, how);
    }

    /// Ends a descriptor that came with a message and that nobody took.
    pub(crate) fn end_stranger(&self, fd: KernelFd) {
        self.ledger().count_close(Kind::Passed);
        self.close_unseen(fd);
    }

    /// Closes a descriptor that nobody has seen: how is asked, for it may wait for a server, or linger as its listener does.
    pub(crate) fn close_unseen(&self, fd: KernelFd) {
        let raw = fd.raw();
        let (kind, how) = match () {
            () if self.is_served(raw) => (Kind::File, How::Ring),
            () if self.has_linger(raw) => (Kind::Socket, How::Worker),
            () => (Kind::Passed, How::Now),
        };
        self.close_as(fd, kind.into(), how);
    }

    fn close_as(&self, fd: KernelFd, what: What, how: How) {
        let by_ring = how != How::Now && self.phase() != Phase::Ended;
        if by_ring && self.push_close(&fd, what, how, None) {
            // The table owns the number now.
            let _ = fd.into_raw();
        }
        // Else it is dropped, which is close(2), with nobody to tell the error to.
    }

    /// Pushes a CLOSE; `false` if the ring cannot take it, or is the parent's.
    fn push_close(&self, fd: &KernelFd, what: What, how: How, awaited: Option<&mut usize>) -> bool {
        if self.is_forked() {
            return false;
        }
        let file = self.device(fd.raw());
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
            what,
            file,
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
        core.push(&sqe);
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
        let (raw, file) = (entry.raw, entry.file);
        let waker = entry.waker.take();
        entry.result = Some(res);
        if !entry.awaited {
            core.closes.entries.remove(index);
        }
        core.closes.unanswered -= 1;
        let watchers = std::mem::take(&mut core.closes.watchers);
        drop(core);
        for watcher in watchers {
            self.wake_later(watcher);
        }
        self.count_drained_close();
        if res == -libc::ECANCELED {
            self.close_if_untried(raw, file);
        }
        waker
    }

    /// The kernel, or a server, has answered a close with `ECANCELED`: only if it was not tried is the number still ours.
    fn close_if_untried(&self, raw: RawFd, file: Option<Device>) {
        if file.is_some() && self.device(raw) == file {
            drop(KernelFd::adopt(raw));
        }
    }

    /// At the end: the ring has gone with these closes unanswered.
    pub(crate) fn closes_in_doubt(&self) -> Vec<FdInfo> {
        let mut infos: Vec<FdInfo> = self.core().closes.infos(self.now()).collect();
        for info in &mut infos {
            info.state = FdState::InDoubt;
        }
        infos
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
            // To note it was code of the user's, which may have turned the driver: look again.
            if fd.is_busy() {
                return Poll::Pending;
            }
        }
        let driver = fd.inner().driver().clone();
        let how = driver.how_to_close(fd.inner());
        let Some(owned) = fd.take() else {
            // Another handle is left (a split half): it closes when that one goes.
            self.stage = Stage::Done;
            return Poll::Ready(Ok(()));
        };
        let what = fd.inner().what();
        self.stage = Stage::Done;
        driver.ledger().count_close(what.kind);
        let mut index = 0;
        if how != How::Now
            && driver.phase() == Phase::Running
            && driver.push_close(&owned, what, how, Some(&mut index))
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

#[cfg(all(test, feature = "sim"))]
mod tests;
