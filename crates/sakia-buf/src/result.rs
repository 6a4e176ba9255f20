//! What an operation with a buffer returns, and the ways to use `?` on it.
//! Nothing here knows what a buffer is: any type can be carried beside the result.
#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;
use std::io;

/// Pairs the result of an operation with the buffer that it used, which comes back whatever happened.
///
/// ```
/// use sakia_buf::BufResult;
///
/// fn first_byte((result, buf): BufResult<usize, Vec<u8>>) -> Option<u8> {
///     let n = result.ok()?;
///     buf[..n].first().copied()
/// }
/// assert_eq!(first_byte((Ok(3), b"abc".to_vec())), Some(b'a'));
/// ```
pub type BufResult<T, B> = (io::Result<T>, B);

/// Adds what makes a [`BufResult`] easy to use with `?`.
pub trait BufResultExt<T, B> {
    /// Turns the pair into a `Result` that holds the buffer on both sides.
    ///
    /// ```
    /// use std::io;
    /// use sakia_buf::{BufResult, BufResultExt};
    ///
    /// fn read() -> BufResult<usize, Vec<u8>> {
    ///     (Ok(2), b"ab".to_vec())
    /// }
    ///
    /// fn run() -> io::Result<()> {
    ///     let (n, buf) = read().with_buf()?;
    ///     assert_eq!(&buf[..n], b"ab");
    ///     Ok(())
    /// }
    /// # run().unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// The error of the operation, in a [`BufError`] that carries the buffer.
    fn with_buf(self) -> Result<(T, B), BufError<B>>;

    /// Changes the buffer and leaves the result as it is.
    ///
    /// ```
    /// use sakia_buf::{BufResult, BufResultExt, IoBuf, Slice};
    ///
    /// let sent: BufResult<usize, _> = (Ok(2), vec![1u8, 2, 3].slice(..2));
    /// let (_, buf) = sent.map_buf(Slice::into_inner);
    /// assert_eq!(buf, [1, 2, 3]);
    /// ```
    fn map_buf<C>(self, f: impl FnOnce(B) -> C) -> BufResult<T, C>;
}

impl<T, B> BufResultExt<T, B> for BufResult<T, B> {
    fn with_buf(self) -> Result<(T, B), BufError<B>> {
        match self {
            (Ok(value), buf) => Ok((value, buf)),
            (Err(error), buf) => Err(BufError { error, buf }),
        }
    }

    fn map_buf<C>(self, f: impl FnOnce(B) -> C) -> BufResult<T, C> {
        let (result, buf) = self;
        (result, f(buf))
    }
}

/// Carries the buffer of an operation beside the error that it met.
///
/// It becomes an [`io::Error`] by `?`, and reads like one: the buffer is not shown.
///
/// ```
/// use std::io;
/// use sakia_buf::{BufError, BufResult, BufResultExt};
///
/// let failed: BufResult<usize, Vec<u8>> = (Err(io::ErrorKind::TimedOut.into()), vec![1]);
/// let error: BufError<Vec<u8>> = failed.with_buf().unwrap_err();
/// assert_eq!(error.error().kind(), io::ErrorKind::TimedOut);
/// assert_eq!(error.into_buf(), [1]);
/// ```
#[non_exhaustive]
pub struct BufError<B> {
    error: io::Error,
    buf: B,
}

impl<B> BufError<B> {
    /// Pairs an error with a buffer.
    ///
    /// ```
    /// use std::io;
    /// use sakia_buf::BufError;
    ///
    /// let error = BufError::new(io::ErrorKind::TimedOut.into(), vec![0u8; 4]);
    /// assert_eq!(error.buf().len(), 4);
    /// ```
    pub fn new(error: io::Error, buf: B) -> Self {
        Self { error, buf }
    }

    /// Borrows the error.
    ///
    /// ```
    /// use std::io;
    /// use sakia_buf::BufError;
    ///
    /// let error = BufError::new(io::ErrorKind::TimedOut.into(), ());
    /// assert_eq!(error.error().kind(), io::ErrorKind::TimedOut);
    /// ```
    pub fn error(&self) -> &io::Error {
        &self.error
    }

    /// Borrows the buffer.
    ///
    /// ```
    /// use std::io;
    /// use sakia_buf::BufError;
    ///
    /// assert_eq!(BufError::new(io::ErrorKind::TimedOut.into(), "buf").buf(), &"buf");
    /// ```
    pub fn buf(&self) -> &B {
        &self.buf
    }

    /// Returns the buffer, and drops the error.
    ///
    /// ```
    /// use std::io;
    /// use sakia_buf::BufError;
    ///
    /// assert_eq!(BufError::new(io::ErrorKind::TimedOut.into(), "buf").into_buf(), "buf");
    /// ```
    pub fn into_buf(self) -> B {
        self.buf
    }

    /// Returns both the error and the buffer.
    ///
    /// ```
    /// use std::io;
    /// use sakia_buf::BufError;
    ///
    /// let (error, buf) = BufError::new(io::ErrorKind::TimedOut.into(), "buf").into_parts();
    /// assert_eq!((error.kind(), buf), (io::ErrorKind::TimedOut, "buf"));
    /// ```
    pub fn into_parts(self) -> (io::Error, B) {
        (self.error, self.buf)
    }
}

// By hand, so that a buffer need not be `Debug`, and so that a log line does not hold what was read or sent.
impl<B> fmt::Debug for BufError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufError")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl<B> fmt::Display for BufError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl<B> Error for BufError<B> {
    // We read exactly like the error inside, so we stand in its place in the chain, not before it.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl<B> From<BufError<B>> for io::Error {
    fn from(error: BufError<B>) -> Self {
        error.error
    }
}
