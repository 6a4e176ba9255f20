//! The integration tests of sakia.
