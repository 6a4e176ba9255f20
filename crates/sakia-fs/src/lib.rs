//! Files and directories on io_uring: the nouns of tokio::fs and std::fs, with buffers that are owned while the kernel has them.
//!
//! A [`File`] has positioned reads and writes, which are independent of each other, and sequential ones, which share the handle's cursor.
//! Whatever reaches the kernel is a named, lazy future; dropping one is always safe and loses no byte of a file. This crate enters no
//! kernel itself: each request is an op of `sakia-driver`. Sockets do not belong here.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("greeting");
//! use sakia::fs::{self, File};
//!
//! # sakia::Runtime::new()?.block_on(async {
//! fs::write(&path, "hello, wheel").await.0?;
//! let file = File::open(&path).await?;
//! let (result, buf) = file.read_at(Vec::with_capacity(64), 7).await;
//! assert_eq!(result?, 5);
//! assert_eq!(&buf[..], b"wheel");
//! file.close().await?;
//! # std::io::Result::Ok(())
//! # })?;
//! # std::io::Result::Ok(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod abi;
mod beneath;
mod content;
mod dir;
mod file;
mod metadata;
mod options;
mod path;
mod pool;
mod request;
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
pub use sakia_driver::Close;
pub use sakia_driver::ops::Advice;
pub use tree::create_dir_all;
