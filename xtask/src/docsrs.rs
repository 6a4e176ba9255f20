//! `cargo xtask docsrs`: the documentation of the published crates as docs.rs builds it: nightly, `--cfg docsrs`, all features.
//!
//! The `doc` step of `cargo xtask ci` builds it with the stable toolchain; this one sees what `doc_cfg` needs.

use std::path::Path;

use crate::layers::ROOMS;
use crate::{cmd, layers, nightly};

/// Builds it; any warning is an error.
pub fn run(root: &Path) -> Result<(), String> {
    let mut doc = nightly::cargo(root, &["doc", "--no-deps", "--all-features"])?;
    for room in ROOMS.iter().filter(|room| room.published) {
        doc.args(["--package", room.name]);
    }
    doc.args(["--target", nightly::TARGET]);
    let target = layers::target_directory(root)?.join("docsrs");
    doc.arg("--target-dir").arg(target);
    cmd::run(doc.env("RUSTDOCFLAGS", "--cfg docsrs -D warnings"))
}
