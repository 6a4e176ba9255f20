//! `cargo xtask layers`: who imports whom, held against `cargo metadata`.
//!
//! The table itself is `layers/table.rs`; this file reads the manifests and compares. Normal and build dependencies
//! count. Dev-dependencies are free, but for one thing: `cargo package` cannot publish a cycle with a version in it.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

pub use table::ROOMS;
use table::{Externals, Room};

/// A package of the workspace, as far as the rule looks at it.
#[derive(Clone, Default)]
struct Member {
    name: String,
    /// The folder that holds the manifest, seen from the root.
    folder: String,
    deps: Vec<Dep>,
    features: BTreeMap<String, Vec<String>>,
}

#[derive(Clone)]
struct Dep {
    name: String,
    dev: bool,
    optional: bool,
    /// Does the manifest ask for a version, or only for a path?
    versioned: bool,
    /// What the manifest turns on in it.
    features: Vec<String>,
}

/// Checks the workspace at `root` against the table.
pub fn run(root: &Path) -> Result<(), String> {
    let metadata = metadata(root)?;
    let members = members(&metadata);
    let findings = check(&members, ROOMS);
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("layers: {} packages keep to the table", members.len());
        Ok(())
    } else {
        Err(format!("layers: {} findings", findings.len()))
    }
}

/// Where cargo builds.
pub fn target_directory(root: &Path) -> Result<PathBuf, String> {
    Ok(metadata(root)?.target_directory.into_std_path_buf())
}

fn metadata(root: &Path) -> Result<Metadata, String> {
    MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .map_err(|error| format!("cargo metadata: {error}"))
}

fn members(metadata: &Metadata) -> Vec<Member> {
    let packages = metadata.workspace_packages();
    let member = |package: &&cargo_metadata::Package| Member {
        name: package.name.to_string(),
        folder: package
            .manifest_path
            .strip_prefix(&metadata.workspace_root)
            .ok()
            .and_then(|manifest| manifest.parent())
            .map(ToString::to_string)
            .unwrap_or_default(),
        deps: package
            .dependencies
            .iter()
            .map(|dep| Dep {
                name: dep.name.clone(),
                dev: dep.kind == DependencyKind::Development,
                optional: dep.optional,
                versioned: dep.req.to_string() != "*",
                features: dep.features.clone(),
            })
            .collect(),
        features: package.features.clone(),
    };
    packages.iter().map(member).collect()
}

/// Every place where the workspace and the table differ.
fn check(members: &[Member], rooms: &[Room]) -> Vec<String> {
    let mut findings = Vec::new();
    for member in members {
        match rooms.iter().find(|room| room.name == member.name) {
            Some(room) => check_member(member, room, &mut findings),
            None => findings.push(format!(
                "{}: not in the table of xtask/src/layers/table.rs",
                member.name
            )),
        }
    }
    for room in rooms {
        if !members.iter().any(|member| member.name == room.name) {
            findings.push(format!("{}: in the table, but no such package", room.name));
        }
    }
    findings
}

fn check_member(member: &Member, room: &Room, findings: &mut Vec<String>) {
    let name = &member.name;
    if member.folder.starts_with("crates/") && member.folder != format!("crates/{name}") {
        findings.push(format!(
            "{name}: lives in {}, but a folder bears the name of its crate",
            member.folder
        ));
    }
    for dep in &member.deps {
        let ours = dep.name == "sakia" || dep.name.starts_with("sakia-");
        let allowed = room.allows(&dep.name, ours, dep.optional);
        if dep.dev {
            // The one cycle cargo can publish is one that names no version.
            if room.published && ours && dep.versioned && !allowed {
                findings.push(format!(
                    "{name}: dev-depends on {} with a version; give the path alone, or it cannot be packaged",
                    dep.name
                ));
            }
        } else if !allowed {
            findings.push(match room.allows(&dep.name, ours, true) {
                true => format!("{name}: may import {} behind a feature only", dep.name),
                false => format!("{name}: may not import {}", dep.name),
            });
        }
    }
    if let Externals::Listed { optional, .. } = room.externals {
        for on in always_enabled(member) {
            if optional.contains(&on.as_str()) {
                findings.push(format!("{name}: {on} is on by default"));
            }
        }
    }
}

/// The names of all that is on without anybody asking: by the default feature, or in a crate of the house by the way
/// it is imported.
fn always_enabled(member: &Member) -> BTreeSet<String> {
    let mut enabled = enabled_by_default(&member.features);
    for dep in &member.deps {
        if !dep.dev && dep.name.starts_with("sakia") {
            enabled.extend(dep.features.iter().cloned());
        }
    }
    enabled
}

/// The names that the default feature turns on: features and optional dependencies alike.
fn enabled_by_default(features: &BTreeMap<String, Vec<String>>) -> BTreeSet<String> {
    let mut enabled = BTreeSet::new();
    let mut open = vec!["default".to_owned()];
    while let Some(feature) = open.pop() {
        for value in features.get(&feature).into_iter().flatten() {
            // `dep:x`, `x` and `x/y` turn x on, the last one y too; `x?/y` leaves x as it is, and `x?` is no name.
            let names = value.strip_prefix("dep:").unwrap_or(value);
            for name in names.split('/') {
                if enabled.insert(name.to_owned()) {
                    open.push(name.to_owned());
                }
            }
        }
    }
    enabled
}

#[cfg(test)]
mod tests;
