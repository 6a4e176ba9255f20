//! What became of everything: the report of a runtime's end.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use sakia_driver::{Drained, FdInfo, Kind};
use sakia_executor::{Cleared, Stats};

/// What the end of a runtime did, and what it had to leave behind.
///
/// Its `Display` is a paragraph for a terminal.
#[derive(Clone, Debug)]
#[must_use = "a report that nobody reads is of no use"]
#[non_exhaustive]
pub struct ShutdownReport {
    tasks_dropped: usize,
    tasks_left: usize,
    tasks_panicked: u64,
    bound_dropped: usize,
    destructor_panics: u64,
    drained: Drained,
    took: Duration,
}

impl ShutdownReport {
    pub(crate) fn new(cleared: &Cleared, stats: &Stats, drained: Drained, took: Duration) -> Self {
        Self {
            tasks_dropped: cleared.dropped,
            tasks_left: cleared.left,
            tasks_panicked: stats.panicked,
            bound_dropped: cleared.bound,
            destructor_panics: stats.destructor_panics + drained.panics,
            drained,
            took,
        }
    }

    /// Whether everything ended as it should: nothing quarantined, nothing in doubt, no destructor panicked, no task and no thread left.
    ///
    /// Descriptors whose handles the caller still holds do not count: they close when those are dropped.
    pub fn is_clean(&self) -> bool {
        let drained = &self.drained;
        drained.ops_quarantined == 0
            && drained.closes_in_doubt.is_empty()
            && drained.threads_left == 0
            && drained.stale == 0
            && self.tasks_left == 0
            && self.destructor_panics == 0
    }

    /// Success if [clean](Self::is_clean), failure if not.
    pub fn exit_code(&self) -> ExitCode {
        if self.is_clean() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Tasks that were dropped before they had completed.
    pub fn tasks_dropped(&self) -> usize {
        self.tasks_dropped
    }

    /// Tasks that destructors kept spawning until the deadline; they are leaked.
    pub fn tasks_left(&self) -> usize {
        self.tasks_left
    }

    /// Tasks that ended by a panic, over the runtime's life. They ended, so they are no reason for an end that is not clean.
    pub fn tasks_panicked(&self) -> u64 {
        self.tasks_panicked
    }

    /// Values of a [`Bound`](crate::Bound) that the end dropped, though their shells may still be somewhere.
    pub fn bound_dropped(&self) -> usize {
        self.bound_dropped
    }

    /// Ops that completed over the runtime's life, cancelled ones included.
    pub fn ops_completed(&self) -> u64 {
        self.drained.ops_completed
    }

    /// Ops that ended because they were cancelled, over the runtime's life.
    pub fn ops_cancelled(&self) -> u64 {
        self.drained.ops_cancelled
    }

    /// Ops that would not complete by the deadline. Their memory is set aside, never freed under the kernel's hand.
    pub fn ops_quarantined(&self) -> u64 {
        self.drained.ops_quarantined
    }

    /// Quarantined ops by opcode.
    pub fn quarantined(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.drained.quarantined.iter().map(|(name, n)| (*name, *n))
    }

    /// Quarantined ops that may yet make a descriptor.
    pub fn may_yield(&self) -> u64 {
        self.drained.may_yield
    }

    /// Closes that could block and went through the close table, over the runtime's life.
    pub fn closes_drained(&self) -> u64 {
        self.drained.closes_drained
    }

    /// Closes that the kernel took and never answered: not repeated, because the number may be somebody else's by now.
    pub fn closes_in_doubt(&self) -> &[FdInfo] {
        &self.drained.closes_in_doubt
    }

    /// Descriptors that were closed over the runtime's life, by kind.
    pub fn closed(&self) -> &[(Kind, u64)] {
        &self.drained.closed
    }

    /// How many descriptors were closed over the runtime's life.
    pub fn descriptors_closed(&self) -> u64 {
        self.drained.closed.iter().map(|(_, n)| n).sum()
    }

    /// Descriptors that are open because the caller still holds their handles.
    pub fn still_held(&self) -> &[FdInfo] {
        &self.drained.still_held
    }

    /// Destructors (and wakers) that panicked.
    pub fn destructor_panics(&self) -> u64 {
        self.destructor_panics
    }

    /// Threads that did not end in time: of the blocking pool, and, where there is no io_uring, of the kernel that stands in for it.
    pub fn threads_left(&self) -> usize {
        self.drained.threads_left
    }

    /// How long the end took.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// What was not clean, in a line.
    pub(crate) fn summary(&self) -> String {
        let drained = &self.drained;
        let mut parts = Vec::new();
        let mut add = |n: u64, what: &str| {
            if n > 0 {
                parts.push(format!("{n} {what}"));
            }
        };
        add(drained.ops_quarantined, "ops quarantined");
        add(drained.closes_in_doubt.len() as u64, "closes in doubt");
        add(drained.threads_left as u64, "threads left");
        add(self.tasks_left as u64, "tasks left");
        add(self.destructor_panics, "destructors panicked");
        add(drained.stale, "stale completions");
        if parts.is_empty() {
            "nothing".into()
        } else {
            parts.join(", ")
        }
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drained = &self.drained;
        let verdict = if self.is_clean() {
            "clean"
        } else {
            "NOT clean"
        };
        writeln!(f, "sakia: shutdown {verdict} in {:.1?}", self.took)?;
        write!(f, "  descriptors  {} closed", self.descriptors_closed())?;
        let kinds: Vec<String> = drained
            .closed
            .iter()
            .map(|(kind, n)| format!("{n} {}", plural(*kind, *n)))
            .collect();
        if !kinds.is_empty() {
            write!(f, " ({})", kinds.join(", "))?;
        }
        if drained.closes_drained > 0 {
            write!(
                f,
                ", {} of them through the close table",
                drained.closes_drained
            )?;
        }
        for fd in &drained.closes_in_doubt {
            write!(
                f,
                "\n  in doubt     {fd}: the kernel took its close and did not answer"
            )?;
        }
        for fd in &drained.still_held {
            write!(f, "\n  still held   {fd}: closes with its last handle")?;
        }
        write!(
            f,
            "\n  operations   {} completed, {} of them cancelled, {} quarantined",
            drained.ops_completed, drained.ops_cancelled, drained.ops_quarantined
        )?;
        for (name, n) in &drained.quarantined {
            write!(
                f,
                "\n  quarantined  {n} {name}: the kernel did not let go in time; the memory is set aside"
            )?;
        }
        write!(f, "\n  tasks        {} dropped", self.tasks_dropped)?;
        if self.tasks_panicked > 0 {
            write!(f, ", {} panicked", self.tasks_panicked)?;
        }
        if self.bound_dropped > 0 {
            write!(f, ", and {} bound values", self.bound_dropped)?;
        }
        if !self.is_clean() {
            write!(f, "\n  not clean    {}", self.summary())?;
        }
        Ok(())
    }
}

/// "2 directories", "1 file".
fn plural(kind: Kind, n: u64) -> String {
    match (n, kind.to_string()) {
        (1, name) => name,
        (_, name) => match name.strip_suffix('y') {
            Some(stem) => format!("{stem}ies"),
            None => format!("{name}s"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_plurals() {
        assert_eq!(plural(Kind::Directory, 2), "directories");
        assert_eq!(plural(Kind::File, 1), "file");
        assert_eq!(plural(Kind::TcpStream, 0), "TCP streams");
    }
}
