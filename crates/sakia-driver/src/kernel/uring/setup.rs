//! How a ring comes to be: the ladder of set-up flags, smaller rings when memory is short, and errors that help.
//!
//! The kernel answers EINVAL to a flag that it does not know, so each rung of the ladder asks for less. ENOMEM means that the
//! user's RLIMIT_MEMLOCK is spent, on rings too, and that the charge of closed rings comes back only some 50 ms later: the ring is
//! halved, then waited for, never spun on.

use std::io;
use std::time::Duration;

use io_uring::IoUring;

use super::Ask;
use crate::kernel::setup_error::SetupError;

/// The completion queue's size in submission queues.
const CQ_FACTOR: u32 = 4;
/// The smallest ring that is tried when memory is short.
const SMALLEST: u32 = 8;
/// How often a ring of the smallest size is asked for, and how long between: the charge of dead rings comes back late.
const PATIENCE: u32 = 4;
const PAUSE: Duration = Duration::from_millis(50);

/// A rung of the ladder, from the best flags to the fewest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rung {
    /// SINGLE_ISSUER, DEFER_TASKRUN, SUBMIT_ALL, TASKRUN_FLAG, NO_SQARRAY: Linux 6.6.
    Full,
    /// The same without NO_SQARRAY: Linux 6.1.
    Deferred,
    /// COOP_TASKRUN in place of DEFER_TASKRUN: Linux 5.19.
    Cooperative,
    /// SUBMIT_ALL alone: Linux 5.18.
    SubmitAll,
    /// No flag but the sizes: Linux 5.11.
    Plain,
}

const LADDER: [Rung; 5] = [
    Rung::Full,
    Rung::Deferred,
    Rung::Cooperative,
    Rung::SubmitAll,
    Rung::Plain,
];

/// Creates a ring: down the ladder on EINVAL, smaller on ENOMEM. [`explain`] says what an error means.
pub(super) fn build(ask: &Ask) -> io::Result<IoUring> {
    climb_down(ask.entries, create, std::thread::sleep)
}

/// The policy of [`build`], apart from the system call and the clock so that tests can play the kernel.
fn climb_down<R>(
    entries: u32,
    mut create: impl FnMut(Rung, u32) -> io::Result<R>,
    mut pause: impl FnMut(Duration),
) -> io::Result<R> {
    let mut rungs = LADDER.into_iter();
    let mut rung = rungs.next().unwrap_or(Rung::Plain);
    let mut size = entries;
    let mut patience = PATIENCE;
    loop {
        let error = match create(rung, size) {
            Ok(ring) => return Ok(ring),
            Err(error) => error,
        };
        match error.raw_os_error() {
            Some(libc::EINVAL) => match rungs.next() {
                Some(next) => rung = next,
                None => return Err(error),
            },
            Some(libc::ENOMEM) if size > SMALLEST => size = (size / 2).max(SMALLEST),
            Some(libc::ENOMEM) if patience > 0 => {
                patience -= 1;
                pause(PAUSE);
            }
            Some(libc::EINTR) => {}
            _ => return Err(error),
        }
    }
}

fn create(rung: Rung, entries: u32) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder
        .dontfork()
        .setup_clamp()
        .setup_cqsize(entries.saturating_mul(CQ_FACTOR));
    if rung != Rung::Plain {
        builder.setup_submit_all();
    }
    match rung {
        Rung::Full => {
            builder
                .setup_single_issuer()
                .setup_defer_taskrun()
                .setup_taskrun_flag()
                .setup_no_sqarray();
        }
        Rung::Deferred => {
            builder
                .setup_single_issuer()
                .setup_defer_taskrun()
                .setup_taskrun_flag();
        }
        Rung::Cooperative => {
            builder.setup_coop_taskrun().setup_taskrun_flag();
        }
        Rung::SubmitAll | Rung::Plain => {}
    }
    let ring = builder.build(entries)?;
    if !ring.params().is_feature_ext_arg() || !ring.params().is_feature_nodrop() {
        // Below 5.11 a wait has no deadline: such a kernel is as good as one without io_uring.
        return Err(io::Error::from_raw_os_error(libc::ENOSYS));
    }
    Ok(ring)
}

pub(super) fn explain(error: io::Error) -> io::Error {
    let (cause, cure) = match error.raw_os_error() {
        Some(libc::EPERM) => denied(std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()),
        Some(libc::EACCES) => (
            "io_uring is denied to this process by a security module, as SELinux does by io_uring_allowed".into(),
            "see the audit log for the denial, and permit io_uring to this program's domain or profile".into(),
        ),
        Some(libc::EINVAL) => (
            "io_uring is there, but does not know what sakia asks of it: the kernel is too old, or a sandbox serves it in part".into(),
            "use Linux 6.1 or later (5.11 at least), or the kernel of the machine in place of the sandbox's".into(),
        ),
        Some(libc::ENOSYS) => (
            "io_uring is not there: the kernel is older than 5.11, was built without it, or a seccomp filter hides it".into(),
            "use Linux 6.1 or later, and in a container a seccomp profile that permits io_uring_setup, io_uring_enter and io_uring_register".into(),
        ),
        Some(libc::ENOMEM) => (
            format!(
                "no memory may be locked for a ring: RLIMIT_MEMLOCK is {} and the rings of this user have spent it",
                memlock_limit()
            ),
            format!(
                "raise the limit (ulimit -l, LimitMEMLOCK=, --ulimit memlock=-1) by {} KiB a runtime, use fewer entries, or fewer runtimes",
                need(SMALLEST)
            ),
        ),
        Some(libc::EMFILE | libc::ENFILE) => (
            "no descriptor is left for the ring".to_string(),
            "raise RLIMIT_NOFILE (ulimit -n), or close descriptors first".to_string(),
        ),
        _ => (
            format!("the ring could not be created: {error}"),
            "run under strace to see which io_uring call the kernel refuses".to_string(),
        ),
    };
    SetupError::wrap(cause, cure, error)
}

/// Tells who denies io_uring: the sysctl, if it is set, and else a seccomp filter.
fn denied(sysctl: Option<String>) -> (String, String) {
    match sysctl.as_deref().map(str::trim) {
        Some(value @ ("1" | "2")) => (
            format!("io_uring is denied on this machine: kernel.io_uring_disabled is {value}"),
            "set it to 0 (sysctl kernel.io_uring_disabled=0), or for 1 run with CAP_SYS_ADMIN or in the group of kernel.io_uring_group".into(),
        ),
        _ => (
            "io_uring is denied to this process, as the default seccomp profiles of Docker and containerd do".into(),
            "run with a seccomp profile that permits io_uring_setup, io_uring_enter and io_uring_register".into(),
        ),
    }
}

/// What a ring of `entries` is charged, in KiB: its SQEs, and CQEs of 16 bytes, in whole pages.
fn need(entries: u32) -> u64 {
    let pages = |bytes: u64| bytes.div_ceil(4096);
    let entries = u64::from(entries);
    (pages(entries * 64) + pages(entries * u64::from(CQ_FACTOR) * 16 + 320)) * 4
}

/// The soft limit, as /proc says it: the same number that `ulimit -l` prints, in bytes.
pub(super) fn memlock_limit() -> String {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max locked memory"))
        .and_then(|rest| rest.split_whitespace().next())
        .map_or_else(|| "unknown".into(), |soft| format!("{soft} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errno(code: i32) -> io::Error {
        io::Error::from_raw_os_error(code)
    }

    #[test]
    fn each_unknown_flag_costs_one_rung_and_no_entries() {
        let mut seen = Vec::new();
        let got = climb_down(
            256,
            |rung, size| {
                seen.push((rung, size));
                if rung == Rung::Cooperative {
                    Ok(())
                } else {
                    Err(errno(libc::EINVAL))
                }
            },
            |_| panic!("an unknown flag is no reason to wait"),
        );
        assert!(got.is_ok());
        assert_eq!(
            seen,
            [
                (Rung::Full, 256),
                (Rung::Deferred, 256),
                (Rung::Cooperative, 256)
            ]
        );
    }

    #[test]
    fn a_spent_memlock_halves_the_ring_and_then_waits_instead_of_spinning() {
        let (mut sizes, mut pauses) = (Vec::new(), 0);
        let got = climb_down::<()>(
            64,
            |rung, size| {
                assert_eq!(rung, Rung::Full);
                sizes.push(size);
                Err(errno(libc::ENOMEM))
            },
            |time| {
                assert!(time >= Duration::from_millis(50));
                pauses += 1;
            },
        );
        assert_eq!(got.unwrap_err().raw_os_error(), Some(libc::ENOMEM));
        assert_eq!(sizes[..4], [64, 32, 16, 8]);
        assert_eq!((sizes.len() as u32, pauses), (4 + PATIENCE, PATIENCE));
    }

    #[test]
    fn errors_name_cause_and_cure() {
        for (code, cause, cure) in [
            (libc::ENOMEM, "RLIMIT_MEMLOCK is", "ulimit -l"),
            (libc::ENOSYS, "older than", "seccomp"),
            (libc::EACCES, "security module", "audit log"),
            (libc::EINVAL, "too old", "5.11"),
            (libc::EMFILE, "descriptor", "RLIMIT_NOFILE"),
        ] {
            let error = explain(errno(code));
            let inner = error
                .get_ref()
                .unwrap()
                .downcast_ref::<SetupError>()
                .unwrap();
            assert!(inner.cause().contains(cause), "{error}");
            assert!(inner.cure().contains(cure), "{error}");
        }
        assert!(
            denied(Some("2\n".into()))
                .0
                .contains("io_uring_disabled is 2")
        );
        assert!(denied(Some("0\n".into())).0.contains("seccomp"));
    }
}
