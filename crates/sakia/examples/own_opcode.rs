//! An operation that sakia lacks, written outside of it: extended attributes (`IORING_OP_FSETXATTR` and `IORING_OP_FGETXATTR`, Linux 5.19).
//!
//! `cargo run -p sakia --example own_opcode [FILE]` notes who has read the file, and reads the note.
//!
//! Each request owns all that the kernel looks at: the file, whose descriptor stays open, the name, and the value. Whoever drops its future
//! loses nothing but the answer: the request moves into the runtime's keeping until the kernel has let go.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;

use sakia::buf::BufResult;
use sakia::fs::File;
use sakia::op::{Cancel, Completion, Holds, Op, Sqe, Submit};

const FSETXATTR: u8 = 41;
const FGETXATTR: u8 = 43;

/// Which way an attribute goes.
#[derive(Clone, Copy)]
enum Way {
    Set,
    Get,
}

/// Sets or reads one extended attribute of an open file.
pub struct Xattr {
    file: Rc<File>,
    name: CString,
    value: Vec<u8>,
    way: Way,
}

// SAFETY: the two addresses are those of the CString's and the Vec's memory, on the heap, which does not move with this value and which nobody else
// touches until `complete`, or the drop, of this value; the file, and with it the descriptor, is owned as long. The result is a length.
unsafe impl Op for Xattr {
    type Output = BufResult<usize, Vec<u8>>;

    // A worker thread carries it out, in no time: what is dropped may as well finish.
    const CANCEL: Cancel = Cancel::Never;

    fn prepare(&mut self, sqe: &mut Sqe) -> Holds {
        let opcode = match self.way {
            Way::Set => FSETXATTR,
            Way::Get => FGETXATTR,
        };
        let fd = self.file.as_fd().as_raw_fd();
        let (name, value) = (self.name.as_ptr() as u64, self.value.as_mut_ptr() as u64);
        *sqe = Sqe::rw(opcode, fd, name, self.value.len() as u32, value);
        Holds::none()
    }

    fn complete(mut self, done: Completion) -> Self::Output {
        let result = done.result().map(|n| n as usize);
        if let (Way::Get, Ok(n)) = (self.way, &result) {
            self.value.truncate(*n);
        }
        (result, self.value)
    }
}

/// Sets an attribute; the value comes back.
pub fn set(file: &Rc<File>, name: &str, value: Vec<u8>) -> io::Result<Submit<Xattr>> {
    xattr(file, name, value, Way::Set)
}

/// Reads an attribute of at most `most` bytes.
pub fn get(file: &Rc<File>, name: &str, most: usize) -> io::Result<Submit<Xattr>> {
    xattr(file, name, vec![0; most], Way::Get)
}

fn xattr(file: &Rc<File>, name: &str, value: Vec<u8>, way: Way) -> io::Result<Submit<Xattr>> {
    Ok(sakia::submit(Xattr {
        file: file.clone(),
        name: CString::new(name)?,
        value,
        way,
    }))
}

/// Notes a reader with a file, and reads the note.
pub async fn note(path: &str, reader: &str) -> io::Result<Vec<u8>> {
    let file = Rc::new(File::open(path).await?);
    set(&file, "user.read-by", reader.into())?.await.0?;
    let (n, value) = get(&file, "user.read-by", 64)?.await;
    n.map(|_| value)
}

#[sakia::main]
async fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or("Cargo.toml".to_owned());
    let by = note(&path, "sakia").await?;
    println!("{path} was last read by {}", String::from_utf8_lossy(&by));
    Ok(())
}
