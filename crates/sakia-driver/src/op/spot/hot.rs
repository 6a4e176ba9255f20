//! Streams of which more has arrived than was read: they are read and written on the spot, so that what was pipelined is answered at one go, as its sender will read it.
//!
//! What is sent while more of what had arrived waits to be answered goes out together (`cork.rs`).
//!
//! A stream is hot if its last receive had room for a piece at most and has said that there is more. Of the others most have nothing yet, and what is
//! long costs so much to copy that the way by the ring does not matter. Only ops of a lane that holds it ask, so nothing is in flight that they could overtake.

use super::super::Bare;
use super::super::lane::{PIECE, Side};
use crate::driver::Driver;
use crate::fd::{Descriptor, Kind};
use crate::kernel::abi::{CQE_F_SOCK_NONEMPTY, opcode};
use crate::kernel::{Answer, Sqe};

/// Why an op of a hot stream was not answered on the spot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    /// It goes by the ring: it was not tried, or the socket has no room for it.
    Passed,
    /// It is a receive that has found nothing. It asks the ring when there is something and comes here again, so that what has arrived is
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
        let Answer::Done(res) = self.try_on_the_spot(sqe, |_| 1) else {
            return Err(Miss::Dry);
        };
        // A stream that has filled the buffer has probably more, and another has not.
        let filled = res.cast_unsigned() == sqe.len;
        if filled {
            self.note_read(fd, sqe.len);
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
        if res >= 0 {
            self.note_cork(sqe.fd, held);
        }
        Ok(Bare { res, flags: 0 })
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
    fn a_receive_that_has_found_nothing_is_told_from_one_that_was_not_tried() {
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
        peer.write_all(b"abcd").expect("there is room");
        assert_eq!(ask().map(|bare| bare.res), Ok(4));
        assert_eq!(&buf, b"abcd");
    }
}
