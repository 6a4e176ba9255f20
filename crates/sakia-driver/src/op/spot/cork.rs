//! Answers that go out together: what is written to a hot stream while there is more of it to be answered is held back by the kernel (MSG_MORE), as what came together
//! is answered together. A sender that is woken once for all of it makes one thing of its next messages, too.
//!
//! It is held back until the next task's poll or the next turn, and never more than a piece of it, so that who is alone reads the first answers while the last are made;
//! or two, where others wait for their turn meanwhile. Most is pushed by a send behind it that holds nothing back, which is that of the last answer; the rest by the
//! driver, before another task is polled, before a turn, a rest, a call, the end of the loop or of the descriptor, by a flush, and as this thread exits the process. One that
//! another thread exits, or that is killed or aborts, has it in its socket, where a close with something unread throws it away.
//!
//! And less than a segment: what fills one goes at once, whatever the flag says, and then it is torn, and the peer woken, for the sake of an end that waits. Over the loopback a segment is 64 KiB.
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

/// The stream that this poll has read on the spot last. What is known of it holds for this poll: in another somebody else may have read, or set an option. What is not
/// asked yet is `None`, and asked when a send needs it.
#[derive(Debug)]
pub(super) struct Visit {
    fd: Cell<RawFd>,
    /// How many bytes wait to be read, at least.
    unread: Cell<Option<u32>>,
    /// How many are held back at most.
    held: Cell<u32>,
    /// The length of a segment.
    segment: Cell<Option<u32>>,
    /// Whether what is held back can be pushed without a change of anything.
    may: Cell<Option<bool>>,
    /// Whether the kernel pushes for this driver: a filter may refuse it.
    pushes: Cell<Option<bool>>,
}

impl Default for Visit {
    fn default() -> Self {
        Self {
            fd: Cell::new(NONE),
            unread: Cell::default(),
            held: Cell::default(),
            segment: Cell::default(),
            may: Cell::default(),
            pushes: Cell::default(),
        }
    }
}

/// What is known already, or is asked now and known from then on.
fn known<T: Copy>(cell: &Cell<Option<T>>, ask: impl FnOnce() -> T) -> T {
    cell.get().unwrap_or_else(|| {
        let told = ask();
        cell.set(Some(told));
        told
    })
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
            // What has come since is a new lot.
            None | Some(0) => None,
            Some(before) => Some(before.saturating_sub(len)),
        });
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
        let holds = self.may_hold(bytes as usize)
            && bytes < self.segment_of(fd)
            && self.has_unread(fd)
            && self.may_cork(fd);
        if !holds {
            return (sqe, 0);
        }
        sqe.op_flags |= libc::MSG_MORE.cast_unsigned();
        (sqe, bytes)
    }

    /// Whether more of it waits to be answered. What does not tell has nothing.
    fn has_unread(&self, fd: &Descriptor) -> bool {
        let unread = known(&self.spot().visit.unread, || {
            let told = self.ask_kernel(Call::Unread(fd.raw()));
            told.map_or(0, |bytes| bytes.try_into().unwrap_or(u32::MAX))
        });
        unread > 0
    }

    fn segment_of(&self, fd: &Descriptor) -> u32 {
        known(&self.spot().visit.segment, || {
            self.tcp(fd, libc::TCP_MAXSEG)
        })
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
        visit.unread.set(None);
        visit.segment.set(None);
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

    /// Whether it is TCP with TCP_NODELAY, nothing lies over it or is on that a push would take off, and a push works here: that is tried once, on a stream of which
    /// nothing is held back yet.
    fn may_cork(&self, fd: &Descriptor) -> bool {
        let visit = &self.spot().visit;
        known(&visit.may, || {
            self.tcp(fd, libc::TCP_NODELAY) != 0
                && self.tcp(fd, libc::TCP_CORK) == 0
                && self.tcp(fd, libc::TCP_ULP) == 0
                && known(&visit.pushes, || {
                    static ONCE: Once = Once::new();
                    ONCE.call_once(|| host::at_exit(push_at_exit));
                    self.uncork(fd.raw())
                })
        })
    }

    /// An option of its, as a number; 0 if the kernel does not tell.
    fn tcp(&self, fd: &Descriptor, name: i32) -> u32 {
        let mut value = [0; 4];
        let option = Call::GetOption(fd.raw(), libc::IPPROTO_TCP, name, &mut value);
        match self.ask_kernel(option) {
            Ok(_) => u32::from_ne_bytes(value),
            Err(_) => 0,
        }
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
    use std::rc::Rc;

    use super::*;
    use crate::kernel::abi::opcode;
    use crate::on_model::driver;
    use crate::{Fd, SimConfig};

    /// A TCP socket of the model's, with this option.
    fn socket(driver: &Rc<Driver>, name: i32, value: i32) -> Fd {
        let made = driver.within(|| Fd::socket(libc::AF_INET, libc::SOCK_STREAM, 0));
        let fd = made.expect("a socket");
        set(driver, &fd, name, value.to_ne_bytes());
        fd
    }

    fn set(driver: &Driver, fd: &Fd, name: i32, value: [u8; 4]) {
        let option = Call::SetOption(fd.inner().raw(), libc::IPPROTO_TCP, name, &value);
        driver.call(option).expect("it is a socket");
    }

    #[test]
    fn only_bare_tcp_is_held_back_and_only_with_tcp_nodelay() {
        let (driver, _) = driver(SimConfig::new(1));
        let fd = socket(&driver, libc::TCP_NODELAY, 1);
        let set = |name, value| set(&driver, &fd, name, value);
        // In another poll each time.
        let may_cork = || {
            driver.spot().visit.may.set(None);
            driver.may_cork(fd.inner())
        };
        let (on, off) = (1i32.to_ne_bytes(), [0; 4]);
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

    #[test]
    fn less_than_a_segment_is_held_back() {
        let (driver, _) = driver(SimConfig::new(1));
        let fd = socket(&driver, libc::TCP_MAXSEG, 1448);
        let visit = &driver.spot().visit;
        // What the kernel would do with more is the same over the loopback, but for the time that it takes: it sends a segment, and its acknowledgement sends the rest.
        for (held, len, holds) in [(0, 1447, true), (0, 1448, false), (1000, 447, true)]
            .into_iter()
            .chain([(1000, 448, false), (0, 9000, false)])
        {
            visit.fd.set(fd.inner().raw());
            visit.unread.set(Some(1));
            visit.may.set(Some(true));
            visit.held.set(held);
            let send = Sqe::rw(opcode::SEND, fd.inner().raw(), 0, len, 0);
            let (made, holding) = driver.cork(&send, fd.inner());
            let more = made.op_flags.cast_signed() & libc::MSG_MORE != 0;
            let expected = if holds { held + len } else { 0 };
            assert_eq!((more, holding), (holds, expected), "{len} behind {held}");
        }
    }

    #[test]
    fn the_end_of_a_visit_forgets_what_was_known_of_the_stream() {
        let (driver, _) = driver(SimConfig::new(1));
        let fd = socket(&driver, libc::TCP_MAXSEG, 1448);
        let visit = &driver.spot().visit;
        visit.fd.set(fd.inner().raw());
        assert_eq!(driver.segment_of(fd.inner()), 1448);
        // It ends the visit, as each call does.
        set(&driver, &fd, libc::TCP_MAXSEG, 500i32.to_ne_bytes());
        assert_eq!(driver.segment_of(fd.inner()), 500);
        assert_eq!(visit.fd.get(), NONE);
    }
}
