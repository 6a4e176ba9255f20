//! Which kernel a driver runs on.

use std::io;

use super::Below;
use super::emulated::Emulated;
use super::setup_error::SetupError;
use super::uring::{Ask, Uring};
use crate::driver::Config;

/// The variable that decides where the program does not.
const VARIABLE: &str = "SAKIA_KERNEL";

/// Which kernel carries the operations out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelChoice {
    /// io_uring; where it is denied (a container's seccomp profile, `kernel.io_uring_disabled`) or not there (Linux before 5.11), epoll and
    /// threads. [`Driver::fallback_reason`](crate::Driver::fallback_reason) tells why. A lack of memory or of descriptors is no
    /// reason: it is an error, on each kernel.
    ///
    /// The environment variable `SAKIA_KERNEL` (`auto`, `uring`, `emulated`) decides instead, so that a program, or all of its tests, can
    /// be tried on each.
    #[default]
    Auto,
    /// io_uring, or an error that names cause and cure.
    Uring,
    /// epoll and threads: no system call of io_uring's is made.
    Emulated,
    /// A model with this seed, for tests: no system call at all.
    #[cfg(feature = "sim")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sim")))]
    Sim(crate::SimConfig),
}

/// The longest queue: IORING_MAX_ENTRIES. More is no error (IORING_SETUP_CLAMP), on each kernel.
const LONGEST: u32 = 32768;

/// A ring that is smaller than was asked for, because no more memory may be locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shrunk {
    /// The entries that were asked for, as [`Config::entries`] rounds them.
    pub asked: u32,
    /// The entries that it has.
    pub got: u32,
}

/// A kernel, and how it is less than what was asked for.
pub(crate) struct Chosen {
    pub(crate) kernel: Below,
    /// Why it is not io_uring, if that was the first choice.
    pub(crate) fallback: Option<SetupError>,
    pub(crate) shrunk: Option<Shrunk>,
}

impl Chosen {
    fn wholly(kernel: Below) -> Self {
        Self {
            kernel,
            fallback: None,
            shrunk: None,
        }
    }

    fn uring(uring: Uring, asked: u32) -> Self {
        let got = uring.entries();
        Self {
            shrunk: (got < asked).then_some(Shrunk { asked, got }),
            ..Self::wholly(Below::Uring(uring))
        }
    }
}

impl Below {
    /// Sets up the kernel that is asked for.
    pub(crate) fn choose(config: &Config) -> io::Result<Chosen> {
        let ask = Ask {
            entries: config.entries.clamp(1, LONGEST).next_power_of_two(),
            workers: [config.bounded_workers, config.unbounded_workers],
        };
        let emulated = || Emulated::new(&ask).map(Self::Emulated);
        match decide(&config.kernel, std::env::var_os(VARIABLE))? {
            KernelChoice::Uring => Ok(Chosen::uring(Uring::new(&ask)?, ask.entries)),
            KernelChoice::Emulated => emulated().map(Chosen::wholly),
            #[cfg(feature = "sim")]
            KernelChoice::Sim(sim) => super::simulated::Simulated::new(sim, ask.entries)
                .map(Self::Simulated)
                .map(Chosen::wholly),
            KernelChoice::Auto => match Uring::new(&ask) {
                Ok(uring) => Ok(Chosen::uring(uring, ask.entries)),
                Err(error) => Ok(Chosen {
                    fallback: Some(denial(error)?),
                    ..Chosen::wholly(emulated()?)
                }),
            },
        }
    }
}

fn decide(choice: &KernelChoice, variable: Option<std::ffi::OsString>) -> io::Result<KernelChoice> {
    let (KernelChoice::Auto, Some(variable)) = (choice, variable) else {
        return Ok(choice.clone());
    };
    match variable.to_str() {
        Some("" | "auto") => Ok(KernelChoice::Auto),
        Some("uring") => Ok(KernelChoice::Uring),
        Some("emulated") => Ok(KernelChoice::Emulated),
        _ => Err(SetupError::wrap(
            format!("the environment variable {VARIABLE} is {variable:?}, which is no kernel"),
            format!("unset {VARIABLE}, or set it to auto, uring or emulated"),
            io::Error::from_raw_os_error(libc::EINVAL),
        )),
    }
}

/// Whether io_uring is denied or not there; any other error is given back.
fn denial(error: io::Error) -> io::Result<SetupError> {
    let setup = error.downcast::<SetupError>()?;
    match setup.raw_os_error() {
        // EACCES is how a security module denies; EINVAL at the foot of the ladder is a kernel that knows too little.
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS | libc::EINVAL) => Ok(setup),
        _ => Err(setup.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernel;

    fn refused(errno: i32) -> io::Error {
        SetupError::wrap("cause", "cure", io::Error::from_raw_os_error(errno))
    }

    #[test]
    fn only_what_is_denied_or_not_there_is_a_reason_to_fall_back() {
        for errno in [libc::EPERM, libc::EACCES, libc::ENOSYS, libc::EINVAL] {
            assert_eq!(denial(refused(errno)).unwrap().raw_os_error(), Some(errno));
        }
        for errno in [libc::ENOMEM, libc::EMFILE, libc::ENFILE, libc::EAGAIN] {
            let error = denial(refused(errno)).unwrap_err();
            let setup = error
                .get_ref()
                .unwrap()
                .downcast_ref::<SetupError>()
                .unwrap();
            assert_eq!(
                setup.raw_os_error(),
                Some(errno),
                "the error is the same one"
            );
        }
    }

    #[test]
    fn the_variable_decides_where_the_program_does_not_and_nonsense_is_an_error() {
        for (said, chosen) in [
            ("uring", KernelChoice::Uring),
            ("emulated", KernelChoice::Emulated),
            ("auto", KernelChoice::Auto),
            ("", KernelChoice::Auto),
        ] {
            assert_eq!(
                decide(&KernelChoice::Auto, Some(said.into())).unwrap(),
                chosen
            );
        }
        assert_eq!(
            decide(&KernelChoice::Uring, Some("emulated".into())).unwrap(),
            KernelChoice::Uring
        );
        assert_eq!(
            decide(&KernelChoice::Auto, None).unwrap(),
            KernelChoice::Auto
        );
        let error = decide(&KernelChoice::Auto, Some("epoll".into())).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("set it to auto, uring or emulated"),
            "{error}"
        );
    }

    #[test]
    fn an_accept_waits_first_where_the_ring_knows_how_and_on_no_other_kernel() {
        let choose = |kernel| {
            let config = Config {
                kernel,
                ..Config::default()
            };
            Below::choose(&config).map(|chosen| chosen.kernel)
        };
        let emulated = choose(KernelChoice::Emulated).expect("it needs little");
        assert!(!emulated.waits_to_accept());
        let Ok(below) = choose(KernelChoice::Uring) else {
            eprintln!("skipped: io_uring is denied here");
            return;
        };
        let Below::Uring(ring) = &below else {
            unreachable!("it was asked for by name")
        };
        assert_eq!(below.waits_to_accept(), ring.waits_to_accept());
    }
}
