//! What is done to a file as a whole: to the disk, its length, its room, what is known of it, and who may do what.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_driver::Submit;
use sakia_driver::ops::{self, Advice, StatxTarget};

use super::File;
use crate::{OnPool, Permissions, Request, Stat};

/// Awaits [`File::sync_all`], [`File::sync_data`], [`File::allocate`] and [`File::advise`].
pub type FileOp<'a> = Request<'a, Submit<ops::Simple>>;

impl File {
    /// Writes data and metadata to the disk (`IORING_OP_FSYNC`, Linux 5.1; fsync(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::create(&path).await?;
    /// file.write_all("kept").await.0?;
    /// file.sync_all().await?;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// Whether the data is on the disk is not known.
    ///
    /// # Errors
    /// What fsync(2) says: after `EIO` the data is lost, and a second call that succeeds does not bring it back.
    #[doc(alias = "IORING_OP_FSYNC")]
    pub fn sync_all(&self) -> FileOp<'_> {
        Request::run(ops::fsync(&self.fd))
    }

    /// Writes data, and the metadata that finding it needs, to the disk (`IORING_OP_FSYNC`, Linux 5.1; fdatasync(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::create(&path).await?;
    /// file.write_all("kept").await.0?;
    /// file.sync_data().await?;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// As [`sync_all`](File::sync_all).
    ///
    /// # Errors
    /// As [`sync_all`](File::sync_all).
    #[doc(alias = "IORING_OP_FSYNC")]
    pub fn sync_data(&self) -> FileOp<'_> {
        Request::run(ops::fdatasync(&self.fd))
    }

    /// Reserves room on the disk, and makes the file as long as the range if it is shorter (`IORING_OP_FALLOCATE`, Linux 5.6; fallocate(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::create(&path).await?;
    /// file.allocate(0, 1 << 16).await?;
    /// assert_eq!(file.metadata().await?.len(), 1 << 16);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// Whether the room is reserved is not known.
    ///
    /// # Errors
    /// `Unsupported` on a file system that cannot; `InvalidInput` for a length of 0; else what fallocate(2) says.
    #[doc(alias = "IORING_OP_FALLOCATE")]
    pub fn allocate(&self, offset: u64, len: u64) -> FileOp<'_> {
        Request::run(ops::allocate(&self.fd, 0, offset, len))
    }

    /// Tells the kernel how a range will be used (`IORING_OP_FADVISE`, Linux 5.6; posix_fadvise(2)). A length of 0 means to the end.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open("/proc/self/exe").await?;
    /// file.advise(0, 0, sakia::fs::Advice::Sequential).await?;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// The kernel has heard it, or not.
    ///
    /// # Errors
    /// `NotSeekable` for a FIFO; else what posix_fadvise(2) says.
    #[doc(alias = "IORING_OP_FADVISE")]
    pub fn advise(&self, offset: u64, len: u32, advice: Advice) -> FileOp<'_> {
        Request::run(ops::fadvise(&self.fd, offset, len, advice))
    }

    /// Tells what is known of the file (`IORING_OP_STATX`, Linux 5.6; statx(2)).
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::open("/proc/self/exe").await?;
    /// assert!(file.metadata().await?.len() > 0);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// What statx(2) says.
    #[doc(alias = "IORING_OP_STATX")]
    pub fn metadata(&self) -> Request<'_, Stat> {
        Request::attempt(Stat::of(StatxTarget::Fd(&self.fd)))
    }

    /// Sets the length: cuts the file, or extends it with zeros (`IORING_OP_FTRUNCATE`, Linux 6.9; ftruncate(2)).
    ///
    /// Before Linux 6.9 it is a call on the blocking pool.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::create(&path).await?;
    /// file.set_len(100).await?;
    /// assert_eq!(file.metadata().await?.len(), 100);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// The length is set, or not.
    ///
    /// # Errors
    /// `InvalidInput` for a file that was not opened for writing, and for a length above `i64::MAX`; else what ftruncate(2) says.
    #[doc(alias = "IORING_OP_FTRUNCATE")]
    pub fn set_len(&self, len: u64) -> SetLen<'_> {
        SetLen {
            file: self,
            len,
            stage: Stage::Ring(ops::ftruncate(&self.fd, len)),
        }
    }

    /// Changes who may do what with the file, on the blocking pool (fchmod(2)).
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::File::create(&path).await?;
    /// file.set_permissions(sakia::fs::Permissions::from_mode(0o600)).await?;
    /// assert_eq!(file.metadata().await?.mode() & 0o777, 0o600);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// The permissions are changed, or not.
    ///
    /// # Errors
    /// What fchmod(2) says.
    pub fn set_permissions(&self, may: Permissions) -> SetPermissions<'_> {
        SetPermissions {
            file: self,
            may,
            job: None,
        }
    }

    /// Runs a call on the blocking pool, on a descriptor of its own.
    fn on_pool(
        &self,
        call: impl FnOnce(std::fs::File) -> io::Result<()> + Send + 'static,
    ) -> io::Result<OnPool<()>> {
        let file = std::fs::File::from(self.fd.try_as_fd()?.try_clone_to_owned()?);
        Ok(OnPool::new(move || call(file)))
    }
}

enum Stage {
    Ring(Submit<ops::Simple>),
    Pool(OnPool<()>),
}

/// Awaits [`File::set_len`].
#[must_use = "futures do nothing unless polled"]
pub struct SetLen<'a> {
    file: &'a File,
    len: u64,
    stage: Stage,
}

impl SetLen<'_> {
    /// The kernel has no FTRUNCATE.
    fn fall_back(&mut self) -> io::Result<()> {
        let len = self.len;
        self.stage = Stage::Pool(self.file.on_pool(move |file| file.set_len(len))?);
        Ok(())
    }
}

impl Future for SetLen<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Stage::Ring(op) = &mut self.stage {
            match ready!(Pin::new(op).poll(cx)) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => self.fall_back()?,
                result => return Poll::Ready(result),
            }
        }
        match &mut self.stage {
            Stage::Pool(call) => Pin::new(call).poll(cx),
            Stage::Ring(_) => Poll::Pending,
        }
    }
}

impl fmt::Debug for SetLen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SetLen").field(&self.len).finish()
    }
}

/// Awaits [`File::set_permissions`].
#[must_use = "futures do nothing unless polled"]
pub struct SetPermissions<'a> {
    file: &'a File,
    may: Permissions,
    job: Option<OnPool<()>>,
}

impl Future for SetPermissions<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let job = match &mut this.job {
            Some(job) => job,
            none => {
                let may = this.may.clone();
                none.insert(
                    this.file
                        .on_pool(move |file| file.set_permissions(may.into()))?,
                )
            }
        };
        Pin::new(job).poll(cx)
    }
}

impl fmt::Debug for SetPermissions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SetPermissions").field(&self.may).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::block_on;

    #[test]
    fn the_length_is_set_without_an_opcode_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "hello, wheel").unwrap();
        block_on(async {
            let file = File::options().write(true).open(&path).await.unwrap();
            let mut set = file.set_len(5);
            set.fall_back().unwrap();
            set.await.unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), b"hello");

            let file = File::open(&path).await.unwrap();
            let mut set = file.set_len(1);
            set.fall_back().unwrap();
            let error = set.await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        });
    }
}
