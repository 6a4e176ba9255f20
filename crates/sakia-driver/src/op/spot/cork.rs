//! Answers that go out together: what is written to a hot stream while there is more of it to be answered is held back by the kernel (MSG_MORE), as what came together
//! is answered together. A sender that is woken once for all of it makes one thing of its next messages, too.
//!
//! It is held back until the next task's poll or the next turn, and never more than a piece of it, so that who is alone reads the first answers while the last are made;
//! or two, where others wait for their turn meanwhile. Most is pushed by a send behind it that holds nothing back, which is that of the last answer; the rest by the
//! driver, before another task is polled, before a turn, a rest, a call, the end of the loop or of the descriptor, and as the process exits. One that is killed, or
//! aborts, has it in its socket, where a close with something unread throws it away.
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
    /// Whether the push is refused here.
    refused: Cell<bool>,
}

impl Default for Visit {
    fn default() -> Self {
        Self {
            fd: Cell::new(NONE),
            unread: Cell::default(),
            held: Cell::default(),
            refused: Cell::default(),
        }
    }
}

impl Driver {
    /// A receive on the spot has filled its buffer, of this length.
    pub(super) fn note_read(&self, fd: &Descriptor, len: u32) {
        let visit = &self.spot().visit;
        if visit.fd.get() != fd.raw() {
            self.end_visit();
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
        let bytes = visit.held.get() + sqe.len;
        let more = visit.fd.get() == sqe.fd && visit.unread.get() > 0;
        let plain = sqe.op_flags.cast_signed() & !PLAIN == 0;
        if !more || !plain || !self.may_hold(bytes as usize) {
            return (*sqe, 0);
        }
        if visit.held.get() == 0 && !self.may_cork(fd) {
            return (*sqe, 0);
        }
        let mut sqe = *sqe;
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
        // In a forked child the stream is its parent's.
        if held == 0 || self.is_forked() {
            return;
        }
        let off = 0i32.to_ne_bytes();
        let push = Call::SetOption(fd, libc::IPPROTO_TCP, libc::TCP_CORK, &off);
        if self.ask_kernel(push).is_err() {
            // A filter: the kernel sends it by itself after some 200 ms, but not again. Or the stream has failed, and others will not.
            visit.refused.set(true);
        }
    }

    /// Whether what is held back of it can be pushed without a change of anything.
    fn may_cork(&self, fd: &Descriptor) -> bool {
        let is_set = |name| {
            let mut value = [0; 4];
            let option = Call::GetOption(fd.raw(), libc::IPPROTO_TCP, name, &mut value);
            self.ask_kernel(option).is_ok() && value != [0; 4]
        };
        let may = fd.kind() == Kind::TcpStream
            && !self.spot().visit.refused.get()
            && is_set(libc::TCP_NODELAY)
            && !is_set(libc::TCP_CORK)
            && !is_set(libc::TCP_ULP);
        if may {
            static ONCE: Once = Once::new();
            ONCE.call_once(|| host::at_exit(push_at_exit));
        }
        may
    }
}

/// exit(3) in a task ends its poll, too.
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
        let (on, off) = (1i32.to_ne_bytes(), [0; 4]);
        set(libc::TCP_NODELAY, on);
        assert!(!driver.may_cork(fd.inner()), "it is no stream yet");
        fd.set_kind(Kind::TcpStream);
        assert!(driver.may_cork(fd.inner()));
        for (name, value) in [(libc::TCP_ULP, *b"tls\0"), (libc::TCP_CORK, on)] {
            set(name, value);
            assert!(!driver.may_cork(fd.inner()), "{name}");
            set(name, off);
        }
        set(libc::TCP_NODELAY, off);
        assert!(!driver.may_cork(fd.inner()), "it has no TCP_NODELAY");
        set(libc::TCP_NODELAY, on);
        driver.spot().visit.refused.set(true);
        assert!(!driver.may_cork(fd.inner()), "the push was refused");
    }
}
