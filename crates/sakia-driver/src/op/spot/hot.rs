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

impl Descriptor {
    /// Whether it is a stream that is being read in pieces, and there is another.
    #[inline]
    pub(crate) fn is_hot(&self) -> bool {
        self.lane(Side::In).is_hot() && matches!(self.kind(), Kind::TcpStream | Kind::UnixStream)
    }
}

impl Driver {
    /// The numbers of the completion of a receive or a send of at most a piece, if the socket has something, or has room, and the budget is not spent.
    #[inline(never)]
    pub(crate) fn answer_hot(&self, sqe: &Sqe) -> Option<Bare> {
        let is_piece =
            matches!(sqe.opcode, opcode::RECV | opcode::SEND) && sqe.len as usize <= PIECE;
        if !is_piece || !self.spot().has_budget() {
            return None;
        }
        let Answer::Done(res) = self.try_on_the_spot(sqe, |_| 1) else {
            return None;
        };
        // A stream that has filled the buffer has probably more.
        let more = sqe.opcode == opcode::RECV && res.cast_unsigned() == sqe.len;
        let flags = if more { CQE_F_SOCK_NONEMPTY } else { 0 };
        Some(Bare { res, flags })
    }
}
