//! Answers that go out together: what is written to a hot stream while there is more of it to be answered is held back by the kernel (MSG_MORE), as what came together
//! is answered together. A sender that is woken once for all of it makes one thing of its next messages, too.
//!
//! It is held back for no longer than the poll in which it was written, and never more than a piece of it, so that who is alone reads the first answers while the last
//! are made; or two, where others wait for their turn meanwhile. Most is pushed by a send behind it that holds nothing back,
//! which is that of the last answer; the rest by the driver, before it does anything else: another task's poll, a turn, a call, the descriptor's end. What the kernel holds
//! back is in the socket, as all that a write has answered is: a process that is killed in that poll leaves it to the kernel.
//!
//! Only of TCP with TCP_NODELAY: to set that once more is what pushes, and whoever has not set it lets the kernel hold back anyway. And not where
//! something lies over TCP (TLS in the kernel makes records of what it is given, and does not end them for the sake of that option).

use std::cell::Cell;
use std::os::fd::RawFd;

use super::super::lane::{PIECE, Side};
use crate::driver::Driver;
use crate::fd::{Descriptor, Kind};
use crate::kernel::Sqe;
use crate::kernel::call::Call;

/// What may stand beside MSG_MORE.
const PLAIN: i32 = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;

/// With more ops in flight than these a stream is not alone: a listener's accept, a watch, whatever a small server keeps.
const ALONE: usize = 4;

/// A stream of which something is held back, and how much at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    fd: RawFd,
    bytes: u32,
}

/// The one stream of which something is held back, if there is one.
#[derive(Debug, Default)]
pub(super) struct Cork(Cell<Option<Held>>);

impl Driver {
    /// A send of a hot stream as it is to be made, and what is held back behind it.
    pub(super) fn cork(&self, sqe: &Sqe, fd: &Descriptor) -> (Sqe, Option<Held>) {
        let before = match self.spot().cork.0.get() {
            Some(held) if held.fd == sqe.fd => held.bytes,
            Some(_) => {
                self.uncork_now();
                0
            }
            None => 0,
        };
        let bytes = before + sqe.len;
        let more = fd.lane(Side::In).unread().known();
        let fits = more.is_some_and(|unread| unread > 0) && self.may_hold(bytes as usize);
        let plain = sqe.op_flags.cast_signed() & !PLAIN == 0;
        if !fits || !plain || before == 0 && !self.may_cork(fd) {
            return (*sqe, None);
        }
        let mut sqe = *sqe;
        sqe.op_flags |= libc::MSG_MORE.cast_unsigned();
        let held = Held { fd: sqe.fd, bytes };
        (sqe, Some(held))
    }

    #[inline]
    fn may_hold(&self, bytes: usize) -> bool {
        bytes < PIECE || bytes < 2 * PIECE && self.in_flight() > ALONE
    }

    /// A send was made, and this is held back now.
    #[inline]
    pub(super) fn note_cork(&self, held: Option<Held>) {
        self.spot().cork.0.set(held);
        if held.is_some() {
            self.note_errand();
        }
    }

    /// Pushes what is held back, if anything is.
    #[inline]
    pub(crate) fn uncork(&self) {
        if self.spot().cork.0.get().is_some() {
            self.uncork_now();
        }
    }

    #[cold]
    fn uncork_now(&self) {
        // In a forked child the stream is its parent's.
        if let Some(held) = self.spot().cork.0.take()
            && !self.is_forked()
        {
            let on = 1i32.to_ne_bytes();
            let push = Call::SetOption(held.fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, &on);
            // It fails if the connection has: then there is nobody to push to.
            let _ = self.ask_kernel(push);
        }
    }

    /// Whether what is held back of it can be pushed without a change of anything.
    fn may_cork(&self, fd: &Descriptor) -> bool {
        let is_set = |name| {
            let mut value = [0; 4];
            let option = Call::GetOption(fd.raw(), libc::IPPROTO_TCP, name, &mut value);
            self.ask_kernel(option).is_ok() && value != [0; 4]
        };
        fd.kind() == Kind::TcpStream && is_set(libc::TCP_NODELAY) && !is_set(libc::TCP_ULP)
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
        set(libc::TCP_NODELAY, 1i32.to_ne_bytes());
        assert!(!driver.may_cork(fd.inner()), "it is no stream yet");
        fd.set_kind(Kind::TcpStream);
        assert!(driver.may_cork(fd.inner()));
        set(libc::TCP_ULP, *b"tls\0");
        assert!(!driver.may_cork(fd.inner()), "TLS lies over it");
        set(libc::TCP_ULP, [0; 4]);
        set(libc::TCP_NODELAY, [0; 4]);
        assert!(!driver.may_cork(fd.inner()), "it has no TCP_NODELAY");
    }
}
