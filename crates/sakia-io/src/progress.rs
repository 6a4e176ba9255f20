//! One step of a loop over reads or writes, judged the same everywhere.
//! The loops themselves live with the traits.

use std::io;

use sakia_buf::{IoBuf, Slice};

/// What a loop does after one read or write.
pub(crate) enum Step {
    /// So many bytes were moved, at least one.
    Moved(usize),
    /// Nothing can be moved any more: the end of a reader, or a writer that is full.
    Stuck,
    /// Nothing was moved this time, as a signal came between; ask again, as std does.
    Again,
}

/// Judges the result of a read into `part` or a write from it.
///
/// The traits can be implemented by safe code, which can be wrong: a count that is beyond what the part holds would make the
/// loop skip bytes that nobody wrote, so it is an error here and not trusted further.
pub(crate) fn step<B: IoBuf>(result: io::Result<usize>, part: &Slice<B>) -> io::Result<Step> {
    match result {
        Ok(0) => Ok(Step::Stuck),
        Ok(n) if n <= part.bytes_init() => Ok(Step::Moved(n)),
        Ok(_) => Err(overcount()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Step::Again),
        Err(error) => Err(error),
    }
}

/// Returns `n` if that many bytes are there.
pub(crate) fn checked(n: usize, there: usize) -> io::Result<usize> {
    if n <= there { Ok(n) } else { Err(overcount()) }
}

fn overcount() -> io::Error {
    io::Error::other("the reader or writer reported more bytes than the buffer holds")
}
