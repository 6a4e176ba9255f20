//! Rule: every file opens with `//!` and says its room.

use super::Finding;

pub fn check(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let first = text.lines().next().unwrap_or("");
    let says = first
        .strip_prefix("//!")
        .is_some_and(|rest| !rest.trim().is_empty());
    if !says {
        findings.push(Finding::new(
            path,
            1,
            "does not open with `//!` and what the file is for",
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> usize {
        let mut findings = Vec::new();
        check("a.rs", text, &mut findings);
        findings.len()
    }

    #[test]
    fn a_file_that_opens_with_anything_else_is_a_finding() {
        for bad in [
            "",
            "use std::io;\n",
            "// a comment\n",
            "/// an item\nfn f() {}\n",
            "//!\n",
            "\n//! late\n",
            "#![allow(x)]\n//! late\n",
        ] {
            assert_eq!(findings(bad), 1, "{bad:?}");
        }
    }

    #[test]
    fn a_file_that_says_its_room_is_fine() {
        assert_eq!(findings("//! The room.\nuse std::io;\n"), 0);
    }
}
