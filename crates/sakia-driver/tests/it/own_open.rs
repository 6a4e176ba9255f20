//! An op of the tests' own that opens, and gives the descriptor to code outside.

use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sakia_driver::{Cancel, Completion, Holds, Kind, Op, Sqe, Yields, opcode};

pub struct OwnOpen {
    path: CString,
    flags: i32,
}

impl OwnOpen {
    pub fn new(path: &Path, flags: i32) -> Self {
        let path = CString::new(path.as_os_str().as_bytes()).expect("a path");
        Self { path, flags }
    }
}

// SAFETY: the address leads to the CString's bytes, on the heap; AT_FDCWD is no descriptor; the result is a descriptor.
unsafe impl Op for OwnOpen {
    type Output = io::Result<OwnedFd>;
    const CANCEL: Cancel = Cancel::Eager;
    const YIELDS: Yields = Yields::Descriptor(Kind::File);

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let path = self.path.as_ptr() as u64;
        *sqe = Sqe::rw(opcode::OPENAT, libc::AT_FDCWD, path, 0, 0)
            .op_flags((self.flags | libc::O_CLOEXEC) as u32);
        Holds::none()
    }

    fn complete(self, done: Completion) -> Self::Output {
        done.into_owned_fd()
    }
}
