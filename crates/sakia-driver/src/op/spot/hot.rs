//! Streams of which more has arrived than was read: they are read and written on the spot, so that what was pipelined is answered at one go, as its sender will read it.
//!
//! A visit of such a stream takes what was there when it began, and no more: what its sender adds while it is being answered waits until the others have had their turn, and
//! neither of the two waits for the other's lock. What is sent meanwhile goes out together (`cork.rs`).
//!
//! A stream is hot if its last receive had room for a piece at most and has said that there is more. Of the others most have nothing yet, and what is
//! long costs so much to copy that the way by the ring does not matter. Only ops of a lane that holds it ask, so nothing is in flight that they could overtake.

use super::super::Bare;
use super::super::lane::{PIECE, Side};
use crate::driver::Driver;
use crate::fd::{Descriptor, Kind};
use crate::kernel::abi::{CQE_F_SOCK_NONEMPTY, opcode};
use crate::kernel::call::Call;
use crate::kernel::{Answer, Sqe};

/// Why an op of a hot stream was not answered on the spot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    /// It goes by the ring: it was not tried, or the socket has no room for it.
    Passed,
    /// It is a receive, and all that had arrived was read. It asks the ring when there is something and comes here again, so that what has arrived is
    /// copied when its task is at it, and no sooner.
    Dry,
}

impl Descriptor {
    /// Whether it is a stream that is being read in pieces, and there is another.
    #[inline]
    pub(crate) fn is_hot(&self) -> bool {
        self.lane(Side::In).is_hot() && matches!(self.kind(), Kind::TcpStream | Kind::UnixStream)
    }
}

impl Driver {
    /// The numbers of the completion of a receive or a send of at most a piece, if the socket has something, or has room, and the budget is not spent; else why
    /// there are none.
    #[inline(never)]
    pub(crate) fn answer_hot(&self, sqe: &Sqe, fd: &Descriptor) -> Result<Bare, Miss> {
        if sqe.len as usize > PIECE || !self.spot().has_budget() {
            return Err(Miss::Passed);
        }
        match sqe.opcode {
            opcode::RECV => self.receive_hot(sqe, fd),
            opcode::SEND => self.send_hot(sqe, fd),
            _ => Err(Miss::Passed),
        }
    }

    #[inline]
    fn receive_hot(&self, sqe: &Sqe, fd: &Descriptor) -> Result<Bare, Miss> {
        let unread = fd.lane(Side::In).unread();
        let before = unread.known();
        if before == Some(0) {
            unread.forget();
            return Err(Miss::Dry);
        }
        let Answer::Done(res) = self.try_on_the_spot(sqe, |_| 1) else {
            return Err(Miss::Dry);
        };
        // A stream that has filled the buffer has probably more, and another has not.
        let filled = res.cast_unsigned() == sqe.len;
        match before {
            _ if !filled => unread.forget(),
            Some(before) => unread.set(before.saturating_sub(sqe.len)),
            None => unread.set(self.asks_how_much(fd)),
        }
        let flags = if filled { CQE_F_SOCK_NONEMPTY } else { 0 };
        Ok(Bare { res, flags })
    }

    #[inline]
    fn send_hot(&self, sqe: &Sqe, fd: &Descriptor) -> Result<Bare, Miss> {
        let (sqe, held) = self.cork(sqe, fd);
        let Answer::Done(res) = self.try_on_the_spot(&sqe, |_| 1) else {
            return Err(Miss::Passed);
        };
        self.note_cork(held);
        Ok(Bare { res, flags: 0 })
    }

    /// How much a stream has. One that does not tell has nothing: it is asked again by the ring.
    fn asks_how_much(&self, fd: &Descriptor) -> u32 {
        let told = self.ask_kernel(Call::Unread(fd.raw()));
        told.map_or(0, |bytes| bytes.try_into().unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::{Config, Fd};

    #[test]
    fn a_receive_that_finds_nothing_is_told_from_one_that_was_not_tried() {
        let driver = Driver::new(&Config::default()).expect("a ring");
        let (ours, mut peer) = UnixStream::pair().expect("two descriptors");
        let ours = driver.within(|| Fd::new(OwnedFd::from(ours), Kind::UnixStream));
        let ours = ours.expect("the driver is current");
        let mut buf = [0; 4];
        let addr = buf.as_mut_ptr() as u64;
        let receive = Sqe::rw(opcode::RECV, ours.inner().raw(), addr, 4, 0);
        let ask = || driver.answer_hot(&receive, ours.inner());
        assert_eq!(
            ask().map(|bare| bare.res),
            Err(Miss::Passed),
            "without a budget"
        );
        driver.refill();
        assert_eq!(ask().map(|bare| bare.res), Err(Miss::Dry));
        peer.write_all(b"abcdefgh").expect("there is room");
        assert_eq!(ask().map(|bare| bare.res), Ok(4));
        peer.write_all(b"more").expect("there is room");
        assert_eq!(ask().map(|bare| bare.res), Ok(4));
        assert_eq!(&buf, b"efgh");
        let all = ask().map(|bare| bare.res);
        assert_eq!(all, Err(Miss::Dry), "the visit takes what was there");
        let unread = ours.inner().lane(Side::In).unread();
        assert_eq!(unread.known(), None, "the next one begins anew");
        peer.write_all(b"end").expect("there is room");
        assert_eq!(ask().map(|bare| bare.res), Ok(4));
        assert_eq!(unread.known(), Some(3));
        assert_eq!(ask().map(|bare| bare.res), Ok(3));
        assert_eq!(unread.known(), None);
        assert_eq!(&buf, b"ende");
    }
}
