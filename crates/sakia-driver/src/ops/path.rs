//! What is done to names: unlinkat, renameat2, mkdirat, symlinkat, linkat.
//!
//! The kernel hands all of these to a worker thread. They stay on the ring: a plain call is faster while the directory is cached, but may block the
//! thread for a disk or a server.

use std::ffi::CString;
use std::io;
use std::path::Path;

use super::open::c_path;
use crate::kernel::abi::{Sqe, opcode};
use crate::op::future::Submit;
use crate::op::{Cancel, Completion, Holds, Op};

/// An op on one or two paths.
#[derive(Debug)]
pub struct PathOp {
    first: CString,
    second: CString,
    opcode: u8,
    /// The second descriptor or the mode, where the opcode has its `len`.
    len: u32,
    flags: i32,
    two: bool,
}

// SAFETY: the addresses lead to the bytes of the two CStrings, on the heap; both paths are relative to AT_FDCWD, which is no descriptor.
unsafe impl Op for PathOp {
    type Output = io::Result<()>;
    const CANCEL: Cancel = Cancel::Eager;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let second = if self.two {
            self.second.as_ptr() as u64
        } else {
            0
        };
        *sqe = Sqe::rw(
            self.opcode,
            libc::AT_FDCWD,
            self.first.as_ptr() as u64,
            self.len,
            second,
        )
        .op_flags(self.flags as u32);
        Holds::none()
    }

    fn complete(self, done: Completion) -> Self::Output {
        done.result().map(drop)
    }
}

fn one(opcode: u8, path: &Path, len: u32, flags: i32) -> io::Result<Submit<PathOp>> {
    Ok(Submit::new(PathOp {
        first: c_path(path)?,
        second: CString::default(),
        opcode,
        len,
        flags,
        two: false,
    }))
}

fn two(
    opcode: u8,
    first: &Path,
    second: &Path,
    len: u32,
    flags: i32,
) -> io::Result<Submit<PathOp>> {
    Ok(Submit::new(PathOp {
        first: c_path(first)?,
        second: c_path(second)?,
        opcode,
        len,
        flags,
        two: true,
    }))
}

/// Removes a name, or an empty directory (`IORING_OP_UNLINKAT`, Linux 5.11; unlinkat(2)).
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what unlinkat(2) says.
pub fn unlink(path: &Path, directory: bool) -> io::Result<Submit<PathOp>> {
    one(
        opcode::UNLINKAT,
        path,
        0,
        if directory { libc::AT_REMOVEDIR } else { 0 },
    )
}

/// Makes a directory (`IORING_OP_MKDIRAT`, Linux 5.15; mkdirat(2)).
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what mkdirat(2) says.
pub fn make_dir(path: &Path, mode: u32) -> io::Result<Submit<PathOp>> {
    one(opcode::MKDIRAT, path, mode, 0)
}

/// Renames (`IORING_OP_RENAMEAT`, Linux 5.11; renameat2(2)).
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what renameat2(2) says.
pub fn rename(from: &Path, to: &Path) -> io::Result<Submit<PathOp>> {
    two(opcode::RENAMEAT, from, to, libc::AT_FDCWD as u32, 0)
}

/// Makes a symbolic link at `link` that says `target` (`IORING_OP_SYMLINKAT`, Linux 5.15; symlinkat(2)).
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what symlinkat(2) says.
pub fn symlink(target: &Path, link: &Path) -> io::Result<Submit<PathOp>> {
    two(opcode::SYMLINKAT, target, link, 0, 0)
}

/// Makes a hard link at `link` to the file at `target` (`IORING_OP_LINKAT`, Linux 5.15; linkat(2)).
///
/// # Errors
/// `InvalidInput` for a path with a NUL byte; else what linkat(2) says.
pub fn hard_link(target: &Path, link: &Path) -> io::Result<Submit<PathOp>> {
    two(opcode::LINKAT, target, link, libc::AT_FDCWD as u32, 0)
}
