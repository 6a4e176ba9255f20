//! Rule: no file over 600 lines, no function over 70, unless the list says why.
//!
//! A function counts from the line of `fn` to the line of its last brace; docs and attributes are free. A file is listed
//! by its path, a function by `path:name`.

use syn::visit::{self, Visit};

use super::Finding;
use super::allowed::Allowed;
use super::source::RustFile;

const FILE_LINES: usize = 600;
const FN_LINES: usize = 70;

pub fn check(file: &RustFile, long_allowed: &Allowed, findings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if lines > FILE_LINES && !long_allowed.permits(&file.path) {
        let text = format!("{lines} lines; a file has at most {FILE_LINES}");
        findings.push(Finding::new(&file.path, 0, text));
    }
    let mut functions = Functions(Vec::new());
    functions.visit_file(&file.items);
    for function in functions.0 {
        let key = format!("{}:{}", file.path, function.name);
        if function.lines > FN_LINES && !long_allowed.permits(&key) {
            let text = format!(
                "`{}` has {} lines; a function has at most {FN_LINES}",
                function.name, function.lines
            );
            findings.push(Finding::new(&file.path, function.line, text));
        }
    }
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

/// Collects every function with a body: free, inherent, of a trait, nested.
struct Functions(Vec<Function>);

impl Functions {
    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let line = signature.fn_token.span.start().line;
        let end = block.brace_token.span.close().end().line;
        self.0.push(Function {
            name: signature.ident.to_string(),
            line,
            lines: end + 1 - line,
        });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.add(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
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

    /// A function of so many lines.
    fn function(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "g();\n".repeat(lines - 2))
    }

    #[test]
    fn a_file_of_600_lines_is_fine_and_one_of_601_is_not() {
        assert!(findings(&"// x\n".repeat(600), "").is_empty());
        let found = findings(&"// x\n".repeat(601), "");
        assert_eq!(found.len(), 1);
        assert!(found[0].text.starts_with("601 lines"));
        assert!(findings(&"// x\n".repeat(601), "a.rs why").is_empty());
    }

    #[test]
    fn a_function_of_70_lines_is_fine_and_one_of_71_is_not_wherever_it_stands() {
        for place in [
            "HERE",
            "impl X { HERE }",
            "trait X { HERE }",
            "mod m { fn f() { HERE } }",
        ] {
            let fine = place.replace("HERE", &function(70));
            // The function around it must not be what is counted.
            let nested = place.contains("fn f()");
            assert_eq!(findings(&fine, "").len(), usize::from(nested), "{place}");
            let found = findings(&place.replace("HERE", &function(71)), "");
            assert_eq!(found.len(), 1 + usize::from(nested), "{place}");
            assert!(
                found
                    .iter()
                    .any(|found| found.text.starts_with("`long` has 71"))
            );
        }
    }

    #[test]
    fn docs_and_attributes_of_a_function_are_free() {
        let text = format!("/// docs\n/// docs\n#[inline]\n{}", function(70));
        assert!(findings(&text, "").is_empty());
    }

    #[test]
    fn a_listed_function_may_be_long_and_an_exception_without_need_is_stale() {
        assert!(findings(&function(71), "a.rs:long why").is_empty());
        let found = findings(&function(70), "a.rs:long why\na.rs why");
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|found| found.path == "list.txt"));
    }
}
