//! What a server has done, in numbers. Who counts is `run`.

use sakia::JoinError;

use super::connection::Ended;

/// Counts what a server did; [`serve`](crate::serve) gives it when it has stopped.
///
/// ```
/// fn tell(served: &sakia_compat::Served) {
///     println!("{} requests on {} connections", served.requests(), served.connections());
///     let bad = [served.failed(), served.timed_out(), served.panicked(), served.aborted()];
///     println!("{} connections ended badly", bad.iter().sum::<u64>());
/// }
/// # tell(&sakia_compat::Served::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    pub(crate) connections: u64,
    pub(crate) requests: u64,
    failed: u64,
    timed_out: u64,
    panicked: u64,
    aborted: u64,
}

impl Served {
    /// Connections that were accepted.
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// Requests that were given to the service.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Connections that the peer broke off, or that were no HTTP, or whose service or body failed.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Connections that a timeout ended.
    pub fn timed_out(&self) -> u64 {
        self.timed_out
    }

    /// Connections whose service panicked.
    pub fn panicked(&self) -> u64 {
        self.panicked
    }

    /// Connections that had not ended in time after the stop.
    pub fn aborted(&self) -> u64 {
        self.aborted
    }

    /// Counts the end of a connection.
    pub(crate) fn count(&mut self, ended: &Result<Ended, JoinError>) {
        match ended {
            Ok(Ended::Closed) => {}
            Ok(Ended::TimedOut) => self.timed_out += 1,
            Ok(Ended::Failed(_)) => self.failed += 1,
            Err(error) if error.is_panic() => self.panicked += 1,
            Err(_) => self.aborted += 1,
        }
    }
}
