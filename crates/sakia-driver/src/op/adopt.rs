//! What a completion carries is adopted the moment it is read: before anybody asks who waits for it, it has an owner that can close it.

use super::ancillary::MsgHeader;
use super::{Bare, Completion, Yields};
use crate::fd::Kind;
use crate::kernel::{Cqe, KernelFd};

/// What is to be adopted from an op's final completion.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Adopts {
    Nothing,
    /// The result.
    Descriptor(Kind),
    /// What this header tells of.
    Message(MsgHeader),
}

impl Adopts {
    /// `addr` is the SQE's address.
    #[inline]
    pub(crate) fn new(yields: Yields, addr: u64) -> Self {
        match yields {
            Yields::Nothing => Self::Nothing,
            Yields::Descriptor(kind) => Self::Descriptor(kind),
            Yields::Message => MsgHeader::at(addr).map_or(Self::Nothing, Self::Message),
        }
    }

    /// The numbers of a completion that carries nothing else.
    #[inline]
    pub(super) fn bare(self, cqe: Cqe) -> Option<Bare> {
        let Cqe { res, flags, .. } = cqe;
        let carries = !matches!(self, Self::Nothing) && res >= 0;
        (!carries).then_some(Bare { res, flags })
    }

    /// The descriptor of a completion that has brought one.
    #[inline]
    pub(super) fn opened(self, cqe: Cqe) -> Option<KernelFd> {
        let opened = cqe.res >= 0 && matches!(self, Self::Descriptor(_));
        opened.then(|| KernelFd::adopt(cqe.res))
    }

    /// The completion, with all that it carries in its hands.
    pub(super) fn adopt(self, cqe: Cqe) -> Completion {
        let Cqe { res, flags, .. } = cqe;
        let mut done = Completion::from(Bare { res, flags });
        match self {
            _ if res < 0 => {}
            Self::Nothing => {}
            Self::Descriptor(_) => done.load().fd = Some(KernelFd::adopt(res)),
            Self::Message(header) => done.load().arrived = header.adopt(),
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
