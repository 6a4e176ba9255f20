//! Where in the source a descriptor was asked for: a word with the feature `track-origin`, and nothing without.

#[cfg(feature = "track-origin")]
use std::panic::Location;

/// A place in the source, if the feature `track-origin` is on.
///
/// Whoever makes a future that will bring a descriptor takes it, and gives it to the descriptor when that is there ([`Fd::asked_at`](crate::Fd::asked_at)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    #[cfg(feature = "track-origin")]
    place: Option<&'static Location<'static>>,
}

#[cfg(feature = "track-origin")]
impl Origin {
    /// The place that calls; `#[track_caller]` hands it down.
    #[track_caller]
    #[inline]
    pub fn caller() -> Self {
        Self {
            place: Some(Location::caller()),
        }
    }

    /// The place, if it is known.
    pub fn place(self) -> Option<&'static Location<'static>> {
        self.place
    }
}

#[cfg(not(feature = "track-origin"))]
impl Origin {
    /// The place that calls: not kept without the feature.
    #[inline]
    pub fn caller() -> Self {
        Self {}
    }

    /// The place, if it is known: it is not.
    pub fn place(self) -> Option<&'static std::panic::Location<'static>> {
        None
    }
}
