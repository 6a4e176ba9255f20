//! Telling a forked child from the process that owns the ring.
//!
//! The ring's mappings are shared memory: an SQE that a child pushed would be submitted by its parent. They are not inherited
//! (MADV_DONTFORK), so a child that touched them would crash; a number that the kernel wipes on fork (MADV_WIPEONFORK, Linux 4.14) is read before any
//! access, for 0.3 ns.
//!
//! There is one page a process, mapped by its first driver and kept: to map one for each driver took a sixth of its start and end. It holds the
//! number of the process among its forebears, and nothing in a child before that has a driver of its own.

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// The number of this process, on the page that is wiped on fork.
static NUMBER: AtomicPtr<AtomicU64> = AtomicPtr::new(ptr::null_mut());
/// The last number that this process or a forebear has had; a fork does not wipe it.
static LAST: AtomicU64 = AtomicU64::new(0);
/// What a wiped page reads.
const WIPED: u64 = 0;

const PAGE: usize = 4096;

/// Knows the process that made it.
pub(crate) struct ForkGuard {
    now: &'static AtomicU64,
    made_by: u64,
}

impl ForkGuard {
    pub(crate) fn new() -> io::Result<Self> {
        let now = page()?;
        let mut number = now.load(Ordering::Relaxed);
        if number == WIPED {
            let fresh = LAST.fetch_add(1, Ordering::Relaxed) + 1;
            // Another thread may have been faster: then that is the number.
            let set = now.compare_exchange(WIPED, fresh, Ordering::Relaxed, Ordering::Relaxed);
            number = set.map_or_else(|faster| faster, |_| fresh);
        }
        Ok(Self {
            now,
            made_by: number,
        })
    }

    /// Whether this process is a forked child.
    #[inline]
    pub(crate) fn is_child(&self) -> bool {
        self.now.load(Ordering::Relaxed) != self.made_by
    }
}

/// The page of this process, or of the forebear that mapped it.
fn page() -> io::Result<&'static AtomicU64> {
    let mut page = NUMBER.load(Ordering::Acquire);
    if page.is_null() {
        let fresh = map()?;
        let set = NUMBER.compare_exchange(page, fresh, Ordering::AcqRel, Ordering::Acquire);
        page = set.map_or_else(|faster| faster, |_| fresh);
        if page != fresh {
            // SAFETY: `fresh` was mapped above, and nobody else has seen it.
            unsafe { libc::munmap(fresh.cast(), PAGE) };
        }
    }
    // SAFETY: a page that `map` has made is in `NUMBER` for ever and is never unmapped, in children neither; it is aligned, and all zeroes is a value of the type.
    Ok(unsafe { &*page })
}

/// Maps a page that is wiped on fork.
fn map() -> io::Result<*mut AtomicU64> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches nothing that exists.
    let page = unsafe { libc::mmap(ptr::null_mut(), PAGE, access, flags, -1, 0) };
    if page == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the page was mapped above, and nobody else knows it.
    if unsafe { libc::madvise(page, PAGE, libc::MADV_WIPEONFORK) } != 0 {
        let error = io::Error::last_os_error();
        // SAFETY: as above.
        unsafe { libc::munmap(page, PAGE) };
        return Err(error);
    }
    Ok(page.cast())
}
