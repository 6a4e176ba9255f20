//! What a completion carries is adopted the moment it is read: before anybody asks who waits for it, it has an owner that can close it.

use super::ancillary::MsgHeader;
use super::{Bare, Completion, Yields};
use crate::fd::Kind;
use crate::kernel::{Cqe, KernelFd};

/// What is to be adopted from an op's final completion: nothing, the result as a descriptor, or what a header tells of.
///
/// In one word, for each entry of the table has it: zero, one more than a kind's place, or the header's address, which is larger than those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Adopts(u64);

impl Adopts {
    pub(crate) const NOTHING: Self = Self(0);

    /// `addr` is the SQE's address.
    #[inline]
    pub(crate) fn new(yields: Yields, addr: u64) -> Self {
        match yields {
            Yields::Nothing => Self::NOTHING,
            Yields::Descriptor(kind) => Self(1 + kind as u64),
            Yields::Message => Self(addr),
        }
    }

    /// The kind of the descriptor that the result is.
    #[inline]
    pub(super) fn kind(self) -> Option<Kind> {
        let place = usize::try_from(self.0.checked_sub(1)?).ok()?;
        Kind::ALL.get(place).copied()
    }

    /// The numbers of a completion that carries nothing else.
    #[inline]
    pub(super) fn bare(self, cqe: Cqe) -> Option<Bare> {
        let Cqe { res, flags, .. } = cqe;
        let carries = self != Self::NOTHING && res >= 0;
        (!carries).then_some(Bare { res, flags })
    }

    /// The descriptor of a completion that has brought one.
    #[inline]
    pub(super) fn opened(self, cqe: Cqe) -> Option<KernelFd> {
        let opened = cqe.res >= 0 && self.kind().is_some();
        opened.then(|| KernelFd::adopt(cqe.res))
    }

    /// The completion, with all that it carries in its hands.
    pub(super) fn adopt(self, cqe: Cqe) -> Completion {
        let Cqe { res, flags, .. } = cqe;
        let mut done = Completion::from(Bare { res, flags });
        if let Some(fd) = self.opened(cqe) {
            done.load().fd = Some(fd);
        } else if res >= 0
            && let Some(arrived) = MsgHeader::at(self.0).and_then(MsgHeader::adopt)
        {
            done.load().arrived = Some(arrived);
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_tells_nothing_each_kind_and_an_address_apart() {
        for kind in Kind::ALL {
            assert_eq!(Adopts::new(Yields::Descriptor(kind), 0).kind(), Some(kind));
        }
        let header = Adopts::new(Yields::Message, 1 + Kind::ALL.len() as u64);
        assert_ne!(header, Adopts::NOTHING);
        assert_eq!((header.kind(), Adopts::NOTHING.kind()), (None, None));
    }

    #[test]
    fn a_descriptor_is_adopted_and_the_error_of_a_failure_is_not() {
        let adopts = Adopts::new(Yields::Descriptor(Kind::File), 0);
        for (res, raw) in [
            (-libc::ECANCELED, None),
            (-1, None),
            (0, Some(0)),
            (7, Some(7)),
        ] {
            let cqe = Cqe {
                res,
                ..Cqe::default()
            };
            let fd = adopts.adopt(cqe).take_fd();
            // None of them is this test's: they are not to be closed.
            assert_eq!(fd.map(KernelFd::into_raw), raw);
        }
    }
}
