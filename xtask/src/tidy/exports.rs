//! Rule: no `pub use …::*`. What a module exports is written out, so that it can be read and cannot grow unseen.

use syn::visit::{self, Visit};
use syn::{UseTree, Visibility};

use super::Finding;
use super::source::RustFile;

pub fn check(file: &RustFile, findings: &mut Vec<Finding>) {
    let mut globs = Globs(Vec::new());
    globs.visit_file(&file.items);
    for line in globs.0 {
        let text = "`pub use` of everything: name what it exports";
        findings.push(Finding::new(&file.path, line, text));
    }
}

/// The lines of the stars.
struct Globs(Vec<usize>);

impl<'ast> Visit<'ast> for Globs {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !matches!(item.vis, Visibility::Inherited) {
            stars(&item.tree, &mut self.0);
        }
        visit::visit_item_use(self, item);
    }
}

fn stars(tree: &UseTree, lines: &mut Vec<usize>) {
    match tree {
        UseTree::Glob(glob) => lines.push(glob.star_token.span.start().line),
        UseTree::Path(path) => stars(&path.tree, lines),
        UseTree::Group(group) => group.items.iter().for_each(|tree| stars(tree, lines)),
        UseTree::Name(_) | UseTree::Rename(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let mut findings = Vec::new();
        let file = RustFile::parse("a.rs", text).unwrap();
        check(&file, &mut findings);
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn an_exported_star_is_a_finding_however_deep_it_hides() {
        for bad in [
            "\npub use a::*;",
            "pub use a::{b,\n c::{d, *}};",
            "\npub(crate) use a::*;",
            "mod m {\n pub use super::*; }",
            "fn f() {\n pub use a::*; }",
        ] {
            assert_eq!(lines(bad), [2], "{bad}");
        }
    }

    #[test]
    fn a_private_star_and_a_named_export_are_fine() {
        assert!(lines("use super::*;\npub use a::{b, c as d};").is_empty());
    }
}
