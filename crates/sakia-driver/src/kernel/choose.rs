//! Which kernel a driver runs on.

/// Which kernel carries the operations out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelChoice {
    /// io_uring.
    #[default]
    Auto,
    /// io_uring, or an error that names cause and cure.
    Uring,
    /// A model with this seed, for tests: no system call at all.
    #[cfg(feature = "sim")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sim")))]
    Sim(crate::SimConfig),
}
