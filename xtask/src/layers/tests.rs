//! The layer rule goes red on each way to break the table.

use super::*;

fn dep(name: &str) -> Dep {
    Dep {
        name: name.to_owned(),
        dev: false,
        optional: false,
        versioned: true,
        features: Vec::new(),
    }
}

fn member(name: &str, deps: Vec<Dep>) -> Member {
    Member {
        name: name.to_owned(),
        folder: format!("crates/{name}"),
        deps,
        features: BTreeMap::new(),
    }
}

/// What the rule says about one crate alone.
fn findings(member: &Member) -> Vec<String> {
    let room = ROOMS.iter().find(|room| room.name == member.name).unwrap();
    let mut findings = Vec::new();
    check_member(member, room, &mut findings);
    findings
}

#[test]
fn what_the_table_lists_is_accepted() {
    let driver = member(
        "sakia-driver",
        vec![dep("sakia-buf"), dep("libc"), dep("io-uring"), dep("slab")],
    );
    assert!(findings(&driver).is_empty());
    let serve = member("sakia-serve", vec![dep("sakia"), dep("whatever")]);
    assert!(findings(&serve).is_empty());
}

#[test]
fn the_forbidden_corridors_are_closed() {
    for (from, to) in [
        ("sakia-fs", "sakia-net"),
        ("sakia-net", "sakia-fs"),
        ("sakia-executor", "sakia-driver"),
        ("sakia-time", "sakia-driver"),
        ("sakia-driver", "sakia"),
        ("sakia-net", "sakia"),
        ("sakia", "sakia-compat"),
        ("sakia-io", "libc"),
        ("sakia-compat", "sakia-driver"),
        ("sakia-net", "sakia-nobody"),
        ("xtask", "sakia"),
    ] {
        let found = findings(&member(from, vec![dep(to)]));
        assert_eq!(found, [format!("{from}: may not import {to}")]);
    }
}

#[test]
fn a_bridge_is_accepted_behind_a_feature_only() {
    let optional = Dep {
        optional: true,
        ..dep("bytes")
    };
    assert!(findings(&member("sakia-buf", vec![optional])).is_empty());
    let found = findings(&member("sakia-buf", vec![dep("bytes")]));
    assert_eq!(found, ["sakia-buf: may import bytes behind a feature only"]);
}

#[test]
fn a_bridge_that_is_on_by_default_is_refused_however_it_is_turned_on() {
    for way in ["dep:bytes", "bytes", "bytes/std"] {
        let mut buf = member("sakia-buf", Vec::new());
        buf.features
            .insert("default".to_owned(), vec!["more".to_owned()]);
        buf.features.insert("more".to_owned(), vec![way.to_owned()]);
        assert_eq!(findings(&buf), ["sakia-buf: bytes is on by default"]);
    }

    let mut facade = member("sakia", vec![dep("sakia-buf")]);
    let through = vec!["sakia-buf/bytes".to_owned()];
    facade.features.insert("default".to_owned(), through);
    assert_eq!(findings(&facade), ["sakia: bytes is on by default"]);

    let mut net = member("sakia-net", vec![dep("sakia-buf")]);
    net.deps[0].features.push("bytes".to_owned());
    assert_eq!(findings(&net), ["sakia-net: bytes is on by default"]);
}

#[test]
fn a_bridge_that_is_off_by_default_is_accepted() {
    let mut buf = member("sakia-buf", Vec::new());
    buf.features
        .insert("default".to_owned(), vec!["bytes?/std".to_owned()]);
    buf.features
        .insert("bytes".to_owned(), vec!["dep:bytes".to_owned()]);
    assert!(findings(&buf).is_empty());
}

#[test]
fn dev_dependencies_are_free_but_for_a_cycle_with_a_version() {
    let dev = |name: &str, versioned| Dep {
        dev: true,
        versioned,
        ..dep(name)
    };
    assert!(findings(&member("sakia-net", vec![dev("tempfile", true)])).is_empty());
    assert!(findings(&member("sakia-net", vec![dev("sakia", false)])).is_empty());
    assert!(findings(&member("sakia-net", vec![dev("sakia-buf", true)])).is_empty());
    for (from, to) in [("sakia-net", "sakia"), ("sakia", "sakia-compat")] {
        let found = findings(&member(from, vec![dev(to, true)]));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("give the path alone"), "{found:?}");
    }
}

#[test]
fn a_crate_that_the_table_does_not_know_is_refused_and_so_is_a_row_without_a_crate() {
    let all: Vec<Member> = ROOMS
        .iter()
        .map(|room| member(room.name, Vec::new()))
        .collect();
    assert!(check(&all, ROOMS).is_empty());

    let mut more = all.clone();
    more.push(member("sakia-sync", Vec::new()));
    assert!(check(&more, ROOMS)[0].starts_with("sakia-sync: not in the table"));

    let found = check(&all[1..], ROOMS);
    assert_eq!(found, ["sakia-buf: in the table, but no such package"]);
}

#[test]
fn a_folder_bears_the_name_of_its_crate() {
    let mut net = member("sakia-net", Vec::new());
    net.folder = "crates/network".to_owned();
    assert!(findings(&net)[0].contains("lives in crates/network"));
}

#[test]
fn a_manifest_is_read_as_cargo_reads_it() {
    let metadata = metadata(&crate::cmd::root().unwrap()).unwrap();
    let members = members(&metadata);
    let driver = members
        .iter()
        .find(|member| member.name == "sakia-driver")
        .unwrap();
    assert_eq!(driver.folder, "crates/sakia-driver");
    let libc = driver.deps.iter().find(|dep| dep.name == "libc").unwrap();
    assert!(libc.versioned && !libc.dev && !libc.optional);
}
