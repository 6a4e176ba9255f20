//! What statx(2) tells of a file: `Metadata`, `FileType`, `Permissions`, and the future that asks.
//! They are types of our own because std's cannot be made from a statx; they have std's methods.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sakia_driver::{Cancellable, Receipt, Submit, ops};

use crate::abi::{
    S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, STATX_BTIME,
};

/// Seconds and nanoseconds since 1970, as the file system keeps them.
type Stamp = (i64, u32);

/// Tells what is known of a file: its kind, length, times, owner and mode.
///
/// ```
/// # sakia::Runtime::new()?.block_on(async {
/// let about = sakia::fs::metadata("/proc/self/exe").await?;
/// assert!(about.is_file() && about.len() > 0);
/// assert!(about.modified()? < std::time::SystemTime::now());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct Metadata {
    mode: u32,
    len: u64,
    ino: u64,
    dev: u64,
    rdev: u64,
    nlink: u64,
    uid: u32,
    gid: u32,
    blocks: u64,
    blksize: u64,
    accessed: Stamp,
    modified: Stamp,
    changed: Stamp,
    created: Option<Stamp>,
}

impl Metadata {
    /// Returns the length in bytes.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// assert_eq!(sakia::fs::metadata("/dev/null").await?.len(), 0);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    #[expect(clippy::len_without_is_empty, reason = "a length on disk, as in std")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns what kind of file it is.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// assert!(sakia::fs::metadata("/").await?.file_type().is_dir());
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn file_type(&self) -> FileType {
        FileType {
            format: self.mode & S_IFMT,
        }
    }

    /// Returns whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.file_type().is_dir()
    }

    /// Returns whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.file_type().is_file()
    }

    /// Returns whether it is a symbolic link; only [`symlink_metadata`](crate::symlink_metadata) finds one.
    pub fn is_symlink(&self) -> bool {
        self.file_type().is_symlink()
    }

    /// Returns who may do what.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let may = sakia::fs::metadata("/dev/null").await?.permissions();
    /// assert!(!may.readonly());
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn permissions(&self) -> Permissions {
        Permissions { mode: self.mode }
    }

    /// Returns when the content was last changed.
    ///
    /// # Errors
    /// If the file system's time cannot be expressed.
    pub fn modified(&self) -> io::Result<SystemTime> {
        time(self.modified)
    }

    /// Returns when it was last read, as far as the mount keeps that.
    ///
    /// # Errors
    /// If the file system's time cannot be expressed.
    pub fn accessed(&self) -> io::Result<SystemTime> {
        time(self.accessed)
    }

    /// Returns when the inode was last changed: content, owner, mode or links.
    ///
    /// # Errors
    /// If the file system's time cannot be expressed.
    pub fn changed(&self) -> io::Result<SystemTime> {
        time(self.changed)
    }

    /// Returns when it was made.
    ///
    /// # Errors
    /// `Unsupported` if the file system does not keep that.
    pub fn created(&self) -> io::Result<SystemTime> {
        let born = self.created.ok_or_else(|| {
            let why = "the file system does not tell when a file was made";
            io::Error::new(io::ErrorKind::Unsupported, why)
        })?;
        time(born)
    }

    /// Returns the inode's number.
    pub fn ino(&self) -> u64 {
        self.ino
    }

    /// Returns the device that the file is on, in the C library's encoding (as std).
    pub fn dev(&self) -> u64 {
        self.dev
    }

    /// Returns the device that the file is, if it is one.
    pub fn rdev(&self) -> u64 {
        self.rdev
    }

    /// Returns the number of hard links.
    pub fn nlink(&self) -> u64 {
        self.nlink
    }

    /// Returns the file type and the permissions: `st_mode` of stat(2).
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// Returns the owner.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// Returns the group.
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// Returns how many blocks of 512 bytes it occupies.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Returns the block size that suits the file system.
    pub fn blksize(&self) -> u64 {
        self.blksize
    }
}

fn time((seconds, nanos): Stamp) -> io::Result<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let second = if seconds < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    second
        .and_then(|second| second.checked_add(Duration::from_nanos(u64::from(nanos))))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a time out of range"))
}

/// makedev(3): major and minor in one number, as stat(2) shows them.
fn device(major: u32, minor: u32) -> u64 {
    let (major, minor) = (u64::from(major), u64::from(minor));
    (major & 0xffff_f000) << 32 | (major & 0xfff) << 8 | (minor & 0xffff_ff00) << 12 | minor & 0xff
}

/// Says what kind of file something is.
///
/// ```
/// # sakia::Runtime::new()?.block_on(async {
/// let kind = sakia::fs::metadata("/dev/null").await?.file_type();
/// assert!(kind.is_char_device() && !kind.is_file());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileType {
    /// The `S_IFMT` part of a mode; 0 if it is not known.
    format: u32,
}

impl FileType {
    pub(crate) const UNKNOWN: Self = Self { format: 0 };

    /// Returns whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.format == S_IFDIR
    }

    /// Returns whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.format == S_IFREG
    }

    /// Returns whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.format == S_IFLNK
    }

    /// Returns whether it is a FIFO.
    pub fn is_fifo(&self) -> bool {
        self.format == S_IFIFO
    }

    /// Returns whether it is a socket.
    pub fn is_socket(&self) -> bool {
        self.format == S_IFSOCK
    }

    /// Returns whether it is a block device.
    pub fn is_block_device(&self) -> bool {
        self.format == S_IFBLK
    }

    /// Returns whether it is a character device.
    pub fn is_char_device(&self) -> bool {
        self.format == S_IFCHR
    }
}

impl From<std::fs::FileType> for FileType {
    fn from(kind: std::fs::FileType) -> Self {
        use std::os::unix::fs::FileTypeExt;

        let known = [
            (kind.is_file(), S_IFREG),
            (kind.is_dir(), S_IFDIR),
            (kind.is_symlink(), S_IFLNK),
            (kind.is_fifo(), S_IFIFO),
            (kind.is_socket(), S_IFSOCK),
            (kind.is_block_device(), S_IFBLK),
            (kind.is_char_device(), S_IFCHR),
        ];
        let found = known.iter().find(|(is, _)| *is);
        found.map_or(Self::UNKNOWN, |&(_, format)| Self { format })
    }
}

/// Says who may do what with a file: the permission bits of its mode.
///
/// ```
/// let mut may = sakia::fs::Permissions::from_mode(0o644);
/// may.set_readonly(true);
/// assert_eq!(may.mode(), 0o444);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    mode: u32,
}

impl Permissions {
    /// Takes a mode.
    ///
    /// ```
    /// assert!(sakia::fs::Permissions::from_mode(0o444).readonly());
    /// ```
    pub fn from_mode(mode: u32) -> Self {
        Self { mode }
    }

    /// Returns the mode; with the file type, if it came from a [`Metadata`].
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// Replaces the mode.
    pub fn set_mode(&mut self, mode: u32) {
        self.mode = mode;
    }

    /// Returns whether nobody has a write bit.
    pub fn readonly(&self) -> bool {
        self.mode & 0o222 == 0
    }

    /// Takes everybody's write bit away, or gives one to everybody (as std does).
    pub fn set_readonly(&mut self, readonly: bool) {
        if readonly {
            self.mode &= !0o222;
        } else {
            self.mode |= 0o222;
        }
    }
}

impl From<Permissions> for std::fs::Permissions {
    fn from(may: Permissions) -> Self {
        use std::os::unix::fs::PermissionsExt;
        Self::from_mode(may.mode)
    }
}

/// Awaits a [`Metadata`] (`IORING_OP_STATX`, Linux 5.6; statx(2)).
///
/// ```
/// # sakia::Runtime::new()?.block_on(async {
/// let ask: sakia::fs::Request<'static, sakia::fs::Stat> = sakia::fs::metadata("/");
/// assert!(ask.await?.is_dir());
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Stat {
    inner: Submit<ops::Statx>,
}

impl Stat {
    pub(crate) fn of(target: ops::StatxTarget<'_>) -> io::Result<Self> {
        ops::statx(target).map(|inner| Self { inner })
    }
}

impl std::fmt::Debug for Stat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stat").finish_non_exhaustive()
    }
}

impl Future for Stat {
    type Output = io::Result<Metadata>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let told = ready!(Pin::new(&mut self.inner).poll(cx));
        Poll::Ready(told.map(|told| read(&told)))
    }
}

impl Cancellable for Stat {
    type Value = Metadata;
    type Buf = ();

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<Metadata>> {
        let receipt = ready!(self.inner.poll_cancel(cx));
        Poll::Ready(receipt.and_then(|told| Ok(read(&told))))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}

fn read(told: &ops::StatxBuf) -> Metadata {
    Metadata {
        mode: u32::from(told.stx_mode),
        len: told.stx_size,
        ino: told.stx_ino,
        dev: device(told.stx_dev_major, told.stx_dev_minor),
        rdev: device(told.stx_rdev_major, told.stx_rdev_minor),
        nlink: u64::from(told.stx_nlink),
        uid: told.stx_uid,
        gid: told.stx_gid,
        blocks: told.stx_blocks,
        blksize: u64::from(told.stx_blksize),
        accessed: (told.stx_atime.tv_sec, told.stx_atime.tv_nsec),
        modified: (told.stx_mtime.tv_sec, told.stx_mtime.tv_nsec),
        changed: (told.stx_ctime.tv_sec, told.stx_ctime.tv_nsec),
        created: (told.stx_mask & STATX_BTIME != 0)
            .then_some((told.stx_btime.tv_sec, told.stx_btime.tv_nsec)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_1970_counts_its_nanoseconds_forward() {
        let almost = time((-1, 999_999_999)).unwrap();
        assert_eq!(almost + Duration::from_nanos(1), UNIX_EPOCH);
        assert!(time((i64::MAX, 999_999_999)).is_ok());
        assert!(time((i64::MIN, 0)).is_ok());
    }

    #[test]
    fn a_device_number_has_the_c_librarys_encoding() {
        assert_eq!(device(8, 1), 0x801);
        assert_eq!(device(0x1234_5678, 0x9abc_def0), 0x1234_59ab_cde6_78f0);
    }
}
