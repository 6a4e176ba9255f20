//! Which kernel a driver runs on.

/// Which kernel carries the operations out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelChoice {
    /// io_uring.
    #[default]
    Auto,
    /// io_uring, or an error that names cause and cure.
    Uring,
}
