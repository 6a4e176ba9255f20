//! Signals as futures, without stealing them: the handler that stood before is called as well, and put back afterwards.
//!
//! Each listener owns an eventfd that the signal handler writes and the ring reads. The handler touches nothing but atomics, write(2) and the
//! earlier handler, all of which are async-signal-safe. A listener that goes takes its eventfd out of the handler's
//! list and waits until no handler is running before it closes it, so the write never lands in a stranger's descriptor.

use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use crate::driver::Driver;
use crate::fd::{Fd, Kind};
use crate::kernel::KernelFd;
use crate::kernel::call::Call;
use crate::op::laned::Laned;
use crate::ops::{self, Recv, Stream};

/// How many listeners of one signal a process may have at a time.
const MOST: usize = 64;
const NONE: i32 = -1;

/// One signal: who listens, and what stood there before.
struct Watch {
    number: i32,
    listeners: [AtomicI32; MOST],
    /// The earlier handler, if it was a function; 0 else.
    earlier: AtomicUsize,
    /// Whether the earlier handler takes three arguments (SA_SIGINFO).
    earlier_takes_info: AtomicI32,
    /// How many handlers are running right now.
    running: AtomicUsize,
    installed: Mutex<Installed>,
}

#[derive(Default)]
struct Installed {
    listeners: usize,
    earlier: Option<libc::sigaction>,
}

impl Watch {
    const fn new(number: i32) -> Self {
        Self {
            number,
            listeners: [const { AtomicI32::new(NONE) }; MOST],
            earlier: AtomicUsize::new(0),
            earlier_takes_info: AtomicI32::new(0),
            running: AtomicUsize::new(0),
            installed: Mutex::new(Installed {
                listeners: 0,
                earlier: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Installed> {
        self.installed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&'static self, eventfd: RawFd) -> io::Result<usize> {
        let mut installed = self.lock();
        let free = |slot: &AtomicI32| {
            slot.compare_exchange(NONE, eventfd, Ordering::SeqCst, Ordering::Relaxed)
                .is_ok()
        };
        let slot = self.listeners.iter().position(free);
        let slot = slot.ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::ResourceBusy,
                "64 futures wait for this signal already",
            )
        })?;
        let ready = if installed.listeners == 0 {
            self.install(&mut installed)
        } else {
            Ok(())
        };
        if let Err(error) = ready {
            self.listeners[slot].store(NONE, Ordering::SeqCst);
            return Err(error);
        }
        installed.listeners += 1;
        Ok(slot)
    }

    fn remove(&'static self, slot: usize) {
        let mut installed = self.lock();
        self.listeners[slot].store(NONE, Ordering::SeqCst);
        installed.listeners -= 1;
        if installed.listeners == 0 {
            self.uninstall(&mut installed);
        }
        drop(installed);
        // A handler on another thread may have read the number before it was taken out.
        while self.running.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
    }

    fn install(&self, installed: &mut Installed) -> io::Result<()> {
        if installed.earlier.is_some() {
            // We stand there still, below a handler that came later and calls what it found. To stand above it too would be a circle.
            return Ok(());
        }
        // SAFETY: sigaction is made of integers, a signal set and a function address as an integer: all zeroes is a value of it.
        let (mut ours, mut earlier): (libc::sigaction, libc::sigaction) =
            unsafe { std::mem::zeroed() };
        let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_signal;
        ours.sa_sigaction = handler as usize;
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        // SAFETY: both structs are ours for the call; `on_signal` does only what a signal handler may do (see there).
        if unsafe { libc::sigaction(self.number, &ours, &mut earlier) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let function = match earlier.sa_sigaction {
            libc::SIG_DFL | libc::SIG_IGN => 0,
            function => function,
        };
        self.earlier_takes_info
            .store(earlier.sa_flags & libc::SA_SIGINFO, Ordering::SeqCst);
        self.earlier.store(function, Ordering::SeqCst);
        installed.earlier = Some(earlier);
        Ok(())
    }

    fn uninstall(&self, installed: &mut Installed) {
        let Some(earlier) = installed.earlier else {
            return;
        };
        // SAFETY: as in `install`; with a null new action the call only reads.
        unsafe {
            let mut now: libc::sigaction = std::mem::zeroed();
            let asked = libc::sigaction(self.number, std::ptr::null(), &mut now);
            let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = on_signal;
            // Somebody who came after us keeps the place, and is presumed to call us: `earlier` stays noted, see `install`.
            if asked == 0 && now.sa_sigaction == handler as usize {
                libc::sigaction(self.number, &earlier, std::ptr::null_mut());
                installed.earlier = None;
            }
        }
    }

    /// Runs inside a signal handler: atomics, write(2), and the handler that stood here before.
    fn deliver(&self, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
        self.running.fetch_add(1, Ordering::SeqCst);
        for slot in &self.listeners {
            let eventfd = slot.load(Ordering::SeqCst);
            if eventfd != NONE {
                let one = 1u64;
                // SAFETY: write(2) is async-signal-safe and reads 8 bytes of a local. The eventfd is open: its owner takes it out of
                // the list, and waits for `running` to be 0, before it closes it.
                unsafe { libc::write(eventfd, std::ptr::from_ref(&one).cast(), size_of::<u64>()) };
            }
        }
        let earlier = self.earlier.load(Ordering::SeqCst);
        if earlier != 0 {
            // SAFETY: it is what sigaction(2) said the earlier handler was, called with the arguments that its SA_SIGINFO flag asks for.
            unsafe {
                if self.earlier_takes_info.load(Ordering::SeqCst) == 0 {
                    std::mem::transmute::<usize, extern "C" fn(i32)>(earlier)(self.number);
                } else {
                    let function = std::mem::transmute::<
                        usize,
                        extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void),
                    >(earlier);
                    function(self.number, info, context);
                }
            }
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
    }
}

static INTERRUPT: Watch = Watch::new(libc::SIGINT);
static TERMINATE: Watch = Watch::new(libc::SIGTERM);

extern "C" fn on_signal(number: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: __errno_location is async-signal-safe; the code that was interrupted finds its errno as it was.
    let errno = unsafe { *libc::__errno_location() };
    match number {
        libc::SIGINT => INTERRUPT.deliver(info, context),
        libc::SIGTERM => TERMINATE.deliver(info, context),
        _ => {}
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Waits for a signal. See [`ctrl_c`] and [`terminate`].
#[must_use = "futures do nothing unless polled"]
pub struct Signal {
    watch: &'static Watch,
    listening: Option<Listening>,
}

struct Listening {
    slot: usize,
    watch: &'static Watch,
    reading: Laned<Recv<Box<[u8; 8]>>>,
    /// Dropped last: nothing may name the eventfd any more.
    _eventfd: Fd,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.watch.remove(self.slot);
    }
}

/// Waits for SIGINT, which Ctrl-C sends.
///
/// While such a future listens (from its first poll), the signal does not end the process. A handler that stood before is called as well, and is put
/// back when the last listener of the process has gone.
///
/// # Errors
/// When polled outside a runtime, without a free descriptor, or as the 65th listener.
pub fn ctrl_c() -> Signal {
    Signal {
        watch: &INTERRUPT,
        listening: None,
    }
}

/// Waits for SIGTERM, by which service managers end a process; else as [`ctrl_c`].
///
/// # Errors
/// As [`ctrl_c`].
pub fn terminate() -> Signal {
    Signal {
        watch: &TERMINATE,
        listening: None,
    }
}

fn listen(watch: &'static Watch) -> io::Result<Listening> {
    let driver = Driver::admit()?;
    let mut eventfd = KernelFd::adopt(driver.call(Call::Eventfd)? as RawFd);
    // The handler writes to it behind the seam's back: only this machine's own kernel has signals.
    let raw = eventfd.as_std()?.as_raw_fd();
    let eventfd = Fd::on(&driver, eventfd, Kind::Eventfd);
    Ok(Listening {
        slot: watch.add(raw)?,
        watch,
        reading: ops::read(&eventfd, Box::new([0; 8]), Stream::Pipe),
        _eventfd: eventfd,
    })
}

impl Future for Signal {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let listening = match &mut this.listening {
            Some(listening) => listening,
            none => match listen(this.watch) {
                Ok(listening) => none.insert(listening),
                Err(error) => return Poll::Ready(Err(error)),
            },
        };
        let (result, _) = ready!(Pin::new(&mut listening.reading).poll(cx));
        this.listening = None;
        Poll::Ready(result.map(drop))
    }
}
