//! Rule: the crates that need no `unsafe` forbid it at their root, where one line cannot be overruled by another.

use super::Finding;
use super::source::RustFile;

const CRATES: [&str; 8] = [
    "sakia",
    "sakia-compat",
    "sakia-fs",
    "sakia-io",
    "sakia-macros",
    "sakia-net",
    "sakia-serve",
    "sakia-time",
];

pub fn check(files: &[RustFile], findings: &mut Vec<Finding>) {
    for name in CRATES {
        let roots = [
            format!("crates/{name}/src/lib.rs"),
            format!("crates/{name}/src/main.rs"),
        ];
        let roots: Vec<&RustFile> = files
            .iter()
            .filter(|file| roots.contains(&file.path))
            .collect();
        if roots.is_empty() {
            let folder = format!("crates/{name}");
            findings.push(Finding::new(&folder, 0, "has no lib.rs or main.rs"));
        }
        for root in roots {
            if !root.items.attrs.iter().any(forbids) {
                let text = "does not say `#![forbid(unsafe_code)]`";
                findings.push(Finding::new(&root.path, 0, text));
            }
        }
    }
}

fn forbids(attribute: &syn::Attribute) -> bool {
    let mut found = false;
    if attribute.path().is_ident("forbid") {
        // Whatever else stands in the list is no matter of ours.
        let _ = attribute.parse_nested_meta(|lint| {
            found |= lint.path.is_ident("unsafe_code");
            Ok(())
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the rule says if sakia-net's root reads like this, and all others are fine.
    fn findings(net: &str) -> Vec<Finding> {
        let files: Vec<RustFile> = CRATES
            .iter()
            .map(|name| {
                let text = match *name {
                    "sakia-net" => net,
                    _ => "#![forbid(unsafe_code)]",
                };
                RustFile::parse(&format!("crates/{name}/src/lib.rs"), text).unwrap()
            })
            .collect();
        let mut findings = Vec::new();
        check(&files, &mut findings);
        findings
    }

    #[test]
    fn a_root_that_does_not_forbid_it_is_a_finding() {
        for bad in [
            "",
            "// #![forbid(unsafe_code)]",
            "#![deny(unsafe_code)]",
            "#![forbid(missing_docs)]",
            "mod m { #![forbid(unsafe_code)] }",
        ] {
            let found = findings(bad);
            assert_eq!(found.len(), 1, "{bad}");
            assert_eq!(found[0].path, "crates/sakia-net/src/lib.rs");
        }
    }

    #[test]
    fn a_root_that_forbids_it_is_fine() {
        assert!(findings("#![forbid(unsafe_code)]").is_empty());
        assert!(findings("#![forbid(missing_docs, unsafe_code)]").is_empty());
    }

    #[test]
    fn a_crate_without_a_root_is_a_finding() {
        let mut findings = Vec::new();
        check(&[], &mut findings);
        assert_eq!(findings.len(), CRATES.len());
    }
}
