//! Files and directories: the nouns of std::fs and tokio::fs on the ops of `sakia-driver`.
//! This crate enters no kernel itself, and sockets do not belong here.
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod abi;
mod beneath;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;
mod content;
mod dir;
mod file;
mod metadata;
mod options;
mod path;
mod pool;
mod request;
mod steps;
mod traits;
mod tree;

pub use beneath::{Dir, OpenDir};
pub use content::{read, read_to_string, write};
pub use dir::{DirEntry, ReadDir, read_dir};
pub use file::{
    File, FileOp, IntoParts, IntoStd, Read, ReadAt, ReadExact, ReadExactAt, ReadToEnd, ReadToEndAt,
    Reading, Readv, ReadvAt, Seek, SetLen, SetPermissions, Write, WriteAll, WriteAllAt, WriteAt,
    Writev, WritevAt, Writing,
};
pub use metadata::{FileType, Metadata, Permissions, Stat};
pub use options::{Open, OpenOptions};
pub use path::{
    PathChange, TryExists, canonicalize, create_dir, hard_link, metadata, read_link, remove_dir,
    remove_file, rename, set_permissions, symlink, symlink_metadata, try_exists,
};
pub use pool::OnPool;
pub use request::Request;
pub use sakia_driver::ops::Advice;
pub use sakia_driver::{
    Cancellable, Cancelling, Close, Receipt, RegisteredBuf, RegisteredBufs, Taking,
};
pub use steps::Steps;
pub use tree::create_dir_all;
