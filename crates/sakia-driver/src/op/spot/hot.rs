//! Streams of which more has arrived than was read: they are read and written on the spot, so that what was pipelined is answered at one go, as its sender will read it.
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
    pub(crate) fn answer_hot(&self, sqe: &Sqe) -> Result<Bare, Miss> {
        let is_piece =
            matches!(sqe.opcode, opcode::RECV | opcode::SEND) && sqe.len as usize <= PIECE;
        if !is_piece || !self.spot().has_budget() {
            return Err(Miss::Passed);
        }
        let receives = sqe.opcode == opcode::RECV;
        let Answer::Done(res) = self.try_on_the_spot(sqe, |_| 1) else {
            return Err(if receives { Miss::Dry } else { Miss::Passed });
        };
        // A stream that has filled the buffer has probably more.
        let more = receives && res.cast_unsigned() == sqe.len;
        let flags = if more { CQE_F_SOCK_NONEMPTY } else { 0 };
        Ok(Bare { res, flags })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::Config;

    #[test]
    fn a_receive_that_has_found_nothing_is_told_from_one_that_was_not_tried() {
        let driver = Driver::new(&Config::default()).expect("a ring");
        let (ours, mut peer) = UnixStream::pair().expect("two descriptors");
        let mut buf = [0; 4];
        let addr = buf.as_mut_ptr() as u64;
        let receive = Sqe::rw(opcode::RECV, ours.as_raw_fd(), addr, 4, 0);
        let ask = || driver.answer_hot(&receive);
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
