//! Rules about words in code: `unsafe` only where the list allows it, no unfinished macros, no test ignored without a
//! reason. They look at tokens, so comments and strings do not count, and the bodies of macros do.

use proc_macro2::TokenTree;

use super::Finding;
use super::allowed::Allowed;
use super::source::{RustFile, each_level, is_mark, is_word};

const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];

pub fn check(file: &RustFile, unsafe_allowed: &Allowed, findings: &mut Vec<Finding>) {
    let mut unsafe_at = Vec::new();
    each_level(&file.tokens, &mut |level| {
        for (at, token) in level.iter().enumerate() {
            let line = token.span().start().line;
            if is_word(Some(token), "unsafe") {
                unsafe_at.push(line);
            }
            if let Some(name) = unfinished(&level[at..]) {
                findings.push(Finding::new(&file.path, line, format!("`{name}!` is left")));
            }
            if ignores_without_reason(&level[at..]) {
                let text = "`ignore` without a reason: write `#[ignore = \"why\"]`";
                findings.push(Finding::new(&file.path, line, text));
            }
        }
    });
    if !unsafe_at.is_empty() && !unsafe_allowed.permits(&file.path) {
        let text = format!("`unsafe`, but not in {}", unsafe_allowed.path());
        for line in unsafe_at {
            findings.push(Finding::new(&file.path, line, text.clone()));
        }
    }
}

/// Is this `todo!(…)` or its like? `todo != x` is not.
fn unfinished(tokens: &[TokenTree]) -> Option<&'static str> {
    let name = UNFINISHED
        .into_iter()
        .find(|name| is_word(tokens.first(), name))?;
    let called = is_mark(tokens.get(1), '!') && matches!(tokens.get(2), Some(TokenTree::Group(_)));
    called.then_some(name)
}

/// Is this `#[…]` with a bare `ignore` in it, or in a `cfg_attr` in it?
fn ignores_without_reason(tokens: &[TokenTree]) -> bool {
    let (true, Some(TokenTree::Group(group))) = (is_mark(tokens.first(), '#'), tokens.get(1))
    else {
        return false;
    };
    let attribute: Vec<TokenTree> = group.stream().into_iter().collect();
    if !is_word(attribute.first(), "cfg_attr") {
        return bare_ignore(&attribute);
    }
    let Some(TokenTree::Group(arguments)) = attribute.get(1) else {
        return false;
    };
    let arguments: Vec<TokenTree> = arguments.stream().into_iter().collect();
    arguments
        .split(|token| is_mark(Some(token), ','))
        .skip(1)
        .any(bare_ignore)
}

fn bare_ignore(attribute: &[TokenTree]) -> bool {
    is_word(attribute.first(), "ignore")
        && match attribute {
            [_, mark, TokenTree::Literal(reason)] if is_mark(Some(mark), '=') => {
                reason.to_string().trim_matches('"').trim().is_empty()
            }
            _ => true,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str, allowed: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        let files = [("list.txt".to_owned(), allowed.to_owned())];
        let list = Allowed::read("list.txt", &files, &mut findings);
        let file = RustFile::parse("a.rs", text).unwrap();
        check(&file, &list, &mut findings);
        list.stale(&mut findings);
        findings
    }

    #[test]
    fn the_word_is_seen_in_code_and_in_macros() {
        for bad in [
            "fn f() {\n unsafe { g() } }",
            "\nunsafe impl Send for X {}",
            "\nunsafe fn f() {}",
            "\n#[unsafe(no_mangle)] fn f() {}",
            "macro_rules! m { () => {\n unsafe { 1 } } }",
        ] {
            let found = findings(bad, "");
            assert_eq!(found.len(), 1, "{bad}");
            assert_eq!(found[0].line, 2, "{bad}");
            assert!(found[0].text.starts_with("`unsafe`"), "{bad}");
        }
    }

    #[test]
    fn the_word_is_not_seen_in_comments_strings_and_other_names() {
        let good = "#![forbid(unsafe_code)] // unsafe\n/// unsafe\nfn f() { g(\"unsafe\"); }";
        assert!(findings(good, "").is_empty());
    }

    #[test]
    fn a_listed_file_may_use_it_and_a_listed_file_that_does_not_is_stale() {
        assert!(findings("unsafe fn f() {}", "a.rs why").is_empty());
        let found = findings("fn f() {}", "a.rs why");
        assert_eq!(found.len(), 1);
        assert!(found[0].text.contains("take it off"));
    }

    #[test]
    fn unfinished_macros_are_findings() {
        for bad in [
            "todo!()",
            "unimplemented!(\"x\")",
            "dbg!(1)",
            "m!({ todo!() })",
        ] {
            let found = findings(&format!("fn f() {{ {bad}; }}"), "");
            assert_eq!(found.len(), 1, "{bad}");
            assert!(found[0].text.contains("is left"), "{bad}");
        }
        let good = "fn f(todo: u8) -> bool { g(\"todo!()\"); todo != 1 && !(todo == 2) }";
        assert!(findings(good, "").is_empty());
    }

    #[test]
    fn a_test_ignored_without_a_reason_is_a_finding() {
        for bad in [
            "#[ignore] fn f() {}",
            "#[ignore = \"\"] fn f() {}",
            "#[cfg_attr(miri, ignore)] fn f() {}",
            "#[cfg_attr(miri, should_panic, ignore)] fn f() {}",
            "m! { #[ignore] fn f() {} }",
        ] {
            assert_eq!(findings(bad, "").len(), 1, "{bad}");
        }
        for good in [
            "#[ignore = \"slow\"] fn f() {}",
            "#[cfg_attr(miri, ignore = \"no rings\")] fn f() {}",
            "#[cfg(ignore)] fn f(ignore: u8) { g([ignore]) }",
        ] {
            assert!(findings(good, "").is_empty(), "{good}");
        }
    }
}
