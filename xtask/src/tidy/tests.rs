//! The rules together, over small trees: that each is called, on which files, and that the lists are read.

use super::*;

/// The smallest tree without a finding, and then these files over it.
fn tree(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut files = vec![(CHANGELOG.to_owned(), "## Unreleased\n\n- All.\n".to_owned())];
    for name in [
        "sakia",
        "sakia-compat",
        "sakia-fs",
        "sakia-io",
        "sakia-macros",
        "sakia-net",
        "sakia-serve",
        "sakia-time",
    ] {
        files.push((
            format!("crates/{name}/src/lib.rs"),
            "//! A room.\n#![forbid(unsafe_code)]\n".to_owned(),
        ));
    }
    for &(path, text) in more {
        files.retain(|(name, _)| name != path);
        files.push((path.to_owned(), text.to_owned()));
    }
    files
}

#[test]
fn a_clean_tree_has_no_findings() {
    assert_eq!(check(&tree(&[])), []);
}

#[test]
fn every_rule_is_called() {
    let long_file = format!("//! A room.\n{}", "// x\n".repeat(600));
    let long_fn = format!("//! A room.\nfn f() {{\n{}}}\n", "g();\n".repeat(69));
    let machine = format!("see {}main\n", concat!("/wo", "rk/"));
    for (path, text, says) in [
        ("src/a.rs", "fn f() {}\n", "does not open"),
        ("src/a.rs", "//! A room.\nfn f( {}\n", "does not parse"),
        ("src/a.rs", "//! A room.\nunsafe fn f() {}\n", "`unsafe`"),
        ("src/a.rs", "//! A room.\nfn f() { todo!() }\n", "`todo!`"),
        ("src/a.rs", "//! A room.\n#[ignore] fn f() {}\n", "`ignore`"),
        ("src/a.rs", "//! A room.\npub use b::*;\n", "`pub use`"),
        ("src/a.rs", &long_file, "601 lines"),
        ("src/a.rs", &long_fn, "`f` has 71 lines"),
        ("README.md", &machine, "names a path"),
        (CHANGELOG, "# Log\n", "has no `## Unreleased`"),
        ("crates/sakia-io/src/lib.rs", "//! A room.\n", "forbid"),
        (UNSAFE_ALLOWED, "src/gone.rs why\n", "take it off"),
        (LONG_ALLOWED, "src/gone.rs:f why\n", "take it off"),
    ] {
        let findings = check(&tree(&[(path, text)]));
        assert_eq!(findings.len(), 1, "{path} {says}: {findings:?}");
        assert_eq!(findings[0].path, path);
        assert!(findings[0].text.contains(says), "{findings:?}");
    }
}

#[test]
fn the_lists_allow_what_they_name() {
    let long_fn = format!("//! A room.\nunsafe fn f() {{\n{}}}\n", "g();\n".repeat(69));
    let files = tree(&[
        ("src/a.rs", &long_fn),
        (UNSAFE_ALLOWED, "src/a.rs it talks to the kernel\n"),
        (LONG_ALLOWED, "src/a.rs:f one table\n"),
    ]);
    assert_eq!(check(&files), []);
}

#[test]
fn fixtures_of_the_compiler_are_free_but_name_no_machine() {
    let fixture = "fn f() { todo!() } unsafe fn g( {}";
    assert_eq!(check(&tree(&[("tests/ui/a.rs", fixture)])), []);
    let machine = format!("// {}main\n", concat!("/ro", "ot/"));
    assert_eq!(check(&tree(&[("tests/ui/a.rs", &machine)])).len(), 1);
}

#[test]
fn git_lists_the_files_of_the_house() {
    let files = read_files(&cmd::root().unwrap()).unwrap();
    let has = |path: &str| files.iter().any(|(name, _)| name == path);
    assert!(has("Cargo.toml"));
    assert!(has("xtask/src/tidy/tests.rs"));
    assert!(!files.iter().any(|(name, _)| name.starts_with("target/")));
}

#[test]
fn a_finding_shows_its_line_if_it_has_one() {
    assert_eq!(Finding::new("a.rs", 3, "x").to_string(), "a.rs:3: x");
    assert_eq!(Finding::new("a.rs", 0, "x").to_string(), "a.rs: x");
}
