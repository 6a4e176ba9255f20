//! Rule: what the pages say is shown by a test is shown by a test that exists, and every way out has its row.

use super::Finding;

/// The page with a row for each way out.
const CLOSING: &str = "docs/closing.md";
/// How many there are.
const ROWS: usize = 42;
/// Pages that name tests.
const PAGES: [&str; 2] = [CLOSING, "README.md"];

pub fn check(files: &[(String, String)], findings: &mut Vec<Finding>) {
    for (path, text) in files {
        if !PAGES.contains(&path.as_str()) {
            continue;
        }
        for (at, line) in text.lines().enumerate() {
            for (module, name) in spans(line).filter_map(as_test) {
                if !exists(files, module, name) {
                    let text = format!("there is no test `{module}::{name}`");
                    findings.push(Finding::new(path, at + 1, text));
                }
            }
        }
        if path == CLOSING {
            let missing = (1..=ROWS).filter(|row| {
                let begins = format!("| {row} |");
                !text.lines().any(|line| line.starts_with(&begins))
            });
            for row in missing {
                findings.push(Finding::new(path, 0, format!("way out {row} has no row")));
            }
        }
    }
}

/// What stands between backquotes.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// `module::a_sentence_of_some_words`.
fn as_test(span: &str) -> Option<(&str, &str)> {
    let (module, name) = span.rsplit_once("::")?;
    let words = name.split('_').count();
    (words > 4).then_some((module, name))
}

fn exists(files: &[(String, String)], module: &str, name: &str) -> bool {
    let file = format!("/{module}.rs");
    let item = format!("fn {name}(");
    files
        .iter()
        .any(|(path, text)| path.ends_with(&file) && text.contains(&item))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(page: &str) -> Vec<String> {
        let rows: String = (1..=ROWS).map(|row| format!("| {row} | x |\n")).collect();
        let test = "#[test]\nfn a_test_that_is_there() {}\n";
        let files = [
            (CLOSING.to_owned(), rows + page),
            ("tests/it/exits.rs".to_owned(), test.to_owned()),
        ];
        let mut findings = Vec::new();
        check(&files, &mut findings);
        findings.into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn a_test_that_is_there_in_the_module_that_is_named_is_fine() {
        assert_eq!(
            findings("`exits::a_test_that_is_there`, `sakia::fds()`\n"),
            [""; 0]
        );
    }

    #[test]
    fn a_test_that_is_not_there_or_is_elsewhere_is_a_finding() {
        for wrong in ["exits::a_test_that_is_gone", "other::a_test_that_is_there"] {
            let said = findings(&format!("see `{wrong}`\n"));
            assert_eq!(said, [format!("there is no test `{wrong}`")]);
        }
    }

    #[test]
    fn a_way_out_without_a_row_is_a_finding() {
        let files = [(CLOSING.to_owned(), "| 1 | x |\n".to_owned())];
        let mut findings = Vec::new();
        check(&files, &mut findings);
        assert_eq!(findings.len(), ROWS - 1);
    }
}
