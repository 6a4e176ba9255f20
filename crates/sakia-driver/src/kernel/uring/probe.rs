//! Which opcodes this machine's io_uring has. It is one kernel for all rings, so it is asked once a process.

use std::io;
use std::sync::OnceLock;

use io_uring::{IoUring, Probe};

/// A set of opcodes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opcodes([u64; 4]);

impl Opcodes {
    /// What the kernel of this ring has.
    pub(super) fn of(ring: &IoUring) -> io::Result<Self> {
        static KNOWN: OnceLock<Opcodes> = OnceLock::new();
        if let Some(known) = KNOWN.get() {
            return Ok(*known);
        }
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        let mut set = [0; 4];
        for code in (0..=u8::MAX).filter(|code| probe.is_supported(*code)) {
            set[usize::from(code / 64)] |= 1 << (code % 64);
        }
        Ok(*KNOWN.get_or_init(|| Self(set)))
    }

    #[inline]
    pub(super) fn has(&self, code: u8) -> bool {
        self.0[usize::from(code / 64)] >> (code % 64) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::abi::opcode;

    #[test]
    fn a_set_has_what_the_kernel_has_and_nothing_that_no_kernel_has() {
        let Ok(ring) = IoUring::new(8) else {
            eprintln!("skipped: io_uring is denied here");
            return;
        };
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe).unwrap();
        for _ in 0..2 {
            let set = Opcodes::of(&ring).unwrap();
            for code in 0..=u8::MAX {
                assert_eq!(set.has(code), probe.is_supported(code), "{code}");
            }
            assert!(set.has(opcode::READ) && !set.has(u8::MAX));
        }
    }
}
