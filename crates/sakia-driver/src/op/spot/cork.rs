//! Answers that go out together: what is written to a hot stream while there is more of it to be answered is held back by the kernel (MSG_MORE), as what came together
//! is answered together. A sender that is woken once for all of it makes one thing of its next messages, too.
//!
//! It is held back until the next task's poll or the next turn, and never more than a piece of it, so that who is alone reads the first answers while the last are made;
//! or two, where others wait for their turn meanwhile. Most is pushed by a send behind it that holds nothing back, which is that of the last answer; the rest by the
//! driver, before another task is polled, before a turn, a rest, a call, the end of the loop or of the descriptor, by a flush, and as this thread exits the process. One that
//! another thread exits, or that is killed or aborts, has it in its socket, where a close with something unread throws it away.
//!
//! Whole segments go at once, whatever the flag says: it is what fills no segment that waits, which over the loopback is all of it, and elsewhere the end of each answer.
//!
//! Only of TCP with TCP_NODELAY, for whoever has not set it lets the kernel hold back anyway, and without TCP_CORK: to take that off is what pushes. And not where something
//! lies over TCP: TLS in the kernel makes records of what it is given, and does not end them for the sake of that option.

use std::cell::Cell;
use std::os::fd::RawFd;
use std::sync::Once;

use super::super::lane::PIECE;
use crate::driver::Driver;
use crate::fd::{Descriptor, Kind};
use crate::host;
use crate::kernel::Sqe;
use crate::kernel::call::Call;

/// What may stand beside MSG_MORE.
const PLAIN: i32 = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
/// With more ops in flight than these a stream is not alone: a listener's accept, a watch, whatever a small server keeps.
const ALONE: usize = 4;
/// No stream.
const NONE: RawFd = -1;

/// The stream that this poll has read on the spot last. What is known of it holds for this poll: in another somebody else may have read.
#[derive(Debug)]
pub(super) struct Visit {
    fd: Cell<RawFd>,
    /// How many bytes it has at least.
    unread: Cell<u32>,
    /// How many are held back at most.
    held: Cell<u32>,
    /// Whether any may be, once that was asked. An option that is set through another descriptor is seen in the next poll.
    may: Cell<Option<bool>>,
    /// Whether the kernel pushes for this driver, once that was tried: a filter may refuse it.
    pushes: Cell<Option<bool>>,
}

impl Default for Visit {
    fn default() -> Self {
        Self {
            fd: Cell::new(NONE),
            unread: Cell::default(),
            held: Cell::default(),
            may: Cell::default(),
            pushes: Cell::default(),
        }
    }
}

impl Driver {
    /// A receive on the spot has filled its buffer, of this length.
    pub(super) fn note_read(&self, fd: &Descriptor, len: u32) {
        let visit = &self.spot().visit;
        if visit.fd.get() != fd.raw() {
            self.end_visit();
            if fd.kind() != Kind::TcpStream || visit.pushes.get() == Some(false) {
                return;
            }
            visit.fd.set(fd.raw());
        }
        visit.unread.set(match visit.unread.get() {
            0 => self.asks_how_much(fd),
            before => before.saturating_sub(len),
        });
    }

    /// How much a stream has. What does not tell has nothing.
    fn asks_how_much(&self, fd: &Descriptor) -> u32 {
        let told = self.ask_kernel(Call::Unread(fd.raw()));
        told.map_or(0, |bytes| bytes.try_into().unwrap_or(u32::MAX))
    }

    /// A send of a hot stream as it is to be made, and how much is held back behind it.
    pub(super) fn cork(&self, sqe: &Sqe, fd: &Descriptor) -> (Sqe, u32) {
        let visit = &self.spot().visit;
        let mut sqe = *sqe;
        if visit.fd.get() != sqe.fd {
            return (sqe, 0);
        }
        if sqe.op_flags.cast_signed() & !PLAIN != 0 {
            // Whoever says more may hold back by himself, and longer than a poll: what is held back here is not to wait for that.
            if visit.held.get() > 0 {
                self.end_visit_now();
            }
            return (sqe, 0);
        }
        let bytes = visit.held.get() + sqe.len;
        if visit.unread.get() == 0 || !self.may_hold(bytes as usize) || !self.may_cork(fd) {
            return (sqe, 0);
        }
        sqe.op_flags |= libc::MSG_MORE.cast_unsigned();
        (sqe, bytes)
    }

    #[inline]
    fn may_hold(&self, bytes: usize) -> bool {
        bytes < PIECE || bytes < 2 * PIECE && self.in_flight() > ALONE
    }

    /// A send to this one was made, and so much is held back now.
    #[inline]
    pub(super) fn note_cork(&self, fd: RawFd, held: u32) {
        let visit = &self.spot().visit;
        if visit.fd.get() == fd {
            visit.held.set(held);
            if held > 0 {
                self.note_errand();
            }
        }
    }

    /// Ends the visit of a stream, if there is one, and pushes what is held back.
    #[inline]
    pub(crate) fn end_visit(&self) {
        if self.spot().visit.fd.get() != NONE {
            self.end_visit_now();
        }
    }

    /// The same if it is of this one.
    #[inline]
    pub(crate) fn end_visit_of(&self, fd: RawFd) {
        if self.spot().visit.fd.get() == fd {
            self.end_visit_now();
        }
    }

    #[inline(never)]
    fn end_visit_now(&self) {
        let visit = &self.spot().visit;
        let (fd, held) = (visit.fd.replace(NONE), visit.held.replace(0));
        visit.unread.set(0);
        visit.may.set(None);
        // In a forked child the stream is its parent's.
        if held == 0 || self.is_forked() {
            return;
        }
        if !self.uncork(fd) {
            // A filter that came later. The kernel sends it by itself after some 200 ms.
            visit.pushes.set(Some(false));
        }
    }

    fn uncork(&self, fd: RawFd) -> bool {
        let off = 0i32.to_ne_bytes();
        let push = Call::SetOption(fd, libc::IPPROTO_TCP, libc::TCP_CORK, &off);
        self.ask_kernel(push).is_ok()
    }

    /// Whether what is held back of it can be pushed without a change of anything. It is asked once a visit.
    fn may_cork(&self, fd: &Descriptor) -> bool {
        let visit = &self.spot().visit;
        if let Some(may) = visit.may.get() {
            return may;
        }
        let may = self.is_bare(fd) && self.pushes(fd);
        visit.may.set(Some(may));
        may
    }

    fn is_bare(&self, fd: &Descriptor) -> bool {
        let is_set = |name| {
            let mut value = [0; 4];
            let option = Call::GetOption(fd.raw(), libc::IPPROTO_TCP, name, &mut value);
            self.ask_kernel(option).is_ok() && value != [0; 4]
        };
        fd.kind() == Kind::TcpStream
            && is_set(libc::TCP_NODELAY)
            && !is_set(libc::TCP_CORK)
            && !is_set(libc::TCP_ULP)
    }

    /// Whether a push works here: tried once, on a stream of which nothing is held back yet, and without TCP_CORK.
    fn pushes(&self, fd: &Descriptor) -> bool {
        let visit = &self.spot().visit;
        visit.pushes.get().unwrap_or_else(|| {
            static ONCE: Once = Once::new();
            ONCE.call_once(|| host::at_exit(push_at_exit));
            let pushes = self.uncork(fd.raw());
            visit.pushes.set(Some(pushes));
            pushes
        })
    }
}

/// exit(3) in a task ends its poll, too. In another thread it does not: a driver is its own thread's.
extern "C" fn push_at_exit() {
    if let Some(driver) = Driver::current() {
        driver.end_visit();
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests {
    use super::*;
    use crate::on_model::driver;
    use crate::{Fd, SimConfig};

    #[test]
    fn only_bare_tcp_is_held_back_and_only_with_tcp_nodelay() {
        let (driver, _) = driver(SimConfig::new(1));
        let made = driver.within(|| Fd::socket(libc::AF_INET, libc::SOCK_STREAM, 0));
        let fd = made.expect("a socket");
        let set = |name, value: [u8; 4]| {
            let option = Call::SetOption(fd.inner().raw(), libc::IPPROTO_TCP, name, &value);
            driver.call(option).expect("it is a socket");
        };
        // In another poll each time.
        let may_cork = || {
            driver.spot().visit.may.set(None);
            driver.may_cork(fd.inner())
        };
        let (on, off) = (1i32.to_ne_bytes(), [0; 4]);
        set(libc::TCP_NODELAY, on);
        assert!(!may_cork(), "it is no stream yet");
        fd.set_kind(Kind::TcpStream);
        assert!(may_cork());
        for (name, value) in [(libc::TCP_ULP, *b"tls\0"), (libc::TCP_CORK, on)] {
            set(name, value);
            assert!(!may_cork(), "{name}");
            set(name, off);
        }
        set(libc::TCP_NODELAY, off);
        assert!(!may_cork(), "it has no TCP_NODELAY");
        set(libc::TCP_NODELAY, on);
        driver.spot().visit.pushes.set(Some(false));
        assert!(!may_cork(), "the push is refused");
    }
}
