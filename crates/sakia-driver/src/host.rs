//! What a set-up may ask of its thread and its process: the cores to run on, and as many descriptors as are allowed.

use std::io;

use crate::kernel::setup_error::SetupError;

/// A thread that has been pinned; unless it is [kept](Pinned::keep), it may run again where it might before.
pub(crate) struct Pinned {
    before: Option<libc::cpu_set_t>,
}

impl Pinned {
    /// Pins this thread to these cores.
    pub(crate) fn to(cores: &[usize]) -> io::Result<Self> {
        let allowed = allowed().map_err(refused)?;
        let list = list_of(&allowed);
        if cores.is_empty() {
            return Err(SetupError::wrap(
                "the runtime is to be pinned, but to no core",
                format!("name at least one of the cores {list}, or do not pin"),
                io::Error::from_raw_os_error(libc::EINVAL),
            ));
        }
        if let Some(core) = cores.iter().find(|core| !contains(&allowed, **core)) {
            return Err(SetupError::wrap(
                format!(
                    "core {core} is not among those that this thread may run on, which are {list}"
                ),
                "name one of these, or widen the set (taskset, cpuset cgroup, --cpuset-cpus)",
                io::Error::from_raw_os_error(libc::EINVAL),
            ));
        }
        let mut wanted = none();
        for core in cores {
            // SAFETY: CPU_SET writes one bit of the set; `core` is one of `allowed`, so below its size.
            unsafe { libc::CPU_SET(*core, &mut wanted) };
        }
        set(&wanted).map_err(refused)?;
        Ok(Self {
            before: Some(allowed),
        })
    }

    /// The thread stays pinned.
    pub(crate) fn keep(mut self) {
        self.before = None;
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // It was in force a moment ago.
            let _ = set(before);
        }
    }
}

fn refused(error: io::Error) -> io::Error {
    SetupError::wrap(
        format!("the thread could not be pinned: {error}"),
        "see that sched_getaffinity(2) and sched_setaffinity(2) are permitted, or do not pin",
        error,
    )
}

fn none() -> libc::cpu_set_t {
    // SAFETY: a cpu_set_t is an array of integers, all zeroes is the empty set.
    unsafe { std::mem::zeroed() }
}

fn contains(set: &libc::cpu_set_t, core: usize) -> bool {
    // SAFETY: CPU_ISSET reads one bit, of a core that is below the size of the set.
    core < libc::CPU_SETSIZE as usize && unsafe { libc::CPU_ISSET(core, set) }
}

fn allowed() -> io::Result<libc::cpu_set_t> {
    let mut set = none();
    // SAFETY: the kernel writes at most the size of the set, which is ours; 0 is this thread.
    match unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) } {
        0 => Ok(set),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set(set: &libc::cpu_set_t) -> io::Result<()> {
    // SAFETY: the kernel reads a set of ours; 0 is this thread.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// "0-3,8".
fn list_of(set: &libc::cpu_set_t) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut core = 0;
    while core < libc::CPU_SETSIZE as usize {
        let first = core;
        while contains(set, core) {
            core += 1;
        }
        match core - first {
            0 => core += 1,
            1 => parts.push(first.to_string()),
            _ => parts.push(format!("{first}-{}", core - 1)),
        }
    }
    parts.join(",")
}

/// Lifts the soft limit of descriptors to the hard one.
pub(crate) fn raise_nofile() -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: getrlimit(2) writes, and setrlimit(2) reads, one struct of ours.
    let raised = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0
            && (limit.rlim_cur == limit.rlim_max || {
                limit.rlim_cur = limit.rlim_max;
                libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0
            })
    };
    if raised {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    Err(SetupError::wrap(
        format!("the limit of descriptors could not be raised: {error}"),
        "raise it outside (ulimit -n, LimitNOFILE=), or do not ask for it",
        error,
    ))
}

/// Has this called when the process exits, on the thread that ends it.
pub(crate) fn at_exit(action: extern "C" fn()) {
    // SAFETY: atexit(3) keeps the address of a function, which is there for as long as this code is: where it lies in a library that is unloaded, the C library calls
    // it then, and not later. That there is no room for one more is not told: what it does is a favour.
    unsafe { libc::atexit(action) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_listed_in_ranges() {
        let mut set = none();
        assert_eq!(list_of(&set), "");
        for core in [0, 1, 2, 5, 8, 9, libc::CPU_SETSIZE as usize - 1] {
            // SAFETY: below the size of the set.
            unsafe { libc::CPU_SET(core, &mut set) };
        }
        assert_eq!(list_of(&set), "0-2,5,8-9,1023");
    }

    #[test]
    fn a_pin_that_is_not_kept_is_undone() {
        let before = list_of(&allowed().unwrap());
        let first = before.split([',', '-']).next().unwrap().to_owned();
        let pinned = Pinned::to(&[first.parse().unwrap()]).unwrap();
        assert_eq!(list_of(&allowed().unwrap()), first);
        drop(pinned);
        assert_eq!(list_of(&allowed().unwrap()), before);
    }
}
