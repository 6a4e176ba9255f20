//! The one error of this crate: a deadline passed first.
use std::error::Error;
use std::fmt;
use std::io;

/// Says that a deadline passed before the future was ready.
///
/// # Examples
/// ```
/// use sakia_time::Elapsed;
/// use std::io::{Error, ErrorKind};
///
/// fn to_io(late: Elapsed) -> Error {
///     late.into()
/// }
/// # fn check(late: Elapsed) { assert_eq!(to_io(late).kind(), ErrorKind::TimedOut); }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Elapsed {}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline passed first")
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        io::Error::new(io::ErrorKind::TimedOut, elapsed)
    }
}
