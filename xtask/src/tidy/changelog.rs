//! Rule: the changelog exists, and its newest section says something.

use super::Finding;

pub fn check(path: &str, files: &[(String, String)], findings: &mut Vec<Finding>) {
    let text = files.iter().find(|(name, _)| name == path);
    let fault = match text {
        None => "is missing",
        Some((_, text)) => match newest_section(text) {
            None => "has no `## Unreleased` and no section of a version",
            Some((_, "")) => "has nothing in its newest section",
            Some(_) => return,
        },
    };
    findings.push(Finding::new(path, 0, fault));
}

/// Title and text of the first section that is `Unreleased` or a version. A smaller heading is not yet a text.
fn newest_section(text: &str) -> Option<(&str, &str)> {
    let mut sections = text.lines().map(str::trim).skip_while(|line| !titles(line));
    let title = sections.next()?;
    let body = sections
        .take_while(|line| !line.starts_with("## "))
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .unwrap_or("");
    Some((title, body))
}

fn titles(line: &str) -> bool {
    let Some(title) = line.strip_prefix("## ") else {
        return false;
    };
    let title = title.trim_start_matches('[').trim_start_matches('v');
    title.starts_with("Unreleased") || title.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<String> {
        let mut findings = Vec::new();
        let files = [("log.md".to_owned(), text.to_owned())];
        check("log.md", &files, &mut findings);
        findings.pop().map(|finding| finding.text)
    }

    #[test]
    fn a_missing_changelog_is_a_finding() {
        let mut findings = Vec::new();
        check("log.md", &[], &mut findings);
        assert_eq!(findings, [Finding::new("log.md", 0, "is missing")]);
    }

    #[test]
    fn a_changelog_without_a_section_or_with_an_empty_one_is_a_finding() {
        assert!(
            fault("# Changelog\n\nText.\n")
                .unwrap()
                .contains("no `## Unreleased`")
        );
        assert!(
            fault("## Notes\n\nText.\n")
                .unwrap()
                .contains("no `## Unreleased`")
        );
        for empty in [
            "## Unreleased\n",
            "## Unreleased\n\n### Added\n",
            "## Unreleased\n\n## 0.1.0\n\n- All.\n",
        ] {
            assert!(fault(empty).unwrap().contains("nothing"), "{empty:?}");
        }
    }

    #[test]
    fn a_section_that_says_something_is_fine() {
        assert_eq!(fault("# Log\n\n## Unreleased\n\n- A thing.\n"), None);
        assert_eq!(
            fault("## [0.1.0] - 2025-11-23\n\n### Added\n\n- All.\n"),
            None
        );
    }
}
