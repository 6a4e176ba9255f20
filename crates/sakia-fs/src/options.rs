//! How a file is opened: std's options with std's rules, and the future that opens. What can be done with the file is in `file`.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use sakia_driver::{Cancellable, Cancelling, Origin, Receipt, ops};

use crate::abi::{O_ACCMODE, O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY};
use crate::{File, Request};

/// Says how a file is to be opened, as [`std::fs::OpenOptions`] does.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("log");
/// # sakia::Runtime::new()?.block_on(async {
/// let log = sakia::fs::OpenOptions::new().append(true).create(true).open(&path).await?;
/// log.write_all("one line\n").await.0?;
/// # assert_eq!(std::fs::read(&path)?, b"one line\n");
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: u32,
    custom_flags: i32,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenOptions {
    /// Begins with everything off and mode `0o666`.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let options = sakia::fs::OpenOptions::new();
    /// let error = options.open("/dev/null").await.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    /// # });
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new() -> Self {
        Self {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            mode: 0o666,
            custom_flags: 0,
        }
    }

    /// Lets the file be read.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let zero = sakia::fs::OpenOptions::new().read(true).open("/dev/zero").await?;
    /// assert_eq!(zero.read(vec![7u8; 2]).await.1, [0, 0]);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.read = read;
        self
    }

    /// Lets the file be written.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let null = sakia::fs::OpenOptions::new().write(true).open("/dev/null").await?;
    /// null.write_all("gone").await.0?;
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.write = write;
        self
    }

    /// Makes each write go to the end of the file (`O_APPEND`), positioned writes included.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("log");
    /// # std::fs::write(&path, "a")?;
    /// # sakia::Runtime::new()?.block_on(async {
    /// let log = sakia::fs::OpenOptions::new().append(true).open(&path).await?;
    /// log.write_all("b").await.0?;
    /// assert_eq!(std::fs::read(&path)?, b"ab");
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.append = append;
        self
    }

    /// Empties the file as it is opened; needs `write`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # std::fs::write(&path, "old")?;
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::OpenOptions::new().write(true).truncate(true).open(&path).await?;
    /// assert_eq!(file.metadata().await?.len(), 0);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.truncate = truncate;
        self
    }

    /// Makes the file if there is none; needs `write` or `append`.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// sakia::fs::OpenOptions::new().write(true).create(true).open(&path).await?;
    /// assert!(path.exists());
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.create = create;
        self
    }

    /// Makes the file, and fails if there is one (`O_EXCL`); `create` and `truncate` are ignored then.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// let mut options = sakia::fs::OpenOptions::new();
    /// options.write(true).create_new(true);
    /// options.open(&path).await?;
    /// let again = options.open(&path).await.unwrap_err();
    /// assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.create_new = create_new;
        self
    }

    /// Sets the mode of a file that is made, before the umask.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("file");
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::OpenOptions::new()
    ///     .write(true)
    ///     .create_new(true)
    ///     .mode(0o600)
    ///     .open(&path)
    ///     .await?;
    /// assert_eq!(file.metadata().await?.mode() & 0o777, 0o600);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }

    /// Sets further flags of open(2); the access mode among them is ignored, and each call replaces the one before.
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// const O_NOFOLLOW: i32 = if cfg!(target_arch = "aarch64") { 0o100000 } else { 0o400000 };
    /// # #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))] {
    /// let mut options = sakia::fs::OpenOptions::new();
    /// options.read(true).custom_flags(O_NOFOLLOW);
    /// assert!(options.open("/proc/self/exe").await.is_err());
    /// # }
    /// # });
    /// # std::io::Result::Ok(())
    /// ```
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.custom_flags = flags;
        self
    }

    /// Opens a file (`IORING_OP_OPENAT`, Linux 5.6; openat(2)).
    ///
    /// ```
    /// # sakia::Runtime::new()?.block_on(async {
    /// let file = sakia::fs::OpenOptions::new().read(true).open("/proc/self/comm").await?;
    /// # drop(file);
    /// # std::io::Result::Ok(())
    /// # })?;
    /// # std::io::Result::Ok(())
    /// ```
    ///
    /// # Cancellation
    /// A descriptor that arrives too late is closed the moment its completion is read. A file may have been made or emptied all
    /// the same.
    ///
    /// # Errors
    /// `InvalidInput` for options that contradict each other (std's rules) and for a path with a NUL byte; else
    /// what openat(2) says.
    #[doc(alias = "IORING_OP_OPENAT")]
    #[track_caller]
    pub fn open(&self, path: impl AsRef<Path>) -> Open {
        self.open_with(|how| ops::open(None, path.as_ref(), how))
    }

    #[track_caller]
    pub(crate) fn open_with(
        &self,
        open: impl FnOnce(ops::OpenHow) -> io::Result<ops::Opening>,
    ) -> Open {
        let opened = self.flags().and_then(|flags| {
            open(ops::OpenHow {
                flags: flags as u64,
                mode: u64::from(self.mode),
                resolve: 0,
            })
        });
        // Not that of the closure.
        let origin = Origin::caller();
        let opened = opened.map(|opening| opening.asked_at(origin));
        Open {
            inner: Request::attempt(opened),
            append: self.append || self.custom_flags & O_APPEND != 0,
        }
    }

    /// The flags of open(2), or what is wrong with the options.
    fn flags(&self) -> io::Result<i32> {
        let access = match (self.read, self.write, self.append) {
            (true, false, false) => O_RDONLY,
            (false, true, false) => O_WRONLY,
            (true, true, false) => O_RDWR,
            (false, _, true) => O_WRONLY | O_APPEND,
            (true, _, true) => O_RDWR | O_APPEND,
            (false, false, false) => {
                return Err(invalid(
                    "a file is opened to be read, written or appended to",
                ));
            }
        };
        if !self.write && !self.append && (self.truncate || self.create || self.create_new) {
            return Err(invalid(
                "to make or to empty a file it must be opened for writing",
            ));
        }
        if self.append && self.truncate && !self.create_new {
            return Err(invalid("a file is either emptied or appended to"));
        }
        let creation = match (self.create, self.truncate, self.create_new) {
            (_, _, true) => O_CREAT | O_EXCL,
            (true, true, _) => O_CREAT | O_TRUNC,
            (true, false, _) => O_CREAT,
            (false, true, _) => O_TRUNC,
            (false, false, _) => 0,
        };
        Ok(access | creation | (self.custom_flags & !O_ACCMODE))
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// Awaits the opening of a file; see [`OpenOptions::open`].
///
/// ```
/// # sakia::Runtime::new()?.block_on(async {
/// let open: sakia::fs::Open = sakia::fs::File::open("/proc/self/comm");
/// let file = open.await?;
/// # drop(file);
/// # std::io::Result::Ok(())
/// # })?;
/// # std::io::Result::Ok(())
/// ```
///
/// # Cancellation
/// A descriptor that arrives too late is closed the moment its completion is read.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Open {
    inner: Request<'static, ops::Opening>,
    append: bool,
}

impl Future for Open {
    type Output = io::Result<File>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let opened = ready!(Pin::new(&mut self.inner).poll(cx));
        Poll::Ready(opened.map(|fd| File::of(fd, Some(self.append))))
    }
}

impl Open {
    /// Asks the kernel to end the opening, and waits for its last word, as [`Request::cancel`](crate::Request::cancel).
    pub fn cancel(self) -> Cancelling<Self> {
        Cancelling::new(self)
    }
}

impl Cancellable for Open {
    type Value = File;
    type Buf = ();

    fn poll_cancel(&mut self, cx: &mut Context<'_>) -> Poll<Receipt<File>> {
        let receipt = ready!(self.inner.poll_cancel(cx));
        Poll::Ready(receipt.and_then(|fd| Ok(File::of(fd, Some(self.append)))))
    }

    fn poll_expire(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_cancel(cx).map(Receipt::or_timed_out)
    }
}
