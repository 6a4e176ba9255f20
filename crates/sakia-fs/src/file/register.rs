//! Having the ring look the file up once.

use std::io;

use super::File;

impl File {
    /// Registers the file with the runtime's ring, so that reads, writes and syncs do not look its descriptor up any more (`IORING_REGISTER_FILES2`, Linux 6.15).
    ///
    /// It pays where many operations are in flight, together with [registered buffers](crate::RegisteredBufs). Everything else stays as it is: the file is closed once,
    /// and as soon as without it, however it ends. Answers whether it is registered: a kernel that cannot do it, or would not let go of the file at once, is
    /// not asked. Once is enough, and more than once is no error. A file on which many operations have gone by the ring is registered without it, too, while a half of the
    /// slots is free.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, [7; 8192])?;
    /// use sakia::fs::{File, RegisteredBufs};
    ///
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = File::open(&path).await?;
    /// file.register()?;
    /// let bufs = RegisteredBufs::new(1, 4096)?;
    /// let buf = bufs.try_take().expect("nobody has it");
    /// let (n, buf) = file.read_at(buf, 4096).await;
    /// assert_eq!((n?, &buf[..]), (4096, &[7; 4096][..]));
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// `ResourceBusy` if 1024 files are registered already, or fewer where RLIMIT_NOFILE says so; else what io_uring_register(2) says. The file can be used all the same.
    #[doc(alias = "IORING_REGISTER_FILES")]
    #[doc(alias = "io_uring_register_files")]
    pub fn register(&self) -> io::Result<bool> {
        self.fd.register()
    }
}
