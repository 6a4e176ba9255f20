//! A list of exceptions: one a line, a key and then the reason. What no rule needs any more is stale, and a finding.

use std::cell::Cell;

use super::Finding;

pub struct Allowed {
    /// The list's own path.
    path: String,
    entries: Vec<Entry>,
}

struct Entry {
    key: String,
    line: usize,
    used: Cell<bool>,
}

impl Allowed {
    /// Takes the list out of the tree. `#` opens a comment; a missing list is an empty one.
    pub fn read(path: &str, files: &[(String, String)], findings: &mut Vec<Finding>) -> Self {
        let text = files
            .iter()
            .find(|(name, _)| name == path)
            .map_or("", |(_, text)| text.as_str());
        let mut entries: Vec<Entry> = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, reason) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            if reason.trim().is_empty() {
                findings.push(Finding::new(path, number, format!("no reason for {key}")));
            }
            if entries.iter().any(|entry| entry.key == key) {
                findings.push(Finding::new(path, number, format!("{key} is here twice")));
                continue;
            }
            entries.push(Entry {
                key: key.to_owned(),
                line: number,
                used: Cell::new(false),
            });
        }
        Self {
            path: path.to_owned(),
            entries,
        }
    }

    /// Is `key` on the list? Asking is what keeps an entry from being stale, so ask only when it is needed.
    pub fn permits(&self, key: &str) -> bool {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        if let Some(entry) = entry {
            entry.used.set(true);
        }
        entry.is_some()
    }

    /// The list's own path, for the text of a finding.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Adds a finding for every entry that nobody asked for.
    pub fn stale(&self, findings: &mut Vec<Finding>) {
        for entry in self.entries.iter().filter(|entry| !entry.used.get()) {
            let text = format!("{} needs no exception (any more): take it off", entry.key);
            findings.push(Finding::new(&self.path, entry.line, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> (Allowed, Vec<Finding>) {
        let mut findings = Vec::new();
        let files = [("list.txt".to_owned(), text.to_owned())];
        let list = Allowed::read("list.txt", &files, &mut findings);
        (list, findings)
    }

    #[test]
    fn an_entry_permits_its_key_and_no_other() {
        let (list, findings) = list("# why\n\na.rs  because\n");
        assert!(findings.is_empty());
        assert!(list.permits("a.rs"));
        assert!(!list.permits("b.rs"));
    }

    #[test]
    fn an_entry_without_a_reason_or_twice_is_a_finding() {
        let (_, findings) = list("a.rs\nb.rs why\nb.rs why\n");
        assert_eq!(
            findings[0],
            Finding::new("list.txt", 1, "no reason for a.rs")
        );
        assert_eq!(
            findings[1],
            Finding::new("list.txt", 3, "b.rs is here twice")
        );
        assert_eq!(findings.len(), 2);
    }

    #[test]
    fn an_entry_that_nobody_needs_is_stale() {
        let (list, mut findings) = list("a.rs why\nb.rs why\n");
        list.permits("b.rs");
        list.stale(&mut findings);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].text.starts_with("a.rs needs no exception"));
    }
}
