//! The error of a set-up that failed: what was refused, why, and what would mend it.

use std::error::Error;
use std::fmt;
use std::io;

/// Why a runtime could not be set up, and what would mend it.
///
/// It is the inner error of the [`io::Error`] that setting up returns:
///
/// ```
/// # fn show(error: std::io::Error) {
/// if let Some(setup) = error.get_ref().and_then(|e| e.downcast_ref::<sakia_driver::SetupError>()) {
///     eprintln!("{}; {}", setup.cause(), setup.cure());
/// }
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct SetupError {
    cause: String,
    cure: String,
    source: io::Error,
}

impl SetupError {
    /// The error that setting up returns, with `source` as what the kernel said.
    pub(crate) fn wrap(
        cause: impl Into<String>,
        cure: impl Into<String>,
        source: io::Error,
    ) -> io::Error {
        Self {
            cause: cause.into(),
            cure: cure.into(),
            source,
        }
        .into()
    }

    /// Explains what became of `what`, a part of the set-up that takes a descriptor or memory.
    pub(crate) fn of_part(what: &str, error: io::Error) -> io::Error {
        let (cause, cure) = match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE) => (
                format!("no descriptor is left for {what}"),
                "raise RLIMIT_NOFILE (ulimit -n), or close descriptors first",
            ),
            Some(libc::ENOMEM) => (
                format!("no memory is left for {what}"),
                "raise the memory limit of the process or its cgroup",
            ),
            _ => (
                format!("{what} could not be made: {error}"),
                "run under strace to see which system call the kernel refuses",
            ),
        };
        Self::wrap(cause, cure, error)
    }

    /// The errno of the system call that was refused, if it was one.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    /// What went wrong, in a sentence.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// What would mend it, in a sentence.
    pub fn cure(&self) -> &str {
        &self.cure
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.cause, self.cure)
    }
}

impl Error for SetupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

impl From<SetupError> for io::Error {
    fn from(error: SetupError) -> Self {
        Self::new(error.source.kind(), error)
    }
}
