//! Rule: no text names a path of the machine it was written on.

use super::Finding;

/// Written in two halves, for this file is checked too.
const FOLDERS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

pub fn check(path: &str, text: &str, findings: &mut Vec<Finding>) {
    for (number, line) in (1..).zip(text.lines()) {
        for folder in FOLDERS {
            if names(line, folder) {
                let text = format!("names a path of this machine, below {folder}");
                findings.push(Finding::new(path, number, text));
            }
        }
    }
}

/// Does the line name `folder` as the head of a path? In the middle of another path it is fine.
fn names(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-~}*>)]".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_machine_is_a_finding() {
        for folder in FOLDERS {
            for line in [
                format!("{folder}main"),
                format!("see `{folder}x`"),
                format!("PATH=a:{folder}bin"),
                format!("file://{folder}x"),
                format!("(\"{folder}x\")"),
            ] {
                let mut findings = Vec::new();
                check("a.md", &format!("fine\n{line}\n"), &mut findings);
                assert_eq!(findings.len(), 1, "{line}");
                assert_eq!(findings[0].line, 2);
            }
        }
    }

    #[test]
    fn the_same_word_inside_another_path_is_fine() {
        for folder in FOLDERS {
            for head in ["src", "$DIR", "{dir}", "<dir>", ".", "~"] {
                let line = format!("{head}{folder}x");
                assert!(!names(&line, folder), "{line}");
            }
        }
        assert!(!names("/workspace/x /rooted/x", FOLDERS[0]));
    }
}
